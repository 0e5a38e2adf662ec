#include "image/codec.h"

#include "image/exif.h"

#include <limits.h>
#include <stdlib.h>

enum fate codec_check_size(int64_t width, int64_t height,
			   const struct image_limits *limits)
{
	if (width <= 0 || height <= 0)
		return CAH_FATE_BROKEN_IMAGE;
	/* The product of two numbers of 31 bits fits. */
	if (width > INT_MAX || height > INT_MAX || width > limits->max_side ||
	    height > limits->max_side || width * height > limits->max_pixels)
		return CAH_FATE_TOO_MANY_PIXELS;
	int64_t shorter = width < height ? width : height;
	int64_t longer = width < height ? height : width;
	if (shorter < limits->min_side)
		return CAH_FATE_SHORT_SIDE;
	if (limits->max_aspect > 0 &&
	    (double)longer / (double)shorter > limits->max_aspect)
		return CAH_FATE_ASPECT_RATIO;
	return CAH_FATE_KEPT;
}

uint8_t *codec_alloc(int width, int height, int channels)
{
	/* Cleared, so that what a file does not cover is never somebody else's
	 * memory. */
	return calloc((size_t)width * (size_t)height, (size_t)channels);
}

/* RGBA to RGB in its place: the first count * 3 bytes. */
static void lay_on_white(uint8_t *pixels, size_t count)
{
	const uint8_t *from = pixels;
	for (size_t i = 0; i < count; i++, from += 4) {
		int alpha = from[3];
		for (int c = 0; c < 3; c++) {
			int sum = from[c] * alpha + 255 * (255 - alpha) + 128;
			*pixels++ = (uint8_t)((sum + (sum >> 8)) >> 8);
		}
	}
}

void codec_give(struct image *out, uint8_t *pixels, int width, int height,
		bool is_clear)
{
	size_t count = (size_t)width * (size_t)height;
	if (is_clear) {
		lay_on_white(pixels, count);
		uint8_t *less = realloc(pixels, count * 3);
		pixels = less != NULL ? less : pixels;
	}
	*out = (struct image){.rgb = pixels,
			      .width = width,
			      .height = height,
			      .original_width = width,
			      .original_height = height,
			      .box = {0, 0, width, height}};
}

void codec_notes_fini(struct codec_notes *notes)
{
	free(notes->exif.data);
	free(notes->profile.data);
	colours_free(notes->colours);
	*notes = (struct codec_notes){0};
}

/* Out of memory there is no note, as in a file without. */
static void keep(struct codec_file *out, struct slice bytes, size_t most)
{
	if (out->data != NULL || bytes.len == 0 || bytes.len > most)
		return;
	out->data = malloc(bytes.len);
	if (out->data == NULL)
		return;
	memcpy(out->data, bytes.data, bytes.len);
	out->len = bytes.len;
}

void codec_note_exif(struct codec_notes *notes, struct slice exif)
{
	notes->orientation = exif_orientation(exif);
	if (notes->wants_exif)
		keep(&notes->exif, exif, CODEC_EXIF_MAX);
}

void codec_note_profile(struct codec_notes *notes, struct slice profile)
{
	if (notes->wants_profile)
		keep(&notes->profile, profile, CODEC_PROFILE_MAX);
}
