#include "cli/import.h"

#include "base/arena.h"
#include "base/fail.h"

#include <string.h>

enum {
	ASK_URLS = 500, /* of one question to the book */
};

/* The next @count paths, whose copies are in @arena. */
static int take_paths(struct paths *paths, size_t *at, struct arena *arena,
		      struct slice *out, size_t count, struct cah_error *err)
{
	arena_reset(arena);
	for (size_t i = 0; i < count; i++) {
		struct slice url = paths_next(paths, at);
		char *copy = arena_alloc(arena, url.len + 1);
		if (copy == NULL)
			return cah_fail(err, CAH_ENOMEM, "out of memory");
		if (url.len > 0)
			memcpy(copy, url.data, url.len);
		out[i] = (struct slice){copy, url.len};
	}
	return CAH_OK;
}

static int add_paths(struct import *im, size_t *at, size_t count,
		     int64_t *added, struct cah_error *err)
{
	struct slice urls[ASK_URLS];
	struct arena *arena;
	int rc = arena_new(&arena, ASK_URLS * (size_t)PATHS_LINE_MAX * 2, err);
	for (size_t done = 0, n = 0; done < count && rc == CAH_OK; done += n) {
		size_t new = 0;
		n = count - done < ASK_URLS ? count - done : ASK_URLS;
		rc = take_paths(im->paths, at, arena, urls, n, err);
		if (rc == CAH_OK)
			rc = store_import_add_all(im->store, urls, n, &new,
						  err);
		*added += 2 * (int64_t) new;
	}
	arena_free(arena);
	return rc;
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
