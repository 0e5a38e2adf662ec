/* header.h: the header fields that decide something here. Pure functions of
 * hostile bytes. Any thread. */
#ifndef FETCH_HEADER_H
#define FETCH_HEADER_H

#include "base/slice.h"

#include <stdint.h>

/* Splits "Name: value\r\n", blanks around the value dropped, both borrowed;
 * false for status lines, the empty line and whatever has no colon. */
bool header_split(struct slice line, struct slice *name, struct slice *value);

/* A number of digits only, such as Content-Length. */
bool header_parse_number(int64_t *out, struct slice text);

/* Retry-After (RFC 9110, 10.2.3): seconds or a date, of which @now_s (since
 * 1970) is taken. Never negative. False where it is neither. */
bool header_parse_retry_after(int64_t *seconds, struct slice value,
			      int64_t now_s);

struct content_range {
	int64_t first; /* -1 where the range was refused: bytes * / total */
	int64_t last;
	int64_t total; /* -1 where unknown */
};

/* Content-Range (RFC 9110, 14.4) in bytes. False where it is malformed or
 * contradicts itself. */
bool header_parse_content_range(struct content_range *out, struct slice value);

/* True where an X-Robots-Tag says that images may not be used as we do: noai,
 * noimageai, noindex, noimageindex, or none, which stands for noindex among
 * others. What follows "NAME:" is only for the user agent of that name; @agent
 * is ours without its version. */
bool header_forbids_use(struct slice value, struct slice agent);

#endif
