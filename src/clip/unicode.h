/* unicode.h: what CLIP's pattern asks of a character. Any thread. */
#ifndef CLIP_UNICODE_H
#define CLIP_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

enum unicode_class {
	UNICODE_SPACE,  /* \s */
	UNICODE_LETTER, /* \p{L} */
	UNICODE_NUMBER, /* \p{N} */
	UNICODE_OTHER,  /* [^\s\p{L}\p{N}] */
};

enum unicode_class unicode_class(uint32_t c);

/* The lower-case form where that is one character. Only U+0130 has a longer
 * one: i and U+0307. */
uint32_t unicode_lower(uint32_t c);

/* For the context of a final sigma (Unicode, 3.13, table 3-17). */
bool unicode_is_cased(uint32_t c);
bool unicode_is_case_ignorable(uint32_t c);

#endif
