/* Strings are nine tenths of a WAT, so their ends are looked for sixteen bytes
 * at a time where the machine has SSE2, as every x86-64 does. */
#include "wat/jscan.h"

#include "base/ascii.h"
#include "base/utf8.h"

#ifdef __SSE2__
#	include <emmintrin.h>
#endif

enum {
	KEY_MAX = 64, /* bytes of a key that is decoded */
};

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void skip_space(struct jscan *json)
{
	while (json->at < json->end && is_space(*json->at))
		json->at++;
}

/* A WAT has hardly any white space, so mostly this is one comparison. */
static inline char peek(struct jscan *json)
{
	const char *at = json->at;
	if (at < json->end && (unsigned char)*at > ' ')
		return *at;
	skip_space(json);
	return json->at < json->end ? *json->at : '\0';
}

static inline bool take(struct jscan *json, char c)
{
	if (peek(json) != c)
		return false;
	json->at++;
	return true;
}

char jscan_peek(struct jscan *json)
{
	return peek(json);
}

/* Ends or is not allowed in a run of plain characters. */
static bool is_special(char c)
{
	return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

static inline const char *find_special(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i slash = _mm_set1_epi8('\\');
	const __m128i highest = _mm_set1_epi8(0x1f);
	while (end - p >= 16) {
		/* SSE2 compares bytes with their sign; but the larger of a byte
		 * and 0x1f is 0x1f just for those that are not above it. */
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, quote),
					   _mm_cmpeq_epi8(v, slash));
		hit = _mm_or_si128(
			hit, _mm_cmpeq_epi8(_mm_max_epu8(v, highest), highest));
		int mask = _mm_movemask_epi8(hit);
		if (mask != 0)
			return p + __builtin_ctz((unsigned int)mask);
		p += 16;
	}
#endif
	while (p < end && !is_special(*p))
		p++;
	return p;
}

/* Four digits at @p, which must be there; -1 where they are not all digits. */
static int hex_unit(const char *p)
{
	int unit = 0;
	for (int i = 0; i < 4; i++) {
		int digit = ascii_hex_value(p[i]);
		if (digit < 0)
			return -1;
		unit = unit * 16 + digit;
	}
	return unit;
}

/* Behind the escape that begins at @p; NULL where it is none. */
static const char *skip_escape(const char *p, const char *end)
{
	if (end - p < 2)
		return NULL;
	switch (p[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return p + 2;
	case 'u':
		return end - p >= 6 && hex_unit(p + 2) >= 0 ? p + 6 : NULL;
	default:
		return NULL;
	}
}

/* The string whose first byte stands at @start, to its end; returns what is
 * behind, NULL where it is broken. Nothing is decoded here: of a page's strings
 * all but a few are passed over. */
static inline const char *read_string(const char *start, const char *end,
				      struct jscan_text *out)
{
	const char *p = find_special(start, end);
	out->has_escape = false;
	while (p != end && *p == '\\') {
		out->has_escape = true;
		p = skip_escape(p, end);
		if (p == NULL)
			return NULL;
		p = find_special(p, end);
	}
	/* A control character is the other thing that may stand there. */
	if (p == end || *p != '"')
		return NULL;
	out->raw = (struct slice){start, (size_t)(p - start)};
	return p + 1;
}

static inline bool take_string(struct jscan *json, struct jscan_text *out)
{
	if (peek(json) != '"')
		return false;
	json->at = read_string(json->at + 1, json->end, out);
	if (json->at != NULL)
		return true;
	json->at = json->end;
	return false;
}

bool jscan_string(struct jscan *json, struct jscan_text *out)
{
	return take_string(json, out);
}

static bool skip_word(struct jscan *json, struct slice word)
{
	struct slice rest = {json->at, (size_t)(json->end - json->at)};
	if (!slice_starts(rest, word))
		return false;
	json->at += word.len;
	return true;
}

static bool skip_digits(struct jscan *json)
{
	const char *start = json->at;
	while (json->at < json->end && *json->at >= '0' && *json->at <= '9')
		json->at++;
	return json->at > start;
}

static bool skip_one_of(struct jscan *json, char a, char b)
{
	if (json->at == json->end || (*json->at != a && *json->at != b))
		return false;
	json->at++;
	return true;
}

/* RFC 8259, section 6: no zeros in front, digits on both sides of the point. A
 * number's value is never wanted. */
static bool skip_number(struct jscan *json)
{
	(void)skip_one_of(json, '-', '-');
	if (!skip_one_of(json, '0', '0') && !skip_digits(json))
		return false;
	if (skip_one_of(json, '.', '.') && !skip_digits(json))
		return false;
	if (!skip_one_of(json, 'e', 'E'))
		return true;
	(void)skip_one_of(json, '+', '-');
	return skip_digits(json);
}

static bool skip_member(void *arg, struct jscan *json, struct slice key)
{
	(void)arg, (void)key;
	return jscan_skip(json);
}

static bool skip_element(void *arg, struct jscan *json)
{
	(void)arg;
	return jscan_skip(json);
}

/* Recurses with jscan_object and jscan_array, which count the depth. */
bool jscan_skip(struct jscan *json)
{
	struct jscan_text text;
	switch (peek(json)) {
	case '"':
		return jscan_string(json, &text);
	case '{':
		return jscan_object(json, skip_member, NULL);
	case '[':
		return jscan_array(json, skip_element, NULL);
	case 't':
		return skip_word(json, SLICE("true"));
	case 'f':
		return skip_word(json, SLICE("false"));
	case 'n':
		return skip_word(json, SLICE("null"));
	default:
		return skip_number(json);
	}
}

/* One key with its colon and its value. */
static inline bool read_member(struct jscan *json, jscan_member_fn fn,
			       void *arg)
{
	struct jscan_text key;
	if (!take_string(json, &key) || !take(json, ':'))
		return false;
	/* The keys that are looked for are short, but any of their letters may
	 * be written as an escape; a long key equals none either way. */
	if (!key.has_escape || key.raw.len > KEY_MAX)
		return fn(arg, json, key.raw);

	/* Hardly ever; so the memory may come and go. */
	struct buf decoded;
	buf_init(&decoded, KEY_MAX * 3);
	bool is_fine = jscan_decode(&decoded, key) == CAH_OK &&
		       fn(arg, json, buf_slice(&decoded));
	buf_fini(&decoded);
	return is_fine;
}

bool jscan_object(struct jscan *json, jscan_member_fn fn, void *arg)
{
	if (!take(json, '{') || ++json->depth > JSON_DEPTH_MAX)
		return false;
	if (!take(json, '}')) {
		do {
			if (!read_member(json, fn, arg))
				return false;
		} while (take(json, ','));
		if (!take(json, '}'))
			return false;
	}
	json->depth--;
	return true;
}

bool jscan_array(struct jscan *json, jscan_element_fn fn, void *arg)
{
	if (!take(json, '[') || ++json->depth > JSON_DEPTH_MAX)
		return false;
	if (!take(json, ']')) {
		do {
			if (!fn(arg, json))
				return false;
		} while (take(json, ','));
		if (!take(json, ']'))
			return false;
	}
	json->depth--;
	return true;
}

bool jscan_is_done(struct jscan *json)
{
	skip_space(json);
	return json->at == json->end;
}

static bool is_high_half(int unit)
{
	return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low_half(int unit)
{
	return unit >= 0xdc00 && unit < 0xe000;
}

/* Appends the \u escape at @p, with its other half where that follows; returns
 * what is behind. jscan_string has checked the digits. */
static const char *decode_unit(struct buf *out, const char *p, const char *end)
{
	int c = hex_unit(p + 2);
	p += 6;
	if (is_high_half(c) && end - p >= 6 && p[0] == '\\' && p[1] == 'u' &&
	    is_low_half(hex_unit(p + 2))) {
		c = 0x10000 + ((c - 0xd800) << 10) + hex_unit(p + 2) - 0xdc00;
		p += 6;
	} else if (is_high_half(c) || is_low_half(c)) {
		/* RFC 8259, 8.2 leaves open what half a pair means; UTF-8 has
		 * no form for it. */
		c = UTF8_REPLACEMENT;
	}
	char bytes[UTF8_MAX];
	(void)buf_add(out, bytes, utf8_write(bytes, (uint32_t)c));
	return p;
}

int jscan_decode(struct buf *out, struct jscan_text text)
{
	/* Other characters behind a '\\' stand for themselves; jscan_string has
	 * let none pass but '"', '\\' and '/'. */
	static const char names[] = "bfnrt";
	static const char values[] = "\b\f\n\r\t";

	if (!text.has_escape)
		return buf_add_slice(out, text.raw);
	const char *p = text.raw.data;
	const char *end = p + text.raw.len;
	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		size_t plain = (size_t)((slash != NULL ? slash : end) - p);
		(void)buf_add(out, p, plain);
		p += plain;
		if (slash == NULL)
			break;
		if (p[1] == 'u') {
			p = decode_unit(out, p, end);
			continue;
		}
		const char *name = strchr(names, p[1]);
		(void)buf_add_byte(out,
				   name != NULL ? values[name - names] : p[1]);
		p += 2;
	}
	return out->is_failed ? out->code : CAH_OK;
}
