/* url_encode.h: writes the parts of a URL, percent-encoded (WHATWG URL
 * Standard, 1.3), into memory of a fixed size. One owner; no locks. */
#ifndef WAT_URL_ENCODE_H
#define WAT_URL_ENCODE_H

#include "base/slice.h"

#include <stdint.h>

/* The percent-encode sets, as bits; all include the C0 control set. */
enum url_set {
	URL_SET_C0 = 0,
	URL_SET_QUERY = 1,
	URL_SET_SPECIAL_QUERY = 2,
	URL_SET_PATH = 4,
	URL_SET_USERINFO = 8,
};

struct url_put {
	char *start;
	char *at; /* where the next byte goes */
	char *end;
	bool is_full; /* something did not fit and was cut; nothing is written
			 any more */
};

void url_put_byte(struct url_put *put, char byte);
void url_put_slice(struct url_put *put, struct slice s);

/* Bytes of @set percent-encoded, those beyond ASCII always, with U+FFFD for
 * what is no UTF-8. */
void url_put_encoded(struct url_put *put, struct slice s, enum url_set set);

/* What was written so far. */
static inline struct slice url_put_written(const struct url_put *put)
{
	struct slice s = {put->start, (size_t)(put->at - put->start)};
	return s;
}

#endif
