/* codec.h: what the three formats share; private to this folder. */
#ifndef IMAGE_CODEC_H
#define IMAGE_CODEC_H

#include "image/colours.h"
#include "image/image.h"

/* A file, or a part of one; data is freed by whoever holds it. */
struct codec_file {
	uint8_t *data; /* of malloc */
	size_t len;
};

/* Neither side of a picture that a JPEG is decoded to is smaller than twice
 * these; both 0: all of it. */
struct codec_least {
	int shorter_side; /* pixels */
	int longer_side;
};

/* What a file says beside its pixels; the three are freed by codec_notes_fini.
 */
struct codec_notes {
	bool wants_exif;
	bool wants_profile;
	int orientation; /* EXIF's, 1 to 8 */
	struct codec_file exif;
	struct codec_file profile; /* ICC */
	struct colours *colours;   /* of an ICC profile of inks; the codec has
				      converted the pixels itself */
};

enum {
	CODEC_EXIF_MAX = 256 * 1024,         /* bytes; more is not looked at */
	CODEC_PROFILE_MAX = 4 * 1024 * 1024, /* bytes; the same */
};

/* image_decode, and what the file says beside its pixels. Fills *notes but for
 * its wishes, whatever the fate. */
enum fate codec_decode(struct image *out, struct codec_notes *notes,
		       struct slice bytes, const struct image_limits *limits,
		       struct codec_least least);

void codec_notes_fini(struct codec_notes *notes);

/* Keeps a copy of @exif, with the orientation, as far as it is wanted. */
void codec_note_exif(struct codec_notes *notes, struct slice exif);

/* The same for a profile. */
void codec_note_profile(struct codec_notes *notes, struct slice profile);

/* Each fills *out but for the format, as it lies in the file. On any other fate
 * than CAH_FATE_KEPT out->rgb stays NULL. */
enum fate jpeg_decode(struct image *out, struct codec_notes *notes,
		      struct slice bytes, const struct image_limits *limits,
		      struct codec_least least);
enum fate png_decode(struct image *out, struct codec_notes *notes,
		     struct slice bytes, const struct image_limits *limits);
enum fate webp_decode(struct image *out, struct codec_notes *notes,
		      struct slice bytes, const struct image_limits *limits);

/* What the header's size means: CAH_FATE_KEPT, too_many_pixels, short_side,
 * aspect_ratio, or broken_image for a side of nothing. */
enum fate codec_check_size(int64_t width, int64_t height,
			   const struct image_limits *limits);

/* Room for width * height pixels of @channels bytes; NULL out of memory. */
uint8_t *codec_alloc(int width, int height, int channels);

/* Makes @out of @pixels, of codec_alloc, which are RGBA where they are clear:
 * they are laid on white then. */
void codec_give(struct image *out, uint8_t *pixels, int width, int height,
		bool is_clear);

/* Each writes @image, all of its pixels whatever its box says, as a file; false
 * out of memory, with out->data NULL. */
bool jpeg_encode(struct codec_file *out, const struct image *image,
		 int quality);
bool png_encode(struct codec_file *out, const struct image *image, int level);
bool webp_encode(struct codec_file *out, const struct image *image,
		 int quality);

#endif
