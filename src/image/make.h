/* make.h: from a fetched file to the file that a dataset stores. Any thread;
 * nothing is shared.
 *
 * The modes, sizes and their rounding are those of img2dataset (its resizer.py
 * and, for the sizes, albumentations' SmallestMaxSize, LongestMaxSize,
 * CenterCrop, PadIfNeeded). What differs, and why, is in docs/images.md. */
#ifndef IMAGE_MAKE_H
#define IMAGE_MAKE_H

#include "image/image.h"

enum image_resize {
	IMAGE_RESIZE_NO,
	IMAGE_RESIZE_BORDER, /* longest side to size, then white to a square */
	IMAGE_RESIZE_KEEP_RATIO,         /* shortest side to size */
	IMAGE_RESIZE_KEEP_RATIO_LARGEST, /* longest side to size */
	IMAGE_RESIZE_CENTER_CROP, /* shortest side to size, then the middle */
	IMAGE_RESIZE_COUNT
};

enum {
	IMAGE_SIZE_MAX = 16384,     /* recipe.size, pixels */
	IMAGE_EXIF_MAX = 64 * 1024, /* made.exif, bytes without the NUL */
};

/* Scalars only, so that a recipe can be copied to another process as it is. */
struct image_recipe {
	enum image_resize resize;
	int size; /* pixels, 1 to IMAGE_SIZE_MAX; any for RESIZE_NO */
	bool only_if_bigger; /* never enlarge: a picture whose side is at most
				size is neither scaled, cropped nor padded */
	bool skip_reencode;  /* a file in the wanted format of which no pixel is
				changed stays as it was fetched */
	bool keep_file; /* nothing is decoded nor checked but its first bytes
			   and the limit of bytes: img2dataset's
			   disable_all_reencoding */
	bool exact;     /* no JPEG is decoded at a fraction of its size */
	bool wants_exif;
	bool wants_phash;
	enum image_format format; /* IMAGE_JPEG, IMAGE_PNG or IMAGE_WEBP */
	int quality;              /* JPEG and WebP: 1 to 100; PNG: zlib's level,
				     0 to 9 */
	enum image_filter shrink;
	enum image_filter enlarge;
};

/* What img2dataset does without options: border at 256 pixels, JPEG of quality
 * 95, enlarging by Lanczos; shrinking by the antialiased bicubic that CLIP's
 * own input is made with. */
struct image_recipe image_recipe_default(void);

/* "border"; static. As img2dataset spells them. */
const char *image_resize_name(enum image_resize resize);

/* By that name; IMAGE_RESIZE_COUNT where there is none. */
enum image_resize image_resize_of(const char *name);

/* CAH_OK, or CAH_EINVALID with a line in @err about what is out of range. */
CAH_MUST_CHECK int image_recipe_check(const struct image_recipe *recipe,
				      struct cah_error *err);

struct image_made {
	uint8_t *data; /* the file, len bytes; owned */
	size_t len;
	enum image_format format; /* of the file */
	int width;                /* pixels of the file; 0 with keep_file */
	int height;
	int original_width; /* as the fetched file says, before orientation; 0
			       with keep_file */
	int original_height;
	bool is_truncated; /* the fetched file was cut, and is kept by
			      limits.keep_truncated */
	bool has_phash;    /* not where nothing was decoded */
	uint64_t phash;    /* of the whole picture; as 16 hexadecimal digits
			      what str(imagehash.phash(image)) is */
	char *exif; /* a JSON object in ASCII with NUL; owned; NULL where there
		       is none or none was wanted */
	size_t exif_len;
};

/* Makes what @recipe says of @bytes, a whole file of JPEG, PNG or WebP.
 * Returns CAH_FATE_KEPT and fills *out (image_made_fini), else why not, with
 * *out all zeros: those of image_decode, and internal also for a recipe that
 * image_recipe_check refuses. */
enum fate image_make(struct image_made *out, struct slice bytes,
		     const struct image_limits *limits,
		     const struct image_recipe *recipe);

/* Frees the file and its EXIF; zeros are fine. */
void image_made_fini(struct image_made *made);

#endif
