/* JPEG by libjpeg-turbo (ITU-T T.81; libjpeg.txt of its source). The library
 * mends what is damaged and goes on with a warning; a picture that is grey from
 * its middle on is no training data, so here such a warning ends the decoding.
 */
#include "image/codec.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* jpeglib.h needs stdio.h before it */
#include <jerror.h>
#include <jpeglib.h>

enum {
	/* Encoders write about ten scans. A small file of thousands, each of
	 * which goes over all blocks, would keep a core busy for minutes. */
	SCANS_MAX = 100,
	COMPONENTS_MAX = 4,
	SCALE_FULL = 8, /* scales are eighths */
	MARKER_MAX = 0xffff,
};

/* All that must outlive a longjmp. */
struct decoder {
	struct jpeg_decompress_struct jpeg;
	struct jpeg_error_mgr errors;
	struct jpeg_progress_mgr progress;
	jmp_buf escape;
	enum fate fate;
	uint8_t *rgb;
	JOCTET *profile;
	struct codec_notes *notes;
	bool is_deaf; /* to warnings */
	bool keeps_truncated;
	bool has_header; /* what is cut before its end shows nothing */
	bool is_truncated;
};

static void give_up(j_common_ptr jpeg, enum fate fate)
{
	struct decoder *decoder = jpeg->client_data;
	decoder->fate = fate;
	longjmp(decoder->escape, 1);
}

static void on_error(j_common_ptr jpeg)
{
	give_up(jpeg, jpeg->err->msg_code == JERR_OUT_OF_MEMORY
			      ? CAH_FATE_INTERNAL
			      : CAH_FATE_BROKEN_IMAGE);
}

/* Negative levels are warnings, the others traces. Two warnings are about what
 * a header says of itself and leave the pixels as they are. Behind the end of a
 * cut file there is nothing that could still be damaged. */
static void on_message(j_common_ptr jpeg, int level)
{
	struct decoder *decoder = jpeg->client_data;
	int code = jpeg->err->msg_code;
	if (level >= 0 || decoder->is_deaf || code == JWRN_JFIF_MAJOR ||
	    code == JWRN_ADOBE_XFORM)
		return;
	if (code == JWRN_JPEG_EOF)
		decoder->is_truncated = decoder->has_header;
	if (!decoder->is_truncated)
		give_up(jpeg, CAH_FATE_BROKEN_IMAGE);
	if (!decoder->keeps_truncated)
		give_up(jpeg, CAH_FATE_TRUNCATED_IMAGE);
}

static void on_output(j_common_ptr jpeg)
{
	(void)jpeg;
}

static void on_progress(j_common_ptr jpeg)
{
	if (((j_decompress_ptr)jpeg)->input_scan_number > SCANS_MAX)
		give_up(jpeg, CAH_FATE_BROKEN_IMAGE);
}

/* The decoder's own scales that are quick: 1/8, 1/4, 1/2 and all of it. */
static unsigned int choose_scale(const struct jpeg_decompress_struct *jpeg,
				 struct codec_least least)
{
	int64_t width = jpeg->image_width;
	int64_t height = jpeg->image_height;
	int64_t shorter = width < height ? width : height;
	int64_t longer = width < height ? height : width;
	if (least.shorter_side <= 0 && least.longer_side <= 0)
		return SCALE_FULL;
	unsigned int scale = 1;
	while (scale < SCALE_FULL &&
	       (shorter * scale / SCALE_FULL <
			(int64_t)least.shorter_side * 2 ||
		longer * scale / SCALE_FULL < (int64_t)least.longer_side * 2))
		scale *= 2;
	return scale;
}

static void find_exif(const struct jpeg_decompress_struct *jpeg,
		      struct codec_notes *notes)
{
	struct slice mark = SLICE("Exif\0\0");
	for (jpeg_saved_marker_ptr m = jpeg->marker_list; m != NULL;
	     m = m->next) {
		struct slice data = {(const char *)m->data, m->data_length};
		if (m->marker == JPEG_APP0 + 1 && slice_starts(data, mark)) {
			codec_note_exif(notes, data);
			return;
		}
	}
}

/* The library joins a profile's parts and refuses what does not fit. Whatever
 * is wrong there does not matter to the pixels, but would end the decoding as a
 * warning. */
static void find_profile(struct decoder *decoder)
{
	unsigned int len = 0;
	if (!decoder->notes->wants_profile)
		return;
	decoder->is_deaf = true;
	if (jpeg_read_icc_profile(&decoder->jpeg, &decoder->profile, &len))
		codec_note_profile(
			decoder->notes,
			(struct slice){(const char *)decoder->profile, len});
	decoder->is_deaf = false;
}

/* a * b / 255, rounded. */
static int scale_255(int a, int b)
{
	int product = a * b + 128;
	return ((product >> 8) + product) >> 8;
}

/* Adobe stores the inks' complement, and whoever writes CMYK into a JPEG does
 * as Adobe. No colour profile: the same plain formula as Pillow's. */
static void cmyk_to_rgb(uint8_t *rgb, const uint8_t *cmyk, size_t width)
{
	for (size_t x = 0; x < width; x++, cmyk += 4)
		for (int c = 0; c < 3; c++)
			*rgb++ = (uint8_t)(cmyk[3] -
					   scale_255(255 - cmyk[c], cmyk[3]));
}

static void read_rows(struct decoder *decoder)
{
	struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
	size_t stride = (size_t)jpeg->output_width * 3;
	JSAMPROW inks = NULL;
	if (jpeg->out_color_space == JCS_CMYK)
		inks = jpeg->mem->alloc_large((j_common_ptr)jpeg, JPOOL_IMAGE,
					      (size_t)jpeg->output_width * 4);
	while (jpeg->output_scanline < jpeg->output_height) {
		JSAMPROW row =
			decoder->rgb + (size_t)jpeg->output_scanline * stride;
		(void)jpeg_read_scanlines(jpeg, inks != NULL ? &inks : &row, 1);
		if (decoder->notes->colours != NULL)
			colours_convert(decoder->notes->colours, row, inks,
					jpeg->output_width);
		else if (inks != NULL)
			cmyk_to_rgb(row, inks, jpeg->output_width);
	}
}

/* Leaves by longjmp where something is wrong. */
static void decode(struct decoder *decoder, struct image *out,
		   const struct image_limits *limits, struct codec_least least)
{
	struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
	j_common_ptr common = (j_common_ptr)jpeg;

	jpeg_save_markers(jpeg, JPEG_APP0 + 1, MARKER_MAX);
	if (decoder->notes->wants_profile)
		jpeg_save_markers(jpeg, JPEG_APP0 + 2, MARKER_MAX);
	(void)jpeg_read_header(jpeg, TRUE);
	decoder->has_header = true;
	enum fate fate =
		codec_check_size(jpeg->image_width, jpeg->image_height, limits);
	if (fate != CAH_FATE_KEPT)
		give_up(common, fate);
	if (jpeg->num_components > COMPONENTS_MAX)
		give_up(common, CAH_FATE_BROKEN_IMAGE);
	find_exif(jpeg, decoder->notes);
	find_profile(decoder);
	if (jpeg->num_components == 4)
		decoder->notes->colours =
			colours_of_inks(decoder->notes->profile.data,
					decoder->notes->profile.len);

	jpeg->out_color_space = jpeg->num_components == 4 ? JCS_CMYK : JCS_RGB;
	jpeg->scale_num = choose_scale(jpeg, least);
	jpeg->scale_denom = SCALE_FULL;
	(void)jpeg_start_decompress(jpeg);
	/* Not cleared: the library gives all rows or fails. */
	decoder->rgb =
		malloc((size_t)jpeg->output_width * jpeg->output_height * 3);
	if (decoder->rgb == NULL)
		give_up(common, CAH_FATE_INTERNAL);
	read_rows(decoder);
	(void)jpeg_finish_decompress(jpeg);

	out->width = (int)jpeg->output_width;
	out->height = (int)jpeg->output_height;
	out->original_width = (int)jpeg->image_width;
	out->original_height = (int)jpeg->image_height;
	out->is_truncated = decoder->is_truncated;
	out->box.right =
		(double)jpeg->image_width * jpeg->scale_num / jpeg->scale_denom;
	out->box.bottom = (double)jpeg->image_height * jpeg->scale_num /
			  jpeg->scale_denom;
}

enum fate jpeg_decode(struct image *out, struct codec_notes *notes,
		      struct slice bytes, const struct image_limits *limits,
		      struct codec_least least)
{
	struct decoder decoder = {.fate = CAH_FATE_KEPT,
				  .notes = notes,
				  .keeps_truncated = limits->keep_truncated};
	decoder.jpeg.err = jpeg_std_error(&decoder.errors);
	decoder.errors.error_exit = on_error;
	decoder.errors.emit_message = on_message;
	decoder.errors.output_message = on_output;
	decoder.jpeg.client_data = &decoder;
	decoder.progress.progress_monitor = on_progress;

	if (setjmp(decoder.escape) == 0) {
		jpeg_create_decompress(&decoder.jpeg);
		decoder.jpeg.progress = &decoder.progress;
		jpeg_mem_src(&decoder.jpeg, (const unsigned char *)bytes.data,
			     bytes.len);
		decode(&decoder, out, limits, least);
		out->rgb = decoder.rgb;
	} else {
		free(decoder.rgb);
	}
	free(decoder.profile);
	jpeg_destroy_decompress(&decoder.jpeg);
	return decoder.fate;
}
