/* tree.h: a folder of files that appears whole or not at all: written under a
 * temporary name, synced, renamed. One owner; no locks. */
#ifndef GATHER_TREE_H
#define GATHER_TREE_H

#include "base/slice.h"

#include <cah/error.h>

struct tree;

/* Begins FOLDER/NAME under the name NAME.tmp.PID.0 beside it. The caller ends
 * it with tree_commit or tree_discard. Errors: CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int tree_new(struct tree **out, const char *folder,
			    const char *name, struct cah_error *err);

/* Writes the file @name in it. Errors: CAH_EIO (a full disk among them). */
CAH_MUST_CHECK int tree_add(struct tree *tree, const char *name,
			    struct slice content, struct cah_error *err);

/* Brings all files to the disk. Errors: CAH_EIO. */
CAH_MUST_CHECK int tree_sync(struct tree *tree, struct cah_error *err);

/* Renames; frees @tree whatever comes. On failure nothing is left.
 * Errors: CAH_EIO. */
CAH_MUST_CHECK int tree_commit(struct tree *tree, struct cah_error *err);

/* Removes what was written; frees @tree. NULL is fine. */
void tree_discard(struct tree *tree);

/* Removes the folder @path and the files in it, none deeper; where there is
 * none, that is fine. Errors: CAH_EIO. */
int tree_remove(const char *path, struct cah_error *err);

#endif
