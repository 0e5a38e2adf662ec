/* phash.h: what two pictures of the same thing have in common; private to this
 * folder. Any thread. */
#ifndef IMAGE_PHASH_H
#define IMAGE_PHASH_H

#include "image/image.h"

/* The 64 bits of PyPI's imagehash.phash(image), the first in the highest:
 * whether each of the 8 by 8 lowest frequencies of the picture, grey and 32 by
 * 32 pixels, is above their median. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int phash(uint64_t *out, const struct image *image);

#endif
