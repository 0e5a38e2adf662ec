/* taps.h: the weights of a resampling along one side; private to this folder.
 * Any thread. */
#ifndef IMAGE_TAPS_H
#define IMAGE_TAPS_H

#include "image/image.h"

/* Along one side: the source from @from to @to, of its @in pixels, is stretched
 * to @out pixels, of which @count from @first on are wanted; the first of them
 * goes to @at of the result. */
struct side {
	int in;
	double from;
	double to;
	int64_t out;
	int64_t first;
	int count;
	int at;
};

enum {
	TAPS_STEP = 4, /* weights are filled up with zeros to that many */
};

/* What each wanted pixel is made of: len pixels from start on, each by its
 * weight. The weights of a pixel add up to 1 << shift. */
struct taps {
	int most; /* room for weights of one pixel; in whole steps */
	int shift;
	int *start;      /* first source pixel; never before the one before */
	int *len;        /* source pixels */
	int16_t *weight; /* most for each */
};

/* Not for IMAGE_NEAREST. The caller calls taps_fini whatever comes. Errors:
 * CAH_ENOMEM. */
CAH_MUST_CHECK int taps_init(struct taps *taps, const struct side *side,
			     enum image_filter filter);
void taps_fini(struct taps *taps);

#endif
