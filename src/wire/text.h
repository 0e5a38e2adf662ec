/* text.h: the checks that text from outside has to pass. No I/O. */
#ifndef WIRE_TEXT_H
#define WIRE_TEXT_H

#include "base/buf.h"
#include "base/slice.h"

#include <cah/error.h>
#include <stdint.h>

enum {
	WIRE_NICKNAME_MAX = 255,  /* bytes */
	WIRE_PROGRESS_MAX = 255,  /* characters; longer ones are cut */
	WIRE_URL_MAX = 2048,      /* bytes */
	WIRE_BANNER_MAX = 2048,   /* bytes */
	WIRE_STAGE_NAME_MAX = 64, /* bytes; of a project's, too */
};

/* Valid UTF-8 of @min..@max bytes without control characters. @what names the
 * field in the error. Errors: CAH_EINVALID. */
CAH_MUST_CHECK int wire_text_check(struct slice s, size_t min, size_t max,
				   const char *what, struct cah_error *err);

/* 1 to WIRE_NICKNAME_MAX bytes, as above. Errors: CAH_EFORMAT (422, as deployed
 * servers answer a bad nickname). */
CAH_MUST_CHECK int wire_nickname_check(struct slice s, struct cah_error *err);

/* Appends the first WIRE_PROGRESS_MAX characters of @s; what is no UTF-8
 * becomes U+FFFD, control characters become spaces. */
int wire_progress_clean(struct buf *out, struct slice s);

#endif
