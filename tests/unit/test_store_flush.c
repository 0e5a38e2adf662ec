/* When the log of a tracker's book is synced: fdatasync is the test's. */
#include "book.h"
#include "store/sqlite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>

int __wrap_fdatasync(int fd);
int __real_fdatasync(int fd);

static int syncs;
static int broken; /* so many more fail */

int __wrap_fdatasync(int fd)
{
	syncs++;
	if (broken > 0) {
		broken--;
		errno = EIO;
		return -1;
	}
	return __real_fdatasync(fd);
}

static int setup(void **state)
{
	int rc = book_setup_sqlite(state);
	syncs = broken = 0;
	return rc;
}

static void run_new(void *arg)
{
	(void)book_worker(arg, WORKER_HYBRID, "ann");
}

static void run_look(void *arg)
{
	(void)book_counts(arg);
}

static void start(struct book *b, bool is_write, store_group_fn run)
{
	struct cah_error err = {0};
	if (store_group_start(b->store, is_write, run, b, &err) != CAH_OK)
		fail_msg("%s", err.text);
}

static void flush__comes_once_for_all_groups_before_it(void **state)
{
	struct book *b = *state;
	OK(store_claim(b->store, NULL));
	start(b, true, run_new);
	start(b, true, run_new);
	start(b, false, run_look);
	assert_int_equal(syncs, 0);
	OK(store_flush(b->store, NULL));
	assert_int_equal(syncs, 1);
	/* Nothing has changed since. */
	start(b, false, run_look);
	OK(store_flush(b->store, NULL));
	assert_int_equal(syncs, 1);
	assert_int_equal(book_counts(b).workers[WORKER_HYBRID], 2);
}

static void flush__is_a_part_of_calls_and_groups_that_wait(void **state)
{
	struct book *b = *state;
	OK(store_claim(b->store, NULL));
	struct worker ann = book_worker(b, WORKER_HYBRID, "ann");
	assert_int_equal(syncs, 1);
	book_take_job(b, &ann, 1);
	assert_int_equal(syncs, 2);
	OK(store_group(b->store, true, run_new, b, NULL));
	assert_int_equal(syncs, 3);
	/* Whoever reads must not tell what may still be lost. */
	start(b, true, run_new);
	assert_int_equal(syncs, 3);
	(void)book_counts(b);
	assert_int_equal(syncs, 4);
}

/* Nobody but the tracker syncs by hand. */
static void flush__is_left_to_sqlite_without_a_claim(void **state)
{
	struct book *b = *state;
	(void)book_worker(b, WORKER_HYBRID, "ann");
	start(b, true, run_new);
	OK(store_flush(b->store, NULL));
	assert_int_equal(syncs, 0);
	sqlite3_stmt *stmt;
	assert_int_equal(sqlite3_prepare_v2(sqlite_of(b->store)->db,
					    "PRAGMA synchronous", -1, &stmt,
					    NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(stmt, 0), 2); /* FULL */
	sqlite3_finalize(stmt);
}

/* The kernel says once that it lost something. */
static void flush__that_failed_is_made_up_for_by_a_checkpoint(void **state)
{
	struct book *b = *state;
	struct cah_error err = {0};
	OK(store_claim(b->store, NULL));
	start(b, true, run_new);
	broken = 1;
	assert_int_equal(store_flush(b->store, &err), CAH_EUNAVAILABLE);
	assert_non_null(strstr(err.text, "-wal"));
	assert_int_equal(store_flush(b->store, &err), CAH_EUNAVAILABLE);
	/* The next transaction begins with one. */
	start(b, true, run_new);
	OK(store_flush(b->store, NULL));
	assert_int_equal(book_counts(b).workers[WORKER_HYBRID], 2);
	int in_log = 0, copied = 0;
	assert_int_equal(sqlite3_wal_checkpoint_v2(
				 sqlite_of(b->store)->db, "main",
				 SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied),
			 SQLITE_OK);
	assert_int_equal(in_log, copied);
}

int main(void)
{
#define FLUSH(name) cmocka_unit_test_setup_teardown(name, setup, book_teardown)
	const struct CMUnitTest tests[] = {
		FLUSH(flush__comes_once_for_all_groups_before_it),
		FLUSH(flush__is_a_part_of_calls_and_groups_that_wait),
		FLUSH(flush__is_left_to_sqlite_without_a_claim),
		FLUSH(flush__that_failed_is_made_up_for_by_a_checkpoint),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
