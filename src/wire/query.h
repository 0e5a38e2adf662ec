/* query.h: the fields of a query string, NAME=VALUE&..., as HTML forms and
 * Python's requests write it (URL Standard, section 5.1): percent-decoded, '+'
 * as a space. A '%' without two digits stands for itself, as deployed servers
 * take it. No I/O; one owner. */
#ifndef WIRE_QUERY_H
#define WIRE_QUERY_H

#include "base/slice.h"

#include <cah/error.h>

enum {
	WIRE_QUERY_MAX = 8192, /* bytes of a query string */
	WIRE_QUERY_FIELDS_MAX = 32,
};

struct wire_field {
	struct slice name;
	struct slice value; /* may hold any bytes, NUL among them */
};

struct wire_query {
	size_t count;
	struct wire_field fields[WIRE_QUERY_FIELDS_MAX]; /* in bytes */
	/* The last, so that a short one touches little memory. */
	char bytes[WIRE_QUERY_MAX];
};

/* Takes @raw, what follows the '?', apart. Errors: CAH_EINVALID (too long, too
 * many fields). */
CAH_MUST_CHECK int wire_query_parse(struct wire_query *out, struct slice raw,
				    struct cah_error *err);

/* The first value of @name; false where there is none. */
bool wire_query_get(const struct wire_query *query, struct slice name,
		    struct slice *value);

/* Decodes @raw to @out (room for raw.len bytes); returns the length.
 * @is_form: '+' is a space. */
size_t wire_percent_decode(char *out, struct slice raw, bool is_form);

#endif
