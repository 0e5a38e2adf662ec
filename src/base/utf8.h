/* utf8.h: characters of UTF-8 (RFC 3629: no overlong forms, no surrogates,
 * nothing past U+10FFFF) out of bytes that may be none. Any thread. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

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

/* The same, but 0 where the bytes are no UTF-8. */
size_t utf8_read_valid(struct slice s, uint32_t *cp);

/* Writes @cp (no surrogate, at most U+10FFFF) to @out; returns its length. */
size_t utf8_write(char out[UTF8_MAX], uint32_t cp);

bool utf8_is_valid(struct slice s);

/* The first @max characters of @s, which is valid. */
struct slice utf8_cut(struct slice s, size_t max);

/* C0, DEL and C1 (ISO 6429). */
static inline bool utf8_is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0);
}

#endif
