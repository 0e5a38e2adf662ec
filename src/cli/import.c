#include "cli/import.h"

#include "base/fail.h"

static int add_paths(struct import *im, size_t *at, size_t count,
		     int64_t *added, struct cah_error *err)
{
	for (size_t i = 0; i < count; i++) {
		bool is_added;
		int rc = store_import_add(im->store, paths_next(im->paths, at),
					  &is_added, err);
		if (rc != CAH_OK)
			return rc;
		*added += is_added ? 2 : 0;
	}
	return CAH_OK;
}

static int add_batch(struct import *im, size_t *at, size_t count,
		     struct cah_error *err)
{
	int64_t added = 0;
	int rc = store_import_begin(im->store, err);
	if (rc != CAH_OK)
		return rc;
	rc = add_paths(im, at, count, &added, err);
	if (rc != CAH_OK) {
		store_import_abort(im->store);
		return rc;
	}
	rc = store_import_end(im->store, err);
	if (rc != CAH_OK)
		return rc;
	im->added += added;
	im->there += 2 * (int64_t)count - added;
	return CAH_OK;
}

int import_run(struct import *im, struct cah_error *err)
{
	size_t total = im->paths->count;
	size_t at = 0, done = 0;
	im->added = 0;
	im->there = 0;
	while (done < total) {
		long gap_ms = done > 0 ? IMPORT_GAP_MS : 0;
		if (cancel_sleep(im->cancel, gap_ms))
			return cah_fail(err, CAH_ECANCELLED,
					"stopped with %zu of %zu WATs in the "
					"book",
					done, total);
		size_t left = total - done;
		size_t count = left < IMPORT_BATCH ? left : IMPORT_BATCH;
		int rc = add_batch(im, &at, count, err);
		if (rc != CAH_OK && done > 0)
			return cah_fail_prefix(
				err, rc, "stopped with %zu of %zu WATs in",
				done, total);
		if (rc != CAH_OK)
			return rc;
		done += count;
		if (im->progress != NULL)
			im->progress(im->arg, done, total);
	}
	return CAH_OK;
}
