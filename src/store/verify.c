/* A second opinion on a share of the jobs. BOINC gives every job to two and
 * compares (Anderson, "BOINC: a platform for volunteer computing", 2020,
 * section 4, and its adaptive replication); here a secret draws which, and the
 * credit stands until two disagree. */
#include "base/siphash.h"
#include "store/store_priv.h"

enum {
	CLOSE_BATCH = 500,
};

void store_set_verify(struct store *store, const struct store_verify *verify)
{
	pthread_mutex_lock(&store->lock);
	store->verify = *verify;
	pthread_mutex_unlock(&store->lock);
}

bool verify_is_due(const struct store *store, int64_t number)
{
	if (!(store->verify.share > 0))
		return false;
	const struct slice key = {(const char *)&number, sizeof(number)};
	uint64_t hash = siphash(&store->verify_secret, key);
	/* 53 bits are what a double holds. */
	return (double)(hash >> 11) < store->verify.share * 0x1p53;
}

bool verify_agrees(const struct store *store, int64_t a, int64_t b)
{
	int64_t most = a > b ? a : b;
	int64_t gap = a > b ? a - b : b - a;
	return gap <= store->verify.absolute ||
	       (double)gap <= store->verify.relative * (double)most;
}

static int pick(struct store *store, int64_t *number, enum stmt stmt,
		int64_t leader, struct cah_error *err)
{
	int rc = store_start(store, stmt, STORE_ARGS(arg_int(leader)), err);
	if (rc == 1)
		*number = store_int(store, stmt, 0);
	return rc;
}

int verify_pick(struct store *store, struct job_row **out,
		struct slice nickname, struct cah_error *err)
{
	int64_t waiting, leader, number = 0;
	*out = NULL;
	if (!(store->verify.share > 0))
		return CAH_OK;
	int rc = store_count_get(store, COUNT_JOBS + JOB_CHECK_OPEN, &waiting,
				 err);
	if (rc != CAH_OK || waiting == 0)
		return rc;
	/* The database is asked, so it must know. */
	if (store->map.has_checks)
		rc = save_all(store, err);
	if (rc == CAH_OK)
		rc = leader_find(store, &leader, BOARD_PAIRS, nickname, false,
				 err);
	if (rc != CAH_OK)
		return rc;
	rc = pick(store, &number, STMT_JOB_PICK_CHECK, leader, err);
	if (rc == 0)
		rc = pick(store, &number, STMT_JOB_PICK_CHECK_MORE, leader,
			  err);
	return rc <= 0 ? rc : map_job(store, out, number, err);
}

static int close_batch(struct store *store, int *count, struct cah_error *err)
{
	enum stmt s = STMT_JOB_CHECKS;
	int64_t numbers[CLOSE_BATCH];
	int n = 0;
	int rc = store_start(store, s, STORE_ARGS(arg_int(CLOSE_BATCH)), err);
	for (; rc == 1; rc = store_next(store, s, err))
		numbers[n++] = store_int(store, s, 0);
	for (int i = 0; i < n && rc == CAH_OK; i++) {
		struct job_row *row;
		rc = map_job(store, &row, numbers[i], err);
		if (rc != CAH_OK)
			return rc;
		job_unbook(store, row);
		row->state = JOB_DONE;
		job_rebook(store, row);
	}
	*count = n;
	if (rc == CAH_OK)
		rc = save_all(store, err);
	return rc == CAH_OK ? store_make_room(store, err) : rc;
}

/* They were finished some time ago: the last hour does not count them. */
int verify_close_waiting(struct store *store, struct cah_error *err)
{
	int64_t waiting;
	int count = CLOSE_BATCH;
	if (store->verify.share > 0)
		return CAH_OK;
	int rc = store_count_get(store, COUNT_JOBS + JOB_CHECK_OPEN, &waiting,
				 err);
	if (rc != CAH_OK || waiting == 0)
		return rc;
	while (count == CLOSE_BATCH && rc == CAH_OK)
		rc = close_batch(store, &count, err);
	return rc;
}
