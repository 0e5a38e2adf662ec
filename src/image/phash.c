/* A picture that was scaled, encoded anew or slightly mended keeps most of the
 * bits (Zauner, "Implementation and benchmarking of perceptual image hash
 * functions", 2010). Equal to imagehash.phash but where two frequencies are so
 * near to the median that rounding decides. */
#include "image/phash.h"

#include "image/resample.h"

#include <math.h>
#include <stdlib.h>

enum {
	SIDE = 32, /* pixels */
	LOW = 8,   /* frequencies of a side */
	BITS = LOW * LOW,
};

/* ITU-R BT.601 in 16 bits behind the point, as Pillow. */
static void make_grey(uint8_t *grey, const uint8_t *rgb, size_t count)
{
	for (size_t i = 0; i < count; i++, rgb += 3)
		grey[i] = (uint8_t)((rgb[0] * 19595U + rgb[1] * 38470U +
				     rgb[2] * 7471U + 0x8000U) >>
				    16);
}

/* The lowest frequencies (DCT-II, not scaled, as scipy.fftpack.dct). */
static void transform(double out[BITS], const uint8_t pixels[SIDE * SIDE])
{
	double waves[LOW][SIDE], down[LOW][SIDE];
	for (int k = 0; k < LOW; k++)
		for (int n = 0; n < SIDE; n++)
			waves[k][n] =
				2 * cos(M_PI * k * (2 * n + 1) / (2 * SIDE));
	for (int k = 0; k < LOW; k++)
		for (int x = 0; x < SIDE; x++) {
			down[k][x] = 0;
			for (int y = 0; y < SIDE; y++)
				down[k][x] +=
					waves[k][y] * pixels[y * SIDE + x];
		}
	for (int i = 0; i < BITS; i++) {
		out[i] = 0;
		for (int x = 0; x < SIDE; x++)
			out[i] += waves[i % LOW][x] * down[i / LOW][x];
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(const double values[BITS])
{
	double sorted[BITS];
	memcpy(sorted, values, sizeof(sorted));
	qsort(sorted, BITS, sizeof(*sorted), compare);
	return (sorted[BITS / 2 - 1] + sorted[BITS / 2]) / 2;
}

int phash(uint64_t *out, const struct image *image)
{
	size_t count = (size_t)image->width * (size_t)image->height;
	uint8_t small[SIDE * SIDE];
	uint8_t *grey = malloc(count);
	*out = 0;
	if (grey == NULL)
		return CAH_ENOMEM;
	make_grey(grey, image->rgb, count);
	const struct image_box *box = &image->box;
	const struct pixels pixels = {grey, 1};
	const struct side x = {.in = image->width,
			       .from = box->left,
			       .to = box->right,
			       .out = SIDE,
			       .count = SIDE};
	const struct side y = {.in = image->height,
			       .from = box->top,
			       .to = box->bottom,
			       .out = SIDE,
			       .count = SIDE};
	int rc = resample(small, SIDE, &pixels, &x, &y, IMAGE_LANCZOS);
	free(grey);
	if (rc != CAH_OK)
		return rc;
	double frequencies[BITS];
	transform(frequencies, small);
	double middle = median(frequencies);
	for (int i = 0; i < BITS; i++)
		*out = *out << 1 | (frequencies[i] > middle);
	return CAH_OK;
}
