/* plan.h: preprocessor_config.json to what the model wants of an image. Any
 * thread. */
#ifndef CLIP_PLAN_H
#define CLIP_PLAN_H

#include "base/slice.h"
#include "clip/clip.h"

enum {
	PLAN_FILE_MAX = 1024 * 1024, /* bytes */
	PLAN_SIDE_MAX = 4096,        /* pixels */
};

/* Reads preprocessor_config.json of @folder. A step that the plan cannot say
 * (no resizing, a crop larger than the image) is an error.
 * Errors: CAH_ENOTFOUND, CAH_EFORMAT, CAH_ELIMIT, CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int plan_read(struct clip_plan *out, const char *folder,
			     struct cah_error *err);

/* The same from bytes; @name is for errors. */
CAH_MUST_CHECK int plan_parse(struct clip_plan *out, struct slice json,
			      const char *name, struct cah_error *err);

#endif
