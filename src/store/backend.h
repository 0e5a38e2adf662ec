/* backend.h: what runs the statements of statements.def in a database. The
 * book-keeping (job.c, lease.c, worker.c, leaderboard.c) is above, the same for
 * all databases; sqlite.c is below.
 *
 * Only transaction.c calls a backend, from one thread at a time. A backend's
 * struct begins with its struct store. */
#ifndef STORE_BACKEND_H
#define STORE_BACKEND_H

#include "base/slice.h"

#include <cah/error.h>
#include <stdint.h>

struct store;

enum stmt {
#define STMT(name, sql) STMT_##name,
#include "store/statements.def"
#undef STMT
	STMT_COUNT,
};

/* An argument of a statement. */
struct arg {
	bool is_text;
	int64_t number;
	struct slice text; /* borrowed until the transaction ends */
};

struct backend {
	/* Ends the connection; frees what it added to the store and @store. */
	void (*close)(struct store *store);

	/* store_claim of store.h. */
	int (*claim)(struct store *store, struct cah_error *err);

	/* Opens a transaction; a read sees one moment in all its statements. */
	int (*begin)(struct store *store, bool is_write, struct cah_error *err);

	/* Makes all of it durable. After an error nothing of it is done, and no
	 * transaction is open. */
	int (*commit)(struct store *store, struct cah_error *err);

	/* Takes all of it back; cannot fail. */
	void (*rollback)(struct store *store);

	/* Starts a statement with its arguments and takes its first row.
	 * Returns 1 for a row, 0 where there is none, or an error. */
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

#endif
