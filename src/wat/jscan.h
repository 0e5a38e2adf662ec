/* jscan.h: reads JSON (RFC 8259) forward, without making a tree: what is not
 * wanted is checked and passed over. Strict on grammar, but strings may hold
 * bytes that are not UTF-8. Duplicate keys are the caller's to judge. One
 * owner; no locks. */
#ifndef WAT_JSCAN_H
#define WAT_JSCAN_H

#include "base/buf.h"
#include "base/slice.h"

enum {
	JSON_DEPTH_MAX = 200, /* values inside values */
};

struct jscan {
	const char *at;
	const char *end;
	int depth;
};

/* A string's inside as it stands in the text. */
struct jscan_text {
	struct slice raw;
	bool has_escape;
};

/* All of these return false where the text is broken; the reader is of no use
 * after that. */

/* The next character that is no white space, '\0' at the end. */
char jscan_peek(struct jscan *json);

/* Takes a string; false also where another value stands there. */
CAH_MUST_CHECK bool jscan_string(struct jscan *json, struct jscan_text *out);

/* Passes over any value. */
CAH_MUST_CHECK bool jscan_skip(struct jscan *json);

/* Called with the reader at a value, which it must take. */
typedef bool (*jscan_member_fn)(void *arg, struct jscan *json,
				struct slice key);
typedef bool (*jscan_element_fn)(void *arg, struct jscan *json);

/* Takes an object or an array whose members go to @fn. Keys longer than 64
 * bytes come as they stand, with their escapes. */
CAH_MUST_CHECK bool jscan_object(struct jscan *json, jscan_member_fn fn,
				 void *arg);
CAH_MUST_CHECK bool jscan_array(struct jscan *json, jscan_element_fn fn,
				void *arg);

/* True when only white space is left. */
bool jscan_is_done(struct jscan *json);

/* Appends the string with its escapes decoded, halves of surrogate pairs as
 * U+FFFD. Errors: CAH_ELIMIT, CAH_ENOMEM. */
CAH_MUST_CHECK int jscan_decode(struct buf *out, struct jscan_text text);

#endif
