#include "base/buf.h"

#include "base/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	FIRST_CAPACITY = 256, /* bytes */
};

void buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){.max = max};
}

void buf_fini(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){.max = buf->max};
}

void buf_reset(struct buf *buf)
{
	buf->len = 0;
	buf->is_failed = false;
	buf->code = CAH_OK;
	if (buf->data != NULL)
		buf->data[0] = '\0';
}

static int fail(struct buf *buf, int code)
{
	buf->is_failed = true;
	buf->code = code;
	return code;
}

/* Apart from buf_reserve, so that the usual case is a few instructions. */
static __attribute__((noinline)) int grow(struct buf *buf, size_t len)
{
	if (buf->is_failed)
		return buf->code;
	if (len > buf->max - buf->len)
		return fail(buf, CAH_ELIMIT);

	size_t need = buf->len + len + 1;
	size_t cap = buf->cap != 0 ? buf->cap : FIRST_CAPACITY;
	while (cap < need)
		cap += cap / 2;
	if (cap > buf->max + 1)
		cap = buf->max + 1;
	char *data = realloc(buf->data, cap);
	if (data == NULL)
		return fail(buf, CAH_ENOMEM);
	buf->data = data;
	buf->cap = cap;
	return CAH_OK;
}

/* cap is at most max + 1, so what fits into the one keeps to the other. */
static inline int reserve(struct buf *buf, size_t len)
{
	if (!buf->is_failed && len < buf->cap - buf->len)
		return CAH_OK;
	return grow(buf, len);
}

int buf_reserve(struct buf *buf, size_t len)
{
	return reserve(buf, len);
}

int buf_add(struct buf *buf, const void *data, size_t len)
{
	int rc = reserve(buf, len);
	if (rc != CAH_OK)
		return rc;
	if (len != 0)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return CAH_OK;
}

int buf_add_slice(struct buf *buf, struct slice s)
{
	return buf_add(buf, s.data, s.len);
}

int buf_add_text(struct buf *buf, const char *text)
{
	return buf_add(buf, text, strlen(text));
}

int buf_add_byte(struct buf *buf, char byte)
{
	int rc = reserve(buf, 1);
	if (rc != CAH_OK)
		return rc;
	buf->data[buf->len++] = byte;
	buf->data[buf->len] = '\0';
	return CAH_OK;
}

int buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int need = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (need < 0)
		return fail(buf, CAH_ENOMEM);
	int rc = buf_reserve(buf, (size_t)need);
	if (rc != CAH_OK)
		return rc;
	va_start(args, fmt);
	(void)vsnprintf(buf->data + buf->len, (size_t)need + 1, fmt, args);
	va_end(args);
	buf->len += (size_t)need;
	return CAH_OK;
}

int buf_check(const struct buf *buf, const char *what, struct cah_error *err)
{
	if (!buf->is_failed)
		return CAH_OK;
	if (buf->code == CAH_ELIMIT)
		return cah_fail(err, CAH_ELIMIT, "%s: more than %zu bytes",
				what, buf->max);
	return cah_fail(err, buf->code, "%s: out of memory", what);
}

void buf_consume(struct buf *buf, size_t len)
{
	if (len >= buf->len) {
		buf->len = 0;
	} else {
		memmove(buf->data, buf->data + len, buf->len - len);
		buf->len -= len;
	}
	if (buf->data != NULL)
		buf->data[buf->len] = '\0';
}

char *buf_take(struct buf *buf, size_t *len)
{
	char *data = buf->data;
	if (len != NULL)
		*len = buf->len;
	buf_init(buf, buf->max);
	return data;
}
