/* task_priv.h: what task.c and task_lease.c share, and worker.c needs. Within a
 * transaction. */
#ifndef STORE_TASK_PRIV_H
#define STORE_TASK_PRIV_H

#include "store/store_priv.h"
#include "store/task.h"

struct task_row {
	int64_t number;
	int stage;
	enum task_state state;
	int64_t holder; /* worker id, 0: none */
	int64_t reports;
};

/* Errors: CAH_ENOTFOUND. */
CAH_MUST_CHECK int task_load(struct store *store, struct task_row *out,
			     int64_t number, struct cah_error *err);

/* Writes @row over what was @old; keeps the counts. */
CAH_MUST_CHECK int task_save(struct store *store, const struct task_row *old,
			     const struct task_row *row, struct cah_error *err);

/* Whoever held it gave up; that worker's row is not written. */
CAH_MUST_CHECK int task_give_back(struct store *store, int64_t number,
				  struct cah_error *err);

/* As the database keeps it; borrowed from @data or of the map. */
CAH_MUST_CHECK int task_encode(struct store *store, struct slice *out,
			       struct slice data, struct cah_error *err);

/* Appends what the task is about at its stage. */
CAH_MUST_CHECK int task_read(struct store *store, struct buf *out,
			     const struct task_row *row, struct cah_error *err);

/* What the task's stage gave; @data is encoded. */
CAH_MUST_CHECK int task_write(struct store *store, const struct task_row *row,
			      struct slice data, struct cah_error *err);

/* Takes out what @stage and those behind it gave. */
CAH_MUST_CHECK int task_forget(struct store *store, int64_t number, int stage,
			       struct cah_error *err);

#endif
