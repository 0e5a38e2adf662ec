/* A second opinion on finished jobs. */
#include "book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdio.h>

static void verify(struct book *b, double share)
{
	const struct store_verify v = {share, 0.1, 5};
	store_set_verify(b->store, &v);
}

/* The job counts: open, leased, done, check_open, check_leased. */
static void states(struct book *b, int open, int leased, int done, int waits,
		   int checked)
{
	struct store_counts c = book_counts(b);
	assert_int_equal(c.jobs[JOB_OPEN], open);
	assert_int_equal(c.jobs[JOB_LEASED], leased);
	assert_int_equal(c.jobs[JOB_DONE], done);
	assert_int_equal(c.jobs[JOB_CHECK_OPEN], waits);
	assert_int_equal(c.jobs[JOB_CHECK_LEASED], checked);
}

static void books(struct book *b, const struct worker *w, int checked,
		  int disagreed)
{
	struct worker got;
	OK(store_worker_find(b->store, &got, slice_of(w->display_name), w->type,
			     NULL));
	assert_int_equal(got.checked, checked);
	assert_int_equal(got.disagreed, disagreed);
}

/* Job 1 waits for a check of 100 pairs that ann counted. */
static struct worker begin(struct book *b)
{
	verify(b, 1);
	struct worker ann = book_worker(b, WORKER_HYBRID, "ann");
	book_take_job(b, &ann, 1);
	OK(book_finish(b, &ann, 100, ""));
	states(b, 9, 0, 0, 1, 0);
	return ann;
}

static void check__that_agrees_closes_the_job(void **state)
{
	struct book *b = *state;
	struct worker ann = begin(b);
	struct worker ben = book_worker(b, WORKER_HYBRID, "ben");
	bool done;
	assert_string_equal(book_board(b, false), "ann 1 100");
	assert_int_equal(book_counts(b).finished_last_hour, 0);
	OK(store_completed(b->store, &SLICE("https://x/0.wat.gz"), 1, &done,
			   NULL));
	assert_false(done);
	book_take_job(b, &ben, 1);
	states(b, 9, 0, 0, 0, 1);
	assert_string_equal(book_job(b, 1).holder, ben.display_name);
	OK(book_finish(b, &ben, 90, ""));
	states(b, 9, 0, 1, 0, 0);
	assert_string_equal(book_board(b, false), "ann 1 100");
	assert_string_equal(book_job(b, 1).done_by, "ann");
	assert_int_equal(book_counts(b).finished_last_hour, 1);
	assert_int_equal(book_counts(b).pairs, 100);
	books(b, &ann, 1, 0);
	books(b, &ben, 1, 0);
}

static void check__that_disagrees_opens_the_job(void **state)
{
	struct book *b = *state;
	struct worker ann = begin(b);
	struct worker ben = book_worker(b, WORKER_HYBRID, "ben");
	book_take_job(b, &ben, 1);
	OK(book_finish(b, &ben, 89, ""));
	states(b, 10, 0, 0, 0, 0);
	assert_string_equal(book_board(b, false), "");
	assert_int_equal(book_counts(b).pairs, 0);
	assert_string_equal(book_job(b, 1).done_by, "");
	books(b, &ann, 1, 1);
	books(b, &ben, 1, 1);
}

/* What is small may differ by more. */
static void check__has_two_tolerances(void **state)
{
	static const struct {
		int first, second;
		bool agrees;
	} cases[] = {{0, 5, true},        {5, 0, true},
		     {0, 6, false},       {1000, 1111, true},
		     {1000, 1112, false}, {2147483647, 0, false}};
	struct book *b = *state;
	verify(b, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct worker ann = book_worker(b, WORKER_HYBRID, "ann");
		struct worker ben = book_worker(b, WORKER_HYBRID, "ben");
		int64_t number, again;
		OK(book_take(b, &ann, &number));
		OK(book_finish(b, &ann, cases[i].first, ""));
		OK(book_take(b, &ben, &again));
		assert_int_equal(again, number);
		OK(book_finish(b, &ben, cases[i].second, ""));
		assert_int_equal(book_job(b, number).state,
				 cases[i].agrees ? JOB_DONE : JOB_OPEN);
	}
}

static void check__is_for_hybrid_workers_of_another_nickname(void **state)
{
	struct book *b = *state;
	struct worker ann = begin(b);
	struct worker again = book_worker(b, WORKER_HYBRID, "ann");
	struct worker cleo = book_worker(b, WORKER_CPU, "cleo");
	struct worker gus = book_worker(b, WORKER_GPU, "gus");
	struct worker ben = book_worker(b, WORKER_HYBRID, "ben");
	int64_t number;
	book_take_job(b, &ann, 2);
	book_take_job(b, &again, 3);
	book_take_job(b, &cleo, 4);
	assert_int_equal(book_take(b, &gus, &number), CAH_ENOJOB);
	OK(store_job_count(b->store, &number, WORKER_HYBRID, NULL));
	assert_int_equal(number, 7);
	OK(store_job_count(b->store, &number, WORKER_CPU, NULL));
	assert_int_equal(number, 6);
	book_take_job(b, &ben, 1);
}

static void check__can_be_all_that_is_left(void **state)
{
	struct book *b = *state;
	struct worker ann = begin(b);
	struct worker ben = book_worker(b, WORKER_HYBRID, "ben");
	const int64_t others[] = {3, 4, 5, 6, 7, 8, 9, 10};
	int64_t number;
	OK(store_jobs_close(b->store, others, 8, 0, SLICE("org"), 1000, NULL));
	book_take_job(b, &ben, 1);
	/* Whoever gives it back gets another. */
	book_take_job(b, &ben, 2);
	book_take_job(b, &ben, 1);
	OK(book_finish(b, &ben, 100, ""));
	book_take_job(b, &ann, 2);
	assert_int_equal(book_take(b, &ben, &number), CAH_ENOJOB);
	OK(book_finish(b, &ann, 100, ""));
	assert_int_equal(book_take(b, &ann, &number), CAH_ENOJOB);
	book_take_job(b, &ben, 2);
	book_take_job(b, &ben, 2);
}

static void check__waits_again_when_it_is_given_up(void **state)
{
	struct book *b = *state;
	(void)begin(b);
	int64_t count;
	struct worker ben = book_worker(b, WORKER_HYBRID, "ben");
	book_take_job(b, &ben, 1);
	OK(store_worker_bye(b->store, slice_of(ben.token), ben.type, NULL));
	states(b, 9, 0, 0, 1, 0);
	struct worker dan = book_worker(b, WORKER_HYBRID, "dan");
	book_take_job(b, &dan, 1);
	OK(store_sweep(b->store, 1000, 10, &count, NULL));
	assert_int_equal(count, 2);
	states(b, 9, 0, 0, 1, 0);
	assert_string_equal(book_board(b, false), "ann 1 100");
}

static void check__ends_when_checking_is_turned_off(void **state)
{
	struct book *b = *state;
	struct worker ann = begin(b);
	struct worker ben = book_worker(b, WORKER_HYBRID, "ben");
	int64_t count;
	book_take_job(b, &ben, 1);
	OK(book_finish(b, &ben, 100, ""));
	book_take_job(b, &ann, 2);
	OK(book_finish(b, &ann, 70, ""));
	book_take_job(b, &ann, 3);
	OK(book_finish(b, &ann, 70, ""));
	book_take_job(b, &ben, 2);
	OK(store_sweep(b->store, 100, 10, &count, NULL));
	states(b, 7, 0, 1, 1, 1);
	verify(b, 0);
	OK(store_sweep(b->store, 100, 10, &count, NULL));
	states(b, 7, 0, 2, 0, 1);
	/* One that is out may come to its end. */
	OK(book_finish(b, &ben, 70, ""));
	states(b, 7, 0, 3, 0, 0);
	assert_string_equal(book_board(b, false), "ann 3 240");
}

static void check__obeys_the_organiser(void **state)
{
	struct book *b = *state;
	(void)begin(b);
	struct worker ben = book_worker(b, WORKER_HYBRID, "ben");
	const int64_t numbers[] = {1, 2, 3};
	int64_t number;
	book_take_job(b, &ben, 1);
	/* Its count stands; the first of the others takes the given one. */
	OK(store_jobs_close(b->store, numbers, 3, 7, SLICE("org"), 1000, NULL));
	states(b, 7, 0, 3, 0, 0);
	assert_string_equal(book_board(b, false), "ann 1 100, org 2 7");
	assert_int_equal(book_finish(b, &ben, 1, ""), CAH_ENOJOB);
	OK(store_job_reset(b->store, 1, NULL));

	struct worker ann = book_worker(b, WORKER_HYBRID, "ann");
	book_take_job(b, &ann, 1);
	OK(book_finish(b, &ann, 100, ""));
	book_take_job(b, &ben, 1);
	OK(store_job_reset(b->store, 1, NULL));
	states(b, 8, 0, 2, 0, 0);
	assert_string_equal(book_board(b, false), "org 2 7");
	OK(book_take(b, &ben, &number));
	assert_int_equal(number, 1);
}

static void check__is_of_gpu_jobs_too(void **state)
{
	struct book *b = *state;
	verify(b, 1);
	struct worker cleo = book_worker(b, WORKER_CPU, "cleo");
	struct worker gus = book_worker(b, WORKER_GPU, "gus");
	struct worker ben = book_worker(b, WORKER_HYBRID, "ben");
	book_take_job(b, &cleo, 1);
	OK(book_finish(b, &cleo, 0, "https://t/1"));
	book_take_job(b, &gus, 1);
	OK(book_finish(b, &gus, 100, ""));
	states(b, 9, 0, 0, 1, 0);
	book_take_job(b, &ben, 1);
	OK(book_finish(b, &ben, 1, ""));
	states(b, 10, 0, 0, 0, 0);
	assert_string_equal(book_board(b, true), "");
	assert_string_equal(book_job(b, 1).gpu_url, "");
}

enum {
	MANY = 2000, /* jobs */
};

static void finish_many(void *arg)
{
	struct book *b = arg;
	struct worker ann = book_worker(b, WORKER_HYBRID, "ann");
	for (int i = 0; i < MANY; i++) {
		int64_t number;
		OK(book_take(b, &ann, &number));
		OK(book_finish(b, &ann, 100, ""));
	}
}

static void check__draws_a_share_of_the_jobs(void **state)
{
	struct book *b = *state;
	book_add_wats(b->store, MANY / 2);
	verify(b, 0.25);
	OK(store_group(b->store, true, finish_many, b, NULL));
	/* Six standard deviations of 19.4 */
	assert_in_range(book_counts(b).jobs[JOB_CHECK_OPEN], 500 - 117,
			500 + 117);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(check__that_agrees_closes_the_job),
		TEST(check__that_disagrees_opens_the_job),
		TEST(check__has_two_tolerances),
		TEST(check__is_for_hybrid_workers_of_another_nickname),
		TEST(check__can_be_all_that_is_left),
		TEST(check__waits_again_when_it_is_given_up),
		TEST(check__ends_when_checking_is_turned_off),
		TEST(check__obeys_the_organiser),
		TEST(check__is_of_gpu_jobs_too),
		TEST(check__draws_a_share_of_the_jobs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
