#include "base/file.h"
#include "image/make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdlib.h>

enum {
	FILE_LIMIT = 1 << 20, /* bytes of one sample */
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

static enum fate make(struct image_made *out, const char *name,
		      const struct image_limits *limits,
		      const struct image_recipe *recipe)
{
	struct buf bytes;
	read_sample(&bytes, name);
	enum fate fate = image_make(out, buf_slice(&bytes), limits, recipe);
	buf_fini(&bytes);
	return fate;
}

static void make__gives_each_mode_its_size(void **state)
{
	(void)state;
	/* of 130 by 140 pixels */
	static const struct {
		enum image_resize resize;
		int size;
		bool only_if_bigger;
		int width;
		int height;
	} rows[] = {
		{IMAGE_RESIZE_NO, 0, false, 130, 140},
		{IMAGE_RESIZE_BORDER, 56, false, 56, 56},
		{IMAGE_RESIZE_BORDER, 200, false, 200, 200},
		{IMAGE_RESIZE_BORDER, 200, true, 130, 140},
		{IMAGE_RESIZE_BORDER, 140, true, 130, 140},
		{IMAGE_RESIZE_BORDER, 140, false, 140, 140},
		{IMAGE_RESIZE_KEEP_RATIO, 65, false, 65, 70},
		{IMAGE_RESIZE_KEEP_RATIO, 13, false, 13, 14},
		{IMAGE_RESIZE_KEEP_RATIO, 260, false, 260, 280},
		{IMAGE_RESIZE_KEEP_RATIO, 130, true, 130, 140},
		{IMAGE_RESIZE_KEEP_RATIO_LARGEST, 70, false, 65, 70},
		/* 92.857 */
		{IMAGE_RESIZE_KEEP_RATIO_LARGEST, 100, false, 93, 100},
		{IMAGE_RESIZE_KEEP_RATIO_LARGEST, 1, false, 1, 1},
		{IMAGE_RESIZE_CENTER_CROP, 64, false, 64, 64},
		{IMAGE_RESIZE_CENTER_CROP, 131, false, 131, 131},
		{IMAGE_RESIZE_CENTER_CROP, 131, true, 130, 140},
	};
	struct image_limits limits = any_size();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct image_recipe recipe = image_recipe_default();
		recipe.resize = rows[i].resize;
		recipe.size = rows[i].size;
		recipe.only_if_bigger = rows[i].only_if_bigger;
		struct image_made made;
		assert_int_equal(make(&made, "large.jpg", &limits, &recipe),
				 CAH_FATE_KEPT);
		assert_int_equal(made.width, rows[i].width);
		assert_int_equal(made.height, rows[i].height);
		assert_int_equal(made.original_width, 130);
		assert_int_equal(made.original_height, 140);
		image_made_fini(&made);
	}
}

static void make__writes_files_that_it_can_read(void **state)
{
	(void)state;
	static const struct {
		enum image_format format;
		int quality;
	} rows[] = {{IMAGE_JPEG, 90},
		    {IMAGE_PNG, 0},
		    {IMAGE_PNG, 9},
		    {IMAGE_WEBP, 50},
		    {IMAGE_JPEG, 1}};
	struct image_limits limits = any_size();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct image_recipe recipe = image_recipe_default();
		recipe.format = rows[i].format;
		recipe.quality = rows[i].quality;
		recipe.size = 40;
		struct image_made made;
		assert_int_equal(make(&made, "rgb.png", &limits, &recipe),
				 CAH_FATE_KEPT);
		assert_int_equal(made.format, rows[i].format);
		struct slice file = {(const char *)made.data, made.len};
		struct image image;
		assert_int_equal(image_decode(&image, file, &limits, 0),
				 CAH_FATE_KEPT);
		assert_int_equal(image.format, rows[i].format);
		assert_int_equal(image.width, 40);
		/* 24 by 18 in the middle: white above and below */
		for (int c = 0; c < 3; c++) {
			assert_true(image.rgb[c] > 200);
			assert_true(image.rgb[40 * 40 * 3 - 1 - c] > 200);
		}
		image_fini(&image);
		image_made_fini(&made);
	}
}

static void make__leaves_the_file_where_that_is_wanted(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool keep_file;
		enum image_resize resize;
		bool is_same;
	} rows[] = {
		{"rgb.jpg", false, IMAGE_RESIZE_NO, true},
		{"turned.jpg", false, IMAGE_RESIZE_NO, true},
		{"rgb.png", false, IMAGE_RESIZE_NO, false},
		{"rgb.jpg", false, IMAGE_RESIZE_KEEP_RATIO, true},
		{"large.jpg", false, IMAGE_RESIZE_KEEP_RATIO, false},
		{"rgb.png", true, IMAGE_RESIZE_BORDER, true},
		{"cut.webp", true, IMAGE_RESIZE_BORDER, true},
	};
	struct image_limits limits = any_size();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct image_recipe recipe = image_recipe_default();
		recipe.size = 100;
		recipe.resize = rows[i].resize;
		recipe.only_if_bigger = true;
		recipe.skip_reencode = true;
		recipe.keep_file = rows[i].keep_file;
		struct image_made made;
		assert_int_equal(make(&made, rows[i].name, &limits, &recipe),
				 CAH_FATE_KEPT);
		struct buf bytes;
		read_sample(&bytes, rows[i].name);
		bool is_same = made.len == bytes.len &&
			       memcmp(made.data, bytes.data, bytes.len) == 0;
		assert_int_equal(is_same, rows[i].is_same);
		assert_int_equal(made.width == 0, rows[i].keep_file);
		buf_fini(&bytes);
		image_made_fini(&made);
	}
}

static void make__says_why_not(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int min_side;
		double max_aspect;
		bool keep_truncated;
		enum fate fate;
	} rows[] = {
		{"rgb.jpg", 18, 1.34, false, CAH_FATE_KEPT},
		{"rgb.jpg", 19, 0, false, CAH_FATE_SHORT_SIDE},
		{"rgb.png", 0, 1.33, false, CAH_FATE_ASPECT_RATIO},
		{"turned.jpg", 0, 1.33, false, CAH_FATE_ASPECT_RATIO},
		{"cut.jpg", 0, 0, false, CAH_FATE_TRUNCATED_IMAGE},
		{"cut.jpg", 0, 0, true, CAH_FATE_KEPT},
		{"cut.webp", 0, 0, true, CAH_FATE_BROKEN_IMAGE},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct image_limits limits = any_size();
		limits.min_side = rows[i].min_side;
		limits.max_aspect = rows[i].max_aspect;
		limits.keep_truncated = rows[i].keep_truncated;
		struct image_recipe recipe = image_recipe_default();
		struct image_made made;
		assert_int_equal(make(&made, rows[i].name, &limits, &recipe),
				 rows[i].fate);
		assert_int_equal(made.data != NULL,
				 rows[i].fate == CAH_FATE_KEPT);
		assert_int_equal(made.is_truncated,
				 rows[i].keep_truncated && made.data != NULL);
		image_made_fini(&made);
	}
}

static void recipe__out_of_range_is_refused(void **state)
{
	(void)state;
	struct image_recipe good = image_recipe_default();
	assert_int_equal(image_recipe_check(&good, NULL), CAH_OK);
	struct image_recipe bad[] = {good, good, good, good, good, good};
	bad[0].size = 0;
	bad[1].size = IMAGE_SIZE_MAX + 1;
	bad[2].quality = 101;
	bad[3].format = IMAGE_UNKNOWN;
	bad[4].resize = IMAGE_RESIZE_COUNT;
	bad[5].format = IMAGE_PNG; /* of quality 95 */
	struct image_limits limits = any_size();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct image_made made;
		assert_int_equal(image_recipe_check(&bad[i], NULL),
				 CAH_EINVALID);
		assert_int_equal(make(&made, "rgb.jpg", &limits, &bad[i]),
				 CAH_FATE_INTERNAL);
	}
	good.resize = IMAGE_RESIZE_NO;
	good.size = 0;
	assert_int_equal(image_recipe_check(&good, NULL), CAH_OK);
}

static void resize__has_the_names_of_img2dataset(void **state)
{
	(void)state;
	for (int i = 0; i < IMAGE_RESIZE_COUNT; i++) {
		enum image_resize resize = (enum image_resize)i;
		assert_int_equal(image_resize_of(image_resize_name(resize)),
				 resize);
	}
	assert_int_equal(image_resize_of("keep_ratio_largest"),
			 IMAGE_RESIZE_KEEP_RATIO_LARGEST);
	assert_int_equal(image_resize_of("crop"), IMAGE_RESIZE_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(make__gives_each_mode_its_size),
		cmocka_unit_test(make__writes_files_that_it_can_read),
		cmocka_unit_test(make__leaves_the_file_where_that_is_wanted),
		cmocka_unit_test(make__says_why_not),
		cmocka_unit_test(recipe__out_of_range_is_refused),
		cmocka_unit_test(resize__has_the_names_of_img2dataset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
