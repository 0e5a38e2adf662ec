/* PNG by libspng (PNG, third edition; spng.h and docs/ of its source). */
#include "image/codec.h"

#include <spng.h>
#include <stdlib.h>

bool png_encode(struct codec_file *out, const struct image *image, int level)
{
	*out = (struct codec_file){0};
	spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
	if (png == NULL)
		return false;
	struct spng_ihdr header = {.width = (uint32_t)image->width,
				   .height = (uint32_t)image->height,
				   .bit_depth = 8,
				   .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
	size_t len = (size_t)image->width * (size_t)image->height * 3;
	int rc = spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
	if (rc == 0)
		rc = spng_set_option(png, SPNG_IMG_COMPRESSION_LEVEL, level);
	if (rc == 0)
		rc = spng_set_ihdr(png, &header);
	if (rc == 0)
		rc = spng_encode_image(png, image->rgb, len, SPNG_FMT_PNG,
				       SPNG_ENCODE_FINALIZE);
	if (rc == 0)
		out->data = spng_get_png_buffer(png, &out->len, &rc);
	spng_ctx_free(png);
	return out->data != NULL;
}
