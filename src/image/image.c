#include "image/image.h"

#include "image/codec.h"

#include <stddef.h>
#include <stdlib.h>

enum {
	MIN_BYTES = 5000,
	MAX_PIXELS = 89478484,
	MAX_SIDE = 65535,
};

struct image_limits image_limits_default(void)
{
	return (struct image_limits){.min_bytes = MIN_BYTES,
				     .max_pixels = MAX_PIXELS,
				     .max_side = MAX_SIDE};
}

enum image_format image_sniff(struct slice bytes)
{
	if (slice_starts(bytes, SLICE("\xff\xd8\xff")))
		return IMAGE_JPEG;
	if (slice_starts(bytes, SLICE("\x89PNG\r\n\x1a\n")))
		return IMAGE_PNG;
	/* RFC 9649, 2.4: the size of the file stands between the two. */
	if (slice_starts(bytes, SLICE("RIFF")) &&
	    slice_starts(slice_from(bytes, 8), SLICE("WEBP")))
		return IMAGE_WEBP;
	return IMAGE_UNKNOWN;
}

const char *image_extension(enum image_format format)
{
	switch (format) {
	case IMAGE_JPEG:
		return "jpg";
	case IMAGE_PNG:
		return "png";
	case IMAGE_WEBP:
		return "webp";
	case IMAGE_UNKNOWN:
		break;
	}
	return "bin";
}

/* How the stored picture is made upright (CIPA DC-008, 4.6.4 A, Orientation):
 * over its main diagonal first, then mirrored. */
struct turn {
	bool is_over_diagonal;
	bool is_mirrored; /* left and right */
	bool is_upside_down;
};

static struct turn turn_of(int orientation)
{
	static const struct turn turns[] = {
		{false, false, false}, {false, true, false},
		{false, true, true},   {false, false, true},
		{true, false, false},  {true, true, false},
		{true, true, true},    {true, false, true},
	};
	return turns[orientation - 1];
}

static struct image_box turn_box(struct image_box box, const struct turn *turn,
				 int width, int height)
{
	if (turn->is_over_diagonal)
		box = (struct image_box){box.top, box.left, box.bottom,
					 box.right};
	struct image_box to = box;
	if (turn->is_mirrored) {
		to.left = width - box.right;
		to.right = width - box.left;
	}
	if (turn->is_upside_down) {
		to.top = height - box.bottom;
		to.bottom = height - box.top;
	}
	return to;
}

static enum fate make_upright(struct image *image, int orientation)
{
	if (orientation == 1)
		return CAH_FATE_KEPT;
	struct turn turn = turn_of(orientation);
	int width = turn.is_over_diagonal ? image->height : image->width;
	int height = turn.is_over_diagonal ? image->width : image->height;
	/* Steps in the stored picture, in pixels, for one to the right and one
	 * down in the upright one. */
	ptrdiff_t right = turn.is_over_diagonal ? image->width : 1;
	ptrdiff_t down = turn.is_over_diagonal ? 1 : image->width;
	const uint8_t *start = image->rgb;
	if (turn.is_mirrored) {
		start += 3 * right * (width - 1);
		right = -right;
	}
	if (turn.is_upside_down) {
		start += 3 * down * (height - 1);
		down = -down;
	}
	uint8_t *upright = codec_alloc(width, height, 3);
	if (upright == NULL)
		return CAH_FATE_INTERNAL;

	uint8_t *to = upright;
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++, to += 3)
			memcpy(to, start + 3 * (y * down + x * right), 3);
	free(image->rgb);
	image->rgb = upright;
	image->width = width;
	image->height = height;
	image->box = turn_box(image->box, &turn, width, height);
	image->is_on_side = turn.is_over_diagonal;
	return CAH_FATE_KEPT;
}

static enum fate decode(struct image *out, struct codec_notes *notes,
			struct slice bytes, const struct image_limits *limits,
			struct codec_least least)
{
	switch (image_sniff(bytes)) {
	case IMAGE_JPEG:
		return jpeg_decode(out, notes, bytes, limits, least);
	case IMAGE_PNG:
		return png_decode(out, notes, bytes, limits);
	case IMAGE_WEBP:
		return webp_decode(out, notes, bytes, limits);
	case IMAGE_UNKNOWN:
		break;
	}
	return CAH_FATE_NOT_AN_IMAGE;
}

enum fate codec_decode(struct image *out, struct codec_notes *notes,
		       struct slice bytes, const struct image_limits *limits,
		       struct codec_least least)
{
	*out = (struct image){0};
	notes->orientation = 1;
	notes->wants_profile = limits->to_srgb;
	if (bytes.len < limits->min_bytes)
		return CAH_FATE_TOO_SMALL;

	enum fate fate = decode(out, notes, bytes, limits, least);
	if (fate == CAH_FATE_KEPT && notes->colours == NULL)
		colours_to_srgb(out->rgb,
				(size_t)out->width * (size_t)out->height,
				notes->profile.data, notes->profile.len);
	if (fate == CAH_FATE_KEPT)
		fate = make_upright(out, notes->orientation);
	if (fate != CAH_FATE_KEPT) {
		image_fini(out);
		return fate;
	}
	out->format = image_sniff(bytes);
	return CAH_FATE_KEPT;
}

enum fate image_decode(struct image *out, struct slice bytes,
		       const struct image_limits *limits, int min_side)
{
	struct codec_notes notes = {0};
	struct codec_least least = {.shorter_side = min_side};
	enum fate fate = codec_decode(out, &notes, bytes, limits, least);
	codec_notes_fini(&notes);
	return fate;
}

void image_fini(struct image *image)
{
	free(image->rgb);
	*image = (struct image){0};
}
