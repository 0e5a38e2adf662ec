/* Workers: born with a name, alive as long as they are heard of, gone with
 * their job open again. */
#include "base/fail.h"
#include "base/utf8.h"
#include "store/task_priv.h"

#include <assert.h>
#include <stdio.h>

enum {
	NAME_ATTEMPTS = 16, /* the last ones out of 100,000,000 numbers */
	SWEEP_BATCH = 500,
};

/* ---- one worker ---- */

static int count_of(enum worker_type type)
{
	int stage = store_type_stage(type);
	return stage < 0 ? COUNT_WORKERS + (int)type
			 : COUNT_STAGE_WORKERS + stage;
}

void worker_touch(struct store *store, struct worker_row *row, int64_t now_s,
		  int64_t wall_s)
{
	now_s = store_now(store, now_s);
	/* Twice within a second costs no write. */
	if (row->alive_s == now_s && row->last_seen_s == wall_s)
		return;
	store->has_changed = true;
	row->alive_s = now_s;
	row->last_seen_s = wall_s;
	row->sets_alive = true;
	row->is_dirty = true;
}

void worker_set_job(struct store *store, struct worker_row *row, int64_t job)
{
	store->has_changed = true;
	row->job = job;
	row->is_dirty = true;
}

static void fill(struct store *store, enum stmt stmt, struct worker *out)
{
	store_text(store, stmt, 0, out->token, sizeof(out->token));
	store_text(store, stmt, 1, out->display_name,
		   sizeof(out->display_name));
	store_text(store, stmt, 2, out->nickname, sizeof(out->nickname));
	store_text(store, stmt, 3, out->progress, sizeof(out->progress));
	out->type = (enum worker_type)store_int(store, stmt, 4);
	out->job_number = store_int(store, stmt, 5);
	out->jobs_completed = store_int(store, stmt, 6);
	out->first_seen_s = store_int(store, stmt, 7);
	out->last_seen_s = store_int(store, stmt, 8);
	out->checked = out->disagreed = 0;
}

/* ---- coming ---- */

/* Returns 1 with the new worker's id, or 0 where the name is taken, or an
 * error. */
static int add_named(struct store *store, int64_t *id,
		     const struct worker *worker, int64_t now_s,
		     struct cah_error *err)
{
	enum stmt s = STMT_WORKER_ADD;
	int rc =
		store_start(store, s,
			    STORE_ARGS(arg_text(slice_of(worker->token)),
				       arg_text(slice_of(worker->display_name)),
				       arg_text(slice_of(worker->nickname)),
				       arg_int(worker->type), arg_int(now_s),
				       arg_int(worker->first_seen_s)),
			    err);
	if (rc == 1)
		*id = store_int(store, s, 0);
	return rc;
}

static int add(struct store *store, struct worker *worker, int64_t now_s,
	       struct cah_error *err)
{
	struct worker_row row = {
		.type = worker->type,
		.alive_s = store_now(store, now_s),
		.last_seen_s = worker->first_seen_s,
	};
	int rc = 0;
	for (int i = 0; i < NAME_ATTEMPTS && rc == 0; i++) {
		rc = name_propose(worker->display_name, i, err);
		if (rc == CAH_OK)
			rc = add_named(store, &row.id, worker, row.alive_s,
				       err);
	}
	if (rc == 0)
		return cah_fail(err, CAH_EUNAVAILABLE, "no name is free");
	if (rc < 0)
		return rc;
	store->has_changed = true;
	store_count(store, count_of(worker->type), 1);
	memcpy(row.token, worker->token, sizeof(row.token));
	memcpy(row.nickname, worker->nickname, sizeof(row.nickname));
	return map_put_worker(store, &row, err);
}

int store_worker_new(struct store *store, struct worker *out,
		     struct slice nickname, enum worker_type type,
		     int64_t now_s, int64_t wall_s, struct cah_error *err)
{
	*out = (struct worker){
		.type = type, .first_seen_s = wall_s, .last_seen_s = wall_s};
	int rc =
		store_check_text(nickname, STORE_NICKNAME_MAX, "nickname", err);
	if (rc == CAH_OK)
		rc = name_token(out->token, err);
	if (rc != CAH_OK)
		return rc;
	memcpy(out->nickname, nickname.data, nickname.len);
	rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	return store_end(store, add(store, out, now_s, err), err);
}

/* ---- being there ---- */

int store_worker_find(struct store *store, struct worker *out,
		      struct slice display_name, enum worker_type type,
		      struct cah_error *err)
{
	int rc = store_begin_read(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_start(store, STMT_WORKER_FIND,
			 STORE_ARGS(arg_text(display_name), arg_int(type)),
			 err);
	if (rc == 1) {
		fill(store, STMT_WORKER_FIND, out);
		out->checked = store_int(store, STMT_WORKER_FIND, 9);
		out->disagreed = store_int(store, STMT_WORKER_FIND, 10);
		rc = CAH_OK;
	} else if (rc == 0) {
		rc = cah_fail(err, CAH_ENOTFOUND, "there is no such worker");
	}
	return store_end(store, rc, err);
}

int store_worker_alive(struct store *store, bool *alive, struct slice token,
		       enum worker_type type, int64_t now_s, int64_t wall_s,
		       struct cah_error *err)
{
	*alive = false;
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	struct worker_row *row;
	rc = map_worker(store, &row, token, type, err);
	if (rc == CAH_ETIMEDOUT)
		return store_end(store, CAH_OK, err);
	if (rc == CAH_OK)
		worker_touch(store, row, now_s, wall_s);
	rc = store_end(store, rc, err);
	*alive = rc == CAH_OK;
	return rc;
}

int store_worker_progress(struct store *store, struct slice token,
			  enum worker_type type, struct slice progress,
			  int64_t now_s, int64_t wall_s, struct cah_error *err)
{
	if (!store_is_text(progress, true))
		return cah_fail(err, CAH_EINVALID, "progress is not UTF-8");
	progress = utf8_cut(progress, STORE_PROGRESS_MAX);
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	struct worker_row *row;
	struct slice copy;
	rc = map_worker(store, &row, token, type, err);
	if (rc == CAH_ETIMEDOUT)
		return store_end(store, CAH_OK, err);
	if (rc == CAH_OK)
		rc = map_text(&store->map, &copy, progress, err);
	if (rc == CAH_OK) {
		worker_touch(store, row, now_s, wall_s);
		store->has_changed = true;
		row->progress = copy;
		row->sets_progress = row->is_dirty = true;
	}
	return store_end(store, rc, err);
}

int store_workers(struct store *store, struct worker *out, size_t cap,
		  size_t offset, int type, size_t *count, int64_t *total,
		  struct cah_error *err)
{
	enum stmt stmt = type == -1 ? STMT_WORKER_LIST_ALL : STMT_WORKER_LIST;
	struct arg args[] = {arg_int(type), arg_int((int64_t)cap),
			     arg_int((int64_t)offset)};
	size_t skip = type == -1 ? 1 : 0; /* those of all types have no type */

	assert(cap <= STORE_LIST_MAX && type >= -1 && type < WORKER_KIND_COUNT);
	*count = 0;
	*total = 0;
	int rc = store_begin_read(store, err);
	if (rc != CAH_OK)
		return rc;
	for (int i = 0; i < WORKER_KIND_COUNT && rc == CAH_OK; i++) {
		int64_t n = 0;
		if (type == -1 || type == i)
			rc = store_count_get(
				store, count_of((enum worker_type)i), &n, err);
		*total += n;
	}
	if (rc == CAH_OK)
		rc = store_start(store, stmt, args + skip, 3 - skip, err);
	for (; rc == 1; rc = store_next(store, stmt, err))
		fill(store, stmt, &out[(*count)++]);
	return store_end(store, rc, err);
}

/* ---- going ---- */

/* What it holds is open again; its row is not written. */
static int give_back(struct store *store, const struct worker_row *row,
		     struct cah_error *err)
{
	struct job_row *job;
	if (row->job == 0)
		return CAH_OK;
	if (store_type_stage(row->type) >= 0)
		return task_give_back(store, row->job, err);
	int rc = map_job(store, &job, row->job, err);
	if (rc == CAH_OK)
		job_give_back(store, job);
	return rc;
}

static int take_out(struct store *store, struct worker_row *row,
		    struct cah_error *err)
{
	int rc = give_back(store, row, err);
	if (rc != CAH_OK)
		return rc;
	store_count(store, count_of(row->type), -1);
	worker_set_job(store, row, 0);
	row->is_gone = true;
	return CAH_OK;
}

int store_worker_bye(struct store *store, struct slice token,
		     enum worker_type type, struct cah_error *err)
{
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	struct worker_row *row;
	rc = map_worker(store, &row, token, type, err);
	if (rc == CAH_OK)
		rc = take_out(store, row, err);
	return store_end(store, rc, err);
}

/* The ids of up to SWEEP_BATCH of them; returns how many, or an error. */
static int list_stale(struct store *store, int64_t ids[SWEEP_BATCH], int type,
		      int64_t since_s, struct cah_error *err)
{
	enum stmt s = STMT_WORKER_STALE;
	int n = 0;
	int rc = store_start(store, s,
			     STORE_ARGS(arg_int(type), arg_int(since_s),
					arg_int(SWEEP_BATCH)),
			     err);
	for (; rc == 1; rc = store_next(store, s, err))
		ids[n++] = store_int(store, s, 0);
	return rc < 0 ? rc : n;
}

/* Saves after each batch, else the next would find the same ones. */
static int sweep_type(struct store *store, int type, int64_t since_s,
		      int64_t *count, struct cah_error *err)
{
	int64_t ids[SWEEP_BATCH];
	int n = SWEEP_BATCH, rc = CAH_OK;
	while (n == SWEEP_BATCH && rc == CAH_OK) {
		n = list_stale(store, ids, type, since_s, err);
		if (n < 0)
			return n;
		for (int i = 0; i < n && rc == CAH_OK; i++) {
			struct worker_row *row;
			rc = map_worker_of_id(store, &row, ids[i], err);
			if (rc == CAH_OK)
				rc = take_out(store, row, err);
		}
		*count += n;
		if (rc == CAH_OK)
			rc = save_all(store, err);
		if (rc == CAH_OK)
			rc = store_make_room(store, err);
	}
	return rc;
}

int store_sweep(struct store *store, int64_t now_s, int64_t idle_s,
		int64_t *count, struct cah_error *err)
{
	*count = 0;
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = save_all(store, err);
	now_s = store_now(store, now_s);
	for (int type = 0; type < WORKER_KIND_COUNT && rc == CAH_OK; type++)
		rc = sweep_type(store, type, now_s - idle_s, count, err);
	if (rc == CAH_OK)
		rc = verify_close_waiting(store, err);
	rc = store_end(store, rc, err);
	if (rc != CAH_OK)
		*count = 0;
	return rc;
}

int store_renew_leases(struct store *store, int64_t now_s,
		       struct cah_error *err)
{
	/* One that outlives trackers needs none of this. */
	if (store->has_clock)
		return CAH_OK;
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = save_all(store, err);
	store->has_changed = true;
	if (rc == CAH_OK)
		rc = store_run(store, STMT_WORKER_RENEW,
			       STORE_ARGS(arg_int(now_s)), err);
	/* What is in the map has another time. */
	map_clear(&store->map);
	return store_end(store, rc, err);
}
