/* loops.h: where the time of a resampling goes, as the processor at hand does
 * it best; private to this folder. Any thread. */
#ifndef IMAGE_LOOPS_H
#define IMAGE_LOOPS_H

#include "image/taps.h"

enum {
	/* Bytes behind a row that `across` may read, whatever they are. */
	LOOPS_SLACK = 32,
};

/* Weights of @len rows, which add up to 1 << @shift. */
struct mix {
	const int16_t *weight; /* a multiple of TAPS_STEP, zeros at the end */
	int len;
	int shift;
};

struct loops {
	/* @count bytes, each from those below each other in the mix's rows,
	 * of which the first begins at @rows and each next @stride later. */
	void (*down)(uint8_t *out, const uint8_t *rows, size_t stride,
		     size_t count, const struct mix *mix);
	/* The taps' @count pixels of three bytes; @row begins with the first
	 * tap's first pixel. */
	void (*across)(uint8_t *out, const uint8_t *row,
		       const struct taps *taps, int count);
	/* The same for pixels of one byte. */
	void (*across_grey)(uint8_t *out, const uint8_t *row,
			    const struct taps *taps, int count);
};

/* The best for this processor; all give the same bytes. */
struct loops loops_choose(void);

/* For any processor. */
struct loops loops_plain(void);

#endif
