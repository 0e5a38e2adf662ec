/* mojibake.h: texts of UTF-8 that were read as an encoding of one byte a
 * character, once or more often, put right. Any thread. */
#ifndef WAT_MOJIBAKE_H
#define WAT_MOJIBAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MOJIBAKE_SCRATCH = 4, /* bytes of scratch memory for each character */
};

/* Puts the *len characters at @chars right where they are; *len is how many are
 * left. True where something changed. @scratch has MOJIBAKE_SCRATCH times *len
 * bytes. The answers are those of ftfy 6.3.1's fix_encoding. */
bool mojibake_mend(uint32_t *chars, size_t *len, uint8_t *scratch);

#endif
