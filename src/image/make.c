#include "image/make.h"

#include "base/fail.h"
#include "image/codec.h"
#include "image/exif_json.h"
#include "image/phash.h"

#include <math.h>
#include <stdlib.h>

static const char *const resize_names[] = {
	[IMAGE_RESIZE_NO] = "no",
	[IMAGE_RESIZE_BORDER] = "border",
	[IMAGE_RESIZE_KEEP_RATIO] = "keep_ratio",
	[IMAGE_RESIZE_KEEP_RATIO_LARGEST] = "keep_ratio_largest",
	[IMAGE_RESIZE_CENTER_CROP] = "center_crop",
};

enum {
	WHITE = 255,
	PNG_LEVEL_MAX = 9,
	QUALITY_MAX = 100,
	WEBP_SIDE_MAX = 16383, /* RFC 9649, 2.7: 14 bits */
};

struct image_recipe image_recipe_default(void)
{
	return (struct image_recipe){.resize = IMAGE_RESIZE_BORDER,
				     .size = 256,
				     .format = IMAGE_JPEG,
				     .quality = 95,
				     .shrink = IMAGE_BICUBIC,
				     .enlarge = IMAGE_LANCZOS};
}

const char *image_resize_name(enum image_resize resize)
{
	return resize_names[resize];
}

enum image_resize image_resize_of(const char *name)
{
	int i = 0;
	while (i < IMAGE_RESIZE_COUNT && strcmp(name, resize_names[i]) != 0)
		i++;
	return (enum image_resize)i;
}

int image_recipe_check(const struct image_recipe *recipe, struct cah_error *err)
{
	if (recipe->resize < 0 || recipe->resize >= IMAGE_RESIZE_COUNT)
		return cah_fail(err, CAH_EINVALID, "no such way to resize");
	if (recipe->resize != IMAGE_RESIZE_NO &&
	    (recipe->size < 1 || recipe->size > IMAGE_SIZE_MAX))
		return cah_fail(err, CAH_EINVALID,
				"a size of %d is not within 1 and %d",
				recipe->size, IMAGE_SIZE_MAX);
	bool is_png = recipe->format == IMAGE_PNG;
	if (!is_png && recipe->format != IMAGE_JPEG &&
	    recipe->format != IMAGE_WEBP)
		return cah_fail(err, CAH_EINVALID, "no such format");
	int least = is_png ? 0 : 1;
	int most = is_png ? PNG_LEVEL_MAX : QUALITY_MAX;
	if (recipe->quality < least || recipe->quality > most)
		return cah_fail(err, CAH_EINVALID,
				"a quality of %d is not within %d and %d for "
				"%s",
				recipe->quality, least, most,
				image_extension(recipe->format));
	if (recipe->shrink < 0 || recipe->shrink > IMAGE_LANCZOS ||
	    recipe->enlarge < 0 || recipe->enlarge > IMAGE_LANCZOS)
		return cah_fail(err, CAH_EINVALID, "no such filter");
	return CAH_OK;
}

/* What becomes of a picture's size. */
struct layout {
	bool is_resized;
	struct image_window window;
	int width; /* pixels of the file */
	int height;
	int left; /* where the window goes */
	int top;
	enum image_filter filter;
};

/* To the nearest whole number, halves to the even one, as Python's round. */
static int scale_side(int side, double scale)
{
	double scaled = nearbyint(side * scale);
	return scaled < 1 ? 1 : scaled > INT32_MAX ? INT32_MAX : (int)scaled;
}

static struct layout plan(const struct image_recipe *recipe, int width,
			  int height)
{
	int shorter = width < height ? width : height;
	int longer = width < height ? height : width;
	bool is_by_shorter = recipe->resize == IMAGE_RESIZE_KEEP_RATIO ||
			     recipe->resize == IMAGE_RESIZE_CENTER_CROP;
	int side = is_by_shorter ? shorter : longer;
	bool is_shrunk = side > recipe->size;
	struct layout l = {.width = width, .height = height};
	if (recipe->resize == IMAGE_RESIZE_NO ||
	    (recipe->only_if_bigger && !is_shrunk))
		return l;

	l.is_resized = true;
	l.filter = is_shrunk ? recipe->shrink : recipe->enlarge;
	double scale = (double)recipe->size / side;
	l.window.full_width = l.window.width = scale_side(width, scale);
	l.window.full_height = l.window.height = scale_side(height, scale);
	if (recipe->resize == IMAGE_RESIZE_CENTER_CROP) {
		l.window.left = (l.window.full_width - recipe->size) / 2;
		l.window.top = (l.window.full_height - recipe->size) / 2;
		l.window.width = l.window.height = recipe->size;
	}
	l.width = l.window.width;
	l.height = l.window.height;
	if (recipe->resize == IMAGE_RESIZE_BORDER) {
		l.left = (recipe->size - l.width) / 2;
		l.top = (recipe->size - l.height) / 2;
		l.width = l.height = recipe->size;
	}
	return l;
}

/* A picture of the layout's size; its pixels are NULL out of memory. */
static struct image lay_out(const struct image *image, const struct layout *l)
{
	size_t stride = (size_t)l->width * 3;
	struct image out = {.rgb = malloc(stride * (size_t)l->height),
			    .width = l->width,
			    .height = l->height};
	if (out.rgb == NULL)
		return out;
	if (l->width != l->window.width || l->height != l->window.height)
		memset(out.rgb, WHITE, stride * (size_t)l->height);
	uint8_t *start =
		out.rgb + (size_t)l->top * stride + (size_t)l->left * 3;
	if (image_scale(start, stride, image, &l->window, l->filter) != CAH_OK)
		image_fini(&out);
	return out;
}

static enum fate encode(struct image_made *out, const struct image *image,
			const struct image_recipe *recipe)
{
	struct codec_file file = {0};
	bool is_done = false;
	if (recipe->format == IMAGE_JPEG)
		is_done = jpeg_encode(&file, image, recipe->quality);
	else if (recipe->format == IMAGE_PNG)
		is_done = png_encode(&file, image, recipe->quality);
	else if (image->width > WEBP_SIDE_MAX || image->height > WEBP_SIDE_MAX)
		return CAH_FATE_TOO_MANY_PIXELS;
	else
		is_done = webp_encode(&file, image, recipe->quality);
	if (!is_done)
		return CAH_FATE_INTERNAL;
	out->data = file.data;
	out->len = file.len;
	out->format = recipe->format;
	out->width = image->width;
	out->height = image->height;
	return CAH_FATE_KEPT;
}

static enum fate copy_file(struct image_made *out, struct slice bytes,
			   enum image_format format)
{
	out->data = malloc(bytes.len > 0 ? bytes.len : 1);
	if (out->data == NULL)
		return CAH_FATE_INTERNAL;
	memcpy(out->data, bytes.data, bytes.len);
	out->len = bytes.len;
	out->format = format;
	return CAH_FATE_KEPT;
}

/* Of the file's size, not of what was decoded at a fraction. */
static struct layout plan_upright(const struct image_recipe *recipe,
				  const struct image *image)
{
	int width = image->original_width;
	int height = image->original_height;
	return image->is_on_side ? plan(recipe, height, width)
				 : plan(recipe, width, height);
}

static enum fate make_of(struct image_made *out, const struct image *image,
			 struct slice bytes, const struct image_recipe *recipe)
{
	out->original_width = image->original_width;
	out->original_height = image->original_height;
	out->is_truncated = image->is_truncated;
	struct layout layout = plan_upright(recipe, image);
	if (layout.is_resized) {
		struct image scaled = lay_out(image, &layout);
		enum fate fate = scaled.rgb != NULL
					 ? encode(out, &scaled, recipe)
					 : CAH_FATE_INTERNAL;
		image_fini(&scaled);
		return fate;
	}
	if (!recipe->skip_reencode || image->format != recipe->format)
		return encode(out, image, recipe);
	out->width = image->original_width;
	out->height = image->original_height;
	return copy_file(out, bytes, image->format);
}

static enum fate describe(struct image_made *out, const struct image *image,
			  const struct codec_notes *notes,
			  const struct image_recipe *recipe)
{
	struct slice exif = {(const char *)notes->exif.data, notes->exif.len};
	if (recipe->wants_exif &&
	    exif_json(&out->exif, &out->exif_len, exif) != CAH_OK)
		return CAH_FATE_INTERNAL;
	if (recipe->wants_phash && phash(&out->phash, image) != CAH_OK)
		return CAH_FATE_INTERNAL;
	out->has_phash = recipe->wants_phash;
	return CAH_FATE_KEPT;
}

/* A fraction is never smaller than twice what is made of it, so that only a
 * picture that is shrunk at all is decoded at one. */
static struct codec_least least_of(const struct image_recipe *recipe)
{
	struct codec_least least = {0};
	if (recipe->exact)
		return least;
	switch (recipe->resize) {
	case IMAGE_RESIZE_BORDER:
	case IMAGE_RESIZE_KEEP_RATIO_LARGEST:
		least.longer_side = recipe->size;
		break;
	case IMAGE_RESIZE_KEEP_RATIO:
	case IMAGE_RESIZE_CENTER_CROP:
		least.shorter_side = recipe->size;
		break;
	case IMAGE_RESIZE_NO:
		/* A JPEG that is kept as it is must be whole; of its pixels
		 * nobody sees one. */
		if (recipe->skip_reencode && recipe->format == IMAGE_JPEG &&
		    !recipe->wants_phash)
			least.shorter_side = 1;
		break;
	case IMAGE_RESIZE_COUNT:
		break;
	}
	return least;
}

enum fate image_make(struct image_made *out, struct slice bytes,
		     const struct image_limits *limits,
		     const struct image_recipe *recipe)
{
	*out = (struct image_made){0};
	if (image_recipe_check(recipe, NULL) != CAH_OK)
		return CAH_FATE_INTERNAL;
	if (recipe->keep_file) {
		enum image_format format = image_sniff(bytes);
		if (bytes.len < limits->min_bytes)
			return CAH_FATE_TOO_SMALL;
		if (format == IMAGE_UNKNOWN)
			return CAH_FATE_NOT_AN_IMAGE;
		return copy_file(out, bytes, format);
	}
	struct image image;
	struct codec_notes notes = {.wants_exif = recipe->wants_exif};
	enum fate fate =
		codec_decode(&image, &notes, bytes, limits, least_of(recipe));
	if (fate == CAH_FATE_KEPT)
		fate = make_of(out, &image, bytes, recipe);
	if (fate == CAH_FATE_KEPT)
		fate = describe(out, &image, &notes, recipe);
	codec_notes_fini(&notes);
	image_fini(&image);
	if (fate != CAH_FATE_KEPT)
		image_made_fini(out);
	return fate;
}

void image_made_fini(struct image_made *made)
{
	free(made->data);
	free(made->exif);
	*made = (struct image_made){0};
}
