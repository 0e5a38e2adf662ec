/* entity.h: the character references of HTML attributes. Any thread. */
#ifndef WAT_ENTITY_H
#define WAT_ENTITY_H

#include "base/slice.h"

#include <stdint.h>

struct entity {
	uint32_t cp[2]; /* the second is 0 where there is one only */
	size_t len;     /* bytes of the reference, '&' included */
};

/* Reads the character reference that @s begins with, by the rules for attribute
 * values (HTML Standard, 13.2.5.72 to 13.2.5.80). False where the '&' stands
 * for itself. */
bool entity_read(struct slice s, struct entity *out);

/* What windows-1252 has where Latin-1 has the control @cp; others are
 * themselves (HTML Standard, 13.2.5.80). */
uint32_t entity_windows_1252(uint32_t cp);

#endif
