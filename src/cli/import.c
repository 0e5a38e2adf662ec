#include "cli/import.h"

#include "base/fail.h"

enum {
	PROGRESS_EVERY = 1000, /* WATs */
};

static int add_all(struct import *im, struct cah_error *err)
{
	size_t at = 0, count = 0;
	int rc = CAH_OK;
	for (struct slice url = paths_next(im->paths, &at);
	     url.len > 0 && rc == CAH_OK; url = paths_next(im->paths, &at)) {
		bool is_added;
		rc = store_import_add(im->store, url, &is_added, err);
		*(is_added ? &im->added : &im->there) += 2;
		if (rc != CAH_OK || ++count % PROGRESS_EVERY != 0)
			continue;
		if (im->progress != NULL)
			im->progress(im->arg, count, im->paths->count);
		if (cancel_is_set(im->cancel))
			rc = cah_fail(err, CAH_ECANCELLED,
				      "stopped; nothing was imported");
	}
	return rc;
}

int import_run(struct import *im, struct cah_error *err)
{
	im->added = 0;
	im->there = 0;
	int rc = store_import_begin(im->store, err);
	if (rc != CAH_OK)
		return rc;
	rc = add_all(im, err);
	if (rc == CAH_OK)
		return store_import_end(im->store, err);
	store_import_abort(im->store);
	return rc;
}
