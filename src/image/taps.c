/* The filters are Pillow's (its documentation, "Filters": the support grows
 * with the scale when shrinking, so nothing is skipped). */
#include "image/taps.h"

#include <math.h>
#include <stdlib.h>

enum {
	/* Products of 255 and such weights, whose magnitudes add up to less
	 * than two, stay within 32 bits. */
	SHIFT_MAX = 22,
};

static double bilinear(double x)
{
	x = fabs(x);
	return x < 1 ? 1 - x : 0;
}

/* Keys, "Cubic convolution interpolation for digital image processing" (1981),
 * with his a = -1/2. */
static double bicubic(double x)
{
	const double a = -0.5;
	x = fabs(x);
	if (x < 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	if (x < 2)
		return (((x - 5) * x + 8) * x - 4) * a;
	return 0;
}

static double sinc(double x)
{
	if (x == 0)
		return 1;
	x *= M_PI;
	return sin(x) / x;
}

static double lanczos(double x)
{
	return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

struct kernel {
	double (*weight)(double x);
	double support; /* source pixels to each side at scale 1 */
};

static struct kernel kernel_of(enum image_filter filter)
{
	switch (filter) {
	case IMAGE_BILINEAR:
		return (struct kernel){bilinear, 1};
	case IMAGE_LANCZOS:
		return (struct kernel){lanczos, 3};
	case IMAGE_BICUBIC:
	case IMAGE_NEAREST:
		break;
	}
	return (struct kernel){bicubic, 2};
}

/* The weights of one pixel, whose sum is one; the largest magnitude. */
static double weigh(double *real, const struct kernel *kernel, double from,
		    double step, int len)
{
	double sum = 0;
	for (int i = 0; i < len; i++) {
		real[i] = kernel->weight((i + from) * step);
		sum += real[i];
	}
	double most = 0;
	for (int i = 0; i < len; i++) {
		if (sum != 0)
			real[i] /= sum;
		most = fmax(most, fabs(real[i]));
	}
	return most;
}

/* Each weight is rounded with what the one before it lost: their sum is that of
 * the real ones, so that what is white stays white. */
static void round_weights(int16_t *out, const double *real, int len, int shift)
{
	double sum = 0;
	int64_t given = 0;
	for (int i = 0; i < len; i++) {
		sum += ldexp(real[i], shift);
		int64_t weight = llround(sum) - given;
		given += weight;
		out[i] = (int16_t)weight;
	}
}

/* Finds the pixels and the real weights; the largest magnitude of all. */
static double fill(struct taps *taps, double *real, const struct side *side,
		   const struct kernel *kernel)
{
	double scale = (side->to - side->from) / (double)side->out;
	double stretch = scale < 1 ? 1 : scale;
	double support = kernel->support * stretch;
	double most = 0;
	for (int i = 0; i < side->count; i++) {
		double center =
			side->from + ((double)(side->first + i) + 0.5) * scale;
		double low = center - support + 0.5;
		double high = center + support + 0.5;
		int start = low < 0 ? 0 : (int)low;
		int end = high > side->in ? side->in : (int)high;
		taps->start[i] = start;
		taps->len[i] = end - start;
		most = fmax(most, weigh(real + (size_t)i * (size_t)taps->most,
					kernel, start - center + 0.5,
					1 / stretch, end - start));
	}
	return most;
}

static int room_for(const struct side *side, const struct kernel *kernel)
{
	double scale = (side->to - side->from) / (double)side->out;
	double reach = ceil(kernel->support * (scale < 1 ? 1 : scale)) * 2 + 1;
	int most = reach < side->in ? (int)reach : side->in;
	return (most + TAPS_STEP - 1) / TAPS_STEP * TAPS_STEP;
}

int taps_init(struct taps *taps, const struct side *side,
	      enum image_filter filter)
{
	struct kernel kernel = kernel_of(filter);
	size_t count = (size_t)side->count;
	*taps = (struct taps){.most = room_for(side, &kernel)};
	size_t most = (size_t)taps->most;
	taps->start = calloc(count, sizeof(*taps->start));
	taps->len = calloc(count, sizeof(*taps->len));
	taps->weight = calloc(count, most * sizeof(*taps->weight));
	double *real = calloc(count, most * sizeof(*real));
	if (taps->start == NULL || taps->len == NULL || taps->weight == NULL ||
	    real == NULL) {
		free(real);
		return CAH_ENOMEM;
	}
	double largest = fill(taps, real, side, &kernel);
	while (taps->shift < SHIFT_MAX &&
	       ldexp(largest, taps->shift + 1) < INT16_MAX - 1)
		taps->shift++;
	for (size_t i = 0; i < count; i++)
		round_weights(taps->weight + i * most, real + i * most,
			      taps->len[i], taps->shift);
	free(real);
	return CAH_OK;
}

void taps_fini(struct taps *taps)
{
	free(taps->start);
	free(taps->len);
	free(taps->weight);
	*taps = (struct taps){0};
}
