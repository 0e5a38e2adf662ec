/* form.h: a body of multipart/form-data (RFC 7578, RFC 2046 section 5.1), as
 * browsers, curl -F and Python's requests send it. Parts without a name, and
 * all headers of a part but its name, are not looked at. No I/O; any thread. */
#ifndef WIRE_FORM_H
#define WIRE_FORM_H

#include "base/slice.h"

#include <cah/error.h>

enum {
	WIRE_FORM_PARTS_MAX = 16,
	WIRE_FORM_HEAD_MAX = 4096,   /* bytes of a part's headers */
	WIRE_FORM_BOUNDARY_MAX = 70, /* bytes; RFC 2046 */
};

struct wire_form {
	size_t count;
	struct wire_part {
		struct slice name; /* between its quotes, as it stands there */
		struct slice content;
	} parts[WIRE_FORM_PARTS_MAX];
};

/* Whether a Content-Type says that the body is one. */
bool wire_form_is(struct slice content_type);

/* Takes @body apart; all slices are borrowed from it. Errors: CAH_EFORMAT (no
 * boundary, no end, a head too long), CAH_ELIMIT (too many parts). */
CAH_MUST_CHECK int wire_form_parse(struct wire_form *out,
				   struct slice content_type, struct slice body,
				   struct cah_error *err);

/* The content of the first part @name; false where there is none. */
bool wire_form_get(const struct wire_form *form, struct slice name,
		   struct slice *out);

#endif
