/* Calls that share a transaction. */
#include "base/fail.h"
#include "store/store_priv.h"

#include "book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	MANY = 9000, /* workers: more than a group keeps in memory at once */
};

static void in_group(struct book *b, store_group_fn run)
{
	OK(store_group(b->store, true, run, b, NULL));
}

static int bye(struct book *b, const struct worker *w)
{
	return store_worker_bye(b->store, slice_of(w->token), w->type, NULL);
}

/* ---- refusals ---- */

static void run_refusals(void *arg)
{
	struct book *b = arg;
	struct worker ann = book_worker(b, WORKER_HYBRID, "ann");
	struct worker cleo = book_worker(b, WORKER_CPU, "cleo");
	struct worker nobody = {.token =
					"b2c3d4e5-0000-4000-8000-000000000000"};
	const int64_t numbers[] = {3, 3}, some[] = {4, 99};
	const struct slice urls[] = {SLICE("https://t/1"),
				     SLICE("https://t/2")};
	const struct store_results results = {numbers, urls, 2};
	int64_t number;

	assert_int_equal(book_finish(b, &ann, 5, ""), CAH_ENOJOB);
	assert_int_equal(book_take(b, &nobody, &number), CAH_ETIMEDOUT);
	book_take_job(b, &ann, 1);
	assert_int_equal(store_jobs_to_gpu(b->store, slice_of(cleo.token),
					   SLICE("cleo"), &results, 100, 1000,
					   NULL),
			 CAH_EINVALID);
	assert_int_equal(store_jobs_close(b->store, some, 2, 7, SLICE("org"),
					  1000, NULL),
			 CAH_ENOTFOUND);
	assert_int_equal(store_job_reset(b->store, 99, NULL), CAH_ENOTFOUND);
	book_take_job(b, &cleo, 2);
	OK(book_finish(b, &ann, 5, ""));
	assert_int_equal(book_finish(b, &ann, 5, ""), CAH_ENOJOB);
}

static void group__goes_on_after_a_refusal(void **state)
{
	struct book *b = *state;
	in_group(b, run_refusals);
	book_states(b, 8, 1, 0, 0, 1);
	assert_string_equal(book_board(b, false), "ann 1 5");
	assert_string_equal(book_board(b, true), "");
	book_reopen(b);
	book_states(b, 8, 1, 0, 0, 1);
	assert_string_equal(book_job(b, 1).done_by, "ann");
}

/* What strangers send must not be held against the calls beside it. */
static void run_beside_no_texts(void *arg)
{
	const struct slice not_texts[] = {
		SLICE("a1b2c3d4-0000-4000-8000-\0\"},{\""
		      "000000"),
		SLICE("a1b2c3d4-0000-4000-8000-00000000000\xff"),
	};
	struct book *b = arg;
	struct worker w;
	struct job jobs[2];
	bool is_done = true;
	int count;
	for (size_t i = 0; i < 2; i++) {
		struct slice it = not_texts[i];
		assert_int_equal(it.len, STORE_TOKEN_LEN);
		store_want_worker(b->store, it);
	}
	for (size_t i = 0; i < 2; i++) {
		struct slice it = not_texts[i];
		assert_int_equal(store_worker_find(b->store, &w, it,
						   WORKER_HYBRID, NULL),
				 CAH_ENOTFOUND);
		assert_int_equal(
			store_worker_bye(b->store, it, WORKER_HYBRID, NULL),
			CAH_ETIMEDOUT);
		OK(store_jobs_of(b->store, jobs, &count, it, NULL));
		assert_int_equal(count, 0);
		OK(store_completed(b->store, &it, 1, &is_done, NULL));
		assert_false(is_done);
	}
	/* It begins like one that there is. */
	OK(store_jobs_of(b->store, jobs, &count, SLICE("https://x/0.wat.gz\0"),
			 NULL));
	assert_int_equal(count, 0);
	book_worker(b, WORKER_HYBRID, "ann");
}

static void group__does_not_fall_over_what_is_no_text(void **state)
{
	struct book *b = *state;
	in_group(b, run_beside_no_texts);
	assert_int_equal(book_counts(b).workers[WORKER_HYBRID], 1);
}

/* ---- what a call sees of those before it ---- */

static void run_in_turn(void *arg)
{
	struct book *b = arg;
	struct worker ann = book_worker(b, WORKER_HYBRID, "ann");
	struct worker ben = book_worker(b, WORKER_HYBRID, "ben");
	struct worker gus = book_worker(b, WORKER_GPU, "gus");
	struct worker cleo = book_worker(b, WORKER_CPU, "cleo");
	struct worker got[4];
	size_t count;
	int64_t total, number;

	book_take_job(b, &ann, 1);
	book_take_job(b, &ben, 2);
	book_take_job(b, &ann, 3); /* gives 1 back, wants one behind it */
	OK(bye(b, &ben));
	book_take_job(b, &cleo, 1);
	assert_int_equal(book_take(b, &ben, &number), CAH_ETIMEDOUT);
	assert_int_equal(book_take(b, &gus, &number), CAH_ENOJOB);
	OK(book_finish(b, &cleo, 0, "https://t/1"));
	book_take_job(b, &gus, 1);
	assert_string_equal(book_job(b, 1).gpu_url, "https://t/1");
	assert_string_equal(book_job(b, 1).holder, gus.display_name);
	book_states(b, 8, 1, 0, 1, 0);
	OK(book_finish(b, &gus, 50, ""));
	assert_string_equal(book_board(b, false), "gus 1 50");
	assert_string_equal(book_board(b, true), "cleo 1 0");
	assert_int_equal(book_counts(b).finished_last_hour, 1);
	OK(store_workers(b->store, got, 4, 0, -1, &count, &total, NULL));
	assert_int_equal(count, 3);
	assert_int_equal(total, 3);
	OK(store_job_reset(b->store, 1, NULL));
	assert_string_equal(book_board(b, false), "");
	assert_int_equal(book_counts(b).finished_last_hour, 0);
	book_take_job(b, &cleo, 1);
	OK(store_job_count(b->store, &number, WORKER_CPU, NULL));
	assert_int_equal(number, 8);
}

static void group__sees_what_its_calls_did(void **state)
{
	struct book *b = *state;
	in_group(b, run_in_turn);
	book_states(b, 8, 2, 0, 0, 0);
	assert_string_equal(book_job(b, 1).gpu_url, "");
}

static void run_round(void *arg)
{
	struct book *b = arg;
	struct worker w[2 * WATS + 1];
	int64_t number;
	for (int i = 0; i <= 2 * WATS; i++) {
		w[i] = book_worker(b, WORKER_HYBRID, "ann");
		store_want_worker(b->store, slice_of(w[i].token));
		store_want_job(b->store, WORKER_HYBRID);
	}
	for (int i = 0; i < 2 * WATS; i++)
		book_take_job(b, &w[i], i + 1);
	assert_int_equal(book_take(b, &w[2 * WATS], &number), CAH_ENOJOB);
	OK(bye(b, &w[6]));
	OK(bye(b, &w[2]));
	book_take_job(b, &w[4], 7); /* held 5, and 3 and 7 are open */
	book_take_job(b, &w[8], 3); /* held 9, nothing is behind it */
	book_take_job(b, &w[8], 5);
	book_take_job(b, &w[8], 9);
	book_take_job(b, &w[8], 3);
	OK(store_job_reset(b->store, 4, NULL));
	book_take_job(b, &w[2 * WATS], 4);
}

static void group__picks_jobs_by_number(void **state)
{
	struct book *b = *state;
	in_group(b, run_round);
	book_states(b, 2, 8, 0, 0, 0);
}

/* ---- trouble ---- */

static struct backend faulty;
static const struct backend *sound;
static enum stmt fault;

static int start_or_fail(struct store *store, enum stmt stmt,
			 const struct arg *args, size_t count,
			 struct cah_error *err)
{
	if (stmt == fault)
		return cah_fail(err, CAH_EUNAVAILABLE, "the disk is on fire");
	return sound->start(store, stmt, args, count, err);
}

static void run_into_trouble(void *arg)
{
	struct book *b = arg;
	struct worker ann = book_worker(b, WORKER_HYBRID, "ann");
	int64_t number;
	book_take_job(b, &ann, 1);
	fault = STMT_LEADER_FIND;
	assert_int_equal(book_finish(b, &ann, 5, ""), CAH_EUNAVAILABLE);
	fault = STMT_COUNT;
	/* Its own call could be done, but not those before it. */
	assert_int_equal(book_take(b, &ann, &number), CAH_EUNAVAILABLE);
	struct store_counts counts;
	assert_int_equal(store_get_counts(b->store, &counts, 1000, NULL),
			 CAH_EUNAVAILABLE);
}

static void group__is_spoilt_by_the_database(void **state)
{
	struct book *b = *state;
	struct cah_error err = {0};
	struct worker ben = book_worker(b, WORKER_HYBRID, "ben");
	sound = b->store->backend;
	faulty = *sound;
	faulty.start = start_or_fail;
	fault = STMT_COUNT;
	b->store->backend = &faulty;
	assert_int_equal(store_group(b->store, true, run_into_trouble, b, &err),
			 CAH_EUNAVAILABLE);
	assert_non_null(strstr(err.text, "half way"));
	book_states(b, 10, 0, 0, 0, 0);
	assert_int_equal(book_counts(b).workers[WORKER_HYBRID], 1);
	book_take_job(b, &ben, 1);
	OK(book_finish(b, &ben, 5, ""));
	assert_string_equal(book_board(b, false), "ben 1 5");
	b->store->backend = sound;
}

static int fail_commit(struct store *store, bool waits, struct cah_error *err)
{
	(void)waits;
	sound->rollback(store);
	return cah_fail(err, CAH_EUNAVAILABLE, "the disk is full");
}

static void run_finish(void *arg)
{
	struct book *b = arg;
	struct worker ann = book_worker(b, WORKER_HYBRID, "ann");
	int64_t number;
	OK(book_take(b, &ann, &number));
	OK(book_finish(b, &ann, 5, ""));
}

/* What was made in the lost group must not be taken for known. */
static void group__that_cannot_be_committed_never_was(void **state)
{
	struct book *b = *state;
	sound = b->store->backend;
	faulty = *sound;
	faulty.commit = fail_commit;
	b->store->backend = &faulty;
	assert_int_equal(store_group(b->store, true, run_finish, b, NULL),
			 CAH_EUNAVAILABLE);
	b->store->backend = sound;
	book_states(b, 10, 0, 0, 0, 0);
	in_group(b, run_finish);
	in_group(b, run_finish);
	assert_string_equal(book_board(b, false), "ann 2 10");
}

/* ---- size ---- */

static void run_many(void *arg)
{
	struct book *b = arg;
	struct worker first = {.job_number = 0};
	for (int i = 0; i < MANY; i++) {
		struct worker w = book_worker(b, WORKER_HYBRID, "ann");
		if (i > 0)
			continue;
		first = w;
		book_take_job(b, &w, 1);
	}
	OK(book_finish(b, &first, 5, ""));
	book_take_job(b, &first, 2);
}

static void run_sweep(void *arg)
{
	struct book *b = arg;
	int64_t count;
	OK(store_sweep(b->store, 1000, 10, &count, NULL));
	assert_int_equal(count, MANY);
	/* However many there are, they are not all kept. */
	assert_true(map_has_room(&b->store->map));
}

static void group__may_be_large(void **state)
{
	struct book *b = *state;
	in_group(b, run_many);
	assert_int_equal(book_counts(b).workers[WORKER_HYBRID], MANY);
	assert_string_equal(book_board(b, false), "ann 1 5");
	book_states(b, 8, 1, 0, 0, 1);
	in_group(b, run_sweep);
	book_states(b, 9, 0, 0, 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(group__goes_on_after_a_refusal),
		TEST(group__does_not_fall_over_what_is_no_text),
		TEST(group__sees_what_its_calls_did),
		TEST(group__picks_jobs_by_number),
		TEST(group__is_spoilt_by_the_database),
		TEST(group__that_cannot_be_committed_never_was),
		TEST(group__may_be_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
