/* text.h: the checks that text from outside has to pass (UTF-8 as in RFC 3629:
 * no overlong forms, no surrogates, nothing past U+10FFFF). No I/O. */
#ifndef WIRE_TEXT_H
#define WIRE_TEXT_H

#include "base/buf.h"
#include "base/slice.h"

#include <cah/error.h>
#include <stdint.h>

enum {
	WIRE_NICKNAME_MAX = 255, /* bytes */
	WIRE_PROGRESS_MAX = 255, /* characters; longer ones are cut */
	WIRE_URL_MAX = 2048,     /* bytes */
	WIRE_BANNER_MAX = 2048,  /* bytes */
};

/* The character at the front of @s (not empty) in *rune; returns its length,
 * 0 where the bytes are not UTF-8. */
size_t wire_text_rune(struct slice s, uint32_t *rune);

bool wire_text_is_utf8(struct slice s);

/* C0, DEL and C1. */
bool wire_text_is_control(uint32_t rune);

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
