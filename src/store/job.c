/* Jobs: their import, their state, and the questions about them.
 *
 * A job is in exactly one state. Whoever changes it goes through job_save,
 * which keeps the counts and the number of open jobs of its WAT. */
#include "base/fail.h"
#include "store/store_priv.h"

#include <assert.h>

/* ---- one job ---- */

int job_load(struct store *store, struct job_row *out, int64_t number,
	     struct cah_error *err)
{
	enum stmt s = STMT_JOB_LOAD;
	int rc = store_start(store, s, STORE_ARGS(arg_int(number)), err);
	if (rc == 0)
		return cah_fail(err, CAH_ENOTFOUND, "there is no job %lld",
				(long long)number);
	if (rc < 0)
		return rc;
	*out = (struct job_row){
		.number = store_int(store, s, 0),
		.state = (enum job_state)store_int(store, s, 1),
		.pairs = store_int(store, s, 2),
		.holder = store_int(store, s, 3),
		.maker = store_int(store, s, 4),
		.closer = store_int(store, s, 5),
		.minute = store_int(store, s, 6),
	};
	return CAH_OK;
}

int job_save(struct store *store, const struct job_row *row, enum job_state old,
	     struct cah_error *err)
{
	int rc = store_run(store, STMT_JOB_SAVE,
			   STORE_ARGS(arg_int(row->number), arg_int(row->state),
				      arg_int(row->pairs), arg_int(row->holder),
				      arg_int(row->maker), arg_int(row->closer),
				      arg_int(row->minute)),
			   err);
	if (rc != CAH_OK || row->state == old)
		return rc;
	store_count(store, COUNT_JOBS + (int)old, -1);
	store_count(store, COUNT_JOBS + (int)row->state, 1);
	int delta = (row->state == JOB_OPEN) - (old == JOB_OPEN);
	if (delta == 0)
		return CAH_OK;
	return store_run(
		store, STMT_WAT_OPEN_ADD,
		STORE_ARGS(arg_int((row->number - 1) / 2), arg_int(delta)),
		err);
}

int job_set_gpu_url(struct store *store, int64_t number, struct slice url,
		    struct cah_error *err)
{
	return store_run(store, STMT_JOB_SET_GPU_URL,
			 STORE_ARGS(arg_int(number), arg_text(url)), err);
}

int job_drop_holder(struct store *store, struct job_row *row,
		    struct cah_error *err)
{
	if (row->holder == 0)
		return CAH_OK;
	int64_t holder = row->holder;
	row->holder = 0;
	return store_run(store, STMT_WORKER_SET_JOB,
			 STORE_ARGS(arg_int(holder), arg_int(0), arg_int(0)),
			 err);
}

void job_fill(struct store *store, enum stmt stmt, struct job *out)
{
	out->number = store_int(store, stmt, 0);
	store_text(store, stmt, 1, out->url, sizeof(out->url));
	store_text(store, stmt, 2, out->gpu_url, sizeof(out->gpu_url));
	out->state = (enum job_state)store_int(store, stmt, 3);
	out->pairs = store_int(store, stmt, 4);
	store_text(store, stmt, 5, out->holder, sizeof(out->holder));
	store_text(store, stmt, 6, out->made_by, sizeof(out->made_by));
	store_text(store, stmt, 7, out->done_by, sizeof(out->done_by));
	int64_t wat = (out->number - 1) / 2;
	out->piece = (int)((out->number - 1) % 2);
	out->start_id = wat * 1000000;
	out->end_id = out->start_id + 1000000;
}

/* ---- import ---- */

int store_import_begin(struct store *store, struct cah_error *err)
{
	return store_begin_write(store, err);
}

int store_import_add(struct store *store, struct slice url, bool *added,
		     struct cah_error *err)
{
	*added = false;
	int rc = store_check_text(url, STORE_URL_MAX, "the URL", err);
	if (rc != CAH_OK)
		return rc;
	int64_t wat;
	rc = store_count_get(store, COUNT_WATS, &wat, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_start(store, STMT_WAT_ADD,
			 STORE_ARGS(arg_int(wat), arg_text(url)), err);
	if (rc <= 0)
		return rc;
	*added = true;
	store_count(store, COUNT_WATS, 1);
	store_count(store, COUNT_JOBS + JOB_OPEN, 2);
	return store_run(store, STMT_WAT_JOBS_ADD,
			 STORE_ARGS(arg_int(2 * wat + 1)), err);
}

int store_import_end(struct store *store, struct cah_error *err)
{
	return store_end(store, CAH_OK, err);
}

void store_import_abort(struct store *store)
{
	int rc = store_end(store, CAH_ECANCELLED, NULL);
	assert(rc == CAH_ECANCELLED);
}

/* ---- questions ---- */

int store_job_get(struct store *store, struct job *out, int64_t number,
		  struct cah_error *err)
{
	int rc = store_begin_read(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_start(store, STMT_JOB_GET, STORE_ARGS(arg_int(number)), err);
	if (rc == 1) {
		job_fill(store, STMT_JOB_GET, out);
		rc = CAH_OK;
	} else if (rc == 0) {
		rc = cah_fail(err, CAH_ENOTFOUND, "there is no job %lld",
			      (long long)number);
	}
	return store_end(store, rc, err);
}

int store_jobs_of(struct store *store, struct job out[2], int *count,
		  struct slice url, struct cah_error *err)
{
	*count = 0;
	int rc = store_begin_read(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_start(store, STMT_JOB_GET_WAT, STORE_ARGS(arg_text(url)),
			 err);
	for (; rc == 1 && *count < 2;
	     rc = store_next(store, STMT_JOB_GET_WAT, err))
		job_fill(store, STMT_JOB_GET_WAT, &out[(*count)++]);
	return store_end(store, rc, err);
}

int store_jobs(struct store *store, struct job *out, size_t cap, int64_t from,
	       int state, size_t *count, struct cah_error *err)
{
	assert(cap <= STORE_LIST_MAX && state >= -1 && state < JOB_STATE_COUNT);
	*count = 0;
	enum stmt stmt = state == -1             ? STMT_JOB_LIST
			 : state == JOB_OPEN     ? STMT_JOB_LIST_OPEN
			 : state == JOB_GPU_OPEN ? STMT_JOB_LIST_GPU_OPEN
						 : STMT_JOB_LIST_STATE;
	/* The state is in the text of all others. */
	size_t arg_count = stmt == STMT_JOB_LIST_STATE ? 3 : 2;
	struct arg args[] = {arg_int(from), arg_int((int64_t)cap),
			     arg_int(state)};
	int rc = store_begin_read(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_start(store, stmt, args, arg_count, err);
	for (; rc == 1; rc = store_next(store, stmt, err))
		job_fill(store, stmt, &out[(*count)++]);
	return store_end(store, rc, err);
}

int store_open_wat(struct store *store, char out[STORE_URL_MAX + 1],
		   struct cah_error *err)
{
	int rc = store_begin_read(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_start(store, STMT_WAT_FIRST_OPEN, NULL, 0, err);
	if (rc == 1) {
		store_text(store, STMT_WAT_FIRST_OPEN, 0, out,
			   STORE_URL_MAX + 1);
		rc = CAH_OK;
	} else if (rc == 0) {
		rc = cah_fail(err, CAH_ENOJOB, "no WAT is open as a whole");
	}
	return store_end(store, rc, err);
}

/* The least advanced of the jobs at an address tells whether all are done.
 * Returns 1 where there are some, 0 where there are none, or an error. */
static int least_state(struct store *store, enum stmt stmt,
		       struct slice address, bool *done, struct cah_error *err)
{
	int rc = store_start(store, stmt, STORE_ARGS(arg_text(address)), err);
	if (rc == 1)
		*done = store_int(store, stmt, 0) == JOB_DONE;
	return rc;
}

static int is_completed(struct store *store, struct slice address, bool *done,
			struct cah_error *err)
{
	*done = false;
	int rc = least_state(store, STMT_JOB_LEAST_STATE, address, done, err);
	if (rc == 0)
		rc = least_state(store, STMT_WAT_LEAST_STATE, address, done,
				 err);
	return rc < 0 ? rc : CAH_OK;
}

int store_completed(struct store *store, const struct slice *addresses,
		    size_t count, bool *done, struct cah_error *err)
{
	int rc = store_begin_read(store, err);
	if (rc != CAH_OK)
		return rc;
	for (size_t i = 0; i < count && rc == CAH_OK; i++)
		rc = is_completed(store, addresses[i], &done[i], err);
	return store_end(store, rc, err);
}

/* ---- by the organiser's hand ---- */

static int reset(struct store *store, int64_t number, struct cah_error *err)
{
	struct job_row row = {0};
	int rc = job_load(store, &row, number, err);
	if (rc != CAH_OK)
		return rc;
	enum job_state old = row.state;
	rc = leader_undo_job(store, &row, err);
	if (rc == CAH_OK)
		rc = job_drop_holder(store, &row, err);
	row.state = JOB_OPEN;
	return rc != CAH_OK ? rc : job_save(store, &row, old, err);
}

int store_job_reset(struct store *store, int64_t number, struct cah_error *err)
{
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	return store_end(store, reset(store, number, err), err);
}

/* *pairs is 0 once a job has taken them. */
static int close_one(struct store *store, int64_t number, int64_t *pairs,
		     struct slice nickname, int64_t wall_s,
		     struct cah_error *err)
{
	struct job_row row = {0};
	int rc = job_load(store, &row, number, err);
	if (rc != CAH_OK || row.state == JOB_DONE)
		return rc;
	enum job_state old = row.state;
	rc = job_drop_holder(store, &row, err);
	if (rc == CAH_OK)
		rc = leader_close_job(store, &row, nickname, *pairs, wall_s,
				      err);
	*pairs = 0;
	return rc != CAH_OK ? rc : job_save(store, &row, old, err);
}

int store_jobs_close(struct store *store, const int64_t *numbers, size_t count,
		     int64_t pairs, struct slice nickname, int64_t wall_s,
		     struct cah_error *err)
{
	if (pairs < 0 || pairs > INT32_MAX)
		return cah_fail(err, CAH_EINVALID,
				"count is %lld, must be 0 to %d",
				(long long)pairs, INT32_MAX);
	int rc =
		store_check_text(nickname, STORE_NICKNAME_MAX, "nickname", err);
	if (rc == CAH_OK)
		rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	for (size_t i = 0; i < count && rc == CAH_OK; i++)
		rc = close_one(store, numbers[i], &pairs, nickname, wall_s,
			       err);
	return store_end(store, rc, err);
}
