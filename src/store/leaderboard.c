/* Who did how much. A leader's numbers are at every moment the sums over the
 * jobs that name it as maker (the CPU part) or closer. */
#include "base/fail.h"
#include "store/store_priv.h"

#include <assert.h>

int leader_credit(struct store *store, int64_t *leader, enum board board,
		  struct slice nickname, int64_t pairs, struct cah_error *err)
{
	int rc = store_start(
		store, STMT_LEADER_CREDIT,
		STORE_ARGS(arg_int(board), arg_text(nickname), arg_int(pairs)),
		err);
	if (rc < 0)
		return rc;
	assert(rc == 1);
	*leader = store_int(store, STMT_LEADER_CREDIT, 0);
	if (store_int(store, STMT_LEADER_CREDIT, 1) == 1)
		store_count(store, COUNT_LEADERS + (int)board, 1);
	return CAH_OK;
}

int leader_debit(struct store *store, int64_t leader, int64_t pairs,
		 struct cah_error *err)
{
	if (leader == 0)
		return CAH_OK;
	int rc = store_start(store, STMT_LEADER_DEBIT,
			     STORE_ARGS(arg_int(leader), arg_int(pairs)), err);
	if (rc <= 0)
		return rc;
	int board = (int)store_int(store, STMT_LEADER_DEBIT, 0);
	if (store_int(store, STMT_LEADER_DEBIT, 1) > 0)
		return CAH_OK;
	store_count(store, COUNT_LEADERS + board, -1);
	return store_run(store, STMT_LEADER_DELETE, STORE_ARGS(arg_int(leader)),
			 err);
}

int leader_close_job(struct store *store, struct job_row *row,
		     struct slice nickname, int64_t pairs, int64_t wall_s,
		     struct cah_error *err)
{
	int rc = leader_credit(store, &row->closer, BOARD_PAIRS, nickname,
			       pairs, err);
	if (rc != CAH_OK)
		return rc;
	row->state = JOB_DONE;
	row->pairs = pairs;
	row->holder = 0;
	row->minute = wall_s / 60;
	store_count(store, COUNT_PAIRS, pairs);
	rc = store_run(store, STMT_MINUTE_TRIM,
		       STORE_ARGS(arg_int(row->minute)), err);
	if (rc != CAH_OK)
		return rc;
	return store_run(store, STMT_MINUTE_ADD,
			 STORE_ARGS(arg_int(row->minute)), err);
}

int leader_undo_job(struct store *store, struct job_row *row,
		    struct cah_error *err)
{
	int rc = CAH_OK;
	if (row->state == JOB_DONE)
		rc = store_run(store, STMT_MINUTE_TAKE,
			       STORE_ARGS(arg_int(row->minute)), err);
	if (rc == CAH_OK)
		rc = leader_debit(store, row->closer, row->pairs, err);
	if (rc == CAH_OK)
		rc = leader_debit(store, row->maker, 0, err);
	if (rc == CAH_OK && row->maker != 0)
		rc = job_set_gpu_url(store, row->number, SLICE(""), err);
	store_count(store, COUNT_PAIRS, -row->pairs);
	row->closer = row->maker = row->pairs = row->minute = 0;
	return rc;
}

int store_leaders(struct store *store, struct leader *out, size_t cap,
		  size_t offset, bool is_cpu, size_t *count, int64_t *total,
		  struct cah_error *err)
{
	enum stmt stmt = is_cpu ? STMT_LEADER_LIST_CPU : STMT_LEADER_LIST;
	assert(cap <= STORE_LIST_MAX);
	*count = 0;
	*total = 0;
	int rc = store_begin_read(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_count_get(store,
			     COUNT_LEADERS + (is_cpu ? BOARD_CPU : BOARD_PAIRS),
			     total, err);
	if (rc == CAH_OK)
		rc = store_start(store, stmt,
				 STORE_ARGS(arg_int((int64_t)cap),
					    arg_int((int64_t)offset)),
				 err);
	for (; rc == 1; rc = store_next(store, stmt, err)) {
		struct leader *leader = &out[(*count)++];
		store_text(store, stmt, 0, leader->nickname,
			   sizeof(leader->nickname));
		leader->jobs = store_int(store, stmt, 1);
		leader->pairs = store_int(store, stmt, 2);
	}
	return store_end(store, rc, err);
}
