/* mend.h: what goes wrong with texts on their way into a page. Any thread. */
#ifndef WAT_MEND_H
#define WAT_MEND_H

#include <stddef.h>
#include <stdint.h>

/* Puts right what ftfy 6.3.1's fix_text does: mojibake (mojibake.h), character
 * references that were escaped twice, controls of Latin-1, ligatures of Latin
 * letters, wide and narrow forms, curly quotes, a terminal's colours, controls.
 * @chars has @len characters, decoded once, and room for @cap; @scratch has
 * MOJIBAKE_SCRATCH times @cap bytes. Returns how many characters there are
 * then. */
size_t mend_text(uint32_t *chars, size_t len, size_t cap, uint8_t *scratch);

#endif
