/* store_priv.h: what the files of the store share: the open book, its
 * statements, and the frame of a call.
 *
 * Every call of store.h is store_begin_*, what it does, store_end. It reads
 * rows of jobs and workers into the map (map.h), checks everything, and then
 * changes them there; save.c writes what changed, once for a group of calls. */
#ifndef STORE_STORE_PRIV_H
#define STORE_STORE_PRIV_H

#include "store/backend.h"
#include "store/map.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

struct table;

enum {
	STORE_LOOK_MS = 200,
	STORE_WANTS_MAX = 4096, /* tokens of a group; others are read when
				   needed */
};

struct store {
	const struct backend *backend;
	char *path;           /* as the user gave it, for texts; owned */
	pthread_mutex_t lock; /* from store_begin to store_end */
	/* The thread inside of store_group, if is_group. Read without the lock
	 * by threads that ask whether it is they: group_of is set before
	 * is_group, so none takes another's group for its own. */
	_Atomic pthread_t group_of;
	atomic_bool is_group;
	atomic_int_fast64_t deadline_ms; /* of all waits; 0: none */
	bool has_clock;   /* the database's time goes, not the caller's */
	bool is_write;    /* the transaction may change something */
	bool waits;       /* for the disk, at its commit */
	bool is_spoilt;   /* a call of the group failed half way */
	bool has_changed; /* the call has begun to change something */
	bool has_loaded;  /* the group's wants */
	uint64_t call;    /* its number, for marks */

	struct map map;
	/* What the transaction changed of the counts and has not saved, and the
	 * counts as they are saved, once asked for. */
	int64_t deltas[COUNT_COUNT];
	int64_t counts[COUNT_COUNT];
	bool has_counts;
	int64_t this_minute; /* of the last job finished in it, or 0 */
	struct wants wants;

	/* Who has which id, by board and nickname; only what was committed. */
	struct table *leader_ids;
	struct store_verify verify;
	struct siphash_key verify_secret;
};

/* ---- transaction.c ---- */

/* Opens a transaction, or takes part in the group's; the lock is held after
 * CAH_OK only. A read sees one moment of the book in all its statements, with
 * all that the calls before it in the group did; a peek does not look at what
 * these wrote, but for the counts. */
CAH_MUST_CHECK int store_begin_read(struct store *store, struct cah_error *err);
CAH_MUST_CHECK int store_begin_peek(struct store *store, struct cah_error *err);
CAH_MUST_CHECK int store_begin_write(struct store *store,
				     struct cah_error *err);

/* Saves the rows of the map and forgets them, if they are many. No pointer to
 * one may be in use. */
CAH_MUST_CHECK int store_make_room(struct store *store, struct cah_error *err);

/* The time that leases count in: the caller's, or that of a clock which the
 * database keeps. */
int64_t store_now(struct store *store, int64_t now_s);

/* Ends the call, which did what it does where @rc is CAH_OK, else nothing: one
 * that had begun to change something spoils its group. Returns @rc, or what the
 * commit failed with. */
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

/* ---- save.c ---- */

/* Hands the database all that the map holds and it does not have. */
CAH_MUST_CHECK int save_all(struct store *store, struct cah_error *err);

/* ---- counts.c ---- */

static inline void store_count(struct store *store, int count, int64_t delta)
{
	store->deltas[count] += delta;
}

/* Reads a count, what this transaction changed included. */
CAH_MUST_CHECK int store_count_get(struct store *store, int count, int64_t *out,
				   struct cah_error *err);

/* ---- store.c ---- */

/* What every backend's open does first, its close last. @store is zeroed.
 * Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int store_init(struct store *store,
			      const struct backend *backend, const char *path,
			      struct cah_error *err);
void store_fini(struct store *store);

/* Whether at @at_ms (monotonic) nobody may wait for the database any more, as
 * far as is known now: a wait asks every STORE_LOOK_MS. */
bool store_is_late(const struct store *store, int64_t at_ms);

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

/* A change of a job stands between the two: what it counts is taken out of the
 * counts, and put back in. No error can come between. */
void job_unbook(struct store *store, struct job_row *row);
void job_rebook(struct store *store, struct job_row *row);

/* The job is open and nobody had it; between the two. */
void job_clear(struct job_row *row);

/* Who holds it, by the worker's id; NULL for 0. A worker is never gone before
 * what it holds is open: where that is not so, the organiser's hand can put it
 * right. */
CAH_MUST_CHECK int job_find_holder(struct store *store, struct worker_row **out,
				   int64_t id, struct cah_error *err);

/* Whoever held it gave up; rebooks. */
void job_give_back(struct store *store, struct job_row *row);

/* ---- worker.c ---- */

/* Writes down that it was heard of. */
void worker_touch(struct store *store, struct worker_row *row, int64_t now_s,
		  int64_t wall_s);

/* What it holds from now on, 0 for nothing. */
void worker_set_job(struct store *store, struct worker_row *row, int64_t job);

/* ---- leaderboard.c ---- */

/* Who @nickname is on the board, made if missing where @may_make, else 0. */
CAH_MUST_CHECK int leader_find(struct store *store, int64_t *id,
			       enum board board, struct slice nickname,
			       bool may_make, struct cah_error *err);

/* After a commit: what leader_find made may be remembered. */
void leader_remember(struct store *store);

/* ---- verify.c ---- */

/* Whether the finished job @number is to be checked. */
bool verify_is_due(const struct store *store, int64_t number);

/* Whether two counts of a job agree. */
bool verify_agrees(const struct store *store, int64_t a, int64_t b);

/* A job to be checked by a worker of @nickname; *out NULL where there is none.
 */
CAH_MUST_CHECK int verify_pick(struct store *store, struct job_row **out,
			       struct slice nickname, struct cah_error *err);

/* The sweep's: without checking, nothing waits for it. */
CAH_MUST_CHECK int verify_close_waiting(struct store *store,
					struct cah_error *err);

#endif
