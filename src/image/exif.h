/* exif.h: the one tag of EXIF that changes what one sees. Any thread. */
#ifndef IMAGE_EXIF_H
#define IMAGE_EXIF_H

#include "base/slice.h"

/* The orientation, 1 to 8, of @exif, with or without "Exif\0\0" in front; 1
 * where there is none or the bytes make no sense. */
int exif_orientation(struct slice exif);

#endif
