/* buf.h: bytes that grow up to a maximum. One owner; no locks. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/slice.h"

#include <cah/error.h>
#include <stdint.h>

struct buf {
	char *data; /* always followed by a NUL when data is not NULL */
	size_t len;
	size_t cap;
	size_t max;     /* bytes; appending past it fails with CAH_ELIMIT */
	bool is_failed; /* an append failed; later ones do nothing */
	int code;       /* why: CAH_ELIMIT or CAH_ENOMEM */
};

/* Begins an empty buffer of at most @max bytes; allocates nothing yet. */
void buf_init(struct buf *buf, size_t max);

/* Frees the bytes; the buffer can be used again after buf_init. */
void buf_fini(struct buf *buf);

/* Forgets the contents and any failure, keeps the memory. */
void buf_reset(struct buf *buf);

/* Appends. Errors: CAH_ELIMIT, CAH_ENOMEM; the failure is remembered, so a
 * run of appends may be checked once at its end with buf_check. */
int buf_add(struct buf *buf, const void *data, size_t len);
int buf_add_slice(struct buf *buf, struct slice s);
int buf_add_text(struct buf *buf, const char *text);
int buf_add_byte(struct buf *buf, char byte);
int buf_printf(struct buf *buf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Room for @len more bytes at data + len; the caller adds to len what it
 * wrote. Errors as buf_add. */
CAH_MUST_CHECK int buf_reserve(struct buf *buf, size_t len);

/* CAH_OK, or the first failure, with @what named in @err. */
CAH_MUST_CHECK int buf_check(const struct buf *buf, const char *what,
			     struct cah_error *err);

/* Drops the first @len bytes (all where there are fewer). */
void buf_consume(struct buf *buf, size_t len);

/* Hands the bytes to the caller, who frees them; the buffer is empty after.
 * NULL where nothing was ever added. */
char *buf_take(struct buf *buf, size_t *len);

/* The contents, borrowed until the next change. */
static inline struct slice buf_slice(const struct buf *buf)
{
	return (struct slice){buf->data, buf->len};
}

#endif
