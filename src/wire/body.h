/* body.h: a JSON object that came from the other side, and its fields, each
 * with an error that names it: CAH_EFORMAT (422) where one is missing or of
 * the wrong kind, CAH_EINVALID (400) where its value is not allowed. Unknown
 * fields are ignored. What is handed out is borrowed from the body. No I/O;
 * one owner. */
#ifndef WIRE_BODY_H
#define WIRE_BODY_H

#include "base/slice.h"

#include <cah/error.h>
#include <stdint.h>

enum {
	WIRE_DEPTH_MAX = 16,    /* brackets within brackets */
	WIRE_ITEMS_MAX = 10000, /* of one list */
};

struct wire_body {
	struct json_t *root;
};

/* Parses @bytes. The caller ends *out with wire_body_fini, on failure too.
 * Errors: CAH_EFORMAT with http_status 415 (not JSON), CAH_EFORMAT (not an
 * object; nested deeper than WIRE_DEPTH_MAX), CAH_EINVALID (a number that no
 * double holds), CAH_ENOMEM. */
CAH_MUST_CHECK int wire_body_parse(struct wire_body *out, struct slice bytes,
				   struct cah_error *err);
void wire_body_fini(struct wire_body *body);

/* Whether there is such a field, of any kind. */
bool wire_body_has(const struct wire_body *body, const char *name);

/* A string; it may hold a NUL. */
CAH_MUST_CHECK int wire_body_text(const struct wire_body *body,
				  const char *name, struct slice *out,
				  struct cah_error *err);

/* A whole number (5 or 5.0) from @min to @max, both within 2^53. */
CAH_MUST_CHECK int wire_body_int(const struct wire_body *body, const char *name,
				 int64_t min, int64_t max, int64_t *out,
				 struct cah_error *err);

/* A list of at most WIRE_ITEMS_MAX; *count of its items. */
CAH_MUST_CHECK int wire_body_list(const struct wire_body *body,
				  const char *name, size_t *count,
				  struct cah_error *err);

/* Item @at of that list, which must be a string, or a whole number >= 1. */
CAH_MUST_CHECK int wire_body_list_text(const struct wire_body *body,
				       const char *name, size_t at,
				       struct slice *out,
				       struct cah_error *err);
CAH_MUST_CHECK int wire_body_list_int(const struct wire_body *body,
				      const char *name, size_t at, int64_t *out,
				      struct cah_error *err);

/* The string at @key of the object @name. */
CAH_MUST_CHECK int wire_body_map_text(const struct wire_body *body,
				      const char *name, const char *key,
				      struct slice *out, struct cah_error *err);

#endif
