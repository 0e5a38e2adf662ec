/* Transactions and statements on PostgreSQL.
 *
 * A writing transaction is READ COMMITTED: rows that are to be changed are
 * locked when they are read (FOR UPDATE in statements_pg.def). */
#include "store/pg.h"
#include "base/clock.h"
#include "base/fail.h"

#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the book's clock ---- */

/* The seconds since we last moved the clock; those of a long pause, in which
 * nobody could reach us, do not count. */
static int64_t step_of(const struct pg *pg)
{
	int64_t s = (clock_now_ms() - pg->driven_ms) / 1000;
	return s < PG_CLOCK_STEP_S ? s : PG_CLOCK_STEP_S;
}

/* Asks for the time in the same trip as the first statement. One tracker moves
 * the clock on, the others look out for its end. */
static int send_clock(struct pg *pg, struct cah_error *err)
{
	int rc = CAH_OK;
	int64_t now_ms = clock_now_ms();
	char sql[128];
	pg->step_s = pg->drives ? step_of(pg) : 0;
	if (!pg->drives && now_ms - pg->tried_ms >= PG_CLOCK_TRY_MS) {
		pg->tried_ms = now_ms;
		(void)snprintf(sql, sizeof(sql),
			       "SELECT pg_try_advisory_lock("
			       "current_schema()::regnamespace::oid::int4, %d)",
			       PG_LOCK_CLOCK);
		rc = pg_send_text(pg, PG_TRY, sql, err);
	}
	if (rc != CAH_OK)
		return rc;
	if (pg->step_s == 0)
		return pg_send_text(pg, PG_NOW, "SELECT seconds FROM clock",
				    err);
	(void)snprintf(sql, sizeof(sql),
		       "UPDATE clock SET seconds = seconds + %" PRId64
		       " RETURNING seconds",
		       pg->step_s);
	return pg_send_text(pg, PG_NOW, sql, err);
}

static int64_t now(struct store *store)
{
	struct pg *pg = pg_of(store);
	/* Where that fails, so does what comes next. */
	if (!pg->has_now)
		(void)pg_settle(pg, NULL);
	return pg->now_s;
}

/* ---- transactions ---- */

/* Rows of the last transaction may be asked for until the next begins. */
static void forget(struct pg *pg)
{
	pg_clear_rows(pg);
	pg->has_now = pg->is_spoilt = pg->is_conflict = false;
	pg->step_s = 0;
}

/* A server that ended the connection has said so by now: why, and then the
 * end. */
static void check_for_end(struct pg *pg)
{
	for (int i = 0; i < 4 && pg->db != NULL; i++) {
		struct pollfd p = {.fd = PQsocket(pg->db), .events = POLLIN};
		if (poll(&p, 1, 0) <= 0)
			return;
		if (PQconsumeInput(pg->db) != 1)
			pg_disconnect(pg);
	}
}

/* What is wrong with a database is no fault of who calls. */
static int connect_again(struct pg *pg, struct cah_error *err)
{
	int rc = pg_connect(pg, err);
	if (rc == CAH_OK || rc == CAH_ENOMEM)
		return rc;
	if (err != NULL)
		err->code = CAH_EUNAVAILABLE;
	return CAH_EUNAVAILABLE;
}

static int begin(struct store *store, bool is_write, struct cah_error *err)
{
	struct pg *pg = pg_of(store);
	/* What a read left unanswered. */
	if (pg->db != NULL && pg->sent_count > 0)
		(void)pg_settle(pg, NULL);
	check_for_end(pg);
	forget(pg);
	pg->is_write = is_write;
	int rc = connect_again(pg, err);
	if (rc == CAH_OK)
		rc = pg_send(pg, PG_EXECUTE,
			     is_write ? STMT_BEGIN_WRITE : STMT_BEGIN_READ,
			     NULL, 0, err);
	if (rc == CAH_OK && is_write && pg->is_tracker)
		rc = send_clock(pg, err);
	return rc;
}

static void rollback(struct store *store)
{
	struct pg *pg = pg_of(store);
	if (pg->db == NULL)
		return;
	/* What came before may have failed: a new sync lets it be heard. */
	(void)pg_settle(pg, NULL);
	if (pg->db == NULL)
		return;
	if (pg_send(pg, PG_EXECUTE, STMT_ROLLBACK, NULL, 0, NULL) != CAH_OK ||
	    pg_settle(pg, NULL) != CAH_OK)
		pg_disconnect(pg);
}

static int commit(struct store *store, bool waits, struct cah_error *err)
{
	(void)waits;
	struct pg *pg = pg_of(store);
	int rc = pg_send(pg, PG_EXECUTE, STMT_COMMIT, NULL, 0, err);
	/* How a read ended is of no interest to anybody; but that it ends: its
	 * view of the book keeps the server from cleaning up, and a tracker
	 * that stands in one is cut off. */
	if (rc == CAH_OK && !pg->is_write && !pg->is_spoilt)
		return pg_hand_over(pg, err);
	/* An answer that is lost leaves open whether it was done: that is no
	 * success. */
	if (rc == CAH_OK)
		rc = pg_settle(pg, err);
	if (rc == CAH_OK && pg->is_spoilt)
		rc = cah_fail(err, CAH_EUNAVAILABLE,
			      "%s: a statement before failed", store->path);
	if (rc != CAH_OK)
		rollback(store);
	else
		pg->driven_ms += pg->step_s * 1000;
	return rc;
}

static bool was_conflict(struct store *store)
{
	return pg_of(store)->is_conflict;
}

/* ---- statements ---- */

static int at_row(struct pg *pg, enum stmt stmt)
{
	return pg->row[stmt] < PQntuples(pg->rows[stmt]);
}

static int next(struct store *store, enum stmt stmt, struct cah_error *err)
{
	struct pg *pg = pg_of(store);
	(void)err;
	pg->row[stmt]++;
	return at_row(pg, stmt);
}

static int run(struct store *store, enum stmt stmt, const struct arg *args,
	       size_t count, struct cah_error *err)
{
	return pg_send(pg_of(store), PG_EXECUTE, stmt, args, count, err);
}

/* PostgreSQL takes nothing else as text, and gives up the whole transaction. */
static bool are_texts(const struct arg *args, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (args[i].is_text && !store_is_text(args[i].text, true))
			return false;
	return true;
}

static int start(struct store *store, enum stmt stmt, const struct arg *args,
		 size_t count, struct cah_error *err)
{
	struct pg *pg = pg_of(store);
	PQclear(pg->rows[stmt]);
	pg->rows[stmt] = NULL;
	/* What is to be written was checked; what is looked for may be anything
	 * that a stranger sent, and is in no row. */
	if (!are_texts(args, count))
		return 0;
	int rc = pg_send(pg, PG_ROWS, stmt, args, count, err);
	if (rc == CAH_OK)
		rc = pg_settle(pg, err);
	return rc == CAH_OK ? at_row(pg, stmt) : rc;
}

static int64_t get_int(struct store *store, enum stmt stmt, int column)
{
	return strtoll(pg_value(pg_of(store), stmt, column), NULL, 10);
}

static void get_text(struct store *store, enum stmt stmt, int column, char *out,
		     size_t cap)
{
	(void)snprintf(out, cap, "%s", pg_value(pg_of(store), stmt, column));
}

/* ---- opening ---- */

static void close_book(struct store *store)
{
	struct pg *pg = pg_of(store);
	pg_clear_rows(pg);
	pg_disconnect(pg);
	free(pg->sent);
	free(pg->uri);
	store_fini(store);
	free(pg);
}

static const struct backend backend = {
	.close = close_book,
	.claim = pg_claim,
	.now = now,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.load = pg_load,
	.save = pg_save,
	.add_wats = pg_add_wats,
	.was_conflict = was_conflict,
	.start = start,
	.next = next,
	.run = run,
	.get_int = get_int,
	.get_text = get_text,
};

bool pg_is(const struct store *store)
{
	return store->backend == &backend;
}

/* For texts: without a password. */
static void say_where(struct buf *out, const PQconninfoOption *options)
{
	const char *host = "", *port = "", *name = "";
	for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
		if (o->val == NULL)
			continue;
		if (strcmp(o->keyword, "host") == 0)
			host = o->val;
		else if (strcmp(o->keyword, "port") == 0)
			port = o->val;
		else if (strcmp(o->keyword, "dbname") == 0)
			name = o->val;
	}
	(void)buf_printf(out, "postgresql://%s%s%s/%s", host,
			 port[0] != '\0' ? ":" : "", port, name);
}

static int init(struct pg *pg, const char *uri, struct cah_error *err)
{
	char *why = NULL;
	PQconninfoOption *options = PQconninfoParse(uri, &why);
	struct buf where;
	buf_init(&where, PG_TEXT_MAX);
	int rc = CAH_OK;
	if (options == NULL)
		rc = cah_fail(err, CAH_EINVALID, "the store's URI: %.*s",
			      why != NULL ? (int)strcspn(why, "\n") : 0, why);
	else
		say_where(&where, options);
	if (rc == CAH_OK)
		rc = buf_check(&where, "the store's URI", err);
	if (rc == CAH_OK) {
		rc = store_init(&pg->store, &backend, where.data, err);
		pg->uri = strdup(uri);
		if (rc == CAH_OK && pg->uri == NULL)
			rc = cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				      where.data);
		if (rc != CAH_OK) {
			free(pg->uri);
			store_fini(&pg->store);
		}
	}
	buf_fini(&where);
	PQconninfoFree(options);
	PQfreemem(why);
	return rc;
}

int pg_open(struct store **out, const char *uri, bool may_make,
	    struct cah_error *err)
{
	*out = NULL;
	struct pg *pg = calloc(1, sizeof(*pg));
	if (pg == NULL)
		return cah_fail(err, CAH_ENOMEM, "the store: out of memory");
	pg->may_make = may_make;
	int rc = init(pg, uri, err);
	if (rc != CAH_OK) {
		free(pg);
		return rc;
	}
	rc = pg_connect(pg, err);
	/* Away: the calls say so until it is back. */
	if (rc == CAH_EUNAVAILABLE && pg->is_away)
		rc = CAH_OK;
	if (rc != CAH_OK)
		close_book(&pg->store);
	else
		*out = &pg->store;
	return rc;
}
