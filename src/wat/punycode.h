/* punycode.h: names beyond ASCII as the DNS has them (RFC 3492). Any thread. */
#ifndef WAT_PUNYCODE_H
#define WAT_PUNYCODE_H

#include "base/slice.h"

#include <stdint.h>

enum {
	PUNYCODE_MAX = 63, /* bytes of a name's part (RFC 1035, 2.3.4) */
};

/* Decodes what stands behind "xn--" in a name's part, @s in lower case and of
 * at most PUNYCODE_MAX bytes. Returns how many characters there are, 0 where @s
 * is not well made or is ASCII after all. */
size_t punycode_decode(uint32_t out[PUNYCODE_MAX], struct slice s);

#endif
