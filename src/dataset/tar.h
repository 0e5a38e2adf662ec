/* tar.h: files into a tar, the same bytes for the same input. One owner; no
 * locks. */
#ifndef DATASET_TAR_H
#define DATASET_TAR_H

#include "base/file.h"
#include "base/slice.h"

struct tar;

/* Begins an archive on @file (borrowed). The caller frees *out.
 * Errors: CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int tar_new(struct tar **out, struct file *file,
			   struct cah_error *err);

/* Adds the file @name. Errors: CAH_EIO (a full disk among them). */
CAH_MUST_CHECK int tar_add(struct tar *tar, const char *name,
			   struct slice content, struct cah_error *err);

/* Writes what is left and the end mark. Errors: CAH_EIO. */
CAH_MUST_CHECK int tar_finish(struct tar *tar, struct cah_error *err);

/* NULL is fine. */
void tar_free(struct tar *tar);

#endif
