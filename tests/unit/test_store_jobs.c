#include "book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- jobs ---- */

static void import__numbers_the_halves_of_each_wat(void **state)
{
	struct book *b = *state;
	assert_int_equal(book_add_wats(b->store, WATS), 0);
	for (int k = 0; k < WATS; k++) {
		char url[64];
		(void)snprintf(url, sizeof(url), "https://x/%d.wat.gz", k);
		struct job of[2];
		int count;
		OK(store_jobs_of(b->store, of, &count, slice_of(url), NULL));
		assert_int_equal(count, 2);
		for (int piece = 0; piece < 2; piece++) {
			assert_int_equal(of[piece].number, 2 * k + 1 + piece);
			assert_int_equal(of[piece].piece, piece);
			assert_int_equal(of[piece].start_id, 1000000 * k);
			assert_int_equal(of[piece].end_id, 1000000 * (k + 1));
			assert_string_equal(of[piece].url, url);
		}
	}
	int count;
	struct job of[2];
	OK(store_jobs_of(b->store, of, &count, SLICE("https://y/"), NULL));
	assert_int_equal(count, 0);
	struct job job;
	assert_int_equal(store_job_get(b->store, &job, 0, NULL), CAH_ENOTFOUND);
	assert_int_equal(store_job_get(b->store, &job, 11, NULL),
			 CAH_ENOTFOUND);
}

static void import__takes_all_back_when_aborted(void **state)
{
	struct book *b = *state;
	char longest[STORE_URL_MAX + 2];
	memset(longest, 'x', sizeof(longest));
	bool is_added;
	OK(store_import_begin(b->store, NULL));
	OK(store_import_add(b->store, SLICE("new"), &is_added, NULL));
	assert_true(is_added);
	OK(store_import_add(b->store, (struct slice){longest, STORE_URL_MAX},
			    &is_added, NULL));
	static const struct slice bad[] = {
		{"", 0}, {"a\0b", 3}, {"a\nb", 3}, {"\xff\xfe", 2}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
			store_import_add(b->store, bad[i], &is_added, NULL),
			CAH_EINVALID);
	assert_int_equal(
		store_import_add(b->store,
				 (struct slice){longest, STORE_URL_MAX + 1},
				 &is_added, NULL),
		CAH_EINVALID);
	store_import_abort(b->store);
	book_states(b, 2 * WATS, 0, 0, 0, 0);
	OK(store_import_begin(b->store, NULL));
	OK(store_import_add(b->store, SLICE("new"), &is_added, NULL));
	assert_true(is_added);
	OK(store_import_end(b->store, NULL));
	assert_string_equal(book_job(b, 11).url, "new");
}

static void import__of_many_keeps_their_order(void **state)
{
	struct book *b = *state;
	const struct slice urls[] = {
		SLICE("z\\"),     SLICE("https://x/1.wat.gz"),
		SLICE("b{,}"),    SLICE("z\\"),
		SLICE("a \"b\""), SLICE("NULL"),
	};
	const struct slice bad[] = {SLICE("new"), SLICE("")};
	size_t added;
	OK(store_import_begin(b->store, NULL));
	OK(store_import_add_all(b->store, urls, 6, &added, NULL));
	assert_int_equal(added, 4);
	OK(store_import_add_all(b->store, urls, 6, &added, NULL));
	assert_int_equal(added, 0);
	OK(store_import_add_all(b->store, urls, 0, &added, NULL));
	assert_int_equal(added, 0);
	assert_int_equal(store_import_add_all(b->store, bad, 2, &added, NULL),
			 CAH_EINVALID);
	OK(store_import_end(b->store, NULL));
	book_states(b, 2 * WATS + 8, 0, 0, 0, 0);
	assert_string_equal(book_job(b, 2 * WATS + 1).url, "z\\");
	assert_string_equal(book_job(b, 2 * WATS + 4).url, "b{,}");
	assert_string_equal(book_job(b, 2 * WATS + 5).url, "a \"b\"");
	assert_string_equal(book_job(b, 2 * WATS + 8).url, "NULL");
}

static void take__goes_by_number_and_gives_back_first(void **state)
{
	struct book *b = *state;
	struct worker w = book_worker(b, WORKER_HYBRID, "a");
	struct worker v = book_worker(b, WORKER_CPU, "b");
	book_take_job(b, &w, 1);
	assert_string_equal(book_job(b, 1).holder, w.display_name);
	book_take_job(b, &v, 2);
	/* Its own is open again, but not for itself. */
	book_take_job(b, &w, 3);
	assert_int_equal(book_job(b, 1).state, JOB_OPEN);
	OK(store_worker_bye(b->store, slice_of(w.token), w.type, NULL));
	book_take_job(b, &v, 3);
	assert_int_equal(book_job(b, 2).state, JOB_OPEN);
	book_states(b, 9, 1, 0, 0, 0);
	int64_t number;
	assert_int_equal(book_take(b, &w, &number), CAH_ETIMEDOUT);
}

static void take__goes_round(void **state)
{
	struct book *b = *state;
	struct worker w = book_worker(b, WORKER_HYBRID, "a");
	for (int i = 1; i <= 2 * WATS; i++)
		book_take_job(b, &w, i);
	book_take_job(b, &w, 1);
}

static void take__gives_each_job_to_one(void **state)
{
	struct book *b = *state;
	struct worker w[2 * WATS + 1];
	int64_t number;
	for (int i = 0; i < 2 * WATS; i++) {
		w[i] = book_worker(b, WORKER_HYBRID, "a");
		book_take_job(b, &w[i], i + 1);
	}
	w[2 * WATS] = book_worker(b, WORKER_CPU, "a");
	assert_int_equal(book_take(b, &w[2 * WATS], &number), CAH_ENOJOB);
	struct worker gpu = book_worker(b, WORKER_GPU, "a");
	assert_int_equal(book_take(b, &gpu, &number), CAH_ENOJOB);
	/* Who holds the only open one gets it again. */
	book_take_job(b, &w[3], 4);
}

static void finish__closes_a_hybrid_job_once(void **state)
{
	struct book *b = *state;
	struct worker w = book_worker(b, WORKER_HYBRID, "ann");
	assert_int_equal(book_finish(b, &w, 5, ""), CAH_ENOJOB);
	book_take_job(b, &w, 1);
	assert_int_equal(book_finish(b, &w, -1, ""), CAH_EINVALID);
	assert_int_equal(book_finish(b, &w, (int64_t)1 << 31, ""),
			 CAH_EINVALID);
	book_states(b, 9, 1, 0, 0, 0);
	OK(book_finish(b, &w, 0, ""));
	assert_int_equal(book_finish(b, &w, 5, ""), CAH_ENOJOB);
	book_take_job(b, &w, 2);
	OK(book_finish(b, &w, INT32_MAX, ""));
	book_states(b, 8, 0, 0, 0, 2);
	assert_int_equal(book_counts(b).pairs, INT32_MAX);
	assert_int_equal(book_counts(b).finished_last_hour, 2);
	assert_string_equal(book_board(b, false), "ann 2 2147483647");
	assert_string_equal(book_job(b, 2).done_by, "ann");
	OK(store_worker_find(b->store, &w, slice_of(w.display_name), w.type,
			     NULL));
	assert_int_equal(w.jobs_completed, 2);
	assert_int_equal(w.job_number, 0);
}

static void finish__sends_a_cpu_job_to_the_gpu_queue(void **state)
{
	struct book *b = *state;
	struct worker c = book_worker(b, WORKER_CPU, "carl");
	struct worker g = book_worker(b, WORKER_GPU, "gil");
	int64_t number;
	book_take_job(b, &c, 1);
	assert_int_equal(book_finish(b, &c, 0, ""), CAH_EINVALID);
	assert_int_equal(book_finish(b, &c, 0, "a\x01"), CAH_EINVALID);
	OK(book_finish(b, &c, 0, "https://tar"));
	book_states(b, 9, 0, 1, 0, 0);
	/* The CPU queue does not see it. */
	book_take_job(b, &c, 2);
	book_take_job(b, &g, 1);
	assert_string_equal(book_job(b, 1).gpu_url, "https://tar");
	assert_int_equal(book_take(b, &g, &number), CAH_OK);
	assert_int_equal(number, 1);
	OK(book_finish(b, &g, 7, ""));
	book_states(b, 8, 1, 0, 0, 1);
	assert_string_equal(book_board(b, true), "carl 1 0");
	assert_string_equal(book_board(b, false), "gil 1 7");
	assert_string_equal(book_job(b, 1).made_by, "carl");
}

static void finish__needs_the_token_of_that_type(void **state)
{
	struct book *b = *state;
	struct worker w = book_worker(b, WORKER_HYBRID, "ann");
	book_take_job(b, &w, 1);
	struct worker wrong = w;
	wrong.type = WORKER_GPU;
	assert_int_equal(book_finish(b, &wrong, 1, ""), CAH_ETIMEDOUT);
	static const char *const tokens[] = {
		"", "x", "00000000-0000-4000-8000-000000000000",
		"' OR 1=1 --                         "};
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		assert_int_equal(store_job_finish(b->store, slice_of(tokens[i]),
						  WORKER_HYBRID, 1, SLICE(""),
						  100, 1000, NULL),
				 CAH_ETIMEDOUT);
	book_states(b, 9, 1, 0, 0, 0);
}

static void invalid__sends_a_gpu_job_back_to_the_first_queue(void **state)
{
	struct book *b = *state;
	struct worker c = book_worker(b, WORKER_CPU, "carl");
	struct worker g = book_worker(b, WORKER_GPU, "gil");
	struct slice token = slice_of(g.token);
	assert_int_equal(store_job_invalid(b->store, token, 100, 1000, NULL),
			 CAH_ENOJOB);
	book_take_job(b, &c, 1);
	OK(book_finish(b, &c, 0, "https://tar"));
	book_take_job(b, &g, 1);
	OK(store_job_invalid(b->store, token, 100, 1000, NULL));
	book_states(b, 10, 0, 0, 0, 0);
	assert_string_equal(book_job(b, 1).gpu_url, "");
	assert_string_equal(book_board(b, true), "");
	assert_int_equal(
		store_job_invalid(b->store, slice_of(c.token), 100, 1000, NULL),
		CAH_ETIMEDOUT);
	book_take_job(b, &c, 1);
}

static int to_gpu(struct book *b, const struct worker *w, int64_t first,
		  int64_t second, const char *second_url)
{
	const int64_t numbers[] = {first, second};
	const struct slice urls[] = {SLICE("https://t/1"),
				     slice_of(second_url)};
	const struct store_results results = {numbers, urls, 2};
	return store_jobs_to_gpu(b->store, slice_of(w->token), SLICE("carl"),
				 &results, 140, 1040, NULL);
}

static void to_gpu__takes_all_or_none(void **state)
{
	struct book *b = *state;
	struct worker c = book_worker(b, WORKER_CPU, "other");
	struct worker h = book_worker(b, WORKER_HYBRID, "ann");
	const char *url = "https://t/2";
	assert_int_equal(to_gpu(b, &h, 1, 2, url), CAH_ETIMEDOUT);
	assert_int_equal(to_gpu(b, &c, 1, 99, url), CAH_ENOTFOUND);
	assert_int_equal(to_gpu(b, &c, 1, 1, url), CAH_EINVALID);
	assert_int_equal(to_gpu(b, &c, 1, 2, ""), CAH_EINVALID);
	book_take_job(b, &h, 1);
	assert_int_equal(to_gpu(b, &c, 2, 1, url), CAH_EINVALID);
	book_states(b, 9, 1, 0, 0, 0);
	OK(to_gpu(b, &c, 3, 4, url));
	book_states(b, 7, 1, 2, 0, 0);
	assert_string_equal(book_board(b, true), "carl 2 0");
	assert_string_equal(book_job(b, 4).gpu_url, url);
}

/* A worker that takes whole WATs need not call anything else for hours. */
static void to_gpu__is_a_sign_of_life(void **state)
{
	struct book *b = *state;
	struct worker c = book_worker(b, WORKER_CPU, "carl");
	int64_t count;
	assert_int_equal(to_gpu(b, &c, 1, 99, "https://t/2"), CAH_ENOTFOUND);
	OK(to_gpu(b, &c, 1, 2, "https://t/2"));
	OK(store_sweep(b->store, 190, 50, &count, NULL));
	assert_int_equal(count, 0);
	OK(store_worker_find(b->store, &c, slice_of(c.display_name), c.type,
			     NULL));
	assert_int_equal(c.last_seen_s, 1040);
	OK(store_sweep(b->store, 191, 50, &count, NULL));
	assert_int_equal(count, 1);
}

static void close__counts_pairs_once_and_leaves_what_is_done(void **state)
{
	struct book *b = *state;
	struct worker h = book_worker(b, WORKER_HYBRID, "ann");
	const int64_t numbers[] = {1, 2, 3}, bad[] = {4, 99};
	book_take_job(b, &h, 1);
	OK(book_finish(b, &h, 5, ""));
	book_take_job(b, &h, 2);
	struct slice boss = SLICE("boss");
	assert_int_equal(
		store_jobs_close(b->store, bad, 2, 1, boss, 1000, NULL),
		CAH_ENOTFOUND);
	assert_int_equal(
		store_jobs_close(b->store, numbers, 3, -1, boss, 1000, NULL),
		CAH_EINVALID);
	book_states(b, 8, 1, 0, 0, 1);
	OK(store_jobs_close(b->store, numbers, 3, 40, boss, 1000, NULL));
	book_states(b, 7, 0, 0, 0, 3);
	assert_string_equal(book_board(b, false), "boss 2 40, ann 1 5");
	assert_int_equal(book_finish(b, &h, 5, ""), CAH_ENOJOB);
	assert_int_equal(book_job(b, 2).pairs, 40);
}

static void reset__takes_back_what_the_job_counted(void **state)
{
	struct book *b = *state;
	struct worker c = book_worker(b, WORKER_CPU, "carl");
	struct worker g = book_worker(b, WORKER_GPU, "gil");
	struct worker h = book_worker(b, WORKER_HYBRID, "gil");
	book_take_job(b, &c, 1);
	OK(book_finish(b, &c, 0, "https://tar"));
	book_take_job(b, &g, 1);
	OK(book_finish(b, &g, 7, ""));
	book_take_job(b, &h, 2);
	OK(book_finish(b, &h, 3, ""));
	assert_string_equal(book_board(b, false), "gil 2 10");
	OK(store_job_reset(b->store, 1, NULL));
	assert_string_equal(book_board(b, false), "gil 1 3");
	assert_string_equal(book_board(b, true), "");
	assert_int_equal(book_counts(b).pairs, 3);
	assert_int_equal(book_counts(b).finished_last_hour, 1);
	assert_string_equal(book_job(b, 1).gpu_url, "");
	book_take_job(b, &h, 1);
	OK(store_job_reset(b->store, 1, NULL));
	assert_int_equal(book_finish(b, &h, 3, ""), CAH_ENOJOB);
	book_states(b, 9, 0, 0, 0, 1);
	OK(store_job_reset(b->store, 1, NULL));
	assert_int_equal(store_job_reset(b->store, 11, NULL), CAH_ENOTFOUND);
}

static void completed__wants_all_jobs_at_the_address(void **state)
{
	struct book *b = *state;
	struct worker h = book_worker(b, WORKER_HYBRID, "ann");
	struct worker c = book_worker(b, WORKER_CPU, "carl");
	struct worker g = book_worker(b, WORKER_GPU, "gil");
	struct slice wat = SLICE("https://x/0.wat.gz"), tar = SLICE("t");
	const struct slice all[] = {SLICE("https://?"), wat, tar};
	bool done[3];
	OK(store_completed(b->store, all, 0, done, NULL));
	OK(store_completed(b->store, all, 3, done, NULL));
	assert_false(done[0] || done[1] || done[2]);
	book_take_job(b, &h, 1);
	OK(book_finish(b, &h, 1, ""));
	OK(store_completed(b->store, all, 3, done, NULL));
	assert_false(done[1]);
	book_take_job(b, &h, 2);
	OK(book_finish(b, &h, 1, ""));
	OK(store_completed(b->store, all, 3, done, NULL));
	assert_true(done[1] && !done[0]);
	/* Two jobs at one address */
	book_take_job(b, &c, 3);
	OK(book_finish(b, &c, 0, "t"));
	book_take_job(b, &c, 4);
	OK(book_finish(b, &c, 0, "t"));
	book_take_job(b, &g, 3);
	OK(book_finish(b, &g, 1, ""));
	OK(store_completed(b->store, all, 3, done, NULL));
	assert_true(done[1] && !done[2]);
	book_take_job(b, &g, 4);
	OK(book_finish(b, &g, 1, ""));
	OK(store_completed(b->store, all, 3, done, NULL));
	assert_true(done[1] && done[2] && !done[0]);
}

static void open_wat__is_the_first_with_both_halves_open(void **state)
{
	struct book *b = *state;
	struct worker h = book_worker(b, WORKER_HYBRID, "ann");
	char url[STORE_URL_MAX + 1];
	OK(store_open_wat(b->store, url, NULL));
	assert_string_equal(url, "https://x/0.wat.gz");
	book_take_job(b, &h, 1);
	OK(store_open_wat(b->store, url, NULL));
	assert_string_equal(url, "https://x/1.wat.gz");
	OK(store_worker_bye(b->store, slice_of(h.token), h.type, NULL));
	OK(store_open_wat(b->store, url, NULL));
	assert_string_equal(url, "https://x/0.wat.gz");
	const int64_t all[] = {1, 3, 5, 7, 9};
	OK(store_jobs_close(b->store, all, 5, 0, SLICE("x"), 1000, NULL));
	assert_int_equal(store_open_wat(b->store, url, NULL), CAH_ENOJOB);
}

static void jobs__are_listed_by_state(void **state)
{
	struct book *b = *state;
	struct worker h = book_worker(b, WORKER_HYBRID, "ann");
	const int64_t some[] = {2, 4};
	OK(store_jobs_close(b->store, some, 2, 0, SLICE("x"), 1000, NULL));
	book_take_job(b, &h, 1);
	static const struct {
		int state;
		int64_t from;
		size_t cap, count;
		int64_t first;
	} rows[] = {
		{-1, 1, 20, 10, 1},          {-1, 4, 3, 3, 4},
		{JOB_OPEN, 1, 20, 7, 3},     {JOB_OPEN, 6, 2, 2, 6},
		{JOB_LEASED, 1, 20, 1, 1},   {JOB_DONE, 3, 20, 1, 4},
		{JOB_GPU_OPEN, 1, 20, 0, 0},
	};
	struct job *page = calloc(20, sizeof(*page));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t count;
		OK(store_jobs(b->store, page, rows[i].cap, rows[i].from,
			      rows[i].state, &count, NULL));
		assert_int_equal(count, rows[i].count);
		if (count > 0)
			assert_int_equal(page[0].number, rows[i].first);
	}
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(import__numbers_the_halves_of_each_wat),
		TEST(import__takes_all_back_when_aborted),
		TEST(import__of_many_keeps_their_order),
		TEST(take__goes_by_number_and_gives_back_first),
		TEST(take__goes_round),
		TEST(take__gives_each_job_to_one),
		TEST(finish__closes_a_hybrid_job_once),
		TEST(finish__sends_a_cpu_job_to_the_gpu_queue),
		TEST(finish__needs_the_token_of_that_type),
		TEST(invalid__sends_a_gpu_job_back_to_the_first_queue),
		TEST(to_gpu__takes_all_or_none),
		TEST(to_gpu__is_a_sign_of_life),
		TEST(close__counts_pairs_once_and_leaves_what_is_done),
		TEST(reset__takes_back_what_the_job_counted),
		TEST(completed__wants_all_jobs_at_the_address),
		TEST(open_wat__is_the_first_with_both_halves_open),
		TEST(jobs__are_listed_by_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
