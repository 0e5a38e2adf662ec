/* Workers: born with a name, alive as long as they are heard of, gone with
 * their job open again. */
#include "base/fail.h"
#include "base/utf8.h"
#include "store/store_priv.h"

#include <assert.h>
#include <stdio.h>

enum {
	NAME_ATTEMPTS = 16, /* the last ones out of 100,000,000 numbers */
};

/* ---- one worker ---- */

int worker_load(struct store *store, struct worker_row *out, struct slice token,
		enum worker_type type, struct cah_error *err)
{
	enum stmt s = STMT_WORKER_LOAD;
	int rc = 0;
	if (token.len == STORE_TOKEN_LEN)
		rc = store_start(store, s,
				 STORE_ARGS(arg_text(token), arg_int(type)),
				 err);
	if (rc == 0)
		return cah_fail(err, CAH_ETIMEDOUT,
				"the worker is unknown or timed out");
	if (rc < 0)
		return rc;
	out->id = store_int(store, s, 0);
	out->job = store_int(store, s, 1);
	out->alive_s = store_int(store, s, 2);
	out->last_seen_s = store_int(store, s, 3);
	store_text(store, s, 4, out->nickname, sizeof(out->nickname));
	return CAH_OK;
}

int worker_touch(struct store *store, const struct worker_row *row,
		 int64_t now_s, int64_t wall_s, struct cah_error *err)
{
	/* Twice within a second costs no write. */
	if (row->alive_s == now_s && row->last_seen_s == wall_s)
		return CAH_OK;
	return store_run(
		store, STMT_WORKER_ALIVE,
		STORE_ARGS(arg_int(row->id), arg_int(now_s), arg_int(wall_s)),
		err);
}

int worker_give_back(struct store *store, int64_t number, struct cah_error *err)
{
	if (number == 0)
		return CAH_OK;
	struct job_row row = {0};
	int rc = job_load(store, &row, number, err);
	if (rc != CAH_OK)
		return rc;
	enum job_state old = row.state;
	row.state = old == JOB_GPU_LEASED ? JOB_GPU_OPEN : JOB_OPEN;
	row.holder = 0;
	return job_save(store, &row, old, err);
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
}

/* ---- coming ---- */

static int choose_name(struct store *store, char out[STORE_NAME_MAX + 1],
		       struct cah_error *err)
{
	for (int i = 0; i < NAME_ATTEMPTS; i++) {
		int rc = name_propose(out, i, err);
		if (rc == CAH_OK)
			rc = store_start(store, STMT_WORKER_NAME_TAKEN,
					 STORE_ARGS(arg_text(slice_of(out))),
					 err);
		if (rc <= 0)
			return rc;
	}
	return cah_fail(err, CAH_EUNAVAILABLE, "no name is free");
}

static int add(struct store *store, struct worker *worker, int64_t now_s,
	       struct cah_error *err)
{
	int rc = choose_name(store, worker->display_name, err);
	if (rc != CAH_OK)
		return rc;
	store_count(store, COUNT_WORKERS + (int)worker->type, 1);
	return store_run(store, STMT_WORKER_ADD,
			 STORE_ARGS(arg_text(slice_of(worker->token)),
				    arg_text(slice_of(worker->display_name)),
				    arg_text(slice_of(worker->nickname)),
				    arg_int(worker->type), arg_int(now_s),
				    arg_int(worker->first_seen_s)),
			 err);
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
	struct worker_row row = {0};
	rc = worker_load(store, &row, token, type, err);
	if (rc == CAH_ETIMEDOUT)
		return store_end(store, CAH_OK, err);
	if (rc == CAH_OK)
		rc = worker_touch(store, &row, now_s, wall_s, err);
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
	struct worker_row row = {0};
	rc = worker_load(store, &row, token, type, err);
	if (rc == CAH_ETIMEDOUT)
		return store_end(store, CAH_OK, err);
	if (rc == CAH_OK)
		rc = worker_touch(store, &row, now_s, wall_s, err);
	if (rc == CAH_OK)
		rc = store_run(store, STMT_WORKER_PROGRESS,
			       STORE_ARGS(arg_int(row.id), arg_text(progress)),
			       err);
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

	assert(cap <= STORE_LIST_MAX && type >= -1 && type < WORKER_TYPE_COUNT);
	*count = 0;
	*total = 0;
	int rc = store_begin_read(store, err);
	if (rc != CAH_OK)
		return rc;
	for (int i = 0; i < WORKER_TYPE_COUNT && rc == CAH_OK; i++) {
		int64_t n = 0;
		if (type == -1 || type == i)
			rc = store_count_get(store, COUNT_WORKERS + i, &n, err);
		*total += n;
	}
	if (rc == CAH_OK)
		rc = store_start(store, stmt, args + skip, 3 - skip, err);
	for (; rc == 1; rc = store_next(store, stmt, err))
		fill(store, stmt, &out[(*count)++]);
	return store_end(store, rc, err);
}

/* ---- going ---- */

static int take_out(struct store *store, int64_t id, int64_t job, int type,
		    struct cah_error *err)
{
	int rc = worker_give_back(store, job, err);
	if (rc != CAH_OK)
		return rc;
	store_count(store, COUNT_WORKERS + type, -1);
	return store_run(store, STMT_WORKER_DELETE, STORE_ARGS(arg_int(id)),
			 err);
}

int store_worker_bye(struct store *store, struct slice token,
		     enum worker_type type, struct cah_error *err)
{
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	struct worker_row row = {0};
	rc = worker_load(store, &row, token, type, err);
	if (rc == CAH_OK)
		rc = take_out(store, row.id, row.job, (int)type, err);
	return store_end(store, rc, err);
}

int store_sweep(struct store *store, int64_t now_s, int64_t idle_s,
		int64_t *count, struct cah_error *err)
{
	enum stmt s = STMT_WORKER_STALE;
	*count = 0;
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	for (int type = 0; type < WORKER_TYPE_COUNT && rc == CAH_OK;) {
		rc = store_start(
			store, s,
			STORE_ARGS(arg_int(type), arg_int(now_s - idle_s)),
			err);
		if (rc == 0)
			type++;
		if (rc <= 0)
			continue;
		rc = take_out(store, store_int(store, s, 0),
			      store_int(store, s, 1), type, err);
		*count += 1;
	}
	rc = store_end(store, rc, err);
	if (rc != CAH_OK)
		*count = 0;
	return rc;
}

int store_renew_leases(struct store *store, int64_t now_s,
		       struct cah_error *err)
{
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_run(store, STMT_WORKER_RENEW, STORE_ARGS(arg_int(now_s)),
		       err);
	return store_end(store, rc, err);
}
