#include "wire/json.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>

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

/* Bytes at the start of @s that stand for themselves: nearly all that there
 * are, so they are taken in one go. */
static size_t plain_len(struct slice s)
{
	size_t n = 0;
	while (n < s.len && s.data[n] >= ' ' && s.data[n] <= '~' &&
	       s.data[n] != '"' && s.data[n] != '\\')
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

void wire_json_put_id(struct wire_json *json, const char *key, int64_t value)
{
	wire_json_key(json, key);
	begin_value(json);
	buf_printf(json->out, "\"%" PRId64 "\"", value);
}
