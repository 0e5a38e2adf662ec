/* cah jobs move: a project from a book in a file to one in PostgreSQL, where
 * several trackers may share it. */
#include "base/fail.h"
#include "cli/jobs.h"

#include <stdio.h>
#include <string.h>

static const char SQLITE[] = "sqlite:";

/* Of the type store_move_fn. */
static int on_step(void *arg, int64_t done, int64_t total)
{
	struct jobs_args *jobs = arg;
	char line[128];
	(void)snprintf(line, sizeof(line), "moving: %lld of about %lld rows",
		       (long long)done, (long long)total);
	log_progress(jobs->progress, line);
	return cancel_is_set(jobs->cancel);
}

static int report(struct jobs_args *jobs, struct store *to,
		  struct cah_error *err)
{
	struct store_counts counts;
	int64_t sum = 0;
	int rc = store_get_counts(to, &counts, 0, err);
	if (rc != CAH_OK)
		return rc;
	for (int i = 0; i < JOB_STATE_COUNT; i++)
		sum += counts.jobs[i];
	if (jobs->is_json) {
		struct buf line;
		struct wire_json json;
		jobs_begin_json(&json, &line);
		wire_json_put_int(&json, "jobs", sum);
		wire_json_close(&json, '}');
		return jobs_print_json(&line, err);
	}
	if (!jobs->is_quiet)
		printf("moved %lld jobs; the old book is as it was\n",
		       (long long)sum);
	return CAH_OK;
}

int jobs_move(struct jobs_args *jobs, struct cah_error *err)
{
	struct store *to = NULL;
	if (jobs->from == NULL || jobs->to == NULL)
		return cah_fail(err, CAH_EINVALID,
				"move needs --from URI and --to URI");
	/* Before a file is made that nobody wants. */
	if (strncmp(jobs->to, SQLITE, strlen(SQLITE)) == 0)
		return cah_fail(err, CAH_EINVALID,
				"a book moves from SQLite to PostgreSQL only");
	int rc = store_open_existing(&jobs->store, jobs->from, err);
	if (rc == CAH_OK)
		rc = store_open(&to, jobs->to, err);
	if (rc == CAH_OK)
		rc = store_move(jobs->store, to, on_step, jobs, err);
	log_progress(jobs->progress, NULL);
	if (rc == CAH_OK)
		rc = report(jobs, to, err);
	store_close(to);
	return rc;
}
