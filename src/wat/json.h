/* json.h: reads JSON (RFC 8259) forward, without making a tree: what is not
 * wanted is checked and passed over. Strict on grammar, but strings may hold
 * bytes that are not UTF-8. Duplicate keys are the caller's to judge. One
 * owner; no locks. */
#ifndef WAT_JSON_H
#define WAT_JSON_H

#include "base/buf.h"
#include "base/slice.h"

enum {
	JSON_DEPTH_MAX = 200, /* values inside values */
};

struct json {
	const char *at;
	const char *end;
	int depth;
};

/* A string's inside as it stands in the text. */
struct json_text {
	struct slice raw;
	bool has_escape;
};

/* All of these return false where the text is broken; the reader is of no use
 * after that. */

/* The next character that is no white space, '\0' at the end. */
char json_peek(struct json *json);

/* Takes a string; false also where another value stands there. */
CAH_MUST_CHECK bool json_string(struct json *json, struct json_text *out);

/* Passes over any value. */
CAH_MUST_CHECK bool json_skip(struct json *json);

/* Called with the reader at a value, which it must take. */
typedef bool (*json_member_fn)(void *arg, struct json *json, struct slice key);
typedef bool (*json_element_fn)(void *arg, struct json *json);

/* Takes an object or an array whose members go to @fn. Keys longer than 64
 * bytes come as they stand, with their escapes. */
CAH_MUST_CHECK bool json_object(struct json *json, json_member_fn fn,
				void *arg);
CAH_MUST_CHECK bool json_array(struct json *json, json_element_fn fn,
			       void *arg);

/* True when only white space is left. */
bool json_is_done(struct json *json);

/* Appends the string with its escapes decoded, halves of surrogate pairs as
 * U+FFFD. Errors: CAH_ELIMIT, CAH_ENOMEM. */
CAH_MUST_CHECK int json_decode(struct buf *out, struct json_text text);

#endif
