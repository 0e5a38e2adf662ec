/* exif_json.h: EXIF as text; private to this folder. Any thread. */
#ifndef IMAGE_EXIF_JSON_H
#define IMAGE_EXIF_JSON_H

#include "base/slice.h"

#include <cah/error.h>

/* *out is a JSON object in ASCII with NUL, which the caller frees: names as
 * "EXIF FNumber" and values as PyPI's exifread shows them (details=False),
 * which is what img2dataset stores. At most IMAGE_EXIF_MAX bytes: tags past
 * that are left out. NULL where @exif, with or without "Exif\0\0" in front, is
 * none. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int exif_json(char **out, size_t *len, struct slice exif);

#endif
