/* utf8.h: one character at a time out of bytes that may be no UTF-8. Any
 * thread. */
#ifndef WAT_UTF8_H
#define WAT_UTF8_H

#include "base/slice.h"

#include <stdint.h>

enum {
	UTF8_REPLACEMENT = 0xfffd, /* stands for what is no UTF-8 */
	UTF8_MAX = 4,              /* bytes of one character */
};

/* The first character of @s (not empty) in *cp; returns its length in bytes.
 * Where the bytes are no UTF-8, *cp is UTF8_REPLACEMENT and the length that of
 * the longest beginning of a character that stands there, at least 1 (Unicode
 * 15, 3.9, "U+FFFD substitution of maximal subparts"; WHATWG Encoding). */
size_t utf8_read(struct slice s, uint32_t *cp);

/* Writes @cp (no surrogate, at most U+10FFFF) to @out; returns its length. */
size_t utf8_write(char out[UTF8_MAX], uint32_t cp);

#endif
