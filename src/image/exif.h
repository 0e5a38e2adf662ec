/* exif.h: EXIF's frame: where its directories are and what their numbers say.
 * Every offset in it is somebody else's, so each read is checked. Private to
 * this folder. Any thread. */
#ifndef IMAGE_EXIF_H
#define IMAGE_EXIF_H

#include "base/slice.h"

#include <stdint.h>

enum {
	EXIF_ENTRY_LEN = 12, /* bytes: tag, type, count, value */
};

struct exif {
	const uint8_t *data;
	size_t len;
	bool is_little; /* endian */
};

/* With or without "Exif\0\0" in front, borrowed; false where it is none. */
bool exif_open(struct exif *exif, struct slice bytes);

/* The number of @len bytes (at most 4) at @at; 0 past the end. */
uint32_t exif_get(const struct exif *exif, size_t at, size_t len);

/* The orientation, 1 to 8; 1 where there is none or the bytes make no sense. */
int exif_orientation(struct slice bytes);

#endif
