/* import.h: WAT paths into a tracker's book. Main thread. */
#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

#include "base/cancel.h"
#include "cli/paths.h"
#include "store/store.h"

#include <cah/error.h>

enum {
	/* WATs of one transaction: some tenth of a second, so long may a
	 * tracker have to wait. */
	IMPORT_BATCH = 10000,
	/* Between two of them. Who waits for the book asks for it every 2 ms
	 * (SQLITE_NAP_MS). */
	IMPORT_GAP_MS = 5,
};

/* Called after each batch, when the book is free for others; may be NULL. */
typedef void (*import_progress_fn)(void *arg, size_t done, size_t total);

struct import {
	struct store *store;
	struct paths *paths;
	struct cancel *cancel;
	import_progress_fn progress;
	void *arg;
	int64_t added; /* set: jobs that are new */
	int64_t there; /* set: jobs that the book had before */
};

/* Adds two jobs for each path, batch by batch: each is in the book as a whole
 * or not at all. What stopped in the middle can be run again, for what the book
 * has is passed over. Errors: CAH_ECANCELLED, those of store_import_add. */
CAH_MUST_CHECK int import_run(struct import *import, struct cah_error *err);

#endif
