#include "base/file.h"
#include "image/exif.h"
#include "image/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdlib.h>

enum {
	FILE_LIMIT = 1 << 20, /* bytes of one sample */
	WIDTH = 24,           /* pixels of the samples */
	HEIGHT = 18,
};

/* The samples are the fuzz target's corpus. */
static void read_sample(struct buf *out, const char *name)
{
	char path[4096];
	const char *source = getenv("CAH_TEST_SOURCE");
	assert_non_null(source);
	(void)snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/image/%s",
		       source, name);
	buf_init(out, FILE_LIMIT);
	assert_int_equal(file_read(out, path, NULL), CAH_OK);
}

static struct image_limits any_size(void)
{
	struct image_limits limits = image_limits_default();
	limits.min_bytes = 0;
	return limits;
}

static void image__is_known_by_its_first_bytes(void **state)
{
	(void)state;
	const struct {
		struct slice bytes;
		enum image_format format;
	} rows[] = {
		{SLICE("\xff\xd8\xff\xe0"), IMAGE_JPEG},
		{SLICE("\xff\xd8"), IMAGE_UNKNOWN},
		{SLICE("\x89PNG\r\n\x1a\n"), IMAGE_PNG},
		{SLICE("\x89PNG\n\x1a\n"), IMAGE_UNKNOWN},
		{SLICE("RIFF....WEBP"), IMAGE_WEBP},
		{SLICE("RIFF....WAVE"), IMAGE_UNKNOWN},
		{SLICE("RIFF"), IMAGE_UNKNOWN},
		{SLICE("GIF89a"), IMAGE_UNKNOWN},
		{{NULL, 0}, IMAGE_UNKNOWN},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(image_sniff(rows[i].bytes), rows[i].format);
	assert_string_equal(image_extension(IMAGE_JPEG), "jpg");
}

static void image__of_every_kind_is_decoded(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum image_format format;
		bool is_turned;
	} rows[] = {
		{"rgb.jpg", IMAGE_JPEG, false},
		{"progressive.jpg", IMAGE_JPEG, false},
		{"grey.jpg", IMAGE_JPEG, false},
		{"cmyk.jpg", IMAGE_JPEG, false},
		{"turned.jpg", IMAGE_JPEG, true},
		{"bits.png", IMAGE_PNG, false},
		{"deep.png", IMAGE_PNG, false},
		{"la.png", IMAGE_PNG, false},
		{"palette.png", IMAGE_PNG, false},
		{"interlaced.png", IMAGE_PNG, false},
		{"turned.png", IMAGE_PNG, true},
		{"lossy.webp", IMAGE_WEBP, false},
		{"lossless.webp", IMAGE_WEBP, false},
		{"alpha.webp", IMAGE_WEBP, false},
		{"animated.webp", IMAGE_WEBP, false},
		{"turned.webp", IMAGE_WEBP, true},
	};
	struct image_limits limits = any_size();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf bytes;
		read_sample(&bytes, rows[i].name);
		struct image image;
		assert_int_equal(
			image_decode(&image, buf_slice(&bytes), &limits, 0),
			CAH_FATE_KEPT);
		assert_int_equal(image.format, rows[i].format);
		assert_int_equal(image.width,
				 rows[i].is_turned ? HEIGHT : WIDTH);
		assert_int_equal(image.height,
				 rows[i].is_turned ? WIDTH : HEIGHT);
		assert_int_equal(image.original_width, WIDTH);
		assert_int_equal(image.original_height, HEIGHT);
		image_fini(&image);
		buf_fini(&bytes);
	}
}

/* For each length: only the whole file gives a picture. A JPEG is cut where its
 * header is whole, and broken before. Where the bytes end at the end of their
 * memory, a sanitizer sees a read past it. */
static void image__that_is_cut_is_broken_at_any_place(void **state)
{
	(void)state;
	static const char *const names[] = {"rgb.jpg", "progressive.jpg",
					    "lossy.webp", "lossless.webp"};
	struct image_limits limits = any_size();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct buf bytes;
		enum fate wanted = CAH_FATE_BROKEN_IMAGE;
		read_sample(&bytes, names[i]);
		for (size_t len = 16; len < bytes.len; len++) {
			char *cut = malloc(len);
			assert_non_null(cut);
			memcpy(cut, bytes.data, len);
			struct image image;
			enum fate fate = image_decode(
				&image, (struct slice){cut, len}, &limits, 4);
			if (fate == CAH_FATE_TRUNCATED_IMAGE)
				wanted = fate;
			assert_int_equal(fate, wanted);
			assert_null(image.rgb);
			free(cut);
		}
		assert_int_equal(wanted, i < 2 ? CAH_FATE_TRUNCATED_IMAGE
					       : CAH_FATE_BROKEN_IMAGE);
		buf_fini(&bytes);
	}
}

static void image__past_a_limit_is_refused_by_its_header(void **state)
{
	(void)state;
	static const char *const names[] = {"rgb.jpg", "rgb.png", "rgba.png",
					    "lossy.webp", "animated.webp"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct buf bytes;
		read_sample(&bytes, names[i]);
		struct slice s = buf_slice(&bytes);
		struct image image;
		struct image_limits limits = image_limits_default();
		assert_int_equal(image_decode(&image, s, &limits, 0),
				 CAH_FATE_TOO_SMALL);
		limits.min_bytes = bytes.len;
		limits.max_pixels = WIDTH * HEIGHT;
		limits.max_side = WIDTH;
		assert_int_equal(image_decode(&image, s, &limits, 0),
				 CAH_FATE_KEPT);
		image_fini(&image);
		limits.max_side = WIDTH - 1;
		assert_int_equal(image_decode(&image, s, &limits, 0),
				 CAH_FATE_TOO_MANY_PIXELS);
		limits.max_side = WIDTH;
		limits.max_pixels = WIDTH * HEIGHT - 1;
		assert_int_equal(image_decode(&image, s, &limits, 0),
				 CAH_FATE_TOO_MANY_PIXELS);
		buf_fini(&bytes);
	}
}

static void image__is_decoded_no_smaller_than_twice_what_is_wanted(void **state)
{
	(void)state;
	static const struct {
		int min_side;
		int width;
		int height;
	} rows[] = {
		/* large.jpg is 130 by 140 */
		{0, 130, 140},  {1, 17, 18},           {8, 17, 18},
		{9, 33, 35},    {16, 33, 35},          {17, 65, 70},
		{32, 65, 70},   {33, 130, 140},        {65, 130, 140},
		{99, 130, 140}, {INT32_MAX, 130, 140},
	};
	struct image_limits limits = any_size();
	struct buf bytes;
	read_sample(&bytes, "large.jpg");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct image image;
		assert_int_equal(image_decode(&image, buf_slice(&bytes),
					      &limits, rows[i].min_side),
				 CAH_FATE_KEPT);
		assert_int_equal(image.width, rows[i].width);
		assert_int_equal(image.height, rows[i].height);
		assert_int_equal(image.original_width, 130);
		assert_true(image.box.right > image.width - 1);
		assert_true(image.box.right <= image.width);
		image_fini(&image);
	}
	buf_fini(&bytes);
}

static void exif__gives_the_orientation_or_one(void **state)
{
	(void)state;
	const struct {
		struct slice bytes;
		int orientation;
	} rows[] = {
		{SLICE("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0"),
		 6},
		{SLICE("Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01"
		       "\0\x08\0\0"),
		 8},
		/* as a number of 32 bits */
		{SLICE("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x04\0\0\0\x01"
		       "\0\0\0\x03"),
		 3},
		/* 0 and 9 are none */
		{SLICE("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\0\0\0"),
		 1},
		{SLICE("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0"),
		 1},
		/* the directory lies past the end, and at the very end */
		{SLICE("II*\0\xff\xff\xff\xff"), 1},
		{SLICE("II*\0\x07\0\0\0"), 1},
		{SLICE("II*\0\x06\0\0\0\xff\xff"), 1},
		/* cut in the entry */
		{SLICE("II*\0\x08\0\0\0\x01\0\x12\x01\x03"), 1},
		{SLICE("II+\0\x08\0\0\0"), 1},
		{SLICE("Exif\0\0"), 1},
		{{NULL, 0}, 1},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(exif_orientation(rows[i].bytes),
				 rows[i].orientation);
}

static void fit__of_the_same_size_changes_nothing(void **state)
{
	(void)state;
	uint8_t pixels[5 * 4 * 3], out[4 * 4 * 3];
	for (size_t i = 0; i < sizeof(pixels); i++)
		pixels[i] = (uint8_t)(i * 37);
	struct image image = {.rgb = pixels, .width = 5, .height = 4};
	for (int filter = IMAGE_NEAREST; filter <= IMAGE_LANCZOS; filter++) {
		struct image_fit fit = {4, 4, 4, (enum image_filter)filter};
		assert_int_equal(image_fit(out, &image, &fit), CAH_OK);
		for (size_t y = 0; y < 4; y++)
			assert_memory_equal(out + y * 12, pixels + y * 15, 12);
	}
}

static void fit__fills_a_larger_crop_with_black(void **state)
{
	(void)state;
	uint8_t pixel[3] = {10, 20, 30}, out[4 * 3 * 3];
	struct image image = {.rgb = pixel, .width = 1, .height = 1};
	struct image_fit fit = {1, 4, 3, IMAGE_BICUBIC};
	assert_int_equal(image_fit(out, &image, &fit), CAH_OK);
	for (size_t i = 0; i < sizeof(out); i++)
		assert_int_equal(out[i], i / 3 == 1 * 4 + 2 ? pixel[i % 3] : 0);
}

static void fit__refuses_sizes_that_are_none(void **state)
{
	(void)state;
	uint8_t pixel[3] = {0};
	struct image image = {.rgb = pixel, .width = 1, .height = 1};
	static const struct image_fit fits[] = {
		{0, 1, 1, IMAGE_BICUBIC},
		{1, 0, 1, IMAGE_BICUBIC},
		{1, 1, -1, IMAGE_BICUBIC},
	};
	for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++)
		assert_int_equal(image_fit(pixel, &image, &fits[i]),
				 CAH_EINVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(image__is_known_by_its_first_bytes),
		cmocka_unit_test(image__of_every_kind_is_decoded),
		cmocka_unit_test(image__that_is_cut_is_broken_at_any_place),
		cmocka_unit_test(image__past_a_limit_is_refused_by_its_header),
		cmocka_unit_test(
			image__is_decoded_no_smaller_than_twice_what_is_wanted),
		cmocka_unit_test(exif__gives_the_orientation_or_one),
		cmocka_unit_test(fit__of_the_same_size_changes_nothing),
		cmocka_unit_test(fit__fills_a_larger_crop_with_black),
		cmocka_unit_test(fit__refuses_sizes_that_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
