/* file.h: files that appear whole or not at all: written under a temporary
 * name beside the final one, synced, renamed. One owner; no locks. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"

#include <cah/error.h>
#include <stdbool.h>
#include <stdio.h>

struct file; /* a file that is being written */

/* Begins PATH under the name PATH.tmp.PID.N in the same folder. The caller ends
 * it with file_commit or file_discard. Errors: CAH_EIO (PATH is something else
 * than a file, too), CAH_ENOMEM. */
CAH_MUST_CHECK int file_create(struct file **out, const char *path,
			       struct cah_error *err);

/* Where the bytes go, for libraries that write by themselves; borrowed. */
const char *file_tmp_path(const struct file *file);
int file_fd(const struct file *file);

/* Appends all of @data. Errors: CAH_EIO (a full disk among them). */
CAH_MUST_CHECK int file_write(struct file *file, const void *data, size_t len,
			      struct cah_error *err);

/* Syncs, renames to the final name, syncs the folder; frees @file whatever
 * comes. On failure nothing is left. Errors: CAH_EIO. */
CAH_MUST_CHECK int file_commit(struct file *file, struct cah_error *err);

/* Removes what was written; frees @file. NULL is fine. */
void file_discard(struct file *file);

/* Writes a whole file as above. */
CAH_MUST_CHECK int file_put(const char *path, const void *data, size_t len,
			    struct cah_error *err);

/* Reads a whole file into @out (initialised by the caller, whose maximum is
 * the limit). Errors: CAH_ENOTFOUND, CAH_EIO, CAH_ELIMIT. */
CAH_MUST_CHECK int file_read(struct buf *out, const char *path,
			     struct cah_error *err);

/* Whether every user of the machine may read @path; false where it cannot be
 * told. */
bool file_is_for_all(const char *path);

/* Makes @path and its parents, as mkdir -p. Errors: CAH_EIO. */
CAH_MUST_CHECK int file_make_dirs(const char *path, struct cah_error *err);

#endif
