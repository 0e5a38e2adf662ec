/* import.h: WAT paths into a tracker's book, all or none. Main thread. */
#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

#include "base/cancel.h"
#include "cli/paths.h"
#include "store/store.h"

#include <cah/error.h>

/* Called every 1,000 WATs; may be NULL. */
typedef void (*import_progress_fn)(void *arg, size_t done, size_t total);

struct import {
	struct store *store;
	const struct paths *paths;
	struct cancel *cancel;
	import_progress_fn progress;
	void *arg;
	int64_t added; /* set: jobs that are new */
	int64_t there; /* set: jobs that the book had before */
};

/* Adds two jobs for each path in one transaction. Errors: CAH_ECANCELLED, those
 * of store_import_add; the book is then as before. */
CAH_MUST_CHECK int import_run(struct import *import, struct cah_error *err);

#endif
