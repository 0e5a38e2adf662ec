/* The time a worker holds a task: taking, finishing, and giving up on it.
 * workers.job and tasks.holder point at each other, in one transaction. */
#include "base/fail.h"
#include "base/utf8.h"
#include "store/task_priv.h"

/* ---- who ---- */

/* The worker of a stage that has the token. */
static int find_worker(struct store *store, struct worker_row **out,
		       struct slice token, struct cah_error *err)
{
	int rc = map_worker_of_token(store, out, token, err);
	if (rc == CAH_OK && store_type_stage((*out)->type) < 0)
		rc = cah_fail(err, CAH_ETIMEDOUT,
			      "the worker is not one of a stage");
	return rc;
}

/* The worker, and the task that it holds. */
static int find_lease(struct store *store, struct worker_row **worker,
		      struct task_row *row, struct slice token,
		      struct cah_error *err)
{
	int rc = find_worker(store, worker, token, err);
	if (rc != CAH_OK)
		return rc;
	if ((*worker)->job == 0)
		return cah_fail(err, CAH_ENOJOB, "the worker holds no job");
	return task_load(store, row, (*worker)->job, err);
}

int store_worker_kind(struct store *store, bool *is_known,
		      enum worker_type *type, struct slice token,
		      struct cah_error *err)
{
	struct worker_row *row;
	*is_known = false;
	*type = WORKER_HYBRID;
	int rc = store_begin_peek(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = map_worker_of_token(store, &row, token, err);
	if (rc == CAH_OK) {
		*is_known = true;
		*type = row->type;
	}
	return store_end(store, rc == CAH_ETIMEDOUT ? CAH_OK : rc, err);
}

/* ---- taking ---- */

/* What the worker had and does not want again at once: what it holds, or what
 * it found to be of no use. */
static int passed_by(struct store *store, int64_t *out,
		     const struct worker_row *worker, struct cah_error *err)
{
	enum stmt s = STMT_WORKER_PASSED;
	*out = worker->job;
	if (*out != 0)
		return CAH_OK;
	int rc = store_start(store, s, STORE_ARGS(arg_int(worker->id)), err);
	if (rc == 1)
		*out = store_int(store, s, 0);
	return rc < 0 ? rc : CAH_OK;
}

/* The open task with the lowest number behind @after. Returns 1, or 0 where
 * there is none, or an error. */
static int pick_behind(struct store *store, int64_t *number, int stage,
		       int64_t after, struct cah_error *err)
{
	enum stmt s = STMT_TASK_PICK;
	int rc = store_start(store, s,
			     STORE_ARGS(arg_int(stage), arg_int(after)), err);
	if (rc == 1)
		*number = store_int(store, s, 0);
	return rc;
}

/* What the worker holds will be open, so it is the last that comes into
 * question. */
static int pick(struct store *store, int64_t *number,
		const struct worker_row *worker, struct cah_error *err)
{
	int stage = store_type_stage(worker->type);
	int64_t after = 0;
	int rc = passed_by(store, &after, worker, err);
	if (rc == CAH_OK)
		rc = pick_behind(store, number, stage, after, err);
	if (rc == 0 && after > 0)
		rc = pick_behind(store, number, stage, 0, err);
	if (rc != 0)
		return rc < 0 ? rc : CAH_OK;
	if (worker->job == 0)
		return cah_fail(err, CAH_ENOJOB, "no job is open");
	*number = worker->job;
	return CAH_OK;
}

static int hold(struct store *store, struct worker_row *worker,
		const struct task_row *old, struct cah_error *err)
{
	int rc = CAH_OK;
	if (worker->job == old->number)
		return CAH_OK;
	if (worker->job != 0)
		rc = task_give_back(store, worker->job, err);
	if (rc != CAH_OK)
		return rc;
	struct task_row row = *old;
	row.state = TASK_LEASED;
	row.holder = worker->id;
	worker_set_job(store, worker, row.number);
	return task_save(store, old, &row, err);
}

int store_task_take(struct store *store, int64_t *number, struct buf *data,
		    struct slice token, int64_t now_s, int64_t wall_s,
		    struct cah_error *err)
{
	struct worker_row *worker;
	struct task_row row = {0};
	*number = 0;
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = find_worker(store, &worker, token, err);
	if (rc == CAH_OK)
		rc = pick(store, number, worker, err);
	if (rc == CAH_OK)
		rc = task_load(store, &row, *number, err);
	if (rc == CAH_OK)
		rc = task_read(store, data, &row, err);
	if (rc == CAH_OK)
		rc = hold(store, worker, &row, err);
	if (rc == CAH_OK)
		worker_touch(store, worker, now_s, wall_s);
	return store_end(store, rc, err);
}

/* ---- finishing ---- */

static int check_data(struct slice data, struct cah_error *err)
{
	if (data.len > STORE_DATA_MAX)
		return cah_fail(err, CAH_EINVALID,
				"data has %zu bytes, at most %d are allowed",
				data.len, STORE_DATA_MAX);
	if (!utf8_is_valid(data))
		return cah_fail(err, CAH_EINVALID, "data is not UTF-8");
	return CAH_OK;
}

static int go_on(struct store *store, const struct task_row *old,
		 struct slice data, int stage_count, struct cah_error *err)
{
	struct task_row row = *old;
	bool is_last = old->stage + 1 >= stage_count;
	row.state = is_last ? TASK_DONE : TASK_OPEN;
	row.stage += is_last ? 0 : 1;
	row.holder = 0;
	row.reports = 0;
	int rc = task_write(store, old, data, err);
	return rc != CAH_OK ? rc : task_save(store, old, &row, err);
}

int store_task_finish(struct store *store, struct slice token,
		      struct slice data, int stage_count, int64_t now_s,
		      int64_t wall_s, struct cah_error *err)
{
	struct worker_row *worker;
	struct task_row row = {0};
	struct slice text = {0};
	int rc = check_data(data, err);
	if (rc == CAH_OK)
		rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = find_lease(store, &worker, &row, token, err);
	if (rc == CAH_OK)
		rc = task_encode(store, &text, data, err);
	if (rc == CAH_OK)
		rc = go_on(store, &row, text, stage_count, err);
	if (rc == CAH_OK) {
		worker_touch(store, worker, now_s, wall_s);
		worker_set_job(store, worker, 0);
		worker->jobs_completed++;
	}
	return store_end(store, rc, err);
}

/* ---- other ways ---- */

/* The fifth report of one round: whoever made the data made nothing of use. */
static int report(struct store *store, const struct task_row *old,
		  struct cah_error *err)
{
	struct task_row row = *old;
	int rc = CAH_OK;
	row.state = TASK_OPEN;
	row.holder = 0;
	row.reports++;
	if (row.reports >= STORE_REPORTS_MAX) {
		row.reports = 0;
		row.stage -= row.stage > 0 ? 1 : 0;
		rc = task_forget(store, row.number, row.stage, err);
	}
	return rc != CAH_OK ? rc : task_save(store, old, &row, err);
}

int store_task_flag(struct store *store, struct slice token, int64_t now_s,
		    int64_t wall_s, struct cah_error *err)
{
	struct worker_row *worker;
	struct task_row row = {0};
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = find_lease(store, &worker, &row, token, err);
	if (rc == CAH_OK)
		rc = report(store, &row, err);
	if (rc == CAH_OK)
		rc = store_run(
			store, STMT_WORKER_SET_PASSED,
			STORE_ARGS(arg_int(worker->id), arg_int(row.number)),
			err);
	if (rc == CAH_OK) {
		worker_touch(store, worker, now_s, wall_s);
		worker_set_job(store, worker, 0);
	}
	return store_end(store, rc, err);
}

static int reset(struct store *store, int64_t number, struct cah_error *err)
{
	struct worker_row *worker = NULL;
	struct task_row old = {0};
	int rc = task_load(store, &old, number, err);
	if (rc == CAH_OK)
		rc = job_find_holder(store, &worker, old.holder, err);
	if (rc != CAH_OK)
		return rc;
	struct task_row row = {.number = number, .state = TASK_OPEN};
	rc = task_forget(store, number, 0, err);
	if (rc == CAH_OK && worker != NULL)
		worker_set_job(store, worker, 0);
	return rc != CAH_OK ? rc : task_save(store, &old, &row, err);
}

int store_task_reset(struct store *store, int64_t number, struct cah_error *err)
{
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	return store_end(store, reset(store, number, err), err);
}
