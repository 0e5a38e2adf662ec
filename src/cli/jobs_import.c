#include "cli/import.h"

#include "base/fail.h"
#include "cli/jobs.h"

static int print_import(const struct jobs_args *jobs,
			const struct import *import, struct cah_error *err)
{
	if (jobs->is_json) {
		struct buf line;
		struct wire_json json;
		jobs_begin_json(&json, &line);
		wire_json_put_int(&json, "added", import->added);
		wire_json_put_int(&json, "there", import->there);
		wire_json_close(&json, '}');
		return jobs_print_json(&line, err);
	}
	if (!jobs->is_quiet)
		printf("added %lld jobs, %lld were there\n",
		       (long long)import->added, (long long)import->there);
	return CAH_OK;
}
static void show_progress(void *arg, size_t done, size_t total)
{
	const struct jobs_args *jobs = arg;
	char line[128];
	(void)snprintf(line, sizeof(line), "importing: %zu of %zu WATs", done,
		       total);
	log_progress(jobs->progress, line);
}

static int import_paths(struct jobs_args *jobs, struct paths *paths,
			struct cah_error *err)
{
	int rc = store_open(&jobs->store, jobs->store_uri, err);
	if (rc != CAH_OK)
		return rc;
	struct import import = {
		.store = jobs->store,
		.paths = paths,
		.cancel = jobs->cancel,
		.progress = show_progress,
		.arg = jobs,
	};
	rc = import_run(&import, err);
	log_progress(jobs->progress, NULL);
	return rc == CAH_OK ? print_import(jobs, &import, err) : rc;
}

/* All lists are read before the book is touched: what is broken or far away
 * keeps no tracker waiting. */
int jobs_import(struct jobs_args *jobs, struct cah_error *err)
{
	int rc = paths_check_base(jobs->base_url, err);
	if (rc != CAH_OK)
		return rc;
	struct paths paths;
	paths_init(&paths);
	for (int i = 0; i < jobs->operand_count && rc == CAH_OK; i++) {
		log_progress(jobs->progress, jobs->operands[i]);
		rc = paths_read(&paths, jobs->operands[i], jobs->base_url,
				jobs->cancel, err);
	}
	log_progress(jobs->progress, NULL);
	if (rc == CAH_OK)
		rc = import_paths(jobs, &paths, err);
	paths_fini(&paths);
	/* What a list holds is no bad usage. */
	if (rc == CAH_EINVALIDURL && err != NULL)
		err->code = CAH_EFORMAT;
	return rc;
}
