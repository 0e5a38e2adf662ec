#include "wire/text.h"

#include "base/fail.h"

/* The least character that needs so many bytes: a longer form of a smaller one
 * is not UTF-8 (RFC 3629, section 3). */
static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

size_t wire_text_rune(struct slice s, uint32_t *rune)
{
	unsigned char first = (unsigned char)s.data[0];
	size_t len = first < 0x80   ? 1
		     : first < 0xc0 ? 0
		     : first < 0xe0 ? 2
		     : first < 0xf0 ? 3
		     : first < 0xf8 ? 4
				    : 0;
	if (len == 0 || len > s.len)
		return 0;
	uint32_t value = len == 1 ? first : first & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		unsigned char next = (unsigned char)s.data[i];
		if ((next & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (next & 0x3f);
	}
	bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
	if (value < least[len] || value > 0x10ffff || is_surrogate)
		return 0;
	*rune = value;
	return len;
}

bool wire_text_is_control(uint32_t rune)
{
	return rune < 0x20 || (rune >= 0x7f && rune < 0xa0);
}

bool wire_text_is_utf8(struct slice s)
{
	uint32_t rune;
	while (s.len > 0) {
		size_t len = wire_text_rune(s, &rune);
		if (len == 0)
			return false;
		s = slice_from(s, len);
	}
	return true;
}

int wire_text_check(struct slice s, size_t min, size_t max, const char *what,
		    struct cah_error *err)
{
	if (s.len < min)
		return cah_fail(err, CAH_EINVALID, "%s: empty", what);
	if (s.len > max)
		return cah_fail(err, CAH_EINVALID, "%s: longer than %zu bytes",
				what, max);
	uint32_t rune;
	while (s.len > 0) {
		size_t len = wire_text_rune(s, &rune);
		if (len == 0)
			return cah_fail(err, CAH_EINVALID, "%s: not UTF-8",
					what);
		if (wire_text_is_control(rune))
			return cah_fail(err, CAH_EINVALID,
					"%s: has a control character", what);
		s = slice_from(s, len);
	}
	return CAH_OK;
}

int wire_nickname_check(struct slice s, struct cah_error *err)
{
	int rc = wire_text_check(s, 1, WIRE_NICKNAME_MAX, "nickname", err);
	if (rc == CAH_OK)
		return CAH_OK;
	if (err != NULL)
		err->code = CAH_EFORMAT;
	return CAH_EFORMAT;
}

int wire_progress_clean(struct buf *out, struct slice s)
{
	int rc = CAH_OK;
	for (int n = 0; n < WIRE_PROGRESS_MAX && s.len > 0; n++) {
		uint32_t rune;
		size_t len = wire_text_rune(s, &rune);
		if (len == 0) {
			rc = buf_add_text(out, "\xef\xbf\xbd");
			len = 1;
		} else if (wire_text_is_control(rune)) {
			rc = buf_add_byte(out, ' ');
		} else {
			rc = buf_add(out, s.data, len);
		}
		s = slice_from(s, len);
	}
	return rc;
}
