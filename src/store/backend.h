/* backend.h: what runs the statements of statements.def in a database, and the
 * rows that the book-keeping and a database hand to each other. The
 * book-keeping (job.c, lease.c, worker.c, leaderboard.c) is above, the same for
 * all databases; sqlite.c is below.
 *
 * A transaction goes so: begin; load, where there is one, with what its calls
 * said they want; single statements for whatever else is needed, rows of jobs
 * and workers at most once each; save with all that changed, also
 * before any statement that looks at many rows (a list, a count); commit.
 * Between two saves the database does not know what the map holds.
 *
 * Only one thread at a time is in a backend. A backend's struct begins with its
 * struct store. */
#ifndef STORE_BACKEND_H
#define STORE_BACKEND_H

#include "base/slice.h"
#include "store/store.h"

#include <cah/error.h>
#include <stdint.h>

enum stmt {
#define STMT(name, sql) STMT_##name,
#include "store/statements.def"
#undef STMT
	STMT_COUNT,
};

/* As SQLite wants them, which others start from. */
extern const char *const stmt_texts[STMT_COUNT];

/* An argument of a statement. */
struct arg {
	bool is_text;
	int64_t number;
	struct slice text; /* borrowed until the transaction ends */
};

/* The columns of the row of counts, in their order. */
enum count {
	COUNT_JOBS,                                        /* by state */
	COUNT_WORKERS = COUNT_JOBS + JOB_STATE_COUNT,      /* by type */
	COUNT_LEADERS = COUNT_WORKERS + WORKER_TYPE_COUNT, /* by board: those
							      with jobs */
	COUNT_WATS = COUNT_LEADERS + 2,
	COUNT_PAIRS,
	COUNT_STAGE_WORKERS, /* by stage, as the two that follow */
	COUNT_TASKS_OPEN = COUNT_STAGE_WORKERS + STORE_STAGE_COUNT,
	COUNT_TASKS_LEASED = COUNT_TASKS_OPEN + STORE_STAGE_COUNT,
	COUNT_TASKS_DONE = COUNT_TASKS_LEASED + STORE_STAGE_COUNT,
	COUNT_COUNT,
};

/* The two halves of the leaderboard. */
enum board {
	BOARD_PAIRS, /* HYBRID and GPU workers: finished jobs and their pairs */
	BOARD_CPU,   /* CPU workers: jobs that wait for a GPU or went on */
	BOARD_COUNT,
};

/* Who waits for jobs of which state. */
enum queue {
	QUEUE_FIRST, /* JOB_OPEN: HYBRID and CPU workers */
	QUEUE_GPU,   /* JOB_GPU_OPEN */
	QUEUE_COUNT,
};

/* ---- rows ---- */

/* A job, as the book-keeping changes it. A backend that reads one sets the
 * columns down to `minute`, and the urls if it has them, and nothing else. */
struct job_row {
	int64_t number;
	enum job_state state;
	int64_t pairs;
	int64_t holder; /* worker id, 0: none */
	int64_t maker;  /* leader id of the CPU part, 0: none */
	int64_t closer; /* leader id of who finished it, 0: none */
	int64_t minute; /* in which it was finished */

	bool has_urls;    /* the two that follow are known; else asked for when
			     needed (STMT_JOB_URLS) */
	struct slice url; /* of the WAT */
	struct slice gpu_url; /* "" for NULL */

	/* Of the map. */
	bool is_dirty;
	bool sets_gpu_url; /* gpu_url was changed: save writes it */
	struct {
		enum job_state state;
		int64_t pairs, maker, closer, minute;
	} saved;       /* as the database has it */
	uint64_t mark; /* of the call that last looked at it */
	/* Given back: in a list of those that may be open again. */
	struct job_row *next_freed[QUEUE_COUNT];
	bool is_freed[QUEUE_COUNT];
};

struct worker_row {
	int64_t id;
	enum worker_type type;
	int64_t job; /* number, 0: none */
	int64_t jobs_completed;
	int64_t alive_s;
	int64_t last_seen_s;
	char token[STORE_TOKEN_LEN + 1];
	char nickname[STORE_NICKNAME_MAX + 1];

	/* Of the map. */
	bool sets_alive; /* alive_s or last_seen_s was changed */
	bool sets_progress;
	bool is_dirty;
	bool is_gone;          /* save deletes it; id 0: there never was one */
	struct slice progress; /* if sets_progress */
};

/* ---- what a group says it will need ---- */

struct wants {
	/* Of workers; in no order, some maybe twice or nobody's. */
	struct slice *tokens;
	size_t token_count;
	/* So many open jobs of each queue. */
	size_t open[QUEUE_COUNT];
};

/* ---- what a group changed ---- */

/* For each of the sums: added to its row. None is all zero. */
struct wat_sum {
	int64_t id;
	int64_t open_jobs;
};

struct leader_sum {
	int64_t id;
	enum board board;
	int64_t jobs;
	int64_t pairs;
	int64_t checked;
	int64_t disagreed;
};

struct minute_sum {
	int64_t minute;
	int64_t jobs;
};

/* Everything sorted by number or id, so that two trackers that save take their
 * rows in one order. Rows are dirty ones only, whole: all columns of a job but
 * gpu_url unless sets_gpu_url; of a worker job and jobs_completed, alive_s and
 * last_seen_s if sets_alive, progress if sets_progress; or is_gone. */
struct changes {
	struct job_row *const *jobs;
	size_t job_count;
	const struct wat_sum *wats;
	size_t wat_count;
	struct worker_row *const *workers;
	size_t worker_count;
	const struct leader_sum *leaders;
	size_t leader_count;
	const struct minute_sum *minutes;
	size_t minute_count;
	/* Where > 0, minutes more than 59 before it or behind it are of no use
	 * any more. */
	int64_t this_minute;
	/* Added to the row of counts. Not COUNT_LEADERS: save finds out itself
	 * which leaders come to have jobs, or to have none. */
	int64_t counts[COUNT_COUNT];
};

/* ---- a database ---- */

struct backend {
	/* Ends the connection; frees what it added to the store and @store. */
	void (*close)(struct store *store);

	/* store_claim of store.h. */
	int (*claim)(struct store *store, struct cah_error *err);

	/* store_backup of store.h, within a reading transaction. NULL where the
	 * database has its own tools. */
	int (*backup)(struct store *store, const char *path,
		      store_backup_fn step, void *arg, struct cah_error *err);

	/* The seconds of the book's own clock, for which claim has set
	 * store.has_clock: those of two machines differ. In a writing
	 * transaction; what goes wrong is told by the next call. */
	int64_t (*now)(struct store *store);

	/* Opens a transaction; a read sees one moment in all its statements. */
	int (*begin)(struct store *store, bool is_write, struct cah_error *err);

	/* Does all of it, and makes it durable if @waits. After an error
	 * nothing of it is done (or, of an error of the disk alone, told), and
	 * no transaction is open. */
	int (*commit)(struct store *store, bool waits, struct cah_error *err);

	/* Makes what was committed without waiting durable. Any thread, also
	 * while another is in a transaction. NULL where commit always waits. */
	int (*flush)(struct store *store, struct cah_error *err);

	/* Takes all of it back; cannot fail. */
	void (*rollback)(struct store *store);

	/* Reads at once what a writing group wants: each worker, with the job
	 * that it holds, by map_put_worker and map_put_job; open jobs of each
	 * queue, those with the lowest numbers, by map_put_open. Rows are
	 * locked against other trackers, jobs that another has locked are
	 * passed over. Called once, before any statement. NULL where reading
	 * one by one costs no more: then each row is read when needed. */
	int (*load)(struct store *store, const struct wants *wants,
		    struct cah_error *err);

	/* Writes what changed. NULL: by single statements (save.c). What goes
	 * wrong may be told by any later call, at the latest by commit. */
	int (*save)(struct store *store, const struct changes *changes,
		    struct cah_error *err);

	/* Adds those of @urls that are not there, from id @first on in their
	 * order, each with its two jobs; *added of them. NULL: by single
	 * statements (job.c). */
	int (*add_wats)(struct store *store, const struct slice *urls,
			size_t count, int64_t first, size_t *added,
			struct cah_error *err);

	/* Whether the last transaction failed because of another tracker's, and
	 * may succeed when done again. NULL: never. */
	bool (*was_conflict)(struct store *store);

	/* Starts a statement with its arguments and takes its first row.
	 * Returns 1 for a row, 0 where there is none, or an error. A statement
	 * may be left before its last row. */
	int (*start)(struct store *store, enum stmt stmt,
		     const struct arg *args, size_t count,
		     struct cah_error *err);

	/* The next row of it; as above. */
	int (*next)(struct store *store, enum stmt stmt, struct cah_error *err);

	/* A statement that gives no row. It may be sent later, with what comes
	 * next; what goes wrong may then be told by any later call, at the
	 * latest by commit. */
	int (*run)(struct store *store, enum stmt stmt, const struct arg *args,
		   size_t count, struct cah_error *err);

	/* Columns of the row that a statement is at; NULL is 0 and "". Text is
	 * cut to @cap with its NUL. */
	int64_t (*get_int)(struct store *store, enum stmt stmt, int column);
	void (*get_text)(struct store *store, enum stmt stmt, int column,
			 char *out, size_t cap);
};

/* ---- map.c: for load ---- */

/* The map copies @row with its texts; what it has already stays as it is.
 * Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int map_put_worker(struct store *store,
				  const struct worker_row *row,
				  struct cah_error *err);
CAH_MUST_CHECK int map_put_job(struct store *store, const struct job_row *row,
			       struct cah_error *err);

/* The same for an open job, with its urls, in the order of numbers. */
CAH_MUST_CHECK int map_put_open(struct store *store, enum queue queue,
				const struct job_row *row,
				struct cah_error *err);

#endif
