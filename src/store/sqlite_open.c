/* Opening: what the file is, the schema of a new one, the settings of a
 * connection, and the claim of the one tracker. */
#include "base/fail.h"
#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum {
	WAL_TRIES = 50, /* of turning a new file into WAL beside others */
	WAL_WAIT_US = 100000,
};

/* Tasks of a staged project. The same for a new book and for one of version 1,
 * so it is written as what changes one without them. */
#define TASK_TABLES                                                           \
	"CREATE TABLE tasks (number INTEGER PRIMARY KEY,"                     \
	" input TEXT NOT NULL UNIQUE, stage INTEGER NOT NULL DEFAULT 0,"      \
	" state INTEGER NOT NULL DEFAULT 0, holder INTEGER NOT NULL DEFAULT " \
	"0,"                                                                  \
	" reports INTEGER NOT NULL DEFAULT 0);"                               \
	"CREATE INDEX tasks_open ON tasks (stage, number) WHERE state = 0;"   \
	"CREATE TABLE results (id INTEGER PRIMARY KEY, data TEXT NOT NULL);"  \
	"ALTER TABLE workers ADD COLUMN passed INTEGER NOT NULL DEFAULT 0;"   \
	"ALTER TABLE counts ADD COLUMN a_workers INTEGER DEFAULT 0;"          \
	"ALTER TABLE counts ADD COLUMN b_workers INTEGER DEFAULT 0;"          \
	"ALTER TABLE counts ADD COLUMN c_workers INTEGER DEFAULT 0;"          \
	"ALTER TABLE counts ADD COLUMN d_workers INTEGER DEFAULT 0;"          \
	"ALTER TABLE counts ADD COLUMN e_workers INTEGER DEFAULT 0;"          \
	"ALTER TABLE counts ADD COLUMN a_open INTEGER DEFAULT 0;"             \
	"ALTER TABLE counts ADD COLUMN b_open INTEGER DEFAULT 0;"             \
	"ALTER TABLE counts ADD COLUMN c_open INTEGER DEFAULT 0;"             \
	"ALTER TABLE counts ADD COLUMN d_open INTEGER DEFAULT 0;"             \
	"ALTER TABLE counts ADD COLUMN e_open INTEGER DEFAULT 0;"             \
	"ALTER TABLE counts ADD COLUMN a_leased INTEGER DEFAULT 0;"           \
	"ALTER TABLE counts ADD COLUMN b_leased INTEGER DEFAULT 0;"           \
	"ALTER TABLE counts ADD COLUMN c_leased INTEGER DEFAULT 0;"           \
	"ALTER TABLE counts ADD COLUMN d_leased INTEGER DEFAULT 0;"           \
	"ALTER TABLE counts ADD COLUMN e_leased INTEGER DEFAULT 0;"           \
	"ALTER TABLE counts ADD COLUMN tasks_done INTEGER DEFAULT 0;"

/* A job's WAT is wats.id = (number - 1) / 2, its piece (number - 1) % 2, so
 * that neither stands in its row. Workers, makers and closers are ids, 0 for
 * none: a zero takes no byte. The row of counts is kept by each transaction. */
static const char schema[] =
	"CREATE TABLE wats (id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE,"
	" open_jobs INTEGER NOT NULL);"
	"CREATE INDEX wats_open ON wats (open_jobs) WHERE open_jobs = 2;"
	"CREATE TABLE jobs (number INTEGER PRIMARY KEY,"
	" state INTEGER NOT NULL DEFAULT 0, pairs INTEGER NOT NULL DEFAULT 0,"
	" holder INTEGER NOT NULL DEFAULT 0, maker INTEGER NOT NULL DEFAULT 0,"
	" closer INTEGER NOT NULL DEFAULT 0, minute INTEGER NOT NULL DEFAULT 0,"
	" gpu_url TEXT);"
	"CREATE INDEX jobs_open ON jobs (state) WHERE state = 0;"
	"CREATE INDEX jobs_gpu_open ON jobs (state) WHERE state = 2;"
	"CREATE INDEX jobs_check ON jobs (closer) WHERE state = 5;"
	"CREATE INDEX jobs_gpu_url ON jobs (gpu_url, state)"
	" WHERE gpu_url IS NOT NULL;"
	"CREATE TABLE workers (id INTEGER PRIMARY KEY,"
	" token TEXT NOT NULL UNIQUE, display_name TEXT NOT NULL UNIQUE,"
	" nickname TEXT NOT NULL, type INTEGER NOT NULL,"
	" progress TEXT NOT NULL DEFAULT '', job INTEGER NOT NULL DEFAULT 0,"
	" jobs_completed INTEGER NOT NULL DEFAULT 0, alive_s INTEGER NOT NULL,"
	" first_seen_s INTEGER NOT NULL, last_seen_s INTEGER NOT NULL);"
	"CREATE INDEX workers_alive ON workers (type, alive_s, last_seen_s);"
	"CREATE TABLE leaders (id INTEGER PRIMARY KEY, board INTEGER NOT NULL,"
	" nickname TEXT NOT NULL, jobs INTEGER NOT NULL,"
	" pairs INTEGER NOT NULL, checked INTEGER NOT NULL DEFAULT 0,"
	" disagreed INTEGER NOT NULL DEFAULT 0, UNIQUE (board, nickname));"
	"CREATE INDEX leaders_pairs ON leaders (pairs DESC, jobs DESC,"
	" nickname) WHERE board = 0 AND jobs > 0;"
	"CREATE INDEX leaders_cpu ON leaders (jobs DESC, nickname)"
	" WHERE board = 1 AND jobs > 0;"
	"CREATE TABLE minutes (minute INTEGER PRIMARY KEY,"
	" jobs INTEGER NOT NULL);"
	"CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE TABLE counts (open INTEGER, leased INTEGER, gpu_open INTEGER,"
	" gpu_leased INTEGER, done INTEGER, check_open INTEGER,"
	" check_leased INTEGER, hybrid INTEGER, cpu INTEGER,"
	" gpu INTEGER, leaders INTEGER, cpu_leaders INTEGER, wats INTEGER,"
	" pairs INTEGER);"
	"INSERT INTO counts VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, "
	"0);" TASK_TABLES "PRAGMA application_id = 0x63616842;"
	"PRAGMA user_version = 2;";

/* From the schema of version 1, which knew no checks and deleted leaders that
 * had no jobs any more. */
static const char from_1[] =
	"ALTER TABLE leaders ADD COLUMN checked INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE leaders ADD COLUMN disagreed INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE counts ADD COLUMN check_open INTEGER DEFAULT 0;"
	"ALTER TABLE counts ADD COLUMN check_leased INTEGER DEFAULT 0;"
	"DROP INDEX leaders_pairs;"
	"DROP INDEX leaders_cpu;"
	"CREATE INDEX leaders_pairs ON leaders (pairs DESC, jobs DESC,"
	" nickname) WHERE board = 0 AND jobs > 0;"
	"CREATE INDEX leaders_cpu ON leaders (jobs DESC, nickname)"
	" WHERE board = 1 AND jobs > 0;"
	"CREATE INDEX jobs_check ON jobs (closer) WHERE state = 5;" TASK_TABLES
	"PRAGMA user_version = 2;";

_Static_assert(SQLITE_BOOK_ID == 0x63616842 && SQLITE_BOOK_VERSION == 2,
	       "as the schema has it");
_Static_assert(JOB_OPEN == 0 && JOB_GPU_OPEN == 2 && JOB_DONE == 4 &&
		       JOB_CHECK_OPEN == 5 && BOARD_PAIRS == 0 &&
		       BOARD_CPU == 1 && COUNT_COUNT == 30 &&
		       WORKER_KIND_COUNT == 8,
	       "as the schema and statements.def have them");

/* While opening, a file that is not what it should be is no passing trouble. */
static int fail_to_open(struct sqlite *lite, int code, struct cah_error *err)
{
	if ((code & 0xff) == SQLITE_NOTADB)
		return cah_fail(err, CAH_EFORMAT, "%s is not a database",
				lite->store.path);
	if ((code & 0xff) == SQLITE_CORRUPT)
		return cah_fail(err, CAH_EFORMAT, "%s is damaged",
				lite->store.path);
	return sqlite_fail(lite, code, err);
}

static int run_text(struct sqlite *lite, const char *sql, struct cah_error *err)
{
	int rc = sqlite3_exec(lite->db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? CAH_OK : fail_to_open(lite, rc, err);
}

static int read_number(struct sqlite *lite, const char *sql, int64_t *out,
		       struct cah_error *err)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(lite->db, sql, -1, &stmt, NULL);
	if (rc != SQLITE_OK)
		return fail_to_open(lite, rc, err);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(stmt, 0);
	else
		rc = fail_to_open(lite, rc, err);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? CAH_OK : rc;
}

/* *from is the version of its schema, 0 where the file has nothing in it yet.
 */
static int check_file(struct sqlite *lite, int64_t *from, struct cah_error *err)
{
	int64_t id = 0, version = 0, things = 0;
	int rc = read_number(lite, "PRAGMA application_id", &id, err);
	if (rc == CAH_OK)
		rc = read_number(lite, "PRAGMA user_version", &version, err);
	if (rc == CAH_OK)
		rc = read_number(lite, "SELECT count(*) FROM sqlite_schema",
				 &things, err);
	if (rc != CAH_OK)
		return rc;
	*from = version;
	if (id == 0 && version == 0 && things == 0)
		return CAH_OK;
	if (id != SQLITE_BOOK_ID)
		return cah_fail(err, CAH_EFORMAT,
				"%s is a database of another program",
				lite->store.path);
	if (version > SQLITE_BOOK_VERSION)
		return cah_fail(err, CAH_EFORMAT,
				"%s was made by a newer version of cah "
				"(schema %lld, this one knows %d)",
				lite->store.path, (long long)version,
				SQLITE_BOOK_VERSION);
	if (version < 1)
		return cah_fail(err, CAH_EFORMAT,
				"%s has no schema of ours (version %lld)",
				lite->store.path, (long long)version);
	return CAH_OK;
}

/* The change to WAL needs the file alone for a moment, and SQLite does not
 * wait for that by itself. */
static int turn_to_wal(struct sqlite *lite, struct cah_error *err)
{
	int rc = SQLITE_BUSY;
	for (int i = 0; i < WAL_TRIES && rc == SQLITE_BUSY; i++) {
		if (i > 0)
			usleep(WAL_WAIT_US);
		rc = sqlite3_exec(lite->db, "PRAGMA journal_mode = WAL", NULL,
				  NULL, NULL);
	}
	return rc == SQLITE_OK ? CAH_OK : fail_to_open(lite, rc, err);
}

static int bring_schema(struct sqlite *lite, struct cah_error *err)
{
	int rc = run_text(lite, "BEGIN IMMEDIATE", err);
	if (rc != CAH_OK)
		return rc;
	/* Another process may have been faster. */
	int64_t from;
	rc = check_file(lite, &from, err);
	if (rc == CAH_OK && from == 0)
		rc = run_text(lite, schema, err);
	if (rc == CAH_OK && from == 1)
		rc = run_text(lite, from_1, err);
	if (rc == CAH_OK)
		rc = run_text(lite, "COMMIT", err);
	if (rc != CAH_OK)
		(void)sqlite3_exec(lite->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

int sqlite_prepare_schema(struct sqlite *lite, struct cah_error *err)
{
	int64_t from;
	int rc = check_file(lite, &from, err);
	if (rc == CAH_OK)
		rc = turn_to_wal(lite, err);
	/* FULL: a commit is on the disk when it returns. In a file from
	 * elsewhere, views and triggers are not trusted. */
	if (rc == CAH_OK)
		rc = run_text(lite,
			      "PRAGMA synchronous = FULL;"
			      "PRAGMA trusted_schema = OFF;"
			      "PRAGMA cell_size_check = ON;"
			      "PRAGMA temp_store = MEMORY;"
			      "PRAGMA cache_size = -65536;"
			      "PRAGMA journal_size_limit = 67108864",
			      err);
	if (rc == CAH_OK && from < SQLITE_BOOK_VERSION)
		rc = bring_schema(lite, err);
	return rc;
}

int sqlite_claim(struct store *store, struct cah_error *err)
{
	struct sqlite *lite = sqlite_of(store);
	if (lite->claim_fd >= 0)
		return CAH_OK;
	/* By its real name, so that two names of one file meet. */
	char real[PATH_MAX], lock_path[PATH_MAX + 8];
	if (realpath(lite->store.path, real) == NULL)
		return cah_fail(err, CAH_EUNAVAILABLE, "%s: %s",
				lite->store.path, strerror(errno));
	(void)snprintf(lock_path, sizeof(lock_path), "%s.lock", real);
	int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		      0666);
	if (fd < 0)
		return cah_fail(err, CAH_EUNAVAILABLE, "cannot lock %s: %s",
				lite->store.path, strerror(errno));
	/* The kernel lets go when the process ends, however it ends. */
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int errnum = errno;
		close(fd);
		if (errnum == EWOULDBLOCK)
			return cah_fail(err, CAH_EUNAVAILABLE,
					"another tracker uses %s",
					lite->store.path);
		return cah_fail(err, CAH_EUNAVAILABLE, "cannot lock %s: %s",
				lite->store.path, strerror(errnum));
	}
	lite->claim_fd = fd;
	return sqlite_flush_begin(lite, err);
}
