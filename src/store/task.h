/* task.h: the jobs of a staged project (docs/stages.md), which the book calls
 * tasks: each has an input and goes through the stages a, b, ... of the
 * project, and what the worker of one stage gives is what that of the next is
 * given. They have numbers of their own, and share nothing with the jobs of
 * WATs but the book and the table of workers: those of stage S are of the type
 * WORKER_STAGE + S, for which store_worker_new, _find, _alive, _progress, _bye
 * and store_sweep do the same as for others.
 *
 * As all of store.h; @stage is 0 for a to 4 for e. How many stages the project
 * has is not in the book: the caller says so. */
#ifndef STORE_TASK_H
#define STORE_TASK_H

#include "base/buf.h"
#include "store/store.h"

enum {
	STORE_INPUT_MAX = 64 * 1024,  /* bytes of an input */
	STORE_DATA_MAX = 1024 * 1024, /* bytes of what a stage gives */
	STORE_REPORTS_MAX = 5,        /* such a report sends a task back */
};

enum task_state {
	TASK_OPEN,   /* waits for a worker of its stage */
	TASK_LEASED, /* one of them holds it */
	TASK_DONE,   /* has been through all stages; stage is the last one */
	TASK_STATE_COUNT,
};

struct task {
	int64_t number; /* from 1 */
	int stage;
	enum task_state state;
	int reports;                     /* of its data at this stage */
	char holder[STORE_NAME_MAX + 1]; /* display name, or "" */
};

/* 'a'; the stage of a worker's type, -1 where it has none. */
static inline char store_stage_letter(int stage)
{
	return (char)('a' + stage);
}

static inline int store_type_stage(enum worker_type type)
{
	return (int)type - WORKER_STAGE;
}

static inline enum worker_type store_stage_type(int stage)
{
	return (enum worker_type)(WORKER_STAGE + stage);
}

/* "open"; static. store_task_state: -1 where @name is no state. */
const char *store_task_state_name(enum task_state state);
int store_task_state(struct slice name);

/* Adds a task, open at stage a, unless there is one of the same @input (*added
 * false). Between store_import_begin and _end. Errors: CAH_EINVALID (empty,
 * longer than STORE_INPUT_MAX, not UTF-8, a NUL in it). */
CAH_MUST_CHECK int store_task_add(struct store *store, struct slice input,
				  bool *added, struct cah_error *err);

/* What type of worker has @token, and whether any. */
CAH_MUST_CHECK int store_worker_kind(struct store *store, bool *is_known,
				     enum worker_type *type, struct slice token,
				     struct cah_error *err);

/* Open tasks of a stage. */
CAH_MUST_CHECK int store_task_count(struct store *store, int64_t *out,
				    int stage, struct cah_error *err);

/* Gives the worker of a stage the open task of the stage with the lowest number
 * and appends to @data what the task is about there; one that it holds is given
 * back, and then, or where it gave one back as invalid, it is the lowest number
 * behind that one, if any. Errors: CAH_ETIMEDOUT, CAH_ENOJOB. */
CAH_MUST_CHECK int store_task_take(struct store *store, int64_t *number,
				   struct buf *data, struct slice token,
				   int64_t now_s, int64_t wall_s,
				   struct cah_error *err);

/* The worker's task is done at its stage, with @data (UTF-8, NULs allowed): it
 * goes on to the next of the project's @stage_count stages, or is done.
 * Errors: CAH_ETIMEDOUT, CAH_ENOJOB (holds none), CAH_EINVALID (data). */
CAH_MUST_CHECK int store_task_finish(struct store *store, struct slice token,
				     struct slice data, int stage_count,
				     int64_t now_s, int64_t wall_s,
				     struct cah_error *err);

/* What the worker's task is about is of no use, the worker says. It holds
 * nothing after; the task is open again, with one more report. The report
 * STORE_REPORTS_MAX sends it back to the stage before (from the first one it
 * goes nowhere), and they begin anew. Errors: CAH_ETIMEDOUT, CAH_ENOJOB. */
CAH_MUST_CHECK int store_task_flag(struct store *store, struct slice token,
				   int64_t now_s, int64_t wall_s,
				   struct cah_error *err);

/* ---- for the organiser ---- */

/* Errors: CAH_ENOTFOUND. */
CAH_MUST_CHECK int store_task_get(struct store *store, struct task *out,
				  int64_t number, struct cah_error *err);

/* Appends to @data the task's input (@stage -1) or what a stage gave; *has
 * false where it gave nothing yet. Errors: CAH_ENOTFOUND. */
CAH_MUST_CHECK int store_task_data(struct store *store, struct buf *data,
				   bool *has, int64_t number, int stage,
				   struct cah_error *err);

/* Tasks of @state and @stage (-1: all) with numbers from @from on; as
 * store_jobs. Passes over the others one by one. */
CAH_MUST_CHECK int store_tasks(struct store *store, struct task *out,
			       size_t cap, int64_t from, int state, int stage,
			       size_t *count, struct cah_error *err);

/* Makes a task open at stage a, whatever it was: its holder loses it, what the
 * stages gave is forgotten. Errors: CAH_ENOTFOUND. */
CAH_MUST_CHECK int store_task_reset(struct store *store, int64_t number,
				    struct cah_error *err);

#endif
