/* A book from SQLite into an empty one in PostgreSQL: table by table, column by
 * column as the two schemas have them, in one transaction.
 *
 * Source: the manual of PostgreSQL 15, COPY (its text format), chapter 34.10.
 */
#include "base/fail.h"
#include "store/pg.h"
#include "store/sqlite.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	CHUNK = 256 * 1024,       /* bytes given to the library at a time */
	ROW_MAX = 64 * 1048576,   /* bytes of a row in text */
	STEP_ROWS = 20000,        /* between two words to the caller */
	COLUMNS_TEXT_MAX = 16384, /* bytes of a list of columns */
};

/* In their order; all others of the schema are not the book's. */
static const char *const tables[] = {
	"wats",    "jobs",     "workers", "leaders", "tasks",
	"results", "settings", "minutes", "counts",
};

/* What the other schema has not, or means otherwise: a time of the clock. */
static const struct {
	const char *table, *column, *value;
} values[] = {
	{"minutes", "slot", "0"},
	{"counts", "slot", "0"},
	{"workers", "alive_s", "?1"},
};

struct move {
	struct sqlite *from;
	struct pg *to;
	int64_t now_s; /* of the new book's clock */
	int64_t rows, total;
	store_move_fn step;
	void *arg;
};

/* ---- what to copy ---- */

static const char *value_of(const char *table, const char *column)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (strcmp(values[i].table, table) == 0 &&
		    strcmp(values[i].column, column) == 0)
			return values[i].value;
	return NULL;
}

static int has_column(struct move *m, bool *out, const char *table,
		      const char *column, struct cah_error *err)
{
	sqlite3_stmt *s = NULL;
	int code = sqlite3_prepare_v2(m->from->db,
				      "SELECT 1 FROM pragma_table_info(?1) "
				      "WHERE name = ?2",
				      -1, &s, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_bind_text(s, 1, table, -1, SQLITE_STATIC);
	if (code == SQLITE_OK)
		code = sqlite3_bind_text(s, 2, column, -1, SQLITE_STATIC);
	if (code == SQLITE_OK)
		code = sqlite3_step(s);
	*out = code == SQLITE_ROW;
	sqlite3_finalize(s);
	return code == SQLITE_ROW || code == SQLITE_DONE
		       ? CAH_OK
		       : sqlite_fail(m->from, code, err);
}

/* The statements for one table: from @read into @write. */
static int make_statements(struct move *m, struct buf *read, struct buf *write,
			   const char *table, struct cah_error *err)
{
	char sql[256];
	(void)snprintf(sql, sizeof(sql),
		       "SELECT attname FROM pg_attribute WHERE attrelid = "
		       "'%s'::regclass AND attnum > 0 AND NOT attisdropped "
		       "ORDER BY attnum",
		       table);
	PGresult *names = PQexec(m->to->db, sql);
	int rc = CAH_OK;
	if (PQresultStatus(names) != PGRES_TUPLES_OK)
		rc = pg_fail(m->to, names, err);
	(void)buf_add_text(read, "SELECT ");
	(void)buf_printf(write, "COPY %s (", table);
	const char *comma = "";
	for (int i = 0; rc == CAH_OK && i < PQntuples(names); i++) {
		const char *name = PQgetvalue(names, i, 0);
		const char *value = value_of(table, name);
		bool has = value != NULL;
		if (!has)
			rc = has_column(m, &has, table, name, err);
		if (!has)
			continue;
		(void)buf_printf(read, "%s%s", comma,
				 value != NULL ? value : name);
		(void)buf_printf(write, "%s%s", comma, name);
		comma = ", ";
	}
	PQclear(names);
	(void)buf_printf(read, " FROM %s", table);
	(void)buf_add_text(write, ") FROM STDIN");
	if (rc == CAH_OK)
		rc = buf_check(read, "columns", err);
	return rc == CAH_OK ? buf_check(write, "columns", err) : rc;
}

/* ---- rows ---- */

static void add_value(struct buf *out, sqlite3_stmt *s, int column)
{
	if (sqlite3_column_type(s, column) == SQLITE_NULL) {
		(void)buf_add_text(out, "\\N");
		return;
	}
	const char *text = (const char *)sqlite3_column_text(s, column);
	size_t len = (size_t)sqlite3_column_bytes(s, column);
	for (size_t i = 0; text != NULL && i < len; i++) {
		switch (text[i]) {
		case '\\':
			(void)buf_add_text(out, "\\\\");
			break;
		case '\t':
			(void)buf_add_text(out, "\\t");
			break;
		case '\n':
			(void)buf_add_text(out, "\\n");
			break;
		case '\r':
			(void)buf_add_text(out, "\\r");
			break;
		default:
			(void)buf_add_byte(out, text[i]);
		}
	}
}

static int put(struct move *m, struct buf *rows, struct cah_error *err)
{
	int rc = buf_check(rows, "rows", err);
	if (rc == CAH_OK &&
	    PQputCopyData(m->to->db, rows->data, (int)rows->len) != 1)
		rc = pg_fail(m->to, NULL, err);
	buf_reset(rows);
	return rc;
}

static int copy_rows(struct move *m, sqlite3_stmt *s, struct cah_error *err)
{
	struct buf rows;
	int code, rc = CAH_OK;
	int count = sqlite3_column_count(s);
	buf_init(&rows, ROW_MAX);
	while (rc == CAH_OK && (code = sqlite3_step(s)) == SQLITE_ROW) {
		for (int i = 0; i < count; i++) {
			add_value(&rows, s, i);
			(void)buf_add_byte(&rows, i + 1 < count ? '\t' : '\n');
		}
		if (rows.len >= CHUNK || rows.is_failed)
			rc = put(m, &rows, err);
		if (++m->rows % STEP_ROWS == 0 && m->step != NULL &&
		    m->step(m->arg, m->rows, m->total) != 0)
			rc = cah_fail(err, CAH_ECANCELLED, "stopped");
	}
	if (rc == CAH_OK && code != SQLITE_DONE)
		rc = sqlite_fail(m->from, code, err);
	if (rc == CAH_OK && rows.len > 0)
		rc = put(m, &rows, err);
	buf_fini(&rows);
	return rc;
}

/* Told of a failure, the server takes back what came. */
static int end_copy(struct move *m, int rc, struct cah_error *err)
{
	if (PQputCopyEnd(m->to->db, rc == CAH_OK ? NULL : "stopped") != 1)
		return rc != CAH_OK ? rc : pg_fail(m->to, NULL, err);
	PGresult *result;
	while ((result = PQgetResult(m->to->db)) != NULL) {
		if (PQresultStatus(result) != PGRES_COMMAND_OK && rc == CAH_OK)
			rc = pg_fail(m->to, result, err);
		PQclear(result);
	}
	return rc;
}

static int start_copy(struct move *m, const char *sql, struct cah_error *err)
{
	PGresult *result = PQexec(m->to->db, sql);
	int rc = PQresultStatus(result) == PGRES_COPY_IN
			 ? CAH_OK
			 : pg_fail(m->to, result, err);
	PQclear(result);
	return rc;
}

static int copy_table(struct move *m, const char *table, struct cah_error *err)
{
	struct buf read, write;
	sqlite3_stmt *s = NULL;
	buf_init(&read, COLUMNS_TEXT_MAX);
	buf_init(&write, COLUMNS_TEXT_MAX);
	int rc = make_statements(m, &read, &write, table, err);
	if (rc == CAH_OK) {
		int code = sqlite3_prepare_v2(m->from->db, read.data, -1, &s,
					      NULL);
		if (code == SQLITE_OK && sqlite3_bind_parameter_count(s) > 0)
			code = sqlite3_bind_int64(s, 1, m->now_s);
		if (code != SQLITE_OK)
			rc = sqlite_fail(m->from, code, err);
	}
	if (rc == CAH_OK)
		rc = start_copy(m, write.data, err);
	if (rc == CAH_OK)
		rc = end_copy(m, copy_rows(m, s, err), err);
	sqlite3_finalize(s);
	buf_fini(&read);
	buf_fini(&write);
	return rc;
}

/* ---- the whole ---- */

static int check_empty(struct move *m, struct cah_error *err)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		int64_t rows = 0;
		/* Of counts there is a row for each who claimed the book. */
		if (strcmp(tables[i], "counts") == 0)
			continue;
		int rc = pg_ask(m->to, &rows, err,
				"SELECT count(*) FROM (SELECT FROM %s LIMIT 1) "
				"AS first",
				tables[i]);
		if (rc != CAH_OK)
			return rc;
		if (rows != 0)
			return cah_fail(err, CAH_EINVALID,
					"%s is not empty: it has %s",
					m->to->store.path, tables[i]);
	}
	return CAH_OK;
}

static int count_rows(struct move *m, struct cah_error *err)
{
	sqlite3_stmt *s = NULL;
	/* Of the others there are few. */
	int code = sqlite3_prepare_v2(
		m->from->db, "SELECT 3 * wats FROM counts", -1, &s, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_step(s);
	if (code == SQLITE_ROW)
		m->total = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return code == SQLITE_ROW ? CAH_OK : sqlite_fail(m->from, code, err);
}

static int copy_all(struct move *m, struct cah_error *err)
{
	int rc = pg_ask(m->to, &m->now_s, err, "SELECT seconds FROM clock");
	if (rc == CAH_OK)
		rc = check_empty(m, err);
	if (rc == CAH_OK)
		rc = count_rows(m, err);
	if (rc == CAH_OK)
		rc = pg_ask(m->to, NULL, err,
			    "DELETE FROM counts WHERE slot = 0");
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (rc == CAH_OK)
			rc = copy_table(m, tables[i], err);
	/* The next ids follow those that came. */
	if (rc == CAH_OK)
		rc = pg_ask(
			m->to, NULL, err,
			"SELECT setval(pg_get_serial_sequence('workers', 'id'),"
			" (SELECT coalesce(max(id), 0) + 1 FROM workers), "
			"false), "
			"setval(pg_get_serial_sequence('leaders', 'id'), "
			"(SELECT coalesce(max(id), 0) + 1 FROM leaders), "
			"false)");
	return rc;
}

/* Nobody else may have either book while it moves. */
static int claim_both(struct store *from, struct store *to,
		      struct cah_error *err)
{
	int rc = store_claim(from, err);
	if (rc == CAH_OK)
		rc = store_claim(to, err);
	if (rc != CAH_OK)
		return rc;
	if (pg_of(to)->db == NULL)
		return cah_fail(err, CAH_EUNAVAILABLE, "%s: no connection",
				to->path);
	if (pg_of(to)->slot != 1)
		return cah_fail(err, CAH_EUNAVAILABLE,
				"another tracker uses %s", to->path);
	return CAH_OK;
}

static int run_move(struct move *m, struct cah_error *err)
{
	struct store *from = &m->from->store;
	/* Others may read it, but not write. */
	int rc = from->backend->begin(from, true, err);
	if (rc != CAH_OK)
		return rc;
	rc = pg_ask(m->to, NULL, err,
		    "BEGIN; SET LOCAL statement_timeout = 0; "
		    "SET LOCAL idle_in_transaction_session_timeout = 0; "
		    "LOCK TABLE counts IN ACCESS EXCLUSIVE MODE");
	if (rc == CAH_OK)
		rc = copy_all(m, err);
	if (rc == CAH_OK)
		rc = pg_ask(m->to, NULL, err, "COMMIT");
	else
		(void)pg_ask(m->to, NULL, NULL, "ROLLBACK");
	from->backend->rollback(from);
	return rc;
}

int pg_move(struct store *from, struct store *to, store_move_fn step, void *arg,
	    struct cah_error *err)
{
	struct move m = {
		.from = sqlite_of(from),
		.to = pg_of(to),
		.step = step,
		.arg = arg,
	};
	int rc = claim_both(from, to, err);
	if (rc != CAH_OK)
		return rc;
	if (PQexitPipelineMode(m.to->db) != 1 ||
	    PQsetnonblocking(m.to->db, 0) != 0)
		return pg_fail(m.to, NULL, err);
	rc = run_move(&m, err);
	/* What comes next makes a connection of its own. */
	pg_disconnect(m.to);
	return rc;
}
