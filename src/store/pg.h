/* pg.h: the book in PostgreSQL, for any number of trackers at once.
 *
 * What is written is sent without waiting (libpq's pipeline mode) and answered
 * with the next thing that is read, at the latest with the commit. A connection
 * that is lost is made anew by a later transaction; nothing that matters lives
 * in it. */
#ifndef STORE_PG_H
#define STORE_PG_H

#include "base/buf.h"
#include "store/store_priv.h"

#include <libpq-fe.h>

enum {
	PG_SCHEMA_VERSION = 1,
	PG_SERVER_MIN = 130000, /* PostgreSQL 13 */

	PG_CONNECT_S = 3,         /* for one attempt to connect */
	PG_AGAIN_MIN_MS = 100,    /* from a vain one to the next */
	PG_AGAIN_MAX_MS = 2000,   /* doubled up to this */
	PG_STATEMENT_MS = 10000,  /* the server gives up a statement */
	PG_ANSWER_MS = 15000,     /* we give up the server */
	PG_UNSENT_MS = 10000,     /* the network: bytes not acknowledged */
	PG_IDLE_MS = 30000,       /* a tracker that stands in a transaction */
	PG_MIGRATION_MS = 600000, /* of a migration, and the wait for others' */

	PG_SLOT_MAX = 64,       /* trackers of one book */
	PG_CLOCK_TRY_MS = 2000, /* between two attempts to drive the clock */
	PG_CLOCK_STEP_S = 120,  /* of the clock at most: two sweeps */
	PG_LOCKS = 0x63610000,  /* "ca": our advisory locks begin here */
	PG_LOCK_MIGRATION = PG_LOCKS,
	PG_LOCK_CLOCK = PG_LOCKS + 1,
	PG_LOCK_IMPORT = PG_LOCKS + 2,
	PG_LOCK_SLOT = PG_LOCKS + 16, /* + the slot, from 1 */

	PG_TEXT_MAX = 8192,          /* bytes of a statement */
	PG_ARRAY_MAX = 64 * 1048576, /* bytes of an array in text */
};

/* Beside the statements that all databases have. */
enum pg_stmt {
	PG_BEFORE_FIRST = STMT_COUNT - 1,
#define STMT(name, sql)
#define PLUS(name, sql)
#define OWN(name, sql) PG_##name,
#include "store/statements_pg.def"
#undef STMT
#undef PLUS
#undef OWN
	PG_STMT_COUNT,
};

/* What was sent and is not answered. */
enum pg_kind {
	PG_PREPARE,
	PG_EXECUTE, /* its rows are of no interest */
	PG_ROWS,    /* they are */
	PG_NOW,     /* the clock's time */
	PG_TRY,     /* whether we drive the clock */
	PG_SYNC,
};

struct pg_sent {
	enum pg_kind kind;
	int stmt; /* enum stmt or enum pg_stmt */
	bool is_write;
};

struct pg {
	struct store store; /* first: a struct store * is one of these */
	char *uri;          /* as the user gave it, password and all */
	PGconn *db;         /* NULL: not connected */
	bool may_make;      /* the schema, if there is none */
	bool is_away;       /* the last connection failed, and may work later */
	bool was_connected;
	bool is_spoilt;   /* something failed since begin */
	bool is_conflict; /* it failed because of another tracker's */
	bool is_write;
	bool must_sync;            /* something was sent after the last sync */
	int64_t retry_ms, wait_ms; /* when to connect again; the wait then */

	bool is_tracker; /* store_claim was called */
	int64_t slot;    /* of the sums that we write; 0: not a tracker's */

	/* The book's clock, which only trackers look at. */
	bool has_now;
	int64_t now_s;
	bool drives; /* it is ours to move on */
	int64_t driven_ms, tried_ms;
	int64_t step_s; /* by which this transaction moves it */

	/* A ring would be no simpler: it is empty after each sync. */
	struct pg_sent *sent;
	size_t sent_count, sent_cap, sent_at;

	int64_t trimmed; /* the minute in which old ones were taken out */

	bool is_prepared[2][PG_STMT_COUNT]; /* for reading; for writing */
	PGresult *rows[PG_STMT_COUNT];
	int row[PG_STMT_COUNT];
};

static inline struct pg *pg_of(struct store *store)
{
	return (struct pg *)store;
}

/* Opens the book at a URI of libpq's. A server that is away is no error: the
 * calls then are. The caller ends *out with store_close. Errors: those of
 * store_open; CAH_ENOTFOUND where there is no book and not @may_make;
 * CAH_EUNAVAILABLE where the server does not want us. */
bool pg_is(const struct store *store);
CAH_MUST_CHECK int pg_open(struct store **out, const char *uri, bool may_make,
			   struct cah_error *err);

/* ---- pg_connect.c ---- */

/* Connects, if that is not so, unless the last attempt was a moment ago. */
CAH_MUST_CHECK int pg_connect(struct pg *pg, struct cah_error *err);

/* Lets go of the connection. */
void pg_disconnect(struct pg *pg);

/* store_claim: a slot among the trackers. */
CAH_MUST_CHECK int pg_claim(struct store *store, struct cah_error *err);

/* ---- pg_schema.c ---- */

/* Checks what the database is, brings the schema up to our version. */
CAH_MUST_CHECK int pg_prepare_schema(struct pg *pg, struct cah_error *err);

/* Outside of a pipeline: runs @sql, with *out the first value of its last
 * statement (NULL where that is of no interest; 0 for NULL and for no row). */
int pg_ask(struct pg *pg, int64_t *out, struct cah_error *err, const char *sql,
	   ...) __attribute__((format(printf, 4, 5)));

/* ---- pg_move.c ---- */

/* store_move, for @from in SQLite and @to in PostgreSQL. */
CAH_MUST_CHECK int pg_move(struct store *from, struct store *to,
			   store_move_fn step, void *arg,
			   struct cah_error *err);

/* ---- pg_pipe.c ---- */

/* What the failure of @result (NULL: of the connection) means to callers. */
int pg_fail(struct pg *pg, const PGresult *result, struct cah_error *err);

/* Sends a statement, prepared if it was not. @args: text as all. */
CAH_MUST_CHECK int pg_send(struct pg *pg, enum pg_kind kind, int stmt,
			   const struct arg *args, size_t count,
			   struct cah_error *err);

/* The same with a text of its own. */
CAH_MUST_CHECK int pg_send_text(struct pg *pg, enum pg_kind kind,
				const char *sql, struct cah_error *err);

/* Lets the server do all that was sent, which the library may have kept back;
 * waits for nothing. */
CAH_MUST_CHECK int pg_hand_over(struct pg *pg, struct cah_error *err);

/* Waits for the answers to all that was sent. */
int pg_settle(struct pg *pg, struct cah_error *err);

/* Forgets the rows of all statements. */
void pg_clear_rows(struct pg *pg);

/* A column of the row that a statement is at; "" for NULL. */
const char *pg_value(const struct pg *pg, int stmt, int column);

/* ---- pg_rows.c ---- */

CAH_MUST_CHECK int pg_load(struct store *store, const struct wants *wants,
			   struct cah_error *err);
CAH_MUST_CHECK int pg_add_wats(struct store *store, const struct slice *urls,
			       size_t count, int64_t first, size_t *added,
			       struct cah_error *err);
CAH_MUST_CHECK int pg_save(struct store *store, const struct changes *changes,
			   struct cah_error *err);

/* ---- pg_text.c ---- */

/* The statement as PostgreSQL wants it, in a transaction that writes or one
 * that does not, where nothing is locked; empty where it has nothing to do. */
void pg_text(struct buf *out, int stmt, bool is_write, int64_t slot);

#endif
