/* PNG by libspng (PNG, third edition; spng.h and docs/ of its source). */
#include "image/codec.h"

#include <spng.h>
#include <stdlib.h>

enum {
	/* Bytes that the inflated profiles and texts of one file may take. */
	CHUNKS_MAX = 16 * 1024 * 1024,
};

static enum fate fate_of(int rc)
{
	if (rc == 0)
		return CAH_FATE_KEPT;
	return rc == SPNG_EMEM ? CAH_FATE_INTERNAL : CAH_FATE_BROKEN_IMAGE;
}

/* EXIF may stand behind the pixels; whatever is wrong there does not matter to
 * them any more. */
static void find_notes(spng_ctx *png, struct codec_notes *notes)
{
	struct spng_exif exif;
	struct spng_iccp profile;
	(void)spng_decode_chunks(png);
	if (spng_get_exif(png, &exif) == 0)
		codec_note_exif(notes, (struct slice){exif.data, exif.length});
	if (spng_get_iccp(png, &profile) == 0)
		codec_note_profile(notes, (struct slice){profile.profile,
							 profile.profile_len});
}

static bool has_alpha(spng_ctx *png, const struct spng_ihdr *header)
{
	struct spng_trns trns;
	return header->color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ||
	       header->color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA ||
	       spng_get_trns(png, &trns) == 0;
}

static enum fate decode_pixels(struct image *out, spng_ctx *png,
			       const struct spng_ihdr *header)
{
	bool is_clear = has_alpha(png, header);
	size_t count = (size_t)header->width * header->height;
	int channels = is_clear ? 4 : 3;
	uint8_t *pixels =
		codec_alloc((int)header->width, (int)header->height, channels);
	if (pixels == NULL)
		return CAH_FATE_INTERNAL;
	int rc = spng_decode_image(png, pixels, count * channels,
				   is_clear ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8,
				   is_clear ? SPNG_DECODE_TRNS : 0);
	if (rc != 0) {
		free(pixels);
		return fate_of(rc);
	}
	codec_give(out, pixels, (int)header->width, (int)header->height,
		   is_clear);
	return CAH_FATE_KEPT;
}

enum fate png_decode(struct image *out, struct codec_notes *notes,
		     struct slice bytes, const struct image_limits *limits)
{
	spng_ctx *png = spng_ctx_new(0);
	if (png == NULL)
		return CAH_FATE_INTERNAL;
	(void)spng_set_crc_action(png, SPNG_CRC_ERROR, SPNG_CRC_DISCARD);
	(void)spng_set_chunk_limits(png, CHUNKS_MAX, CHUNKS_MAX);

	struct spng_ihdr header;
	int rc = spng_set_png_buffer(png, bytes.data, bytes.len);
	if (rc == 0)
		rc = spng_get_ihdr(png, &header);
	/* Rows longer than the library can count. */
	enum fate fate =
		rc == SPNG_EOVERFLOW ? CAH_FATE_TOO_MANY_PIXELS : fate_of(rc);
	if (fate == CAH_FATE_KEPT)
		fate = codec_check_size(header.width, header.height, limits);
	if (fate == CAH_FATE_KEPT)
		fate = decode_pixels(out, png, &header);
	if (fate == CAH_FATE_KEPT)
		find_notes(png, notes);
	spng_ctx_free(png);
	return fate;
}
