/* Any bytes as a picture: whole, at a fraction of its size, and fitted. */
#include "image/image.h"

#include <stdint.h>
#include <stdlib.h>

enum {
	SIDE = 32,
	PIXELS_MAX = 1 << 20, /* keeps one input to milliseconds */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_limits limits = image_limits_default();
	limits.min_bytes = 0;
	limits.max_pixels = PIXELS_MAX;
	for (int min_side = 0; min_side <= SIDE; min_side += SIDE) {
		struct image image;
		struct slice bytes = {(const char *)data, size};
		if (image_decode(&image, bytes, &limits, min_side) !=
		    CAH_FATE_KEPT)
			continue;
		static uint8_t out[SIDE * SIDE * 3];
		struct image_fit fit = {SIDE, SIDE, SIDE, IMAGE_BICUBIC};
		if (image_fit(out, &image, &fit) != CAH_OK)
			abort();
		image_fini(&image);
	}
	return 0;
}
