/* Jobs: their import, their state, and the questions about them.
 *
 * A job is in exactly one state. Whoever changes it does so between job_unbook
 * and job_rebook. */
#include "base/fail.h"
#include "store/store_priv.h"

#include <assert.h>

/* ---- one job ---- */

void job_unbook(struct store *store, struct job_row *row)
{
	store->has_changed = true;
	store_count(store, COUNT_JOBS + (int)row->state, -1);
	store_count(store, COUNT_PAIRS, -row->pairs);
	store->map.has_minutes |= row->state == JOB_DONE;
	store->map.has_checks |= row->state >= JOB_CHECK_OPEN;
}

void job_rebook(struct store *store, struct job_row *row)
{
	row->is_dirty = true;
	store_count(store, COUNT_JOBS + (int)row->state, 1);
	store_count(store, COUNT_PAIRS, row->pairs);
	store->map.has_minutes |= row->state == JOB_DONE;
	store->map.has_checks |= row->state >= JOB_CHECK_OPEN;
	if (row->state == JOB_OPEN)
		map_free_job(&store->map, row, QUEUE_FIRST);
	else if (row->state == JOB_GPU_OPEN)
		map_free_job(&store->map, row, QUEUE_GPU);
}

void job_clear(struct job_row *row)
{
	/* Only a job with a maker has one. */
	if (row->maker != 0) {
		row->gpu_url = SLICE("");
		row->sets_gpu_url = true;
	}
	row->state = JOB_OPEN;
	row->pairs = row->holder = row->maker = row->closer = row->minute = 0;
}

void job_give_back(struct store *store, struct job_row *row)
{
	job_unbook(store, row);
	row->holder = 0;
	row->state = row->state == JOB_GPU_LEASED     ? JOB_GPU_OPEN
		     : row->state == JOB_CHECK_LEASED ? JOB_CHECK_OPEN
						      : JOB_OPEN;
	job_rebook(store, row);
}

static void fill(struct store *store, enum stmt stmt, struct job *out)
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
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	/* Two at once would give one number to two. */
	rc = store_run(store, STMT_IMPORT_LOCK, NULL, 0, err);
	return rc == CAH_OK ? rc : store_end(store, rc, err);
}

static int add_wat(struct store *store, struct slice url, int64_t wat,
		   bool *added, struct cah_error *err)
{
	*added = false;
	int rc = store_start(store, STMT_WAT_FIND, STORE_ARGS(arg_text(url)),
			     err);
	if (rc != 0)
		return rc < 0 ? rc : CAH_OK;
	rc = store_run(store, STMT_WAT_ADD,
		       STORE_ARGS(arg_int(wat), arg_text(url)), err);
	if (rc != CAH_OK)
		return rc;
	*added = true;
	return store_run(store, STMT_WAT_JOBS_ADD,
			 STORE_ARGS(arg_int(2 * wat + 1)), err);
}

static int add_one_by_one(struct store *store, const struct slice *urls,
			  size_t count, int64_t first, size_t *added,
			  struct cah_error *err)
{
	int rc = CAH_OK;
	for (size_t i = 0; i < count && rc == CAH_OK; i++) {
		bool is_added;
		rc = add_wat(store, urls[i], first + (int64_t)*added, &is_added,
			     err);
		*added += is_added;
	}
	return rc;
}

int store_import_add_all(struct store *store, const struct slice *urls,
			 size_t count, size_t *added, struct cah_error *err)
{
	int64_t first;
	int rc = CAH_OK;
	*added = 0;
	for (size_t i = 0; i < count && rc == CAH_OK; i++)
		rc = store_check_text(urls[i], STORE_URL_MAX, "the URL", err);
	if (rc == CAH_OK)
		rc = store_count_get(store, COUNT_WATS, &first, err);
	if (rc != CAH_OK)
		return rc;
	store->has_changed = true;
	if (store->backend->add_wats != NULL)
		rc = store->backend->add_wats(store, urls, count, first, added,
					      err);
	else
		rc = add_one_by_one(store, urls, count, first, added, err);
	store_count(store, COUNT_WATS, (int64_t)*added);
	store_count(store, COUNT_JOBS + JOB_OPEN, 2 * (int64_t)*added);
	return rc;
}

int store_import_add(struct store *store, struct slice url, bool *added,
		     struct cah_error *err)
{
	size_t count;
	int rc = store_import_add_all(store, &url, 1, &count, err);
	*added = count > 0;
	return rc;
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
		fill(store, STMT_JOB_GET, out);
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
		fill(store, STMT_JOB_GET_WAT, &out[(*count)++]);
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
		fill(store, stmt, &out[(*count)++]);
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

/* The least and the most advanced of the jobs at an address tell whether all
 * are done: those that are checked come behind. Returns 1 where there are some,
 * 0 where there are none, or an error. */
static int ask_states(struct store *store, enum stmt stmt, struct slice address,
		      bool *done, struct cah_error *err)
{
	int rc = store_start(store, stmt, STORE_ARGS(arg_text(address)), err);
	if (rc == 1)
		*done = store_int(store, stmt, 0) == JOB_DONE &&
			store_int(store, stmt, 1) == JOB_DONE;
	return rc;
}

static int is_completed(struct store *store, struct slice address, bool *done,
			struct cah_error *err)
{
	*done = false;
	int rc = ask_states(store, STMT_JOB_STATES, address, done, err);
	if (rc == 0)
		rc = ask_states(store, STMT_WAT_STATES, address, done, err);
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

int job_find_holder(struct store *store, struct worker_row **out, int64_t id,
		    struct cah_error *err)
{
	*out = NULL;
	if (id == 0)
		return CAH_OK;
	int rc = map_worker_of_id(store, out, id, err);
	return rc == CAH_ETIMEDOUT ? CAH_OK : rc;
}

static int reset(struct store *store, int64_t number, struct cah_error *err)
{
	struct job_row *row;
	struct worker_row *holder = NULL;
	int rc = map_job(store, &row, number, err);
	if (rc == CAH_OK)
		rc = job_find_holder(store, &holder, row->holder, err);
	if (rc != CAH_OK)
		return rc;
	if (holder != NULL)
		worker_set_job(store, holder, 0);
	job_unbook(store, row);
	job_clear(row);
	job_rebook(store, row);
	return CAH_OK;
}

int store_job_reset(struct store *store, int64_t number, struct cah_error *err)
{
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	return store_end(store, reset(store, number, err), err);
}

/* One that waits for a check has a closer and pairs: they stand. */
static void close_one(struct store *store, struct job_row *row, int64_t leader,
		      int64_t pairs, int64_t wall_s)
{
	job_unbook(store, row);
	if (row->closer == 0) {
		row->closer = leader;
		row->pairs = pairs;
	}
	row->state = JOB_DONE;
	row->holder = 0;
	row->minute = wall_s / 60;
	store->this_minute = row->minute;
	job_rebook(store, row);
}

static int close_all(struct store *store, const int64_t *numbers, size_t count,
		     int64_t pairs, struct slice nickname, int64_t wall_s,
		     struct cah_error *err)
{
	struct job_row *row;
	struct worker_row *holder;
	int64_t leader;
	int rc = leader_find(store, &leader, BOARD_PAIRS, nickname, true, err);
	for (size_t i = 0; i < count && rc == CAH_OK; i++) {
		rc = map_job(store, &row, numbers[i], err);
		if (rc == CAH_OK)
			rc = job_find_holder(store, &holder, row->holder, err);
	}
	for (size_t i = 0; i < count && rc == CAH_OK; i++) {
		/* From the map: no error is left. */
		rc = map_job(store, &row, numbers[i], err);
		if (rc == CAH_OK)
			rc = job_find_holder(store, &holder, row->holder, err);
		if (rc != CAH_OK || row->state == JOB_DONE)
			continue;
		if (holder != NULL)
			worker_set_job(store, holder, 0);
		bool takes_pairs = row->closer == 0;
		close_one(store, row, leader, pairs, wall_s);
		if (takes_pairs)
			pairs = 0;
	}
	return rc;
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
	rc = close_all(store, numbers, count, pairs, nickname, wall_s, err);
	return store_end(store, rc, err);
}
