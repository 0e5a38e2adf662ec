/* json.h: writes JSON (RFC 8259) to a buffer. Bytes that are not UTF-8 become
 * U+FFFD, so what comes out is always valid. Failures stay in the buffer (see
 * buf_check). One owner. */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include "base/buf.h"

struct wire_json {
	struct buf *out;
	bool needs_comma;
};

void wire_json_init(struct wire_json *json, struct buf *out);

/* '{', '}', '[' and ']'. */
void wire_json_open(struct wire_json *json, char bracket);
void wire_json_close(struct wire_json *json, char bracket);

/* The name of the member that follows; static names are not escaped less. */
void wire_json_key(struct wire_json *json, const char *key);

void wire_json_text(struct wire_json *json, struct slice value);
void wire_json_int(struct wire_json *json, int64_t value);
void wire_json_real(struct wire_json *json, double value); /* finite */

/* A value that is JSON already. */
void wire_json_raw(struct wire_json *json, struct slice value);

/* Key and value at once. */
void wire_json_put_text(struct wire_json *json, const char *key,
			const char *value);
void wire_json_put_slice(struct wire_json *json, const char *key,
			 struct slice value);
void wire_json_put_int(struct wire_json *json, const char *key, int64_t value);
void wire_json_put_bool(struct wire_json *json, const char *key, bool value);

/* The same as a decimal string: start_id and end_id. */
void wire_json_put_id(struct wire_json *json, const char *key, int64_t value);

#endif
