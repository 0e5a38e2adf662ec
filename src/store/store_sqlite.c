/* The connection to SQLite: statements, transactions, and what its errors mean.
 *
 * Sources: the SQLite documentation (sqlite.org/lang_transaction.html on which
 * errors roll back by themselves, sqlite.org/wal.html). */
#include "base/fail.h"
#include "store/store_priv.h"

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

static const char *const texts[] = {
#define STMT(name, sql) [STMT_##name] = (sql),
#include "store/statements.def"
#undef STMT
};

int store_fail(struct store *store, int sqlite_code, struct cah_error *err)
{
	switch (sqlite_code & 0xff) {
	case SQLITE_NOMEM:
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				store->path);
	case SQLITE_FULL:
		return cah_fail(err, CAH_EUNAVAILABLE, "%s: the disk is full",
				store->path);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return cah_fail(err, CAH_EUNAVAILABLE,
				"%s: another process keeps it locked",
				store->path);
	case SQLITE_READONLY:
		return cah_fail(err, CAH_EUNAVAILABLE, "%s cannot be written",
				store->path);
	default:
		break;
	}
	int errnum = sqlite3_system_errno(store->db);
	return cah_fail(err, CAH_EUNAVAILABLE, "%s: %s%s%s", store->path,
			sqlite3_errmsg(store->db), errnum != 0 ? ": " : "",
			errnum != 0 ? strerror(errnum) : "");
}

/* ---- opening ---- */

static int prepare_statements(struct store *store, struct cah_error *err)
{
	for (int i = 0; i < STMT_COUNT; i++) {
		int rc = sqlite3_prepare_v3(store->db, texts[i], -1,
					    SQLITE_PREPARE_PERSISTENT,
					    &store->stmts[i], NULL);
		/* It has our number, but a table or column is missing. */
		if (rc == SQLITE_ERROR)
			return cah_fail(err, CAH_EFORMAT, "%s is damaged: %s",
					store->path, sqlite3_errmsg(store->db));
		if (rc != SQLITE_OK)
			return store_fail(store, rc, err);
	}
	return CAH_OK;
}

static int open_file(struct store *store, int flags, struct cah_error *err)
{
	/* A name that begins with ':' means something else to SQLite. */
	char *name;
	if (asprintf(&name, "%s%s", store->path[0] == ':' ? "./" : "",
		     store->path) < 0)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				store->path);
	int rc = sqlite3_open_v2(
		name, &store->db,
		flags | SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	free(name);
	if (store->db == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				store->path);
	if (rc != SQLITE_OK)
		return store_fail(store, rc, err);
	/* What may only be read is opened so, without a word. */
	if (sqlite3_db_readonly(store->db, "main") == 1)
		return store_fail(store, SQLITE_READONLY, err);
	sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	rc = store_prepare_schema(store, err);
	return rc != CAH_OK ? rc : prepare_statements(store, err);
}

static int open_store(struct store **out, const char *uri, int flags,
		      struct cah_error *err)
{
	*out = NULL;
	if (strncmp(uri, "sqlite:", 7) != 0 || uri[7] == '\0')
		return cah_fail(err, CAH_EINVALID,
				"'%s' is no store: sqlite:FILE is", uri);
	const char *path = uri + 7;
	if ((flags & SQLITE_OPEN_CREATE) == 0 && access(path, F_OK) != 0)
		return cah_fail(err, CAH_ENOTFOUND,
				"there is no store %s (cah jobs import makes "
				"one)",
				path);
	struct store *store = calloc(1, sizeof(*store));
	if (store == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	pthread_mutex_init(&store->lock, NULL);
	store->claim_fd = -1;
	store->path = strdup(path);
	int rc = store->path == NULL
			 ? cah_fail(err, CAH_ENOMEM, "store: out of memory")
			 : open_file(store, flags, err);
	if (rc != CAH_OK)
		store_close(store);
	else
		*out = store;
	return rc;
}

int store_open(struct store **out, const char *uri, struct cah_error *err)
{
	return open_store(out, uri, SQLITE_OPEN_CREATE, err);
}

int store_open_existing(struct store **out, const char *uri,
			struct cah_error *err)
{
	return open_store(out, uri, 0, err);
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	for (int i = 0; i < STMT_COUNT; i++)
		sqlite3_finalize(store->stmts[i]);
	sqlite3_close(store->db);
	/* After the database, so that the next tracker finds it closed. */
	if (store->claim_fd >= 0)
		close(store->claim_fd);
	pthread_mutex_destroy(&store->lock);
	free(store->path);
	free(store);
}

/* ---- transactions ---- */

static int step(struct store *store, enum stmt stmt)
{
	int rc = sqlite3_step(store->stmts[stmt]);
	/* COMMIT and its like have no row to wait for. */
	if (rc == SQLITE_DONE)
		sqlite3_reset(store->stmts[stmt]);
	return rc;
}

/* Many calls may stand behind a long write of another process, an import: only
 * the first of them waits, else the last would wait for the sum. */
static void set_patience(struct store *store, bool was_busy)
{
	if (was_busy == store->is_impatient)
		return;
	store->is_impatient = was_busy;
	sqlite3_busy_timeout(store->db,
			     was_busy ? STORE_BUSY_AGAIN_MS : STORE_BUSY_MS);
}

static int begin(struct store *store, enum stmt stmt, struct cah_error *err)
{
	pthread_mutex_lock(&store->lock);
	/* Else we would go on writing to a file that nobody can find. */
	int is_moved = 0;
	(void)sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED,
				   &is_moved);
	int rc = CAH_OK;
	if (is_moved) {
		rc = cah_fail(err, CAH_EUNAVAILABLE, "%s was moved or removed",
			      store->path);
	} else {
		int code = step(store, stmt);
		if (code != SQLITE_DONE)
			rc = store_fail(store, code, err);
		if (stmt == STMT_BEGIN_WRITE)
			set_patience(store, (code & 0xff) == SQLITE_BUSY);
	}
	if (rc != CAH_OK) {
		sqlite3_reset(store->stmts[stmt]);
		pthread_mutex_unlock(&store->lock);
		return rc;
	}
	memset(store->deltas, 0, sizeof(store->deltas));
	return CAH_OK;
}

int store_begin_read(struct store *store, struct cah_error *err)
{
	return begin(store, STMT_BEGIN_READ, err);
}

int store_begin_write(struct store *store, struct cah_error *err)
{
	return begin(store, STMT_BEGIN_WRITE, err);
}

static int write_counts(struct store *store, struct cah_error *err)
{
	struct arg args[COUNT_COUNT];
	bool is_changed = false;
	for (int i = 0; i < COUNT_COUNT; i++) {
		args[i] = arg_int(store->deltas[i]);
		is_changed |= store->deltas[i] != 0;
	}
	if (!is_changed)
		return CAH_OK;
	return store_run(store, STMT_COUNTS_ADD, args, COUNT_COUNT, err);
}

int store_end(struct store *store, int rc, struct cah_error *err)
{
	if (rc == CAH_OK)
		rc = write_counts(store, err);
	/* A statement that is still at a row would hold its snapshot. */
	for (int i = 0; i < STMT_COUNT; i++)
		sqlite3_reset(store->stmts[i]);
	if (rc == CAH_OK) {
		int code = step(store, STMT_COMMIT);
		if (code != SQLITE_DONE) {
			rc = store_fail(store, code, err);
			sqlite3_reset(store->stmts[STMT_COMMIT]);
		}
	}
	/* After some errors SQLite has rolled back by itself. */
	if (rc != CAH_OK && !sqlite3_get_autocommit(store->db)) {
		(void)step(store, STMT_ROLLBACK);
		sqlite3_reset(store->stmts[STMT_ROLLBACK]);
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}

/* ---- statements ---- */

int store_next(struct store *store, enum stmt stmt, struct cah_error *err)
{
	int rc = sqlite3_step(store->stmts[stmt]);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	return store_fail(store, rc, err);
}

int store_start(struct store *store, enum stmt stmt, const struct arg *args,
		size_t count, struct cah_error *err)
{
	/* Gone where SQLite rolled back by itself: what follows would be
	 * committed alone. */
	if (sqlite3_get_autocommit(store->db))
		return cah_fail(err, CAH_EUNAVAILABLE,
				"%s: the transaction was lost", store->path);
	sqlite3_stmt *s = store->stmts[stmt];
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
			return store_fail(store, rc, err);
	}
	return store_next(store, stmt, err);
}

int store_run(struct store *store, enum stmt stmt, const struct arg *args,
	      size_t count, struct cah_error *err)
{
	int rc = store_start(store, stmt, args, count, err);
	assert(rc <= 0);
	return rc;
}

int64_t store_int(struct store *store, enum stmt stmt, int column)
{
	return sqlite3_column_int64(store->stmts[stmt], column);
}

void store_text(struct store *store, enum stmt stmt, int column, char *out,
		size_t cap)
{
	const char *text =
		(const char *)sqlite3_column_text(store->stmts[stmt], column);
	(void)snprintf(out, cap, "%s", text != NULL ? text : "");
}
