#include "store/sqlite.h"

#include "book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- opening ---- */

static void store__refuses_what_is_no_uri(void **state)
{
	(void)state;
	static const char *const uris[] = {"", "sqlite:", "cah.db",
					   "postgresql:x", "SQLITE:x"};
	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		struct store *store;
		assert_int_equal(store_open(&store, uris[i], NULL),
				 CAH_EINVALID);
		assert_null(store);
	}
}

static void refused(struct book *b, const char *part)
{
	struct cah_error err = {0};
	struct store *store;
	assert_int_equal(store_open(&store, b->uri, &err), CAH_EFORMAT);
	assert_null(store);
	if (strstr(err.text, part) == NULL)
		fail_msg("'%s' does not say '%s'", err.text, part);
}

static void store__refuses_a_newer_schema(void **state)
{
	struct book *b = *state;
	store_close(b->store);
	b->store = NULL;
	book_run_sql(book_path_of(b), "PRAGMA user_version = 3");
	refused(b, "newer version of cah (schema 3, this one knows 2)");
}

/* A book as version 1 made it: ann did job 1, ben holds job 2. */
static const char version_1[] =
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
	" pairs INTEGER NOT NULL, UNIQUE (board, nickname));"
	"CREATE INDEX leaders_pairs ON leaders (pairs DESC, jobs DESC,"
	" nickname) WHERE board = 0;"
	"CREATE INDEX leaders_cpu ON leaders (jobs DESC, nickname)"
	" WHERE board = 1;"
	"CREATE TABLE minutes (minute INTEGER PRIMARY KEY,"
	" jobs INTEGER NOT NULL);"
	"CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE TABLE counts (open INTEGER, leased INTEGER, gpu_open INTEGER,"
	" gpu_leased INTEGER, done INTEGER, hybrid INTEGER, cpu INTEGER,"
	" gpu INTEGER, leaders INTEGER, cpu_leaders INTEGER, wats INTEGER,"
	" pairs INTEGER);"
	"INSERT INTO counts VALUES (2, 1, 0, 0, 1, 1, 0, 0, 1, 0, 2, 50);"
	"INSERT INTO wats VALUES (0, 'https://x/0.wat.gz', 0),"
	" (1, 'https://x/1.wat.gz', 2);"
	"INSERT INTO jobs (number, state, pairs, holder, closer, minute)"
	" VALUES (1, 4, 50, 0, 1, 16), (2, 1, 0, 1, 0, 0), (3, 0, 0, 0, 0, 0),"
	" (4, 0, 0, 0, 0, 0);"
	"INSERT INTO leaders VALUES (1, 0, 'ann', 1, 50);"
	"INSERT INTO minutes VALUES (16, 1);"
	"INSERT INTO settings VALUES ('banner', 'hello');"
	"INSERT INTO workers VALUES (1, '12345678-0000-4000-8000-000000000000',"
	" 'calm-fox', 'ben', 0, 'half', 2, 0, 100, 900, 1000);"
	"PRAGMA application_id = 1667328066;"
	"PRAGMA user_version = 1;";

static void store__brings_over_a_book_of_version_1(void **state)
{
	struct book *b = *state;
	struct worker ben = {.type = WORKER_HYBRID,
			     .token = "12345678-0000-4000-8000-000000000000"};
	store_close(b->store);
	unlink(book_path_of(b));
	book_run_sql(book_path_of(b), version_1);
	OK(store_open(&b->store, b->uri, NULL));
	book_states(b, 2, 1, 0, 0, 1);
	assert_string_equal(book_board(b, false), "ann 1 50");
	assert_int_equal(book_counts(b).finished_last_hour, 1);
	OK(book_finish(b, &ben, 7, ""));
	OK(store_job_reset(b->store, 1, NULL));
	assert_string_equal(book_board(b, false), "ben 1 7");
	book_take_job(b, &ben, 1);
	const struct store_verify verify = {1, 0, 0};
	store_set_verify(b->store, &verify);
	OK(book_finish(b, &ben, 7, ""));
	assert_int_equal(book_counts(b).jobs[JOB_CHECK_OPEN], 1);
	book_reopen(b);
	book_states(b, 2, 0, 0, 0, 1);
}

static void store__refuses_and_leaves_files_of_others(void **state)
{
	struct book *b = *state;
	store_close(b->store);
	unlink(book_path_of(b));
	b->store = NULL;
	book_run_sql(book_path_of(b), "CREATE TABLE notes (text)");
	refused(b, "another program");
	assert_int_equal(book_ask_sql(book_path_of(b),
				      "SELECT count(*) FROM sqlite_schema"),
			 1);

	FILE *file = fopen(book_path_of(b), "w");
	for (int i = 0; i < 1000; i++)
		fprintf(file, "wat.paths %d\n", i);
	fclose(file);
	refused(b, "is not a database");
}

static void store__refuses_a_damaged_book(void **state)
{
	struct book *b = *state;
	store_close(b->store);
	b->store = NULL;
	book_run_sql(book_path_of(b), "DROP TABLE leaders");
	refused(b, "is damaged");
	/* The root of the schema, in page 1 behind its header */
	int fd = open(book_path_of(b), O_WRONLY);
	char junk[512];
	memset(junk, 0xa5, sizeof(junk));
	assert_int_equal(pwrite(fd, junk, sizeof(junk), 100), sizeof(junk));
	close(fd);
	refused(b, "is damaged");
}

static void store__opens_existing_ones_only_when_told_so(void **state)
{
	struct book *b = *state;
	struct store *store;
	char uri[128];
	(void)snprintf(uri, sizeof(uri), "sqlite:%s/other.db", b->dir);
	assert_int_equal(store_open_existing(&store, uri, NULL), CAH_ENOTFOUND);
	assert_int_equal(access(uri + 7, F_OK), -1);
	OK(store_open_existing(&store, b->uri, NULL));
	store_close(store);
}

static int64_t pragma(struct store *store, const char *name, char text[16])
{
	char sql[64];
	sqlite3_stmt *stmt;
	(void)snprintf(sql, sizeof(sql), "PRAGMA %s", name);
	OK(sqlite3_prepare_v2(sqlite_of(store)->db, sql, -1, &stmt, NULL));
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(stmt, 0);
	(void)snprintf(text, 16, "%s", sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	return n;
}

/* No test here can pull the plug; this is what survives it. */
static void store__waits_for_the_disk_at_each_commit(void **state)
{
	struct book *b = *state;
	char text[16];
	assert_int_equal(pragma(b->store, "synchronous", text), 2); /* FULL */
	(void)pragma(b->store, "journal_mode", text);
	assert_string_equal(text, "wal");
}

/* Grows with the jobs only as the depth of a tree does. */
static void store__looks_for_nothing_row_by_row(void **state)
{
	struct book *b = *state;
	/* One row; one minute each; all workers, as told; in order, by pages */
	static const char *const fine[] = {
		"SCAN counts", "SCAN CONSTANT ROW", "SCAN 2 CONSTANT ROWS",
		"SCAN leaders USING INDEX leaders_pairs",
		"SCAN leaders USING INDEX leaders_cpu"};
	for (int i = 0; i < STMT_COUNT; i++) {
		char sql[4096];
		sqlite3_stmt *stmt;
		(void)snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s",
			       sqlite3_sql(sqlite_of(b->store)->stmts[i]));
		if (i <= STMT_ROLLBACK)
			continue;
		OK(sqlite3_prepare_v2(sqlite_of(b->store)->db, sql, -1, &stmt,
				      NULL));
		while (sqlite3_step(stmt) == SQLITE_ROW) {
			const char *step =
				(const char *)sqlite3_column_text(stmt, 3);
			bool is_fine = strncmp(step, "SCAN", 4) != 0;
			for (int j = 0; j < 5; j++)
				is_fine |= strcmp(step, fine[j]) == 0;
			is_fine |= strcmp(step, "SCAN workers") == 0 &&
				   i == STMT_WORKER_RENEW;
			if (!is_fine)
				fail_msg("%s: %s", step, sql);
		}
		sqlite3_finalize(stmt);
	}
}

/* Root may write everywhere, so the child is somebody else. */
static void store__needs_a_folder_it_may_write_in(void **state)
{
	struct book *b = *state;
	store_close(b->store);
	b->store = NULL;
	assert_int_equal(chmod(b->dir, 0555), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && setuid(65534) != 0)
			_exit(9);
		struct store *store;
		int rc = store_open(&store, b->uri, NULL);
		_exit(rc == CAH_EUNAVAILABLE && store == NULL ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(chmod(b->dir, 0755), 0);
	assert_int_equal(status, 0);
}

static void store__has_one_tracker_and_other_users(void **state)
{
	struct book *b = *state;
	struct store *other;
	struct cah_error err = {0};
	OK(store_claim(b->store, NULL));
	OK(store_open(&other, b->uri, NULL));
	assert_int_equal(store_claim(other, &err), CAH_EUNAVAILABLE);
	assert_non_null(strstr(err.text, "another tracker uses"));
	/* Not being the tracker, it may import. */
	assert_int_equal(book_add_wats(other, WATS + 1), 1);
	book_states(b, 2 * WATS + 2, 0, 0, 0, 0);
	store_close(b->store);
	b->store = other;
	OK(store_claim(other, NULL));
}

static void store__is_free_after_its_tracker_was_killed(void **state)
{
	struct book *b = *state;
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct store *store;
		if (store_open(&store, b->uri, NULL) != CAH_OK ||
		    store_claim(store, NULL) != CAH_OK ||
		    write(ready[1], "r", 1) != 1)
			_exit(1);
		pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(store_claim(b->store, NULL), CAH_EUNAVAILABLE);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	OK(store_claim(b->store, NULL));
}

/* ---- workers ---- */

static void worker__has_a_name_and_a_token_of_its_own(void **state)
{
	struct book *b = *state;
	for (int i = 0; i < 300; i++) {
		/* So many that two words meet again */
		struct worker w = book_worker(b, i % WORKER_TYPE_COUNT, "n");
		assert_int_equal(strlen(w.token), STORE_TOKEN_LEN);
		assert_int_equal(w.token[14], '4');
		assert_non_null(strchr("89ab", w.token[19]));
	}
	assert_int_equal(book_ask_sql(book_path_of(b),
				      "SELECT count(DISTINCT token) + "
				      "count(DISTINCT display_name) "
				      "FROM workers"),
			 600);
	assert_int_equal(book_counts(b).workers[WORKER_GPU], 100);
}

static void worker__proposals_grow_until_one_is_free(void **state)
{
	(void)state;
	for (int attempt = 0; attempt < 20; attempt++) {
		char name[STORE_NAME_MAX + 1];
		OK(name_propose(name, attempt, NULL));
		int dashes = 0;
		for (const char *p = name; *p != '\0'; p++)
			dashes += *p == '-';
		assert_int_equal(dashes, attempt == 0 ? 1 : 2);
	}
}

static void worker__needs_a_nickname_of_text(void **state)
{
	struct book *b = *state;
	char longest[STORE_NICKNAME_MAX + 1];
	memset(longest, 'n', sizeof(longest));
	const struct {
		struct slice nickname;
		int rc;
	} rows[] = {
		{SLICE("a"), CAH_OK},
		{SLICE("\xe5\x90\x8d\xe5\x89\x8d"), CAH_OK},
		{{longest, STORE_NICKNAME_MAX}, CAH_OK},
		{{longest, STORE_NICKNAME_MAX + 1}, CAH_EINVALID},
		{SLICE(""), CAH_EINVALID},
		{SLICE("a\0b"), CAH_EINVALID},
		{SLICE("a\tb"), CAH_EINVALID},
		{SLICE("a\xc2\x85"), CAH_EINVALID},        /* C1 */
		{SLICE("\xc0\xaf"), CAH_EINVALID},         /* overlong */
		{SLICE("\xed\xa0\x80"), CAH_EINVALID},     /* surrogate */
		{SLICE("a\xe5\x90"), CAH_EINVALID},        /* cut */
		{SLICE("\xf4\x90\x80\x80"), CAH_EINVALID}, /* past U+10FFFF */
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct worker w;
		assert_int_equal(store_worker_new(b->store, &w,
						  rows[i].nickname, WORKER_CPU,
						  1, 1, NULL),
				 rows[i].rc);
	}
	assert_int_equal(book_counts(b).workers[WORKER_CPU], 3);
}

static void worker__progress_is_cut_to_255_characters(void **state)
{
	struct book *b = *state;
	struct worker w = book_worker(b, WORKER_HYBRID, "ann");
	char text[300 * 3];
	for (int i = 0; i < 300; i++)
		memcpy(text + 3 * i, "\xe2\x82\xac", 3);
	OK(store_worker_progress(b->store, slice_of(w.token), w.type,
				 (struct slice){text, sizeof(text)}, 101, 1001,
				 NULL));
	OK(store_worker_find(b->store, &w, slice_of(w.display_name), w.type,
			     NULL));
	assert_int_equal(strlen(w.progress), 255 * 3);
	assert_int_equal(w.last_seen_s, 1001);
	assert_int_equal(w.first_seen_s, 1000);
	assert_int_equal(store_worker_progress(b->store, slice_of(w.token),
					       w.type, SLICE("\xff"), 1, 1,
					       NULL),
			 CAH_EINVALID);
	/* Old clients say it after they were forgotten. */
	OK(store_worker_progress(b->store, SLICE("nobody"), w.type,
				 SLICE("Crashed"), 1, 1, NULL));
}

static void sweep__takes_out_who_is_silent(void **state)
{
	struct book *b = *state;
	struct worker w = book_worker(b, WORKER_HYBRID, "ann");
	struct worker v = book_worker(b, WORKER_CPU, "ben");
	book_take_job(b, &w, 1);
	book_take_job(b, &v, 2);
	bool alive;
	int64_t count;
	OK(store_worker_alive(b->store, &alive, slice_of(v.token), v.type, 150,
			      1050, NULL));
	assert_true(alive);
	OK(store_worker_alive(b->store, &alive, slice_of(v.token), WORKER_GPU,
			      500, 1500, NULL));
	assert_false(alive);
	/* Heard of at 100.9 and now 150.1, say: 49.2 s are no 50. */
	OK(store_sweep(b->store, 150, 50, &count, NULL));
	assert_int_equal(count, 0);
	OK(store_sweep(b->store, 151, 50, &count, NULL));
	assert_int_equal(count, 1);
	OK(store_worker_alive(b->store, &alive, slice_of(w.token), w.type, 150,
			      1050, NULL));
	assert_false(alive);
	book_states(b, 9, 1, 0, 0, 0);
	assert_int_equal(book_counts(b).workers[WORKER_HYBRID], 0);
	assert_int_equal(book_job(b, 1).state, JOB_OPEN);
	assert_int_equal(book_job(b, 2).state, JOB_LEASED);
}

static void renew__lets_workers_go_on_after_a_restart(void **state)
{
	struct book *b = *state;
	struct worker w = book_worker(b, WORKER_HYBRID, "ann");
	int64_t count;
	book_take_job(b, &w, 1);
	book_reopen(b);
	/* After a boot the clock is young: 100 lies in its future. */
	OK(store_renew_leases(b->store, 5, NULL));
	OK(store_sweep(b->store, 55, 50, &count, NULL));
	assert_int_equal(count, 0);
	OK(book_finish(b, &w, 3, ""));
	OK(store_renew_leases(b->store, 5, NULL));
	OK(store_sweep(b->store, 56, 50, &count, NULL));
	assert_int_equal(count, 1);
}

static void workers__are_listed_newest_sign_of_life_first(void **state)
{
	struct book *b = *state;
	struct worker w[6], list[6];
	size_t count;
	int64_t total;
	bool alive;
	for (int i = 0; i < 6; i++) {
		w[i] = book_worker(b, i % WORKER_TYPE_COUNT, "n");
		OK(store_worker_alive(b->store, &alive, slice_of(w[i].token),
				      w[i].type, 200 + i * 5 % 6, 2000, NULL));
	}
	OK(store_workers(b->store, list, 6, 0, -1, &count, &total, NULL));
	assert_int_equal(count, 6);
	assert_int_equal(total, 6);
	for (int i = 0; i < 6; i++) /* 5 i mod 6 is 6 - i mod 6 */
		assert_string_equal(list[i].token, w[(i + 1) % 6].token);
	OK(store_workers(b->store, list, 1, 1, WORKER_CPU, &count, &total,
			 NULL));
	assert_int_equal(count, 1);
	assert_int_equal(total, 2);
	assert_string_equal(list[0].token, w[4].token);
	assert_int_equal(store_worker_find(b->store, list,
					   slice_of(w[4].display_name),
					   WORKER_GPU, NULL),
			 CAH_ENOTFOUND);
}

/* ---- the rest ---- */

static void counts__know_the_last_hour(void **state)
{
	struct book *b = *state;
	struct worker w = book_worker(b, WORKER_HYBRID, "ann");
	struct store_counts c;
	for (int i = 0; i < 4; i++) {
		int64_t when = 60000 + i * 20 * 60;
		book_take_job(b, &w, i + 1);
		OK(store_job_finish(b->store, slice_of(w.token), w.type, 1,
				    SLICE(""), 100, when, NULL));
	}
	static const int64_t rows[][2] = {
		{60000, 1}, {63600, 3}, {64800, 2}, {66000, 1}, {90000, 0}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		OK(store_get_counts(b->store, &c, rows[i][0], NULL));
		/* The first fell out when the fourth came. */
		assert_int_equal(c.finished_last_hour,
				 rows[i][1] - (rows[i][0] == 60000));
	}
}

static void leaders__are_in_order(void **state)
{
	struct book *b = *state;
	static const struct {
		const char *nickname;
		int64_t pairs;
	} rows[] = {{"a", 5}, {"b", 9}, {"c", 5}, {"a", 0}, {"d", 0}};
	for (int i = 0; i < 5; i++) {
		int64_t number = i + 1;
		OK(store_jobs_close(b->store, &number, 1, rows[i].pairs,
				    slice_of(rows[i].nickname), 1000, NULL));
	}
	assert_string_equal(book_board(b, false), "b 1 9, a 2 5, c 1 5, d 1 0");
	struct leader one;
	size_t count;
	int64_t total;
	OK(store_leaders(b->store, &one, 1, 2, false, &count, &total, NULL));
	assert_int_equal(total, 4);
	assert_string_equal(one.nickname, "c");
}

static void banner__is_kept_as_it_is(void **state)
{
	struct book *b = *state;
	char text[STORE_URL_MAX + 1], longest[STORE_URL_MAX + 1];
	memset(longest, 'x', sizeof(longest));
	OK(store_banner_get(b->store, text, NULL));
	assert_string_equal(text, "");
	OK(store_banner_set(b->store, SLICE("<b>\nhi"), NULL));
	book_reopen(b);
	OK(store_banner_get(b->store, text, NULL));
	assert_string_equal(text, "<b>\nhi");
	assert_int_equal(
		store_banner_set(b->store,
				 (struct slice){longest, STORE_URL_MAX + 1},
				 NULL),
		CAH_EINVALID);
	assert_int_equal(store_banner_set(b->store, SLICE("a\0"), NULL),
			 CAH_EINVALID);
	OK(store_banner_set(b->store, SLICE(""), NULL));
	OK(store_banner_get(b->store, text, NULL));
	assert_string_equal(text, "");
}

/* ---- bad times ---- */

static void store__goes_on_after_a_full_disk(void **state)
{
	struct book *b = *state;
	struct worker w = book_worker(b, WORKER_HYBRID, "ann");
	struct rlimit old, none = {1, RLIM_INFINITY};
	getrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_IGN);
	none.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	int64_t number;
	int taken = book_take(b, &w, &number);
	bool is_added;
	int begun = store_import_begin(b->store, NULL);
	int added = store_import_add(b->store, SLICE("n"), &is_added, NULL);
	int ended = store_import_end(b->store, NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(taken, CAH_EUNAVAILABLE);
	assert_int_equal(begun, CAH_OK);
	assert_true(added == CAH_EUNAVAILABLE || ended == CAH_EUNAVAILABLE);
	book_states(b, 10, 0, 0, 0, 0);
	book_take_job(b, &w, 1);
	book_reopen(b);
	book_states(b, 9, 1, 0, 0, 0);
}

static void store__goes_on_after_a_lock(void **state)
{
	struct book *b = *state;
	struct worker w = book_worker(b, WORKER_HYBRID, "ann");
	sqlite3 *db;
	struct cah_error err = {0};
	sqlite_of(b->store)->is_impatient = true;
	assert_int_equal(sqlite3_open(book_path_of(b), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(
		store_worker_bye(b->store, slice_of(w.token), w.type, &err),
		CAH_EUNAVAILABLE);
	assert_non_null(strstr(err.text, "another process"));
	book_states(b, 10, 0, 0, 0, 0); /* who only reads does not wait */
	assert_true(sqlite_of(b->store)->is_impatient);
	sqlite3_close(db);
	book_take_job(b, &w, 1);
	assert_false(sqlite_of(b->store)->is_impatient);
}

static void store__says_when_its_file_is_gone(void **state)
{
	struct book *b = *state;
	struct worker w = book_worker(b, WORKER_HYBRID, "ann");
	char other[128];
	int64_t number;
	(void)snprintf(other, sizeof(other), "%s/other.db", b->dir);
	assert_int_equal(rename(book_path_of(b), other), 0);
	assert_int_equal(book_take(b, &w, &number), CAH_EUNAVAILABLE);
	assert_int_equal(rename(other, book_path_of(b)), 0);
	book_take_job(b, &w, 1);
}

struct crew {
	struct book *book;
	int seen[2 * WATS + 1];
	pthread_mutex_t lock;
};

static void *work(void *arg)
{
	struct crew *crew = arg;
	struct worker w;
	if (store_worker_new(crew->book->store, &w, SLICE("t"), WORKER_HYBRID,
			     1, 1, NULL) != CAH_OK)
		return NULL;
	struct job job;
	while (store_job_take(crew->book->store, &job, slice_of(w.token),
			      w.type, 1, 1, NULL) == CAH_OK) {
		pthread_mutex_lock(&crew->lock);
		crew->seen[job.number]++;
		pthread_mutex_unlock(&crew->lock);
		if (store_job_finish(crew->book->store, slice_of(w.token),
				     w.type, 2, SLICE(""), 1, 1,
				     NULL) != CAH_OK)
			break;
	}
	return NULL;
}

static void store__serves_many_threads(void **state)
{
	struct book *b = *state;
	struct crew crew = {.book = b};
	pthread_t threads[4];
	pthread_mutex_init(&crew.lock, NULL);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, &crew),
				 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	pthread_mutex_destroy(&crew.lock);
	for (int i = 1; i <= 2 * WATS; i++)
		assert_int_equal(crew.seen[i], 1);
	book_states(b, 0, 0, 0, 0, 10);
	assert_string_equal(book_board(b, false), "t 10 20");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(store__refuses_what_is_no_uri),
		TEST_SQLITE(store__refuses_a_newer_schema),
		TEST_SQLITE(store__brings_over_a_book_of_version_1),
		TEST_SQLITE(store__refuses_and_leaves_files_of_others),
		TEST_SQLITE(store__refuses_a_damaged_book),
		TEST_SQLITE(store__opens_existing_ones_only_when_told_so),
		TEST_SQLITE(store__waits_for_the_disk_at_each_commit),
		TEST_SQLITE(store__looks_for_nothing_row_by_row),
		TEST_SQLITE(store__needs_a_folder_it_may_write_in),
		TEST_SQLITE(store__has_one_tracker_and_other_users),
		TEST_SQLITE(store__is_free_after_its_tracker_was_killed),
		TEST(worker__has_a_name_and_a_token_of_its_own),
		cmocka_unit_test(worker__proposals_grow_until_one_is_free),
		TEST(worker__needs_a_nickname_of_text),
		TEST(worker__progress_is_cut_to_255_characters),
		TEST(sweep__takes_out_who_is_silent),
		TEST(renew__lets_workers_go_on_after_a_restart),
		TEST(workers__are_listed_newest_sign_of_life_first),
		TEST(counts__know_the_last_hour),
		TEST(leaders__are_in_order),
		TEST(banner__is_kept_as_it_is),
		TEST_SQLITE(store__goes_on_after_a_full_disk),
		TEST_SQLITE(store__goes_on_after_a_lock),
		TEST_SQLITE(store__says_when_its_file_is_gone),
		TEST(store__serves_many_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
