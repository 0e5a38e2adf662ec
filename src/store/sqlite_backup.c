/* A copy of the book, page by page (sqlite.org/c3ref/backup_finish.html).
 *
 * Where another process writes to the source between two steps, SQLite begins
 * the copy anew, which under load would never end. So a transaction holds one
 * moment of the book; in WAL it keeps no writer waiting. */
#include "base/fail.h"
#include "store/sqlite.h"

enum {
	STEP_PAGES = 256, /* of 4 KiB: between two looks of the caller */
};

struct copy {
	struct sqlite *lite;
	sqlite3 *target;
	const char *path;
	store_backup_fn step;
	void *arg;
};

/* Of an error that SQLite does not tell from which side it came. */
static int fail_copy(const struct copy *copy, int code, struct cah_error *err)
{
	if ((code & 0xff) == SQLITE_CORRUPT)
		return cah_fail(err, CAH_EFORMAT, "%s is damaged",
				copy->lite->store.path);
	if ((code & 0xff) == SQLITE_NOMEM)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				copy->path);
	int errnum = sqlite3_system_errno(copy->target);
	return cah_fail(err, CAH_EIO, "cannot write %s: %s%s%s", copy->path,
			sqlite3_errmsg(copy->target), errnum != 0 ? ": " : "",
			errnum != 0 ? strerror(errnum) : "");
}

/* Without a journal and without waiting for the disk: a copy that does not come
 * to its end is thrown away, and of one that does the caller takes care. */
static int open_target(struct copy *copy, struct cah_error *err)
{
	int code = sqlite3_open_v2(copy->path, &copy->target,
				   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
				   NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(copy->target,
				    "PRAGMA journal_mode = OFF;"
				    "PRAGMA synchronous = OFF",
				    NULL, NULL, NULL);
	if (code == SQLITE_OK)
		return CAH_OK;
	return fail_copy(copy, copy->target != NULL ? code : SQLITE_NOMEM, err);
}

static int64_t page_bytes(sqlite3 *db)
{
	int64_t bytes = 0;
	sqlite3_stmt *stmt;
	if (sqlite3_prepare_v2(db, "PRAGMA page_size", -1, &stmt, NULL) !=
	    SQLITE_OK)
		return 0;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		bytes = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return bytes;
}

static int copy_pages(const struct copy *copy, struct cah_error *err)
{
	int64_t bytes = page_bytes(copy->lite->db);
	sqlite3_backup *backup = sqlite3_backup_init(copy->target, "main",
						     copy->lite->db, "main");
	if (backup == NULL)
		return fail_copy(copy, sqlite3_errcode(copy->target), err);
	int code = SQLITE_OK, stopped = 0;
	while (code == SQLITE_OK && stopped == 0) {
		code = sqlite3_backup_step(backup, STEP_PAGES);
		int64_t total = sqlite3_backup_pagecount(backup);
		int64_t left = sqlite3_backup_remaining(backup);
		if (copy->step != NULL)
			stopped = copy->step(copy->arg, (total - left) * bytes,
					     total * bytes);
	}
	int ended = sqlite3_backup_finish(backup);
	if (code == SQLITE_DONE && ended == SQLITE_OK)
		return CAH_OK;
	if (ended != SQLITE_OK)
		return fail_copy(copy, ended, err);
	return cah_fail(err, CAH_ECANCELLED, "stopped");
}

int sqlite_backup(struct store *store, const char *path, store_backup_fn step,
		  void *arg, struct cah_error *err)
{
	struct copy copy = {sqlite_of(store), NULL, path, step, arg};
	/* The first read of a transaction is what fixes its moment. */
	int rc = store_start(store, STMT_COUNTS_GET, NULL, 0, err);
	if (rc < 0)
		return rc;
	rc = open_target(&copy, err);
	if (rc == CAH_OK)
		rc = copy_pages(&copy, err);
	if (sqlite3_close(copy.target) != SQLITE_OK && rc == CAH_OK)
		rc = cah_fail(err, CAH_EIO, "cannot write %s", path);
	return rc;
}
