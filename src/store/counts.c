/* What is counted of the whole book: how many jobs, workers and tasks are
 * where. Kept in a row of their own with each change, never counted. */
#include "base/fail.h"
#include "store/store_priv.h"

int store_count_get(struct store *store, int count, int64_t *out,
		    struct cah_error *err)
{
	enum stmt s = STMT_COUNTS_GET;
	if (!store->has_counts) {
		int rc = store_start(store, s, NULL, 0, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			return cah_fail(err, CAH_EUNAVAILABLE,
					"%s: its counts are gone", store->path);
		for (int i = 0; i < COUNT_COUNT; i++)
			store->counts[i] = store_int(store, s, i);
		store->has_counts = true;
	}
	*out = store->counts[count] + store->deltas[count];
	return CAH_OK;
}

static int read_task_counts(struct store *store, struct store_counts *out,
			    struct cah_error *err)
{
	int rc =
		store_count_get(store, COUNT_TASKS_DONE, &out->tasks_done, err);
	for (int i = 0; i < STORE_STAGE_COUNT && rc == CAH_OK; i++) {
		rc = store_count_get(store, COUNT_STAGE_WORKERS + i,
				     &out->stage_workers[i], err);
		if (rc == CAH_OK)
			rc = store_count_get(store, COUNT_TASKS_OPEN + i,
					     &out->tasks_open[i], err);
		if (rc == CAH_OK)
			rc = store_count_get(store, COUNT_TASKS_LEASED + i,
					     &out->tasks_leased[i], err);
	}
	return rc;
}

static int read_counts(struct store *store, struct store_counts *out,
		       int64_t wall_s, struct cah_error *err)
{
	int rc = store_count_get(store, COUNT_PAIRS, &out->pairs, err);
	for (int i = 0; i < JOB_STATE_COUNT && rc == CAH_OK; i++)
		rc = store_count_get(store, COUNT_JOBS + i, &out->jobs[i], err);
	for (int i = 0; i < WORKER_TYPE_COUNT && rc == CAH_OK; i++)
		rc = store_count_get(store, COUNT_WORKERS + i, &out->workers[i],
				     err);
	if (rc == CAH_OK)
		rc = read_task_counts(store, out, err);
	/* Those of calls before it in the group. */
	if (rc == CAH_OK && store->map.has_minutes)
		rc = save_all(store, err);
	if (rc == CAH_OK)
		rc = store_start(store, STMT_MINUTE_SUM,
				 STORE_ARGS(arg_int(wall_s / 60)), err);
	if (rc < 0)
		return rc;
	out->finished_last_hour = store_int(store, STMT_MINUTE_SUM, 0);
	return CAH_OK;
}

int store_get_counts(struct store *store, struct store_counts *out,
		     int64_t wall_s, struct cah_error *err)
{
	memset(out, 0, sizeof(*out));
	int rc = store_begin_peek(store, err);
	if (rc != CAH_OK)
		return rc;
	return store_end(store, read_counts(store, out, wall_s, err), err);
}

int store_job_count(struct store *store, int64_t *out, enum worker_type type,
		    struct cah_error *err)
{
	int64_t checks = 0;
	*out = 0;
	int rc = store_begin_peek(store, err);
	if (rc != CAH_OK)
		return rc;
	int state = type == WORKER_GPU ? JOB_GPU_OPEN : JOB_OPEN;
	rc = store_count_get(store, COUNT_JOBS + state, out, err);
	if (rc == CAH_OK && type == WORKER_HYBRID)
		rc = store_count_get(store, COUNT_JOBS + JOB_CHECK_OPEN,
				     &checks, err);
	*out += checks;
	return store_end(store, rc, err);
}
