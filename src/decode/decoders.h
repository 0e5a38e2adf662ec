/* decoders.h: pictures are decoded in processes of their own, where whoever
 * takes over the decoder by a crafted file finds nothing: no files, no network,
 * no other process, and only the picture in hand. A crash, or a picture that
 * takes for ever, costs that picture. docs/sandbox.md tells from what this
 * protects and from what not.
 *
 * The calls may come from any thread and block; as many run at once as there
 * are processes. Results and fates are those of src/image. */
#ifndef DECODE_DECODERS_H
#define DECODE_DECODERS_H

#include "base/cancel.h"
#include "base/log.h"
#include "image/make.h"

#include <cah/error.h>

enum {
	/* Bytes: more than any file that image_make makes of as many pixels as
	 * image_limits_default allows. It is address space, not memory. */
	DECODERS_MADE_MAX = 512 * 1024 * 1024,
	DECODERS_MAX = 1024,     /* processes */
	DECODERS_STARTS_MAX = 3, /* that fail in a row before none is tried
				    any more */
	DECODERS_START_MS =
		60000, /* from exec to a decoder that is locked in */
	DECODERS_IMAGE_MS = 60000, /* for one picture */
	DECODERS_LIFE = 10000,     /* pictures of one process */
};

struct decoders;

struct decoders_options {
	int count;           /* processes, 1 to DECODERS_MAX */
	const char *program; /* NULL: cah-decoder, beside this program or where
				`make install` puts it */
	size_t file_max;     /* bytes; a longer file is too_large */
	size_t made_max;     /* bytes of the largest result: of the pixels, or
				DECODERS_MADE_MAX; a larger one is internal */
	int64_t image_ms;    /* 0: DECODERS_IMAGE_MS */
	int life;            /* pictures; 0: DECODERS_LIFE */
	struct log *log;     /* borrowed; NULL: nothing is told */
};

/* Starts the processes and waits until they are locked in; when the first
 * picture comes, one line of the log tells what is on. Whatever the kernel
 * lacks is left out. The caller frees *out. Errors: CAH_EIO (they cannot be
 * started; the text says why and what helps), CAH_ENOMEM. */
CAH_MUST_CHECK int decoders_new(struct decoders **out,
				const struct decoders_options *options,
				struct cah_error *err);

/* Ends the processes. No call may be running. NULL is fine. */
void decoders_free(struct decoders *decoders);

/* One picture; everything is borrowed. */
struct decoders_job {
	struct slice bytes; /* the file */
	const char *name;   /* for the log, its URL for example; may be NULL */
	const struct image_limits *limits;
	const struct cancel *cancel; /* may be NULL */
};

struct decoders_fitted {
	enum fate fate;
	enum image_format format; /* this and the rest where it was kept */
	int original_width;       /* pixels, as the file says */
	int original_height;
};

/* image_decode, then image_fit: fit->height * fit->width * 3 bytes to @pixels.
 * *out has the fate: what image_decode says, too_large for a file longer than
 * the processes take, internal for one that was cancelled, or decoder_crashed.
 * @decoders may be NULL: it is done in this process. Errors: CAH_EIO (no
 * decoder can be started any more). */
CAH_MUST_CHECK int decoders_fit(struct decoders_fitted *out, uint8_t *pixels,
				struct decoders *decoders,
				const struct decoders_job *job,
				const struct image_fit *fit,
				struct cah_error *err);

/* image_make; the caller ends *out by image_made_fini. *fate is what image_make
 * says, or as above. @decoders may be NULL. Errors: as above. */
CAH_MUST_CHECK int decoders_make(struct image_made *out, enum fate *fate,
				 struct decoders *decoders,
				 const struct decoders_job *job,
				 const struct image_recipe *recipe,
				 struct cah_error *err);

#endif
