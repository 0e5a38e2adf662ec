#include "book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Of the type PQnoticeProcessor. */
static void ignore_notice(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

static int64_t ask_pg(const char *uri, const char *sql)
{
	PGconn *db = PQconnectdb(uri);
	(void)PQsetNoticeProcessor(db, ignore_notice, NULL);
	PGresult *result = PQexec(db, sql);
	if (PQresultStatus(result) != PGRES_COMMAND_OK &&
	    PQresultStatus(result) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(db));
	int64_t n = PQntuples(result) > 0
			    ? strtoll(PQgetvalue(result, 0, 0), NULL, 10)
			    : 0;
	PQclear(result);
	PQfinish(db);
	return n;
}

bool book_is_pg(const char *path)
{
	return strncmp(path, "postgresql:", 11) == 0;
}

const char *book_path_of(const struct book *b)
{
	return book_is_pg(b->uri) ? b->uri : b->uri + strlen("sqlite:");
}

/* A server learns of a killed client when it reads next. */
void book_wait_alone(const struct book *b, int count)
{
	while (book_is_pg(b->uri) &&
	       book_ask_sql(b->server,
			    "SELECT count(*) FROM pg_stat_activity "
			    "WHERE application_name = 'cah'") > count)
		usleep(1000);
}

int book_add_wats(struct store *store, int count)
{
	int added = 0;
	OK(store_import_begin(store, NULL));
	for (int k = 0; k < count; k++) {
		char url[64];
		(void)snprintf(url, sizeof(url), "https://x/%d.wat.gz", k);
		bool is_added;
		OK(store_import_add(store, slice_of(url), &is_added, NULL));
		added += is_added;
	}
	OK(store_import_end(store, NULL));
	return added;
}

/* A schema of its own is a book of its own, and quicker than a database. */
static void make_schema(struct book *b, const char *server)
{
	(void)snprintf(b->server, sizeof(b->server), "%s", server);
	static int made;
	char sql[64];
	(void)snprintf(b->schema, sizeof(b->schema), "book%d", made++);
	(void)snprintf(sql, sizeof(sql), "CREATE SCHEMA %s", b->schema);
	book_run_sql(server, sql);
	(void)snprintf(b->uri, sizeof(b->uri), "%s&options=-csearch_path%%3D%s",
		       server, b->schema);
}

static void drop_schema(const struct book *b)
{
	char sql[64];
	(void)snprintf(sql, sizeof(sql), "DROP SCHEMA %s CASCADE", b->schema);
	book_run_sql(b->server, sql);
}

static int setup(void **state, const char *server)
{
	struct book *b = calloc(1, sizeof(*b));
	strcpy(b->dir, "/tmp/cah-store-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	if (server != NULL)
		make_schema(b, server);
	else
		(void)snprintf(b->uri, sizeof(b->uri), "sqlite:%s/book.db",
			       b->dir);
	struct cah_error err = {0};
	if (store_open(&b->store, b->uri, &err) != CAH_OK)
		fail_msg("%s", err.text);
	assert_int_equal(book_add_wats(b->store, WATS), WATS);
	*state = b;
	return 0;
}

int book_setup(void **state)
{
	return setup(state, getenv("CAH_TEST_POSTGRES"));
}

int book_setup_sqlite(void **state)
{
	return setup(state, NULL);
}

int book_teardown(void **state)
{
	static const char *const names[] = {"book.db", "book.db-wal",
					    "book.db-shm", "book.db.lock",
					    "other.db"};
	struct book *b = *state;
	store_close(b->store);
	if (b->schema[0] != '\0')
		drop_schema(b);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128];
		(void)snprintf(path, sizeof(path), "%s/%s", b->dir, names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(b->dir), 0);
	free(b);
	return 0;
}

void book_reopen(struct book *b)
{
	store_close(b->store);
	OK(store_open(&b->store, b->uri, NULL));
}

/* ---- the calls, short ---- */

struct worker book_worker(struct book *b, enum worker_type type,
			  const char *nickname)
{
	struct worker w;
	OK(store_worker_new(b->store, &w, slice_of(nickname), type, 100, 1000,
			    NULL));
	return w;
}

int book_take(struct book *b, const struct worker *w, int64_t *number)
{
	struct job job;
	int rc = store_job_take(b->store, &job, slice_of(w->token), w->type,
				100, 1000, NULL);
	*number = rc == CAH_OK ? job.number : 0;
	return rc;
}

void book_take_job(struct book *b, const struct worker *w, int64_t expected)
{
	int64_t number;
	OK(book_take(b, w, &number));
	assert_int_equal(number, expected);
}

int book_finish(struct book *b, const struct worker *w, int64_t pairs,
		const char *url)
{
	return store_job_finish(b->store, slice_of(w->token), w->type, pairs,
				slice_of(url), 100, 1000, NULL);
}

struct job book_job(struct book *b, int64_t number)
{
	struct job out;
	OK(store_job_get(b->store, &out, number, NULL));
	return out;
}

struct store_counts book_counts(struct book *b)
{
	struct store_counts out;
	OK(store_get_counts(b->store, &out, 1000, NULL));
	return out;
}

void book_states(struct book *b, int open, int leased, int gpu_open,
		 int gpu_leased, int done)
{
	struct store_counts c = book_counts(b);
	assert_int_equal(c.jobs[JOB_OPEN], open);
	assert_int_equal(c.jobs[JOB_LEASED], leased);
	assert_int_equal(c.jobs[JOB_GPU_OPEN], gpu_open);
	assert_int_equal(c.jobs[JOB_GPU_LEASED], gpu_leased);
	assert_int_equal(c.jobs[JOB_DONE], done);
}

/* The leaderboard as text: "name jobs pairs, ..." */
const char *book_board(struct book *b, bool is_cpu)
{
	static char text[4096];
	struct leader leaders[8];
	size_t count;
	int64_t total;
	OK(store_leaders(b->store, leaders, 8, 0, is_cpu, &count, &total,
			 NULL));
	assert_int_equal(total, count);
	text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		size_t at = strlen(text);
		(void)snprintf(text + at, sizeof(text) - at, "%s%s %d %d",
			       i > 0 ? ", " : "", leaders[i].nickname,
			       (int)leaders[i].jobs, (int)leaders[i].pairs);
	}
	return text;
}

void book_run_sql(const char *path, const char *sql)
{
	sqlite3 *db;
	if (book_is_pg(path)) {
		(void)ask_pg(path, sql);
		return;
	}
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

int64_t book_ask_sql(const char *path, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	if (book_is_pg(path))
		return ask_pg(path, sql);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

void book_recount(const char *path)
{
	static const char *const same[][2] = {
		{"SELECT sum(open) FROM counts",
		 "SELECT count(*) FROM jobs WHERE state = 0"},
		{"SELECT sum(leased) FROM counts",
		 "SELECT count(*) FROM jobs WHERE state = 1"},
		{"SELECT sum(gpu_open) FROM counts",
		 "SELECT count(*) FROM jobs WHERE state = 2"},
		{"SELECT sum(gpu_leased) FROM counts",
		 "SELECT count(*) FROM jobs WHERE state = 3"},
		{"SELECT sum(done) FROM counts",
		 "SELECT count(*) FROM jobs WHERE state = 4"},
		{"SELECT sum(check_open) FROM counts",
		 "SELECT count(*) FROM jobs WHERE state = 5"},
		{"SELECT sum(check_leased) FROM counts",
		 "SELECT count(*) FROM jobs WHERE state = 6"},
		{"SELECT sum(hybrid + cpu + gpu) FROM counts",
		 "SELECT count(*) FROM workers"},
		{"SELECT sum(leaders + cpu_leaders) FROM counts",
		 "SELECT count(*) FROM leaders WHERE jobs > 0"},
		{"SELECT sum(wats) FROM counts", "SELECT count(*) FROM wats"},
		{"SELECT sum(pairs) FROM counts",
		 "SELECT sum(pairs) FROM jobs"},
		{"SELECT sum(pairs) FROM counts",
		 "SELECT sum(pairs) FROM leaders"},
		{"SELECT sum(jobs) FROM leaders",
		 "SELECT count(nullif(maker, 0)) + count(nullif(closer, 0)) "
		 "FROM jobs"},
		{"SELECT count(*) FROM jobs WHERE state IN (1, 3, 6)",
		 "SELECT count(*) FROM jobs j JOIN workers w "
		 "ON w.id = j.holder AND w.job = j.number"},
		{"SELECT count(*) FROM jobs WHERE holder > 0",
		 "SELECT count(*) FROM workers WHERE job > 0"},
	};
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (book_ask_sql(path, same[i][0]) !=
		    book_ask_sql(path, same[i][1]))
			fail_msg("%s is not %s", same[i][0], same[i][1]);
	if (book_is_pg(path))
		return;
	assert_int_equal(book_ask_sql(path, "SELECT sum(open_jobs) FROM wats"),
			 book_ask_sql(path, "SELECT count(*) FROM jobs "
					    "WHERE state = 0"));
	assert_int_equal(book_ask_sql(path, "SELECT count(*) FROM "
					    "pragma_integrity_check "
					    "WHERE integrity_check <> 'ok'"),
			 0);
}
