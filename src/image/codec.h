/* codec.h: what the three formats share; private to this folder. */
#ifndef IMAGE_CODEC_H
#define IMAGE_CODEC_H

#include "image/image.h"

/* Each fills *out but for the format, as it lies in the file; *orientation is
 * EXIF's, 1 to 8. On any other fate than CAH_FATE_KEPT out->rgb stays NULL. */
enum fate jpeg_decode(struct image *out, struct slice bytes,
		      const struct image_limits *limits, int min_side,
		      int *orientation);
enum fate png_decode(struct image *out, struct slice bytes,
		     const struct image_limits *limits, int *orientation);
enum fate webp_decode(struct image *out, struct slice bytes,
		      const struct image_limits *limits, int *orientation);

/* What the header's size means: CAH_FATE_KEPT, too_many_pixels, short_side,
 * aspect_ratio, or broken_image for a side of nothing. */
enum fate codec_check_size(int64_t width, int64_t height,
			   const struct image_limits *limits);

/* Room for width * height pixels of @channels bytes; NULL out of memory. */
uint8_t *codec_alloc(int width, int height, int channels);

/* Makes @out of @pixels, of codec_alloc, which are RGBA where they are clear:
 * they are laid on white then. */
void codec_give(struct image *out, uint8_t *pixels, int width, int height,
		bool is_clear);

/* A file being written; data is freed by whoever holds it. */
struct codec_file {
	uint8_t *data; /* of malloc */
	size_t len;
};

/* Each writes @image, all of its pixels whatever its box says, as a file; false
 * out of memory, with out->data NULL. */
bool jpeg_encode(struct codec_file *out, const struct image *image,
		 int quality);
bool png_encode(struct codec_file *out, const struct image *image, int level);
bool webp_encode(struct codec_file *out, const struct image *image,
		 int quality);

#endif
