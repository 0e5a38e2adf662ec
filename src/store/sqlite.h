/* sqlite.h: the book in a file (sqlite.org): WAL, synchronous=FULL, or in the
 * tracker the same by sqlite_flush.c. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "store/store_priv.h"

#include <sqlite3.h>

enum {
	SQLITE_BOOK_ID = 0x63616842, /* "cahB", the file's application id */
	SQLITE_BOOK_VERSION = 2,     /* of the schema */
	SQLITE_PATIENCE_MS = 5000,   /* with another process's writes */
	SQLITE_PATIENCE_AGAIN_MS =
		20,        /* once it was in vain, until it is not */
	SQLITE_NAP_MS = 2, /* between two tries */
};

struct sqlite {
	struct store store; /* first: a struct store * is one of these */
	sqlite3 *db;
	int claim_fd; /* of the lock file, -1 where not the tracker */
	struct flusher *flusher;           /* NULL where not the tracker */
	struct checkpointer *checkpointer; /* NULL until there is much to do */
	bool is_impatient; /* the last transaction could not begin in time */
	sqlite3_stmt *stmts[STMT_COUNT];
};

static inline struct sqlite *sqlite_of(struct store *store)
{
	return (struct sqlite *)store;
}

/* Opens the file @path, made when missing if @may_make. The caller ends *out
 * with store_close. Errors: those of store_open. */
CAH_MUST_CHECK int sqlite_open(struct store **out, const char *path,
			       bool may_make, struct cah_error *err);

/* What the error of the last failed call of SQLite means to our callers. */
int sqlite_fail(struct sqlite *lite, int code, struct cah_error *err);

/* ---- sqlite_open.c ---- */

/* Checks what the file is, makes the schema in a new one. */
CAH_MUST_CHECK int sqlite_prepare_schema(struct sqlite *lite,
					 struct cah_error *err);

/* store_claim: a lock on a file beside the book's. */
CAH_MUST_CHECK int sqlite_claim(struct store *store, struct cah_error *err);

/* ---- sqlite_backup.c ---- */

/* store_backup, within a reading transaction. */
CAH_MUST_CHECK int sqlite_backup(struct store *store, const char *path,
				 store_backup_fn step, void *arg,
				 struct cah_error *err);

/* ---- sqlite_flush.c ---- */

/* From now on this connection's commits do not wait for the disk by themselves,
 * but for sqlite_flush. Errors: CAH_EUNAVAILABLE, CAH_ENOMEM. */
CAH_MUST_CHECK int sqlite_flush_begin(struct sqlite *lite,
				      struct cah_error *err);
void sqlite_flush_end(struct sqlite *lite);

/* A commit has written to the log. */
void sqlite_flush_note(struct sqlite *lite);

/* Waits until all that was committed is on the disk. Any thread. Does nothing
 * where commits wait by themselves. */
CAH_MUST_CHECK int sqlite_flush(struct store *store, struct cah_error *err);

/* Between two transactions: where a flush has failed, what it lost is written
 * anew. Errors: CAH_EUNAVAILABLE. */
CAH_MUST_CHECK int sqlite_flush_mend(struct sqlite *lite,
				     struct cah_error *err);

/* ---- sqlite_checkpoint.c ---- */

void sqlite_checkpoint_begin(struct sqlite *lite);
void sqlite_checkpoint_end(struct sqlite *lite);

/* Between two transactions: what the thread beside leaves to us. */
void sqlite_checkpoint_rest(struct sqlite *lite);

#endif
