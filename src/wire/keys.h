/* keys.h: a list of MD5s, one a line, in hexadecimal; and back. Lines end in LF
 * or CRLF, the last may do without; blank lines are none. No I/O; any thread.
 */
#ifndef WIRE_KEYS_H
#define WIRE_KEYS_H

#include "base/buf.h"

#include <cah/error.h>

enum {
	WIRE_KEYS_MAX = 100000, /* of one list */
	WIRE_KEY_LEN = 16,      /* bytes */
	WIRE_KEY_TEXT = 2 * WIRE_KEY_LEN,
};

/* Appends the keys of @list to @out, WIRE_KEY_LEN bytes each. Errors:
 * CAH_EINVALID (which line is none), CAH_ELIMIT (more than WIRE_KEYS_MAX),
 * CAH_ENOMEM. */
CAH_MUST_CHECK int wire_keys_parse(struct buf *out, struct slice list,
				   struct cah_error *err);

/* Appends a key as text to @out. */
void wire_keys_put(struct buf *out, const unsigned char key[WIRE_KEY_LEN]);

#endif
