#include "wire/query.h"

#include "base/ascii.h"
#include "base/fail.h"

size_t wire_percent_decode(char *out, struct slice raw, bool is_form)
{
	size_t len = 0;
	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.data[i];
		if (c == '+' && is_form)
			c = ' ';
		if (c == '%' && i + 2 < raw.len) {
			int high = ascii_hex_value(raw.data[i + 1]);
			int low = ascii_hex_value(raw.data[i + 2]);
			if (high >= 0 && low >= 0) {
				c = (char)(high << 4 | low);
				i += 2;
			}
		}
		out[len++] = c;
	}
	return len;
}

static struct slice decode(struct wire_query *query, size_t *used,
			   struct slice raw)
{
	char *to = query->bytes + *used;
	size_t len = wire_percent_decode(to, raw, true);
	*used += len;
	return (struct slice){to, len};
}

int wire_query_parse(struct wire_query *out, struct slice raw,
		     struct cah_error *err)
{
	out->count = 0;
	if (raw.len > WIRE_QUERY_MAX)
		return cah_fail(err, CAH_EINVALID,
				"query: longer than %d bytes", WIRE_QUERY_MAX);
	size_t used = 0;
	for (size_t at = 0; at < raw.len;) {
		const char *start = raw.data + at;
		const char *amp = memchr(start, '&', raw.len - at);
		size_t len = amp != NULL ? (size_t)(amp - start) : raw.len - at;
		at += len + 1;
		if (len == 0)
			continue;
		if (out->count == WIRE_QUERY_FIELDS_MAX)
			return cah_fail(err, CAH_EINVALID,
					"query: more than %d fields",
					WIRE_QUERY_FIELDS_MAX);
		const char *eq = memchr(start, '=', len);
		size_t name_len = eq != NULL ? (size_t)(eq - start) : len;
		struct slice name = {start, name_len};
		struct slice value =
			slice_from((struct slice){start, len}, name_len + 1);
		struct wire_field *field = &out->fields[out->count++];
		field->name = decode(out, &used, name);
		field->value = decode(out, &used, value);
	}
	return CAH_OK;
}

bool wire_query_get(const struct wire_query *query, struct slice name,
		    struct slice *value)
{
	for (size_t i = 0; i < query->count; i++) {
		if (!slice_equal(query->fields[i].name, name))
			continue;
		*value = query->fields[i].value;
		return true;
	}
	return false;
}
