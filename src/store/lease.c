/* The time a worker holds a job: taking, finishing, and giving up on it.
 * workers.job and jobs.holder point at each other, in one transaction. */
#include "base/fail.h"
#include "store/store_priv.h"

#include <assert.h>

/* ---- taking ---- */

/* Whoever gives a job back gets another: where its WAT cannot be had, the same
 * one again would keep the worker from all others. @held (NULL: none) will be
 * open again, so it is the last that comes into question. */
static int pick(struct store *store, struct job_row **out,
		const struct worker_row *worker, struct job_row *held,
		struct cah_error *err)
{
	struct slice nickname = slice_of(worker->nickname);
	enum queue queue = worker->type == WORKER_GPU ? QUEUE_GPU : QUEUE_FIRST;
	bool may_check = worker->type == WORKER_HYBRID;
	int rc = CAH_OK;
	*out = NULL;
	if (may_check && held == NULL)
		rc = verify_pick(store, out, nickname, err);
	if (rc != CAH_OK || *out != NULL)
		return rc;
	rc = map_pick(store, out, queue, held != NULL ? held->number : 0, err);
	if (rc != CAH_ENOJOB || held == NULL)
		return rc;
	rc = may_check ? verify_pick(store, out, nickname, err) : CAH_OK;
	if (*out == NULL)
		*out = held;
	return rc;
}

static void hold(struct store *store, struct worker_row *worker,
		 struct job_row *row)
{
	job_unbook(store, row);
	row->state = row->state == JOB_GPU_OPEN     ? JOB_GPU_LEASED
		     : row->state == JOB_CHECK_OPEN ? JOB_CHECK_LEASED
						    : JOB_LEASED;
	row->holder = worker->id;
	job_rebook(store, row);
	worker_set_job(store, worker, row->number);
}

static void copy_text(char *out, size_t cap, struct slice text)
{
	assert(text.len < cap);
	if (text.len > 0)
		memcpy(out, text.data, text.len);
	out[text.len] = '\0';
}

static void fill(struct job *out, const struct job_row *row)
{
	out->number = row->number;
	out->state = row->state;
	out->pairs = row->pairs;
	int64_t wat = (row->number - 1) / 2;
	out->piece = (int)((row->number - 1) % 2);
	out->start_id = wat * 1000000;
	out->end_id = out->start_id + 1000000;
	copy_text(out->url, sizeof(out->url), row->url);
	copy_text(out->gpu_url, sizeof(out->gpu_url), row->gpu_url);
	out->holder[0] = out->made_by[0] = out->done_by[0] = '\0';
}

static int take(struct store *store, struct job_row **out,
		struct worker_row *worker, struct cah_error *err)
{
	struct job_row *held = NULL;
	int rc = CAH_OK;
	if (worker->job != 0)
		rc = map_job(store, &held, worker->job, err);
	if (rc == CAH_OK)
		rc = pick(store, out, worker, held, err);
	if (rc == CAH_OK)
		rc = map_job_urls(store, *out, err);
	if (rc != CAH_OK)
		return rc;
	if (held != NULL)
		job_give_back(store, held);
	hold(store, worker, *out);
	return CAH_OK;
}

int store_job_take(struct store *store, struct job *out, struct slice token,
		   enum worker_type type, int64_t now_s, int64_t wall_s,
		   struct cah_error *err)
{
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	struct worker_row *worker = NULL;
	struct job_row *row = NULL;
	rc = map_worker(store, &worker, token, type, err);
	if (rc == CAH_OK)
		rc = take(store, &row, worker, err);
	if (rc == CAH_OK) {
		assert(row != NULL);
		worker_touch(store, worker, now_s, wall_s);
		fill(out, row);
	}
	return store_end(store, rc, err);
}

/* ---- having ---- */

/* The worker, and the job that it holds. */
static int find_lease(struct store *store, struct worker_row **worker,
		      struct job_row **row, struct slice token,
		      enum worker_type type, struct cah_error *err)
{
	int rc = map_worker(store, worker, token, type, err);
	if (rc != CAH_OK)
		return rc;
	if ((*worker)->job == 0)
		return cah_fail(err, CAH_ENOJOB, "the worker holds no job");
	return map_job(store, row, (*worker)->job, err);
}

static void let_go(struct store *store, struct worker_row *worker,
		   int64_t completed)
{
	worker_set_job(store, worker, 0);
	worker->jobs_completed += completed;
}

/* ---- finishing ---- */

/* The CPU part of a job is done, for leader @maker: it waits for a GPU worker
 * at @url, a text of the map. */
static void to_gpu(struct store *store, struct job_row *row, int64_t maker,
		   struct slice url)
{
	job_unbook(store, row);
	row->state = JOB_GPU_OPEN;
	row->holder = 0;
	row->maker = maker;
	row->gpu_url = url;
	row->sets_gpu_url = true;
	job_rebook(store, row);
}

struct result {
	int64_t pairs;
	struct slice url;
	int64_t wall_s;
};

static void set_done(struct store *store, struct job_row *row, int64_t wall_s)
{
	row->state = JOB_DONE;
	row->minute = wall_s / 60;
	store->this_minute = row->minute;
}

/* What the second of two says of a job. */
static int finish_check(struct store *store, struct job_row *row,
			int64_t leader, const struct result *result,
			struct cah_error *err)
{
	bool agrees = verify_agrees(store, row->pairs, result->pairs);
	const int64_t both[2] = {row->closer, leader};
	for (int i = 0; i < 2; i++) {
		struct map_check *check =
			map_alloc(&store->map, sizeof(*check));
		if (check == NULL)
			return cah_fail(err, CAH_ENOMEM, "out of memory");
		store->has_changed = true;
		check->leader = both[i];
		check->has_disagreed = !agrees;
		check->next = store->map.checks;
		store->map.checks = check;
	}
	job_unbook(store, row);
	row->holder = 0;
	if (agrees)
		set_done(store, row, result->wall_s);
	else
		job_clear(row);
	job_rebook(store, row);
	return CAH_OK;
}

static int finish(struct store *store, const struct worker_row *worker,
		  struct job_row *row, const struct result *result,
		  struct cah_error *err)
{
	assert(row != NULL);
	bool is_cpu = worker->type == WORKER_CPU;
	struct slice url = {NULL, 0};
	int64_t leader;
	int rc = leader_find(store, &leader, is_cpu ? BOARD_CPU : BOARD_PAIRS,
			     slice_of(worker->nickname), true, err);
	if (rc == CAH_OK && is_cpu)
		rc = map_text(&store->map, &url, result->url, err);
	if (rc != CAH_OK)
		return rc;
	if (is_cpu) {
		to_gpu(store, row, leader, url);
		return CAH_OK;
	}
	if (row->state == JOB_CHECK_LEASED)
		return finish_check(store, row, leader, result, err);
	job_unbook(store, row);
	row->closer = leader;
	row->pairs = result->pairs;
	row->holder = 0;
	if (verify_is_due(store, row->number))
		row->state = JOB_CHECK_OPEN;
	else
		set_done(store, row, result->wall_s);
	job_rebook(store, row);
	return CAH_OK;
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
	struct worker_row *worker = NULL;
	struct job_row *row = NULL;
	struct result result = {pairs, url, wall_s};
	rc = find_lease(store, &worker, &row, token, type, err);
	if (rc == CAH_OK)
		rc = finish(store, worker, row, &result, err);
	if (rc == CAH_OK) {
		worker_touch(store, worker, now_s, wall_s);
		let_go(store, worker, 1);
	}
	return store_end(store, rc, err);
}

/* ---- other ways ---- */

int store_job_invalid(struct store *store, struct slice token, int64_t now_s,
		      int64_t wall_s, struct cah_error *err)
{
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	struct worker_row *worker = NULL;
	struct job_row *row = NULL;
	rc = find_lease(store, &worker, &row, token, WORKER_GPU, err);
	if (rc == CAH_OK) {
		worker_touch(store, worker, now_s, wall_s);
		/* Whoever made the address made nothing of use. */
		job_unbook(store, row);
		job_clear(row);
		job_rebook(store, row);
		let_go(store, worker, 0);
	}
	return store_end(store, rc, err);
}

/* Whether all of @results can be made GPU jobs; @urls are copies of theirs. */
static int check_results(struct store *store, struct slice *urls,
			 const struct store_results *results,
			 struct cah_error *err)
{
	for (size_t i = 0; i < results->count; i++) {
		struct job_row *row;
		int rc = store_check_text(results->urls[i], STORE_URL_MAX,
					  "url", err);
		if (rc == CAH_OK)
			rc = map_job(store, &row, results->numbers[i], err);
		if (rc == CAH_OK)
			rc = map_text(&store->map, &urls[i], results->urls[i],
				      err);
		if (rc != CAH_OK)
			return rc;
		/* One that stands twice is not open the second time. */
		if (row->state != JOB_OPEN || row->mark == store->call)
			return cah_fail(err, CAH_EINVALID,
					"job %lld is not open",
					(long long)row->number);
		row->mark = store->call;
	}
	return CAH_OK;
}

static int all_to_gpu(struct store *store, struct slice nickname,
		      const struct store_results *results,
		      struct cah_error *err)
{
	int64_t maker;
	struct slice *urls =
		map_alloc(&store->map, (results->count + 1) * sizeof(*urls));
	if (urls == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	int rc = check_results(store, urls, results, err);
	if (rc == CAH_OK && results->count > 0)
		rc = leader_find(store, &maker, BOARD_CPU, nickname, true, err);
	for (size_t i = 0; i < results->count && rc == CAH_OK; i++) {
		struct job_row *row;
		rc = map_job(store, &row, results->numbers[i], err);
		if (rc == CAH_OK)
			to_gpu(store, row, maker, urls[i]);
	}
	return rc;
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
	struct worker_row *worker;
	rc = map_worker(store, &worker, token, WORKER_CPU, err);
	if (rc == CAH_OK)
		rc = all_to_gpu(store, nickname, results, err);
	if (rc == CAH_OK) {
		worker_touch(store, worker, now_s, wall_s);
		/* Its own job, if any, stays with it. */
		worker_set_job(store, worker, worker->job);
		worker->jobs_completed += (int64_t)results->count;
	}
	return store_end(store, rc, err);
}
