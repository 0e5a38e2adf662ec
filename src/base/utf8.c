#include "base/utf8.h"

/* What may follow a first byte: Unicode 15, table 3-7. */
struct lead {
	uint8_t len;       /* of the whole character */
	uint8_t low, high; /* of the second byte */
};

static struct lead lead_of(uint8_t byte)
{
	if (byte >= 0xc2 && byte <= 0xdf)
		return (struct lead){2, 0x80, 0xbf};
	if (byte == 0xe0)
		return (struct lead){3, 0xa0, 0xbf};
	if (byte == 0xed)
		return (struct lead){3, 0x80, 0x9f};
	if (byte >= 0xe1 && byte <= 0xef)
		return (struct lead){3, 0x80, 0xbf};
	if (byte == 0xf0)
		return (struct lead){4, 0x90, 0xbf};
	if (byte >= 0xf1 && byte <= 0xf3)
		return (struct lead){4, 0x80, 0xbf};
	if (byte == 0xf4)
		return (struct lead){4, 0x80, 0x8f};
	return (struct lead){0, 0, 0};
}

size_t utf8_read(struct slice s, uint32_t *cp)
{
	const uint8_t *p = (const uint8_t *)s.data;
	if (p[0] < 0x80) {
		*cp = p[0];
		return 1;
	}
	*cp = UTF8_REPLACEMENT;
	struct lead lead = lead_of(p[0]);
	if (lead.len == 0 || s.len < 2 || p[1] < lead.low || p[1] > lead.high)
		return 1;
	uint32_t value = p[0] & (0x7fu >> lead.len);
	for (size_t i = 1; i < lead.len; i++) {
		if (i == s.len || (p[i] & 0xc0) != 0x80)
			return i;
		value = value << 6 | (p[i] & 0x3f);
	}
	*cp = value;
	return lead.len;
}

size_t utf8_write(char out[UTF8_MAX], uint32_t cp)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	size_t len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	for (size_t i = len - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (cp & 0x3f));
		cp >>= 6;
	}
	out[0] = (char)(cp | (0xf00u >> len & 0xff));
	return len;
}

size_t utf8_read_valid(struct slice s, uint32_t *cp)
{
	size_t len = utf8_read(s, cp);
	/* The character itself may have been written. */
	if (*cp == UTF8_REPLACEMENT && !slice_starts(s, SLICE("\xef\xbf\xbd")))
		return 0;
	return len;
}

bool utf8_is_valid(struct slice s)
{
	uint32_t cp;
	while (s.len > 0) {
		size_t len = utf8_read_valid(s, &cp);
		if (len == 0)
			return false;
		s = slice_from(s, len);
	}
	return true;
}

struct slice utf8_cut(struct slice s, size_t max)
{
	size_t characters = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (((unsigned char)s.data[i] & 0xc0) == 0x80)
			continue;
		if (characters++ == max)
			return (struct slice){s.data, i};
	}
	return s;
}
