#include "wire/json.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>

#ifdef __SSE2__
#	include <emmintrin.h>
#endif

void wire_json_init(struct wire_json *json, struct buf *out)
{
	json->out = out;
	json->needs_comma = false;
}

static void begin_value(struct wire_json *json)
{
	if (json->needs_comma)
		buf_add_byte(json->out, ',');
	json->needs_comma = true;
}

void wire_json_open(struct wire_json *json, char bracket)
{
	begin_value(json);
	buf_add_byte(json->out, bracket);
	json->needs_comma = false;
}

void wire_json_close(struct wire_json *json, char bracket)
{
	buf_add_byte(json->out, bracket);
	json->needs_comma = true;
}

static void add_rune(struct buf *out, struct slice bytes, uint32_t rune)
{
	if (rune == '"' || rune == '\\') {
		buf_add_byte(out, '\\');
		buf_add_byte(out, (char)rune);
	} else if (utf8_is_control(rune)) {
		buf_printf(out, "\\u%04x", rune);
	} else {
		buf_add_slice(out, bytes);
	}
}

static bool is_plain(char c)
{
	return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

/* Bytes at the start of @s that stand for themselves: nearly all that there
 * are, so they are taken in one go. */
static size_t plain_len(struct slice s)
{
	size_t n = 0;
#ifdef __SSE2__
	/* The last look goes back over bytes that were plain, so that no tail
	 * is left. Bytes compare with their sign: those that are not ASCII are
	 * below ' '. */
	while (s.len >= 16 && n < s.len) {
		size_t at = n + 16 <= s.len ? n : s.len - 16;
		__m128i v = _mm_loadu_si128(
			(const __m128i *)(const void *)(s.data + at));
		__m128i hit = _mm_cmplt_epi8(v, _mm_set1_epi8(' '));
		hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
		hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
		hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
		int mask = _mm_movemask_epi8(hit);
		if (mask != 0)
			return at + (size_t)__builtin_ctz((unsigned int)mask);
		n = at + 16;
	}
#endif
	while (n < s.len && is_plain(s.data[n]))
		n++;
	return n;
}

static void add_string(struct buf *out, struct slice s)
{
	buf_add_byte(out, '"');
	for (;;) {
		size_t plain = plain_len(s);
		buf_add(out, s.data, plain);
		s = slice_from(s, plain);
		if (s.len == 0)
			break;
		uint32_t rune;
		size_t len = utf8_read_valid(s, &rune);
		if (len == 0)
			buf_add_text(out, "\xef\xbf\xbd");
		else
			add_rune(out, (struct slice){s.data, len}, rune);
		s = slice_from(s, len > 0 ? len : 1);
	}
	buf_add_byte(out, '"');
}

void wire_json_key(struct wire_json *json, const char *key)
{
	begin_value(json);
	add_string(json->out, slice_of(key));
	buf_add_byte(json->out, ':');
	json->needs_comma = false;
}

void wire_json_text(struct wire_json *json, struct slice value)
{
	begin_value(json);
	add_string(json->out, value);
}

void wire_json_int(struct wire_json *json, int64_t value)
{
	begin_value(json);
	buf_printf(json->out, "%" PRId64, value);
}

void wire_json_real(struct wire_json *json, double value)
{
	begin_value(json);
	/* Readers with types take "5" for an integer. */
	bool is_whole = value == floor(value) && fabs(value) < 1e9;
	buf_printf(json->out, is_whole ? "%.1f" : "%.10g", value);
}

void wire_json_raw(struct wire_json *json, struct slice value)
{
	begin_value(json);
	buf_add_slice(json->out, value);
}

void wire_json_put_text(struct wire_json *json, const char *key,
			const char *value)
{
	wire_json_put_slice(json, key, slice_of(value));
}

void wire_json_put_slice(struct wire_json *json, const char *key,
			 struct slice value)
{
	wire_json_key(json, key);
	wire_json_text(json, value);
}

void wire_json_put_int(struct wire_json *json, const char *key, int64_t value)
{
	wire_json_key(json, key);
	wire_json_int(json, value);
}

void wire_json_put_bool(struct wire_json *json, const char *key, bool value)
{
	wire_json_key(json, key);
	begin_value(json);
	buf_printf(json->out, "%s", value ? "true" : "false");
}

void wire_json_put_id(struct wire_json *json, const char *key, int64_t value)
{
	wire_json_key(json, key);
	begin_value(json);
	buf_printf(json->out, "\"%" PRId64 "\"", value);
}
