/* The time a worker holds a job: taking, finishing, and giving up on it.
 * workers.job and jobs.holder point at each other, in one transaction. */
#include "base/fail.h"
#include "store/store_priv.h"

/* ---- taking ---- */

/* The open job with the lowest number behind @after, else with the lowest. */
static int pick(struct store *store, int64_t *number, enum worker_type type,
		int64_t after, struct cah_error *err)
{
	enum stmt stmt = type == WORKER_GPU ? STMT_JOB_PICK_GPU : STMT_JOB_PICK;
	int rc = store_start(store, stmt, STORE_ARGS(arg_int(after)), err);
	if (rc == 0 && after > 0)
		rc = store_start(store, stmt, STORE_ARGS(arg_int(0)), err);
	if (rc == 0)
		return cah_fail(err, CAH_ENOJOB, "no job is open");
	if (rc < 0)
		return rc;
	*number = store_int(store, stmt, 0);
	return CAH_OK;
}

/* Whoever gives a job back gets another: where its WAT cannot be had, the same
 * one again would keep the worker from all others. */
static int take(struct store *store, struct job *out,
		const struct worker_row *worker, enum worker_type type,
		struct cah_error *err)
{
	int64_t number = 0;
	struct job_row row = {0};
	int rc = worker_give_back(store, worker->job, err);
	if (rc == CAH_OK)
		rc = pick(store, &number, type, worker->job, err);
	if (rc == CAH_OK)
		rc = job_load(store, &row, number, err);
	if (rc != CAH_OK)
		return rc;
	enum job_state old = row.state;
	row.state = type == WORKER_GPU ? JOB_GPU_LEASED : JOB_LEASED;
	row.holder = worker->id;
	rc = job_save(store, &row, old, err);
	if (rc == CAH_OK)
		rc = store_run(store, STMT_WORKER_SET_JOB,
			       STORE_ARGS(arg_int(worker->id),
					  arg_int(row.number), arg_int(0)),
			       err);
	if (rc == CAH_OK)
		rc = store_start(store, STMT_JOB_GET,
				 STORE_ARGS(arg_int(row.number)), err);
	if (rc == 0)
		return cah_fail(err, CAH_EUNAVAILABLE,
				"%s: job %lld has no WAT", store->path,
				(long long)row.number);
	if (rc < 0)
		return rc;
	job_fill(store, STMT_JOB_GET, out);
	return CAH_OK;
}

int store_job_take(struct store *store, struct job *out, struct slice token,
		   enum worker_type type, int64_t now_s, int64_t wall_s,
		   struct cah_error *err)
{
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	struct worker_row worker = {0};
	rc = worker_load(store, &worker, token, type, err);
	if (rc == CAH_OK)
		rc = worker_touch(store, &worker, now_s, wall_s, err);
	if (rc == CAH_OK)
		rc = take(store, out, &worker, type, err);
	return store_end(store, rc, err);
}

/* ---- having ---- */

/* The worker, heard of, and the job that it holds. */
static int load_lease(struct store *store, struct worker_row *worker,
		      struct job_row *row, struct slice token,
		      enum worker_type type, struct cah_error *err)
{
	int rc = worker_load(store, worker, token, type, err);
	if (rc != CAH_OK)
		return rc;
	if (worker->job == 0)
		return cah_fail(err, CAH_ENOJOB, "the worker holds no job");
	return job_load(store, row, worker->job, err);
}

static int let_go(struct store *store, const struct worker_row *worker,
		  bool is_completed, struct cah_error *err)
{
	return store_run(store, STMT_WORKER_SET_JOB,
			 STORE_ARGS(arg_int(worker->id), arg_int(0),
				    arg_int(is_completed)),
			 err);
}

/* ---- finishing ---- */

/* The CPU part of a job is done: it waits for a GPU worker. */
static int to_gpu(struct store *store, struct job_row *row,
		  struct slice nickname, struct slice url,
		  struct cah_error *err)
{
	int rc = leader_credit(store, &row->maker, BOARD_CPU, nickname, 0, err);
	if (rc != CAH_OK)
		return rc;
	row->state = JOB_GPU_OPEN;
	row->holder = 0;
	return job_set_gpu_url(store, row->number, url, err);
}

struct result {
	int64_t pairs;
	struct slice url;
	int64_t wall_s;
};

static int finish(struct store *store, struct worker_row *worker,
		  struct job_row *row, enum worker_type type,
		  const struct result *result, struct cah_error *err)
{
	struct slice nickname = slice_of(worker->nickname);
	enum job_state old = row->state;
	int rc = type == WORKER_CPU
			 ? to_gpu(store, row, nickname, result->url, err)
			 : leader_close_job(store, row, nickname, result->pairs,
					    result->wall_s, err);
	if (rc == CAH_OK)
		rc = job_save(store, row, old, err);
	return rc != CAH_OK ? rc : let_go(store, worker, true, err);
}

int store_job_finish(struct store *store, struct slice token,
		     enum worker_type type, int64_t pairs, struct slice url,
		     int64_t now_s, int64_t wall_s, struct cah_error *err)
{
	int rc = CAH_OK;
	if (type == WORKER_CPU)
		rc = store_check_text(url, STORE_URL_MAX, "url", err);
	else if (pairs < 0 || pairs > INT32_MAX)
		rc = cah_fail(err, CAH_EINVALID,
			      "count is %lld, must be 0 to %d",
			      (long long)pairs, INT32_MAX);
	if (rc == CAH_OK)
		rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	struct worker_row worker = {0};
	struct job_row row = {0};
	struct result result = {pairs, url, wall_s};
	rc = load_lease(store, &worker, &row, token, type, err);
	if (rc == CAH_OK)
		rc = worker_touch(store, &worker, now_s, wall_s, err);
	if (rc == CAH_OK)
		rc = finish(store, &worker, &row, type, &result, err);
	return store_end(store, rc, err);
}

/* ---- other ways ---- */

int store_job_invalid(struct store *store, struct slice token, int64_t now_s,
		      int64_t wall_s, struct cah_error *err)
{
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	struct worker_row worker = {0};
	struct job_row row = {0};
	rc = load_lease(store, &worker, &row, token, WORKER_GPU, err);
	if (rc == CAH_OK)
		rc = worker_touch(store, &worker, now_s, wall_s, err);
	/* Whoever made the address made nothing of use. */
	if (rc == CAH_OK)
		rc = leader_undo_job(store, &row, err);
	if (rc == CAH_OK) {
		row.state = JOB_OPEN;
		row.holder = 0;
		rc = job_save(store, &row, JOB_GPU_LEASED, err);
	}
	if (rc == CAH_OK)
		rc = let_go(store, &worker, false, err);
	return store_end(store, rc, err);
}

static int open_to_gpu(struct store *store, int64_t number,
		       struct slice nickname, struct slice url,
		       struct cah_error *err)
{
	struct job_row row = {0};
	int rc = store_check_text(url, STORE_URL_MAX, "url", err);
	if (rc == CAH_OK)
		rc = job_load(store, &row, number, err);
	if (rc != CAH_OK)
		return rc;
	if (row.state != JOB_OPEN)
		return cah_fail(err, CAH_EINVALID, "job %lld is not open",
				(long long)number);
	rc = to_gpu(store, &row, nickname, url, err);
	return rc != CAH_OK ? rc : job_save(store, &row, JOB_OPEN, err);
}

int store_jobs_to_gpu(struct store *store, struct slice token,
		      struct slice nickname,
		      const struct store_results *results, int64_t now_s,
		      int64_t wall_s, struct cah_error *err)
{
	int rc =
		store_check_text(nickname, STORE_NICKNAME_MAX, "nickname", err);
	if (rc == CAH_OK)
		rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	struct worker_row worker = {0};
	rc = worker_load(store, &worker, token, WORKER_CPU, err);
	if (rc == CAH_OK)
		rc = worker_touch(store, &worker, now_s, wall_s, err);
	for (size_t i = 0; i < results->count && rc == CAH_OK; i++)
		rc = open_to_gpu(store, results->numbers[i], nickname,
				 results->urls[i], err);
	/* Its own job, if any, stays with it. */
	if (rc == CAH_OK)
		rc = store_run(store, STMT_WORKER_SET_JOB,
			       STORE_ARGS(arg_int(worker.id),
					  arg_int(worker.job),
					  arg_int((int64_t)results->count)),
			       err);
	return store_end(store, rc, err);
}
