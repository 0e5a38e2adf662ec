/* resample.h: the resampling behind image_fit and image_scale, for pixels of
 * any kind; private to this folder. Any thread. */
#ifndef IMAGE_RESAMPLE_H
#define IMAGE_RESAMPLE_H

#include "image/taps.h"

/* Rows one after the other without gaps; each side's `in` says how many. */
struct pixels {
	const uint8_t *data;
	int channels; /* bytes of a pixel: 3, or 1 */
};

/* Writes y->count rows of x->count pixels to @out, @stride bytes from row to
 * row; each side's `at` is the caller's to add. Not for IMAGE_NEAREST. Errors:
 * CAH_ENOMEM. */
CAH_MUST_CHECK int resample(uint8_t *out, size_t stride,
			    const struct pixels *from, const struct side *x,
			    const struct side *y, enum image_filter filter);

#endif
