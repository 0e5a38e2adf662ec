/* store.h: the tracker's book: jobs, workers, leases and the leaderboard, in
 * SQLite (WAL, synchronous=FULL) or in PostgreSQL. Each call is one
 * transaction, or a part of one (store_group): an error changes nothing,
 * success is durable. Calls may come from any thread, one at a time inside.
 * Time is handed in: @now_s counts seconds of a clock that does not step (the
 * tracker's), @wall_s seconds since 1970 for people to read.
 *
 * Every call is O(log n) in the number of jobs at most; counts are kept in
 * their own rows, never counted.
 *
 * Errors of every call beside its own: CAH_EUNAVAILABLE (the database cannot be
 * written or read now: disk full, locked, gone), CAH_ENOMEM. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/slice.h"

#include <cah/error.h>
#include <stdint.h>

enum {
	STORE_NICKNAME_MAX = 255, /* bytes */
	STORE_PROGRESS_MAX = 255, /* characters; longer ones are cut */
	STORE_URL_MAX = 2048,     /* bytes */
	STORE_NAME_MAX = 64,      /* bytes of a display name */
	STORE_TOKEN_LEN = 36,     /* a random UUID (RFC 9562, version 4) */
	STORE_LIST_MAX = 1000,    /* rows of one page of a list */
	STORE_STAGE_COUNT = 5,    /* of a staged project at most */
};

enum worker_type {
	WORKER_HYBRID,
	WORKER_CPU,
	WORKER_GPU,
	WORKER_TYPE_COUNT,
	/* Of stage a of a staged project; that of b is one more, and so on.
	 * See task.h. */
	WORKER_STAGE = WORKER_TYPE_COUNT,
	WORKER_KIND_COUNT = WORKER_STAGE + STORE_STAGE_COUNT,
};

/* HYBRID and CPU workers take from the first queue, GPU ones from the second.
 * The last two: see store_set_verify. */
enum job_state {
	JOB_OPEN,     /* waits for a HYBRID or CPU worker */
	JOB_LEASED,   /* one of them holds it */
	JOB_GPU_OPEN, /* waits for a GPU worker, with the CPU worker's url */
	JOB_GPU_LEASED,
	JOB_DONE,
	JOB_CHECK_OPEN, /* finished, but waits for a second opinion */
	JOB_CHECK_LEASED,
	JOB_STATE_COUNT,
};

struct job {
	int64_t number;                  /* from 1 */
	char url[STORE_URL_MAX + 1];     /* of the WAT */
	char gpu_url[STORE_URL_MAX + 1]; /* what the CPU worker left; or "" */
	int64_t start_id;
	int64_t end_id;
	int piece; /* 0 or 1 */
	enum job_state state;
	int64_t pairs; /* of a finished one, or one that is checked */
	/* Who did it, or "": the holder's display name, the nicknames of who
	 * left gpu_url and of who finished it. */
	char holder[STORE_NAME_MAX + 1];
	char made_by[STORE_NICKNAME_MAX + 1];
	char done_by[STORE_NICKNAME_MAX + 1];
};

struct worker {
	char token[STORE_TOKEN_LEN + 1];
	char display_name[STORE_NAME_MAX + 1];
	char nickname[STORE_NICKNAME_MAX + 1];
	char progress[STORE_PROGRESS_MAX * 4 + 1];
	enum worker_type type;
	int64_t job_number; /* 0: holds none */
	int64_t jobs_completed;
	/* Jobs that its nickname did or checked and another did too, and those
	 * of them where the two did not agree; by store_worker_find only. */
	int64_t checked;
	int64_t disagreed;
	int64_t first_seen_s; /* wall clock */
	int64_t last_seen_s;  /* wall clock */
};

struct store_counts {
	int64_t jobs[JOB_STATE_COUNT];
	int64_t workers[WORKER_TYPE_COUNT];
	int64_t pairs;              /* of all finished jobs */
	int64_t finished_last_hour; /* jobs, for the estimate of the end */
	/* Of a staged project, by stage. */
	int64_t stage_workers[STORE_STAGE_COUNT];
	int64_t tasks_open[STORE_STAGE_COUNT];
	int64_t tasks_leased[STORE_STAGE_COUNT];
	int64_t tasks_done;
};

struct leader {
	char nickname[STORE_NICKNAME_MAX + 1];
	int64_t jobs;
	int64_t pairs;
};

struct store;

/* "HYBRID", or "a" for the workers of a stage; static. store_worker_type: -1
 * where @name is none of the three types. */
const char *store_type_name(enum worker_type type);
int store_worker_type(struct slice name);

/* "open"; static. */
const char *store_state_name(enum job_state state);

/* Opens @uri ("sqlite:FILE", the file is made when missing, or what libpq takes
 * as postgresql://..., where the tables are made; a server that is away is told
 * by the calls until it is back). Any number of
 * processes may have it open: each call is one transaction. The caller frees
 * *out with store_close (NULL is fine). Errors: CAH_EINVALID (uri),
 * CAH_EFORMAT (not our database, or of a newer version). */
CAH_MUST_CHECK int store_open(struct store **out, const char *uri,
			      struct cah_error *err);
void store_close(struct store *store);

/* From now on no call waits for the database past @deadline_ms (monotonic; 0:
 * as long as ever), nor does one that is under way: what would have to fails
 * with CAH_EUNAVAILABLE. Any thread. */
void store_set_deadline(struct store *store, int64_t deadline_ms);

/* As store_open, but makes no file. Errors: CAH_ENOTFOUND (there is none). */
CAH_MUST_CHECK int store_open_existing(struct store **out, const char *uri,
				       struct cah_error *err);

/* What a tracker calls once after store_open: of all processes one may be the
 * tracker of a book in SQLite, up to 64 those of one in PostgreSQL. Held until
 * store_close or the end of the process, however it comes; a second call does
 * nothing. Errors: CAH_EUNAVAILABLE ("another tracker uses FILE"). */
CAH_MUST_CHECK int store_claim(struct store *store, struct cah_error *err);

/* Told after each step how many of how many bytes are copied. Not 0: stop. */
typedef int (*store_backup_fn)(void *arg, int64_t done, int64_t total);

/* Makes the file @path, which is there and empty, a copy of the whole book as
 * it is at one moment; others may read and write meanwhile. The copy is not
 * synced. @step may be NULL. Errors: CAH_EINVALID (no SQLite book),
 * CAH_ECANCELLED (@step), CAH_EIO (the copy), CAH_EFORMAT (the book is
 * damaged); what @path holds is worth nothing then. */
CAH_MUST_CHECK int store_backup(struct store *store, const char *path,
				store_backup_fn step, void *arg,
				struct cah_error *err);

/* Told now and then how many of about how many rows were moved. Not 0: stop. */
typedef int (*store_move_fn)(void *arg, int64_t done, int64_t total);

/* Copies the whole of @from, a book in SQLite, into @to, an empty one in
 * PostgreSQL, all or nothing; neither may have a tracker. All workers count as
 * heard of now. Nobody else may write to either meanwhile, and afterwards both
 * are claimed. @step may be NULL. Errors: CAH_EINVALID (of other kinds, @to is
 * not empty), CAH_ECANCELLED (@step), CAH_EUNAVAILABLE (a tracker uses one). */
CAH_MUST_CHECK int store_move(struct store *from, struct store *to,
			      store_move_fn step, void *arg,
			      struct cah_error *err);

/* ---- groups ---- */

/* Runs @run(@arg) in one transaction: what this thread calls in it joins it,
 * sees what the calls before it did, is still all or nothing by itself, and is
 * durable when store_group returns CAH_OK. Where a database has to give up a
 * transaction because of another tracker's, @run is called again: its outcome
 * must not depend on what it did before. @is_write: whether a call of it may
 * change something. Calls of other threads wait meanwhile. Errors: whatever the
 * calls returned, nothing of the group is done; so it is too when the database
 * failed in one of them, all later ones then fail with CAH_EUNAVAILABLE. */
typedef void (*store_group_fn)(void *arg);
CAH_MUST_CHECK int store_group(struct store *store, bool is_write,
			       store_group_fn run, void *arg,
			       struct cah_error *err);

/* The same, but what it changed is durable only once a store_flush that began
 * after it has returned CAH_OK: while one group waits for the disk, the next
 * can run. Nobody may be told of it before. */
CAH_MUST_CHECK int store_group_start(struct store *store, bool is_write,
				     store_group_fn run, void *arg,
				     struct cah_error *err);

/* Waits until all groups that were started are durable. Any thread, beside
 * calls of others. Errors: what they changed may be lost or not. */
CAH_MUST_CHECK int store_flush(struct store *store, struct cah_error *err);

/* At the begin of a group's @run: says what its calls will need, so that a
 * database far away is asked once for all. A hint, nothing depends on it. A
 * worker of @token; one open job of the queue of @type. */
void store_want_worker(struct store *store, struct slice token);
void store_want_job(struct store *store, enum worker_type type);

/* What a tracker calls after store_claim: its clock began anew with it, so that
 * what the one before wrote down means nothing; all workers count as heard of
 * at @now_s, and go on with their tokens and jobs. */
CAH_MUST_CHECK int store_renew_leases(struct store *store, int64_t now_s,
				      struct cah_error *err);

/* ---- checking volunteers' work ---- */

enum {
	STORE_VERIFY_PAIRS = 5, /* default of .absolute */
};
#define STORE_VERIFY_RELATIVE 0.02 /* default of .relative */

/* A share of the finished jobs is given once more, to a HYBRID worker of
 * another nickname. Two counts agree where they differ by at most .absolute, or
 * by at most .relative of the larger. Which jobs is decided by a secret. Until
 * then the job is JOB_CHECK_OPEN: its first worker has the credit, but it does
 * not count as done. Where they do not agree the credit is taken back and the
 * job is open again. */
struct store_verify {
	double share; /* 0 (off) to 1 */
	double relative;
	int64_t absolute;
};

/* Before the first call, or between two. With share 0 (as after store_open) the
 * next sweep closes what waits for a check. */
void store_set_verify(struct store *store, const struct store_verify *verify);

/* ---- jobs ---- */

/* -1 where @name is no state. */
int store_job_state(struct slice name);

/* Adds the two jobs of the WAT at @url, unless it has them (*added false). The
 * k-th WAT (from 0) gets the numbers 2k+1 (piece 0) and 2k+2 (piece 1), both
 * with start_id 1,000,000 k and end_id 1,000,000 (k + 1). Between
 * store_import_begin and _end all are one transaction; _abort takes all back.
 * No other call may come from the thread in between; those of others wait.
 * Errors: CAH_EINVALID (empty, longer than STORE_URL_MAX). */
CAH_MUST_CHECK int store_import_begin(struct store *store,
				      struct cah_error *err);
CAH_MUST_CHECK int store_import_add(struct store *store, struct slice url,
				    bool *added, struct cah_error *err);
/* The same for many, of which *added are new: a database far away is asked once
 * for all. */
CAH_MUST_CHECK int store_import_add_all(struct store *store,
					const struct slice *urls, size_t count,
					size_t *added, struct cah_error *err);
CAH_MUST_CHECK int store_import_end(struct store *store, struct cah_error *err);
void store_import_abort(struct store *store);

/* Errors: CAH_ENOTFOUND. */
CAH_MUST_CHECK int store_job_get(struct store *store, struct job *out,
				 int64_t number, struct cah_error *err);

/* The jobs of the WAT at @url, both pieces; *count 0 where unknown. */
CAH_MUST_CHECK int store_jobs_of(struct store *store, struct job out[2],
				 int *count, struct slice url,
				 struct cah_error *err);

/* Jobs of @state (-1: all) with numbers from @from on, in their order; at most
 * @cap (<= STORE_LIST_MAX); *count of them. Passes over the jobs of other
 * states one by one where @state is none of the two open ones. */
CAH_MUST_CHECK int store_jobs(struct store *store, struct job *out, size_t cap,
			      int64_t from, int state, size_t *count,
			      struct cah_error *err);

/* The first WAT both of whose jobs are open. Errors: CAH_ENOJOB. */
CAH_MUST_CHECK int store_open_wat(struct store *store,
				  char out[STORE_URL_MAX + 1],
				  struct cah_error *err);

/* Makes a job open again, whatever it was: its holder loses it, what it counted
 * is taken back. Errors: CAH_ENOTFOUND. */
CAH_MUST_CHECK int store_job_reset(struct store *store, int64_t number,
				   struct cah_error *err);

/* What jobs there are for a worker of @type: open ones of its queue, for HYBRID
 * also those that wait for a check. */
CAH_MUST_CHECK int store_job_count(struct store *store, int64_t *out,
				   enum worker_type type,
				   struct cah_error *err);

CAH_MUST_CHECK int store_get_counts(struct store *store,
				    struct store_counts *out, int64_t wall_s,
				    struct cah_error *err);

/* ---- workers ---- */

/* A new worker; fills token, display_name (two words, unique among the living),
 * nickname, type and times. */
CAH_MUST_CHECK int store_worker_new(struct store *store, struct worker *out,
				    struct slice nickname,
				    enum worker_type type, int64_t now_s,
				    int64_t wall_s, struct cah_error *err);

/* The worker of a display name and type. Errors: CAH_ENOTFOUND. */
CAH_MUST_CHECK int store_worker_find(struct store *store, struct worker *out,
				     struct slice display_name,
				     enum worker_type type,
				     struct cah_error *err);

/* True in *alive when @token is a live worker of @type; counts as a sign of
 * life. */
CAH_MUST_CHECK int store_worker_alive(struct store *store, bool *alive,
				      struct slice token, enum worker_type type,
				      int64_t now_s, int64_t wall_s,
				      struct cah_error *err);

/* Sets the progress text; nothing happens for unknown tokens. */
CAH_MUST_CHECK int store_worker_progress(struct store *store,
					 struct slice token,
					 enum worker_type type,
					 struct slice progress, int64_t now_s,
					 int64_t wall_s, struct cah_error *err);

/* Takes the worker out; its job is open again. Errors: CAH_ETIMEDOUT. */
CAH_MUST_CHECK int store_worker_bye(struct store *store, struct slice token,
				    enum worker_type type,
				    struct cah_error *err);

/* Takes out all workers not heard of for more than @idle_s; *count of them. A
 * clock in whole seconds makes a silence look up to one longer than it was, so
 * one of just @idle_s may be shorter and is let pass. After a restart of the
 * tracker leases begin anew: see store_renew_leases. */
CAH_MUST_CHECK int store_sweep(struct store *store, int64_t now_s,
			       int64_t idle_s, int64_t *count,
			       struct cah_error *err);

/* ---- leases ---- */

/* Gives the worker the open job of its queue with the lowest number; one that
 * it holds is given back first, and then it is the lowest number behind that
 * one, if any. One that waits for a check goes first, but not to who gives one
 * back. The names in @out are left empty. Errors: CAH_ETIMEDOUT (unknown
 * worker), CAH_ENOJOB. */
CAH_MUST_CHECK int store_job_take(struct store *store, struct job *out,
				  struct slice token, enum worker_type type,
				  int64_t now_s, int64_t wall_s,
				  struct cah_error *err);

/* The worker's job is done with @pairs (HYBRID, GPU; @url empty) or waits for a
 * GPU worker at @url (CPU; @pairs 0). Errors: CAH_ETIMEDOUT, CAH_ENOJOB (holds
 * none), CAH_EINVALID (pairs out of 0..2^31-1, url). */
CAH_MUST_CHECK int store_job_finish(struct store *store, struct slice token,
				    enum worker_type type, int64_t pairs,
				    struct slice url, int64_t now_s,
				    int64_t wall_s, struct cah_error *err);

/* A GPU worker could not use what it was given: the job it holds goes back to
 * the first queue. Errors: CAH_ETIMEDOUT, CAH_ENOJOB. */
CAH_MUST_CHECK int store_job_invalid(struct store *store, struct slice token,
				     int64_t now_s, int64_t wall_s,
				     struct cah_error *err);

/* Jobs whose CPU part was done, and where each one's result lies. */
struct store_results {
	const int64_t *numbers;
	const struct slice *urls;
	size_t count;
};

/* The open jobs of @results become GPU jobs, all or none, for the leaderboard
 * entry of @nickname; @token must be a live CPU worker's, of which this is a
 * sign of life. Errors: CAH_ETIMEDOUT, CAH_ENOTFOUND (a number), CAH_EINVALID
 * (not open, url). */
CAH_MUST_CHECK int store_jobs_to_gpu(struct store *store, struct slice token,
				     struct slice nickname,
				     const struct store_results *results,
				     int64_t now_s, int64_t wall_s,
				     struct cah_error *err);

/* An organiser closes jobs by hand: each becomes done (those done are left),
 * the first with @pairs. Errors: CAH_ENOTFOUND, CAH_EINVALID. */
CAH_MUST_CHECK int store_jobs_close(struct store *store, const int64_t *numbers,
				    size_t count, int64_t pairs,
				    struct slice nickname, int64_t wall_s,
				    struct cah_error *err);

/* For each of @addresses in @done whether all jobs whose CPU result (gpu_url)
 * or, where there is none, whose WAT lies there are done; false for unknown
 * ones. */
CAH_MUST_CHECK int store_completed(struct store *store,
				   const struct slice *addresses, size_t count,
				   bool *done, struct cah_error *err);

/* ---- lists for people ---- */

/* Live workers of @type (-1: all, those of stages too), newest sign of life
 * first, from @offset; at most @cap (<= STORE_LIST_MAX); *count of them, *total
 * of all. */
CAH_MUST_CHECK int store_workers(struct store *store, struct worker *out,
				 size_t cap, size_t offset, int type,
				 size_t *count, int64_t *total,
				 struct cah_error *err);

/* The leaderboard of HYBRID and GPU workers (by pairs) or, @is_cpu, of CPU
 * workers (by jobs). As above. */
CAH_MUST_CHECK int store_leaders(struct store *store, struct leader *out,
				 size_t cap, size_t offset, bool is_cpu,
				 size_t *count, int64_t *total,
				 struct cah_error *err);

/* ---- what the organiser set ---- */

/* The banner's text, "" where none; to a buffer of 2,049 bytes. */
CAH_MUST_CHECK int store_banner_get(struct store *store,
				    char out[STORE_URL_MAX + 1],
				    struct cah_error *err);
CAH_MUST_CHECK int store_banner_set(struct store *store, struct slice text,
				    struct cah_error *err);

#endif
