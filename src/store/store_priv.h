/* store_priv.h: what the files of the store share: the open book, its
 * statements, and the frame of a transaction.
 *
 * Every call of store.h is store_begin, statements, store_end. Numbers of
 * things are not written one by one: store_count gathers what a transaction
 * changes, store_end writes it in one row. */
#ifndef STORE_STORE_PRIV_H
#define STORE_STORE_PRIV_H

#include "store/backend.h"
#include "store/store.h"

#include <pthread.h>

struct store {
	const struct backend *backend;
	char *path;           /* as the user gave it, for texts; owned */
	pthread_mutex_t lock; /* from store_begin to store_end */
	pthread_t group_of; /* the thread inside of store_group, if is_group */
	bool is_group;
	bool is_spoilt;              /* a call of the group failed half way */
	int64_t deltas[COUNT_COUNT]; /* of the transaction in progress */
	int64_t kept[COUNT_COUNT];   /* of a group, before the call in it */
};

/* ---- transaction.c ---- */

/* What every backend's open does first, its close last. @store is zeroed.
 * Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int store_init(struct store *store,
			      const struct backend *backend, const char *path,
			      struct cah_error *err);
void store_fini(struct store *store);

/* Opens a transaction; the lock is held after CAH_OK only. A read sees one
 * moment of the book in all its statements. Within a group it is a part of the
 * group's. */
CAH_MUST_CHECK int store_begin_read(struct store *store, struct cah_error *err);
CAH_MUST_CHECK int store_begin_write(struct store *store,
				     struct cah_error *err);

/* Commits where @rc is CAH_OK, else takes all back; lets go of the lock.
 * Returns @rc, or what the commit failed with. */
CAH_MUST_CHECK int store_end(struct store *store, int rc,
			     struct cah_error *err);

static inline struct arg arg_int(int64_t number)
{
	return (struct arg){.number = number};
}

static inline struct arg arg_text(struct slice text)
{
	return (struct arg){.is_text = true, .text = text};
}

/* Starts a statement with its arguments and takes its first row. Returns 1 for
 * a row, 0 where there is none, or an error. */
CAH_MUST_CHECK int store_start(struct store *store, enum stmt stmt,
			       const struct arg *args, size_t count,
			       struct cah_error *err);

#define STORE_ARGS(...)                    \
	(const struct arg[]){__VA_ARGS__}, \
		sizeof((const struct arg[]){__VA_ARGS__}) / sizeof(struct arg)

/* The next row of it; as above. */
CAH_MUST_CHECK int store_next(struct store *store, enum stmt stmt,
			      struct cah_error *err);

/* For statements that give no row: CAH_OK or an error. */
CAH_MUST_CHECK int store_run(struct store *store, enum stmt stmt,
			     const struct arg *args, size_t count,
			     struct cah_error *err);

/* Columns of the row that a statement is at. Text is cut to @cap with its NUL;
 * NULL is "" and 0. */
int64_t store_int(struct store *store, enum stmt stmt, int column);
void store_text(struct store *store, enum stmt stmt, int column, char *out,
		size_t cap);

/* ---- store.c ---- */

static inline void store_count(struct store *store, int count, int64_t delta)
{
	store->deltas[count] += delta;
}

/* Reads a count, what this transaction changed included. */
CAH_MUST_CHECK int store_count_get(struct store *store, int count, int64_t *out,
				   struct cah_error *err);

/* Whether it is UTF-8 (RFC 3629) without NUL; without any control characters
 * unless @with_controls. */
bool store_is_text(struct slice text, bool with_controls);

/* A name or an address: 1..@max bytes of text without control characters.
 * Errors: CAH_EINVALID, which names @what. */
CAH_MUST_CHECK int store_check_text(struct slice text, size_t max,
				    const char *what, struct cah_error *err);

/* ---- name.c ---- */

/* A random UUID. Errors: CAH_EUNAVAILABLE. */
CAH_MUST_CHECK int name_token(char out[STORE_TOKEN_LEN + 1],
			      struct cah_error *err);

/* The @attempt-th (from 0) proposal of a display name: two words, and from the
 * second on a number of growing length. Errors: CAH_EUNAVAILABLE. */
CAH_MUST_CHECK int name_propose(char out[STORE_NAME_MAX + 1], int attempt,
				struct cah_error *err);

/* ---- job.c ---- */

/* Errors: CAH_ENOTFOUND. */
CAH_MUST_CHECK int job_load(struct store *store, struct job_row *out,
			    int64_t number, struct cah_error *err);

/* Writes @row over the job, whose state was @old; keeps the counts. */
CAH_MUST_CHECK int job_save(struct store *store, const struct job_row *row,
			    enum job_state old, struct cah_error *err);

CAH_MUST_CHECK int job_set_gpu_url(struct store *store, int64_t number,
				   struct slice url, struct cah_error *err);

/* The job's holder, if any, holds nothing any more; the job stays. */
CAH_MUST_CHECK int job_drop_holder(struct store *store, struct job_row *row,
				   struct cah_error *err);

/* The statement is at a row of the JOB_* queries. */
void job_fill(struct store *store, enum stmt stmt, struct job *out);

/* ---- worker.c ---- */

/* Errors: CAH_ETIMEDOUT. */
CAH_MUST_CHECK int worker_load(struct store *store, struct worker_row *out,
			       struct slice token, enum worker_type type,
			       struct cah_error *err);

/* Writes down that it was heard of. */
CAH_MUST_CHECK int worker_touch(struct store *store,
				const struct worker_row *row, int64_t now_s,
				int64_t wall_s, struct cah_error *err);

/* The job @number (0: none) of a worker is open again; the worker's row is not
 * written. */
CAH_MUST_CHECK int worker_give_back(struct store *store, int64_t number,
				    struct cah_error *err);

/* ---- leaderboard.c ---- */

/* One more job with @pairs for @nickname; *leader is who that is. */
CAH_MUST_CHECK int leader_credit(struct store *store, int64_t *leader,
				 enum board board, struct slice nickname,
				 int64_t pairs, struct cah_error *err);

/* Takes that back; 0 is nobody. */
CAH_MUST_CHECK int leader_debit(struct store *store, int64_t leader,
				int64_t pairs, struct cah_error *err);

/* The job is done with @pairs, for @nickname; @row is changed, not written. */
CAH_MUST_CHECK int leader_close_job(struct store *store, struct job_row *row,
				    struct slice nickname, int64_t pairs,
				    int64_t wall_s, struct cah_error *err);

/* What the job counted on either board is taken back, and its gpu_url with it;
 * @row is changed, not written. */
CAH_MUST_CHECK int leader_undo_job(struct store *store, struct job_row *row,
				   struct cah_error *err);

#endif
