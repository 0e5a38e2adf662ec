#include "wat/url_encode.h"

#include "base/utf8.h"

/* Each set of the standard includes those before it in this list; special-query
 * is query with the ' added. */
#define PATH (URL_SET_PATH | URL_SET_USERINFO)
#define QUERY (URL_SET_QUERY | URL_SET_SPECIAL_QUERY | PATH)

static const uint8_t sets[128] = {
	[' '] = QUERY,
	['"'] = QUERY,
	['#'] = QUERY,
	['<'] = QUERY,
	['>'] = QUERY,
	['\''] = URL_SET_SPECIAL_QUERY,
	['?'] = PATH,
	['^'] = PATH,
	['`'] = PATH,
	['{'] = PATH,
	['}'] = PATH,
	['/'] = URL_SET_USERINFO,
	[':'] = URL_SET_USERINFO,
	[';'] = URL_SET_USERINFO,
	['='] = URL_SET_USERINFO,
	['@'] = URL_SET_USERINFO,
	['['] = URL_SET_USERINFO,
	['\\'] = URL_SET_USERINFO,
	[']'] = URL_SET_USERINFO,
	['|'] = URL_SET_USERINFO,
};

/* Controls and what is not ASCII are in every set. */
static bool is_in(char c, enum url_set set)
{
	uint8_t byte = (uint8_t)c;
	return byte < ' ' || byte >= 0x7f || (sets[byte] & set) != 0;
}

void url_put_byte(struct url_put *put, char byte)
{
	url_put_slice(put, (struct slice){&byte, 1});
}

/* A URL that is too long is written as far as it goes: who asked for it may
 * still tell its scheme. */
void url_put_slice(struct url_put *put, struct slice s)
{
	if (put->is_full)
		return;
	if (s.len > (size_t)(put->end - put->at)) {
		put->is_full = true;
		s.len = (size_t)(put->end - put->at);
	}
	if (s.len != 0)
		memcpy(put->at, s.data, s.len);
	put->at += s.len;
}

static void put_percent(struct url_put *put, uint8_t byte)
{
	static const char digits[] = "0123456789ABCDEF";
	char text[3] = {'%', digits[byte >> 4], digits[byte & 15]};
	url_put_slice(put, (struct slice){text, sizeof(text)});
}

/* Writes the first character of @s, which is in the set; returns its length.
 * Bytes that are no UTF-8 are encoded as U+FFFD, as a browser that decoded the
 * page would. */
static size_t put_character(struct url_put *put, struct slice s)
{
	uint32_t cp;
	char bytes[UTF8_MAX];
	size_t len = utf8_read(s, &cp);
	size_t written = utf8_write(bytes, cp);
	for (size_t i = 0; i < written; i++)
		put_percent(put, (uint8_t)bytes[i]);
	return len;
}

void url_put_encoded(struct url_put *put, struct slice s, enum url_set set)
{
	size_t i = 0;
	while (i < s.len && !put->is_full) {
		size_t start = i;
		while (i < s.len && !is_in(s.data[i], set))
			i++;
		url_put_slice(put, (struct slice){s.data + start, i - start});
		if (i < s.len)
			i += put_character(put, slice_from(s, i));
	}
}
