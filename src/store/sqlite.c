/* The connection to SQLite: statements, transactions, and what its errors mean.
 *
 * Sources: the SQLite documentation (sqlite.org/lang_transaction.html on which
 * errors roll back by themselves, sqlite.org/wal.html). */
#include "store/sqlite.h"
#include "base/clock.h"
#include "base/fail.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOB_COLUMNS                                                            \
	"SELECT j.number, w.url, j.gpu_url, j.state, j.pairs, h.display_name," \
	" m.nickname, c.nickname "
#define JOB_JOINS                                   \
	"JOIN wats w ON w.id = (j.number - 1) / 2 " \
	"LEFT JOIN workers h ON h.id = j.holder "   \
	"LEFT JOIN leaders m ON m.id = j.maker "    \
	"LEFT JOIN leaders c ON c.id = j.closer "
#define WORKER_COLUMNS                                                         \
	"token, display_name, nickname, progress, type, job, jobs_completed, " \
	"first_seen_s, last_seen_s"
#define WORKER_CHECKS                                         \
	"(SELECT checked FROM leaders l WHERE l.board = 0 "   \
	"AND l.nickname = workers.nickname), "                \
	"(SELECT disagreed FROM leaders l WHERE l.board = 0 " \
	"AND l.nickname = workers.nickname)"

const char *const stmt_texts[STMT_COUNT] = {
#define STMT(name, sql) [STMT_##name] = (sql),
#include "store/statements.def"
#undef STMT
};

int sqlite_fail(struct sqlite *lite, int code, struct cah_error *err)
{
	switch (code & 0xff) {
	case SQLITE_NOMEM:
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				lite->store.path);
	case SQLITE_FULL:
		return cah_fail(err, CAH_EUNAVAILABLE, "%s: the disk is full",
				lite->store.path);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return cah_fail(err, CAH_EUNAVAILABLE,
				"%s: another process keeps it locked",
				lite->store.path);
	case SQLITE_READONLY:
		return cah_fail(err, CAH_EUNAVAILABLE, "%s cannot be written",
				lite->store.path);
	default:
		break;
	}
	int errnum = sqlite3_system_errno(lite->db);
	return cah_fail(err, CAH_EUNAVAILABLE, "%s: %s%s%s", lite->store.path,
			sqlite3_errmsg(lite->db), errnum != 0 ? ": " : "",
			errnum != 0 ? strerror(errnum) : "");
}

/* ---- opening ---- */

static int prepare_statements(struct sqlite *lite, struct cah_error *err)
{
	for (int i = 0; i < STMT_COUNT; i++) {
		int rc = sqlite3_prepare_v3(lite->db, stmt_texts[i], -1,
					    SQLITE_PREPARE_PERSISTENT,
					    &lite->stmts[i], NULL);
		/* It has our number, but a table or column is missing. */
		if (rc == SQLITE_ERROR)
			return cah_fail(err, CAH_EFORMAT, "%s is damaged: %s",
					lite->store.path,
					sqlite3_errmsg(lite->db));
		if (rc != SQLITE_OK)
			return sqlite_fail(lite, rc, err);
	}
	return CAH_OK;
}

/* Called by SQLite while another process keeps the file locked. Its own waiting
 * ends in naps of 100 ms, too long to get in between the batches of an import.
 * Many calls may stand behind a long write: only the first of them waits, else
 * the last would wait for the sum. */
static int wait_for_others(void *arg, int count)
{
	const struct sqlite *lite = arg;
	int patience_ms = lite->is_impatient ? SQLITE_PATIENCE_AGAIN_MS
					     : SQLITE_PATIENCE_MS;
	if (count * SQLITE_NAP_MS >= patience_ms ||
	    store_is_late(&lite->store, clock_now_ms()))
		return 0;
	usleep(SQLITE_NAP_MS * 1000);
	return 1;
}

static int open_file(struct sqlite *lite, int flags, struct cah_error *err)
{
	/* A name that begins with ':' means something else to SQLite. */
	char *name;
	if (asprintf(&name, "%s%s", lite->store.path[0] == ':' ? "./" : "",
		     lite->store.path) < 0)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				lite->store.path);
	int rc = sqlite3_open_v2(
		name, &lite->db,
		flags | SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	free(name);
	if (lite->db == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				lite->store.path);
	if (rc != SQLITE_OK)
		return sqlite_fail(lite, rc, err);
	/* What may only be read is opened so, without a word. */
	if (sqlite3_db_readonly(lite->db, "main") == 1)
		return sqlite_fail(lite, SQLITE_READONLY, err);
	sqlite3_busy_handler(lite->db, wait_for_others, lite);
	sqlite3_db_config(lite->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	rc = sqlite_prepare_schema(lite, err);
	if (rc == CAH_OK)
		rc = prepare_statements(lite, err);
	if (rc == CAH_OK)
		sqlite_checkpoint_begin(lite);
	return rc;
}

static void close_file(struct store *store)
{
	struct sqlite *lite = sqlite_of(store);
	sqlite_checkpoint_end(lite);
	sqlite_flush_end(lite);
	for (int i = 0; i < STMT_COUNT; i++)
		sqlite3_finalize(lite->stmts[i]);
	sqlite3_close(lite->db);
	/* After the database, so that the next tracker finds it closed. */
	if (lite->claim_fd >= 0)
		close(lite->claim_fd);
	store_fini(store);
	free(lite);
}

/* ---- transactions ---- */

static int step(struct sqlite *lite, enum stmt stmt)
{
	int rc = sqlite3_step(lite->stmts[stmt]);
	/* COMMIT and its like have no row to wait for. */
	if (rc == SQLITE_DONE)
		sqlite3_reset(lite->stmts[stmt]);
	return rc;
}

static int begin(struct store *store, bool is_write, struct cah_error *err)
{
	struct sqlite *lite = sqlite_of(store);
	enum stmt stmt = is_write ? STMT_BEGIN_WRITE : STMT_BEGIN_READ;
	/* Else we would go on writing to a file that nobody can find. */
	int is_moved = 0;
	(void)sqlite3_file_control(lite->db, "main", SQLITE_FCNTL_HAS_MOVED,
				   &is_moved);
	if (is_moved)
		return cah_fail(err, CAH_EUNAVAILABLE,
				"%s was moved or removed", store->path);
	int rc = sqlite_flush_mend(lite, err);
	if (rc != CAH_OK)
		return rc;
	if (is_write)
		sqlite_checkpoint_rest(lite);
	int code = step(lite, stmt);
	if (is_write)
		lite->is_impatient = (code & 0xff) == SQLITE_BUSY;
	if (code == SQLITE_DONE)
		return CAH_OK;
	rc = sqlite_fail(lite, code, err);
	sqlite3_reset(lite->stmts[stmt]);
	return rc;
}

/* A statement that is still at a row would hold its snapshot. */
static void reset_all(struct sqlite *lite)
{
	for (int i = 0; i < STMT_COUNT; i++)
		sqlite3_reset(lite->stmts[i]);
}

static void rollback(struct store *store)
{
	struct sqlite *lite = sqlite_of(store);
	reset_all(lite);
	/* After some errors SQLite has rolled back by itself. */
	if (sqlite3_get_autocommit(lite->db))
		return;
	(void)step(lite, STMT_ROLLBACK);
	sqlite3_reset(lite->stmts[STMT_ROLLBACK]);
}

static int commit(struct store *store, bool waits, struct cah_error *err)
{
	struct sqlite *lite = sqlite_of(store);
	reset_all(lite);
	int code = step(lite, STMT_COMMIT);
	if (code == SQLITE_DONE)
		return waits ? sqlite_flush(store, err) : CAH_OK;
	int rc = sqlite_fail(lite, code, err);
	rollback(store);
	return rc;
}

/* ---- statements ---- */

static int next_row(struct store *store, enum stmt stmt, struct cah_error *err)
{
	struct sqlite *lite = sqlite_of(store);
	int rc = sqlite3_step(lite->stmts[stmt]);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	return sqlite_fail(lite, rc, err);
}

static int start(struct store *store, enum stmt stmt, const struct arg *args,
		 size_t count, struct cah_error *err)
{
	struct sqlite *lite = sqlite_of(store);
	/* Gone where SQLite rolled back by itself: what follows would be
	 * committed alone. */
	if (sqlite3_get_autocommit(lite->db))
		return cah_fail(err, CAH_EUNAVAILABLE,
				"%s: the transaction was lost", store->path);
	sqlite3_stmt *s = lite->stmts[stmt];
	sqlite3_reset(s);
	assert(count == (size_t)sqlite3_bind_parameter_count(s));
	for (size_t i = 0; i < count; i++) {
		int rc;
		/* A NULL pointer would be SQL's NULL. */
		if (args[i].is_text)
			rc = sqlite3_bind_text64(
				s, (int)i + 1,
				args[i].text.len > 0 ? args[i].text.data : "",
				args[i].text.len, SQLITE_STATIC, SQLITE_UTF8);
		else
			rc = sqlite3_bind_int64(s, (int)i + 1, args[i].number);
		if (rc != SQLITE_OK)
			return sqlite_fail(lite, rc, err);
	}
	return next_row(store, stmt, err);
}

static int run(struct store *store, enum stmt stmt, const struct arg *args,
	       size_t count, struct cah_error *err)
{
	int rc = start(store, stmt, args, count, err);
	assert(rc <= 0);
	return rc;
}

static int64_t get_int(struct store *store, enum stmt stmt, int column)
{
	return sqlite3_column_int64(sqlite_of(store)->stmts[stmt], column);
}

static void get_text(struct store *store, enum stmt stmt, int column, char *out,
		     size_t cap)
{
	const char *text = (const char *)sqlite3_column_text(
		sqlite_of(store)->stmts[stmt], column);
	(void)snprintf(out, cap, "%s", text != NULL ? text : "");
}

static const struct backend backend = {
	.close = close_file,
	.claim = sqlite_claim,
	.backup = sqlite_backup,
	.begin = begin,
	.commit = commit,
	.flush = sqlite_flush,
	.rollback = rollback,
	.start = start,
	.next = next_row,
	.run = run,
	.get_int = get_int,
	.get_text = get_text,
};

int sqlite_open(struct store **out, const char *path, bool may_make,
		struct cah_error *err)
{
	*out = NULL;
	if (!may_make && access(path, F_OK) != 0)
		return cah_fail(err, CAH_ENOTFOUND,
				"there is no store %s (cah jobs import makes "
				"one)",
				path);
	/* Counting every byte costs a lock each time. In vain where SQLite is
	 * in use already. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	struct sqlite *lite = calloc(1, sizeof(*lite));
	if (lite == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	lite->claim_fd = -1;
	int rc = store_init(&lite->store, &backend, path, err);
	if (rc == CAH_OK)
		rc = open_file(lite, may_make ? SQLITE_OPEN_CREATE : 0, err);
	if (rc != CAH_OK)
		close_file(&lite->store);
	else
		*out = &lite->store;
	return rc;
}
