#include "book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	MANY = 12000, /* WATs: some MiB, so some steps */
	WRITES = 10,  /* transactions between two steps */
};

/* An empty file in the test's folder; until the next call. */
static const char *make_target(const struct book *b)
{
	static char path[128];
	(void)snprintf(path, sizeof(path), "%s/copy.db", b->dir);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
	assert_true(fd >= 0);
	close(fd);
	return path;
}

static void drop_target(const char *path)
{
	char name[160];
	assert_int_equal(unlink(path), 0);
	(void)snprintf(name, sizeof(name), "%s-wal", path);
	(void)unlink(name);
	(void)snprintf(name, sizeof(name), "%s-shm", path);
	(void)unlink(name);
}

static void assert_is_whole(const char *path, int wats)
{
	assert_int_equal(book_ask_sql(path, "SELECT count(*) FROM "
					    "pragma_integrity_check "
					    "WHERE integrity_check = 'ok'"),
			 1);
	assert_int_equal(book_ask_sql(path, "SELECT count(*) FROM jobs"),
			 2 * wats);
	assert_int_equal(book_ask_sql(path, "SELECT open + leased FROM counts"),
			 2 * wats);
}

static void backup__is_a_book_like_any_other(void **state)
{
	struct book *b = *state;
	struct worker w = book_worker(b, WORKER_HYBRID, "Ann");
	book_take_job(b, &w, 1);
	const char *path = make_target(b);
	OK(store_backup(b->store, path, NULL, NULL, NULL));
	assert_is_whole(path, WATS);

	char uri[160];
	(void)snprintf(uri, sizeof(uri), "sqlite:%s", path);
	struct store *copy;
	OK(store_open_existing(&copy, uri, NULL));
	/* The worker of the old book goes on with its job in the new one. */
	OK(store_job_finish(copy, slice_of(w.token), WORKER_HYBRID, 7,
			    SLICE(""), 100, 1000, NULL));
	store_close(copy);
	drop_target(path);
}

struct other {
	struct store *store; /* another connection to the book */
	int steps;
	int64_t done;
	int64_t total;
	int stop_at; /* 0: never */
};

/* A writer between two steps, every time. */
static int write_on(void *arg, int64_t done, int64_t total)
{
	struct other *other = arg;
	other->steps++;
	assert_true(done > other->done && done <= total);
	other->done = done;
	other->total = total;
	for (int i = 0; i < WRITES; i++) {
		char url[64];
		bool is_added;
		(void)snprintf(url, sizeof(url), "https://y/%d.%d",
			       other->steps, i);
		OK(store_import_begin(other->store, NULL));
		OK(store_import_add(other->store, slice_of(url), &is_added,
				    NULL));
		OK(store_import_end(other->store, NULL));
	}
	return other->steps == other->stop_at;
}

static void backup__is_of_one_moment_while_others_write(void **state)
{
	struct book *b = *state;
	assert_int_equal(book_add_wats(b->store, MANY), MANY - WATS);
	struct other other = {0};
	OK(store_open(&other.store, b->uri, NULL));
	const char *path = make_target(b);
	OK(store_backup(b->store, path, write_on, &other, NULL));
	store_close(other.store);
	assert_true(other.steps > 1);
	assert_int_equal(other.done, other.total);
	assert_is_whole(path, MANY);
	struct store_counts counts = book_counts(b);
	assert_int_equal(counts.jobs[JOB_OPEN],
			 2 * (MANY + WRITES * other.steps));
	drop_target(path);
}

static void backup__stops_when_it_is_told_to(void **state)
{
	struct book *b = *state;
	struct other other = {.stop_at = 1};
	assert_int_equal(book_add_wats(b->store, MANY), MANY - WATS);
	OK(store_open(&other.store, b->uri, NULL));
	const char *path = make_target(b);
	assert_int_equal(store_backup(b->store, path, write_on, &other, NULL),
			 CAH_ECANCELLED);
	store_close(other.store);
	drop_target(path);
	/* Nothing of it is left in the way of the book. */
	assert_int_equal(book_add_wats(b->store, MANY + 1), 1);
}

static void backup__that_cannot_be_written_says_so(void **state)
{
	struct book *b = *state;
	struct cah_error err = {0};
	assert_int_equal(
		store_backup(b->store, "/nowhere/at/all", NULL, NULL, &err),
		CAH_EIO);
	assert_non_null(strstr(err.text, "/nowhere/at/all"));
	assert_int_equal(store_backup(b->store, "/dev/full", NULL, NULL, &err),
			 CAH_EIO);
	struct worker w = book_worker(b, WORKER_HYBRID, "Ann");
	book_take_job(b, &w, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(backup__is_a_book_like_any_other),
		TEST(backup__is_of_one_moment_while_others_write),
		TEST(backup__stops_when_it_is_told_to),
		TEST(backup__that_cannot_be_written_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
