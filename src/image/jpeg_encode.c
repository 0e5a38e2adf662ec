/* JPEG by libjpeg-turbo (libjpeg.txt of its source): baseline, colours at half
 * the resolution (4:2:0), the tables of the standard, as most programs write
 * them. */
#include "image/codec.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
/* jpeglib.h needs stdio.h before it */
#include <jerror.h>
#include <jpeglib.h>

enum {
	FIRST_ROOM = 16 * 1024, /* bytes; doubled as needed */
};

/* All that must outlive a longjmp. */
struct encoder {
	struct jpeg_compress_struct jpeg;
	struct jpeg_error_mgr errors;
	struct jpeg_destination_mgr to;
	jmp_buf escape;
	uint8_t *data;
	size_t room;
};

/* There is one thing that can go wrong here. */
static void on_error(j_common_ptr jpeg)
{
	struct encoder *encoder = jpeg->client_data;
	longjmp(encoder->escape, 1);
}

static void on_message(j_common_ptr jpeg, int level)
{
	(void)jpeg;
	(void)level;
}

static void on_output(j_common_ptr jpeg)
{
	(void)jpeg;
}

static void grow(j_compress_ptr jpeg, size_t used)
{
	struct encoder *encoder = jpeg->client_data;
	size_t room = encoder->room == 0 ? FIRST_ROOM : encoder->room * 2;
	uint8_t *data = realloc(encoder->data, room);
	if (data == NULL)
		ERREXIT1(jpeg, JERR_OUT_OF_MEMORY, 0);
	encoder->data = data;
	encoder->room = room;
	encoder->to.next_output_byte = data + used;
	encoder->to.free_in_buffer = room - used;
}

static void on_start(j_compress_ptr jpeg)
{
	grow(jpeg, 0);
}

static boolean on_full(j_compress_ptr jpeg)
{
	struct encoder *encoder = jpeg->client_data;
	grow(jpeg, encoder->room);
	return TRUE;
}

static void on_end(j_compress_ptr jpeg)
{
	(void)jpeg;
}

/* Leaves by longjmp out of memory. */
static void encode(struct encoder *encoder, const struct image *image,
		   int quality)
{
	struct jpeg_compress_struct *jpeg = &encoder->jpeg;
	jpeg->image_width = (JDIMENSION)image->width;
	jpeg->image_height = (JDIMENSION)image->height;
	jpeg->input_components = 3;
	jpeg->in_color_space = JCS_RGB;
	jpeg_set_defaults(jpeg);
	jpeg_set_quality(jpeg, quality, TRUE);
	jpeg_start_compress(jpeg, TRUE);
	size_t stride = (size_t)image->width * 3;
	while (jpeg->next_scanline < jpeg->image_height) {
		JSAMPROW row = image->rgb + jpeg->next_scanline * stride;
		(void)jpeg_write_scanlines(jpeg, &row, 1);
	}
	jpeg_finish_compress(jpeg);
}

bool jpeg_encode(struct codec_file *out, const struct image *image, int quality)
{
	struct encoder encoder = {0};
	encoder.jpeg.err = jpeg_std_error(&encoder.errors);
	encoder.errors.error_exit = on_error;
	encoder.errors.emit_message = on_message;
	encoder.errors.output_message = on_output;
	encoder.to.init_destination = on_start;
	encoder.to.empty_output_buffer = on_full;
	encoder.to.term_destination = on_end;
	encoder.jpeg.client_data = &encoder;

	*out = (struct codec_file){0};
	if (setjmp(encoder.escape) == 0) {
		jpeg_create_compress(&encoder.jpeg);
		encoder.jpeg.dest = &encoder.to;
		encode(&encoder, image, quality);
		out->data = encoder.data;
		out->len = encoder.room - encoder.to.free_in_buffer;
	} else {
		free(encoder.data);
	}
	jpeg_destroy_compress(&encoder.jpeg);
	return out->data != NULL;
}
