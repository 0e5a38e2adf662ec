/* fail.h: the one way to return an error. Any thread. */
#ifndef BASE_FAIL_H
#define BASE_FAIL_H

#include <cah/error.h>

/* Fills @err (may be NULL) with @code and the formatted line, cut to
 * CAH_ERROR_TEXT, with control characters shown as '?'. Returns @code, so that
 * a caller writes `return cah_fail(...)`. */
int cah_fail(struct cah_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with ": " and the text of @errnum (an errno) at the end. */
int cah_fail_errno(struct cah_error *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "PREFIX: " before the text of @err (may be NULL), as one learns more on
 * the way up. Returns err->code, or @code where @err is NULL. */
int cah_fail_prefix(struct cah_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
