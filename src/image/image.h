/* image.h: JPEG, PNG and WebP to RGB, and the resampling that CLIP asks for.
 * Any thread; nothing is shared. */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "base/fate.h"
#include "base/slice.h"

#include <cah/error.h>
#include <stdint.h>

enum image_format {
	IMAGE_UNKNOWN,
	IMAGE_JPEG,
	IMAGE_PNG,
	IMAGE_WEBP,
};

struct image_limits {
	size_t min_bytes;   /* too_small below it */
	int64_t max_pixels; /* too_many_pixels above it, by the header, before
			       anything is decoded */
	int max_side;       /* the same for one side, in pixels */
	int min_side;       /* short_side below it, in pixels */
	double max_aspect;  /* aspect_ratio above it, the longer side by the
			       shorter; 0: none */
	bool to_srgb; /* by the file's ICC profile; without: its numbers as they
			 are */
	bool keep_truncated; /* a JPEG that was cut is a picture, grey from
				there on, not truncated_image */
};

/* 5,000 bytes (the original worker's), 89,478,484 pixels (Pillow's limit),
 * 65,535 pixels a side; no other limits; truncated ones are
 * dropped, profiles not looked at. */
struct image_limits image_limits_default(void);

/* A part of an image, in pixels from the left upper corner. */
struct image_box {
	double left, top, right, bottom;
};

/* Pixels, 3 bytes each (R, G, B; sRGB assumed), rows one after the other
 * without gaps. */
struct image {
	uint8_t *rgb; /* width * height * 3 bytes */
	int width;    /* pixels */
	int height;
	int original_width; /* as the file says, before orientation and scaled
			       decoding */
	int original_height;
	enum image_format format;
	bool is_truncated; /* the file was cut */
	bool is_on_side;   /* upright, its width is the file's height */
	/* What the picture covers of these pixels; all zeros: all. Half of 257
	   pixels are 129, of which the last is covered half. */
	struct image_box box;
};

/* By the first bytes (the formats' own specifications). */
enum image_format image_sniff(struct slice bytes);

/* "jpg", "png", "webp"; static. */
const char *image_extension(enum image_format format);

/* Decodes @bytes; alpha is laid on white, grey, palette, 16-bit and CMYK become
 * RGB, of an animation the first frame is taken, EXIF orientation is applied
 * (as Pillow's exif_transpose). When @min_side is not 0 a JPEG may be decoded
 * at a fraction of its size, but neither side smaller than twice that (or its
 * own size). Returns CAH_FATE_KEPT and fills *out (image_fini), else why not:
 * too_small, not_an_image, broken_image, truncated_image, too_many_pixels,
 * short_side, aspect_ratio, internal. */
enum fate image_decode(struct image *out, struct slice bytes,
		       const struct image_limits *limits, int min_side);

/* Frees the pixels; an image of zeros is fine. */
void image_fini(struct image *image);

enum image_filter {
	IMAGE_NEAREST,
	IMAGE_BILINEAR,
	IMAGE_BICUBIC, /* a = -0.5, as Pillow's */
	IMAGE_LANCZOS,
};

/* How CLIP wants its input: the shortest edge to @shortest_edge (the other in
 * proportion, cut to whole pixels, never smaller), then the middle @width by
 * @height. With antialiasing: the filter is stretched when shrinking. */
struct image_fit {
	int shortest_edge;
	int width;
	int height;
	enum image_filter filter;
};

/* Writes fit->height * fit->width * 3 bytes to @out. Equal to Pillow's resize
 * and crop within rounding. Errors: CAH_ENOMEM, CAH_EINVALID (a size that is
 * not positive). */
CAH_MUST_CHECK int image_fit(uint8_t *out, const struct image *image,
			     const struct image_fit *fit);

/* A part of a picture that is scaled as a whole. */
struct image_window {
	int full_width; /* pixels, of all of the picture when scaled */
	int full_height;
	int left; /* pixels of that, where the wanted part begins */
	int top;
	int width; /* of the wanted part, which lies within the whole */
	int height;
};

/* Writes the wanted part to @out, rows of @stride bytes, the bytes between
 * them left as they are; filters as image_fit. Errors: CAH_ENOMEM, CAH_EINVALID
 * (a size that is not positive, a part outside of the whole). */
CAH_MUST_CHECK int image_scale(uint8_t *out, size_t stride,
			       const struct image *image,
			       const struct image_window *window,
			       enum image_filter filter);

#endif
