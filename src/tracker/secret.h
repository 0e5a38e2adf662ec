/* secret.h: the organiser's secret, kept as its SHA-256 only: comparing two
 * digests takes as long whatever was sent, its length too. Any thread. */
#ifndef TRACKER_SECRET_H
#define TRACKER_SECRET_H

#include "base/slice.h"

#include <cah/error.h>
#include <stdbool.h>

enum {
	SECRET_MIN = 16, /* bytes; shorter ones can be guessed */
	SECRET_DIGEST = 32,
};

struct secret {
	bool is_set;
	unsigned char digest[SECRET_DIGEST];
};

/* Errors: CAH_EINVALID (fewer than SECRET_MIN bytes). */
CAH_MUST_CHECK int secret_set(struct secret *secret, struct slice text,
			      struct cah_error *err);

/* False where none is set. */
bool secret_is(const struct secret *secret, struct slice given);

#endif
