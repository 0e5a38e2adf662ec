/* The book of a staged project. */
#include "store/task.h"

#include "book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	STAGES = 3,
};

/* ---- the calls, short ---- */

static int add(struct book *b, const char *input)
{
	bool added;
	OK(store_import_begin(b->store, NULL));
	OK(store_task_add(b->store, slice_of(input), &added, NULL));
	OK(store_import_end(b->store, NULL));
	return added;
}

static void add_three(struct book *b)
{
	assert_true(add(b, "one"));
	assert_true(add(b, "two"));
	assert_true(add(b, "three"));
}

static struct worker worker_of(struct book *b, int stage)
{
	return book_worker(b, store_stage_type(stage), "me");
}

static int take(struct book *b, const struct worker *w, int64_t *number,
		struct buf *data)
{
	buf_init(data, STORE_DATA_MAX + 1);
	return store_task_take(b->store, number, data, slice_of(w->token), 100,
			       1000, NULL);
}

/* It gets the task @number with @expected. */
static void takes(struct book *b, const struct worker *w, int64_t number,
		  const char *expected)
{
	struct buf data;
	int64_t got;
	OK(take(b, w, &got, &data));
	assert_int_equal(got, number);
	assert_string_equal(data.len > 0 ? data.data : "", expected);
	buf_fini(&data);
}

static void takes_nothing(struct book *b, const struct worker *w)
{
	struct buf data;
	int64_t got;
	assert_int_equal(take(b, w, &got, &data), CAH_ENOJOB);
	assert_int_equal(data.len, 0);
	buf_fini(&data);
}

static int finish(struct book *b, const struct worker *w, const char *data)
{
	return store_task_finish(b->store, slice_of(w->token), slice_of(data),
				 STAGES, 100, 1000, NULL);
}

static int flag(struct book *b, const struct worker *w)
{
	return store_task_flag(b->store, slice_of(w->token), 100, 1000, NULL);
}

static void is_at(struct book *b, int64_t number, enum task_state state,
		  int stage, int reports)
{
	struct task task;
	OK(store_task_get(b->store, &task, number, NULL));
	assert_int_equal(task.number, number);
	assert_int_equal(task.state, state);
	assert_int_equal(task.stage, stage);
	assert_int_equal(task.reports, reports);
	assert_int_equal(task.holder[0] != '\0', state == TASK_LEASED);
}

/* The counts as "open/leased open/leased open/leased done". */
static void counts_are(struct book *b, const char *expected)
{
	char text[128];
	struct store_counts c = book_counts(b);
	(void)snprintf(text, sizeof(text), "%d/%d %d/%d %d/%d %d",
		       (int)c.tasks_open[0], (int)c.tasks_leased[0],
		       (int)c.tasks_open[1], (int)c.tasks_leased[1],
		       (int)c.tasks_open[2], (int)c.tasks_leased[2],
		       (int)c.tasks_done);
	assert_string_equal(text, expected);
}

/* ---- what holds ---- */

static void task__goes_through_its_stages_with_what_they_give(void **state)
{
	struct book *b = *state;
	add_three(b);
	struct worker w[STAGES];
	for (int i = 0; i < STAGES; i++)
		w[i] = worker_of(b, i);
	counts_are(b, "3/0 0/0 0/0 0");
	takes_nothing(b, &w[1]);
	takes(b, &w[0], 1, "one");
	counts_are(b, "2/1 0/0 0/0 0");
	OK(finish(b, &w[0], "from a"));
	is_at(b, 1, TASK_OPEN, 1, 0);
	takes(b, &w[1], 1, "from a");
	OK(finish(b, &w[1], ""));
	takes(b, &w[2], 1, "");
	is_at(b, 1, TASK_LEASED, 2, 0);
	OK(finish(b, &w[2], "the end"));
	is_at(b, 1, TASK_DONE, 2, 0);
	counts_are(b, "2/0 0/0 0/0 1");
	takes_nothing(b, &w[2]);
	assert_int_equal(finish(b, &w[2], "again"), CAH_ENOJOB);
	counts_are(b, "2/0 0/0 0/0 1");

	static const char *const gave[] = {"one", "from a", "", "the end"};
	for (int i = -1; i < STORE_STAGE_COUNT; i++) {
		struct buf data;
		bool has;
		buf_init(&data, 100);
		OK(store_task_data(b->store, &data, &has, 1, i, NULL));
		assert_int_equal(has, i < STAGES);
		if (has && data.len > 0)
			assert_string_equal(data.data, gave[i + 1]);
		buf_fini(&data);
	}
}

static void task__is_known_by_its_input(void **state)
{
	struct book *b = *state;
	char *big = calloc(1, STORE_INPUT_MAX + 2);
	bool added;
	add_three(b);
	assert_false(add(b, "two"));
	assert_true(add(b, "a\tb"));
	memset(big, 'x', STORE_INPUT_MAX + 1);
	OK(store_import_begin(b->store, NULL));
	struct slice bad[] = {
		SLICE(""),
		{big, STORE_INPUT_MAX + 1},
		SLICE("a\0b"),
		SLICE("\xff"),
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(store_task_add(b->store, bad[i], &added, NULL),
				 CAH_EINVALID);
	OK(store_task_add(b->store, (struct slice){big, STORE_INPUT_MAX},
			  &added, NULL));
	assert_true(added);
	OK(store_import_end(b->store, NULL));
	free(big);
	counts_are(b, "5/0 0/0 0/0 0");
}

/* One that has to be encoded is twice as long, and many of them are more than
 * a transaction may keep. */
static void task__takes_no_room_once_added(void **state)
{
	struct book *b = *state;
	char *big = malloc(STORE_INPUT_MAX);
	bool added;
	memset(big, '\1', STORE_INPUT_MAX);
	OK(store_import_begin(b->store, NULL));
	for (int i = 0; i < 2100; i++) {
		OK(store_task_add(b->store,
				  (struct slice){big, STORE_INPUT_MAX}, &added,
				  NULL));
		assert_int_equal(added, i == 0);
	}
	OK(store_import_end(b->store, NULL));
	free(big);
	counts_are(b, "1/0 0/0 0/0 0");
}

static void task__has_one_holder(void **state)
{
	struct book *b = *state;
	struct worker one = worker_of(b, 0), two = worker_of(b, 0);
	add(b, "only");
	takes(b, &one, 1, "only");
	takes_nothing(b, &two);
	/* No other is open: it keeps what it has. */
	takes(b, &one, 1, "only");
	counts_are(b, "0/1 0/0 0/0 0");
	assert_int_equal(finish(b, &two, "x"), CAH_ENOJOB);
	assert_int_equal(flag(b, &two), CAH_ENOJOB);
	add(b, "other");
	takes(b, &one, 2, "other");
	takes(b, &two, 1, "only");
	counts_are(b, "0/2 0/0 0/0 0");
}

static void task__data_keeps_every_character(void **state)
{
	struct book *b = *state;
	struct worker a = worker_of(b, 0), next = worker_of(b, 1);
	add(b, "x");
	struct slice data = SLICE("a\0\1\0\1"
				  "0\1\xc3\xa9\xf0\x9f\x90\x88\0");
	struct buf got;
	int64_t number;
	takes(b, &a, 1, "x");
	OK(store_task_finish(b->store, slice_of(a.token), data, 2, 100, 1000,
			     NULL));
	OK(take(b, &next, &number, &got));
	assert_int_equal(got.len, data.len);
	assert_memory_equal(got.data, data.data, data.len);
	buf_fini(&got);
}

static void task__data_has_a_limit(void **state)
{
	struct book *b = *state;
	struct worker a = worker_of(b, 0), next = worker_of(b, 1);
	char *big = malloc(STORE_DATA_MAX + 1);
	struct buf got;
	int64_t number;
	/* The longest when stored. */
	memset(big, '\0', STORE_DATA_MAX + 1);
	add(b, "x");
	takes(b, &a, 1, "x");
	assert_int_equal(
		store_task_finish(b->store, slice_of(a.token),
				  (struct slice){big, STORE_DATA_MAX + 1}, 2,
				  100, 1000, NULL),
		CAH_EINVALID);
	assert_int_equal(store_task_finish(b->store, slice_of(a.token),
					   SLICE("\xc3"), 2, 100, 1000, NULL),
			 CAH_EINVALID);
	is_at(b, 1, TASK_LEASED, 0, 0);
	OK(store_task_finish(b->store, slice_of(a.token),
			     (struct slice){big, STORE_DATA_MAX}, 2, 100, 1000,
			     NULL));
	OK(take(b, &next, &number, &got));
	assert_int_equal(got.len, STORE_DATA_MAX);
	assert_memory_equal(got.data, big, STORE_DATA_MAX);
	buf_fini(&got);
	free(big);
}

static void flag__sends_a_task_back_at_the_fifth_report(void **state)
{
	struct book *b = *state;
	struct worker a = worker_of(b, 0), next = worker_of(b, 1);
	add(b, "x");
	for (int round = 0; round < 2; round++) {
		takes(b, &a, 1, "x");
		OK(finish(b, &a, "bad"));
		for (int i = 0; i < STORE_REPORTS_MAX; i++) {
			is_at(b, 1, TASK_OPEN, 1, i);
			takes(b, &next, 1, "bad");
			OK(flag(b, &next));
			assert_int_equal(flag(b, &next), CAH_ENOJOB);
		}
		is_at(b, 1, TASK_OPEN, 0, 0);
		takes_nothing(b, &next);
		struct buf data;
		bool has;
		buf_init(&data, 100);
		OK(store_task_data(b->store, &data, &has, 1, 0, NULL));
		assert_false(has);
		buf_fini(&data);
	}
	counts_are(b, "1/0 0/0 0/0 0");
}

static void flag__begins_anew_at_each_stage(void **state)
{
	struct book *b = *state;
	struct worker a = worker_of(b, 0), next = worker_of(b, 1);
	add(b, "x");
	for (int i = 1; i < STORE_REPORTS_MAX; i++) {
		takes(b, &a, 1, "x");
		OK(flag(b, &a));
	}
	is_at(b, 1, TASK_OPEN, 0, 4);
	takes(b, &a, 1, "x");
	OK(finish(b, &a, "y"));
	is_at(b, 1, TASK_OPEN, 1, 0);
	takes(b, &next, 1, "y");
	OK(flag(b, &next));
	is_at(b, 1, TASK_OPEN, 1, 1);
}

static void flag__leaves_a_task_at_the_first_stage(void **state)
{
	struct book *b = *state;
	struct worker a = worker_of(b, 0);
	add(b, "x");
	for (int i = 0; i < STORE_REPORTS_MAX; i++) {
		takes(b, &a, 1, "x");
		OK(flag(b, &a));
	}
	is_at(b, 1, TASK_OPEN, 0, 0);
	takes(b, &a, 1, "x");
}

static void flag__gives_the_reporter_another_task(void **state)
{
	struct book *b = *state;
	struct worker a = worker_of(b, 0), other = worker_of(b, 0);
	add_three(b);
	takes(b, &a, 1, "one");
	OK(flag(b, &a));
	takes(b, &a, 2, "two");
	takes(b, &other, 1, "one");
	OK(flag(b, &a));
	takes(b, &a, 3, "three");
	OK(flag(b, &a));
	takes(b, &a, 2, "two");
}

static void worker__that_goes_gives_its_task_back(void **state)
{
	struct book *b = *state;
	struct worker a = worker_of(b, 0), late = worker_of(b, 0);
	int64_t count;
	add_three(b);
	takes(b, &a, 1, "one");
	takes(b, &late, 2, "two");
	OK(store_worker_bye(b->store, slice_of(a.token), a.type, NULL));
	counts_are(b, "2/1 0/0 0/0 0");
	assert_int_equal(finish(b, &a, "x"), CAH_ETIMEDOUT);
	OK(store_sweep(b->store, 1000, 500, &count, NULL));
	assert_int_equal(count, 1);
	counts_are(b, "3/0 0/0 0/0 0");
	assert_int_equal(finish(b, &late, "x"), CAH_ETIMEDOUT);
	assert_int_equal(book_counts(b).stage_workers[0], 0);
}

static void worker__of_a_stage_is_a_kind_of_its_own(void **state)
{
	struct book *b = *state;
	struct worker hybrid = book_worker(b, WORKER_HYBRID, "h");
	struct worker e = worker_of(b, 4);
	struct worker found, list[4];
	enum worker_type type;
	bool is;
	size_t n;
	int64_t total, number;
	struct buf data;
	assert_int_equal(book_counts(b).stage_workers[4], 1);
	assert_int_equal(book_counts(b).workers[WORKER_HYBRID], 1);
	OK(store_worker_kind(b->store, &is, &type, slice_of(e.token), NULL));
	assert_true(is);
	assert_int_equal(type, store_stage_type(4));
	OK(store_worker_kind(b->store, &is, &type, SLICE("nobody"), NULL));
	assert_false(is);
	OK(store_worker_find(b->store, &found, slice_of(e.display_name), e.type,
			     NULL));
	assert_string_equal(store_type_name(found.type), "e");
	assert_int_equal(store_worker_type(SLICE("e")), -1);
	OK(store_workers(b->store, list, 4, 0, -1, &n, &total, NULL));
	assert_int_equal(n, 2);
	assert_int_equal(total, 2);

	/* Neither can do what the other does. */
	add(b, "x");
	assert_int_equal(take(b, &hybrid, &number, &data), CAH_ETIMEDOUT);
	buf_fini(&data);
	assert_int_equal(finish(b, &hybrid, "x"), CAH_ETIMEDOUT);
	book_take_job(b, &hybrid, 1);
	struct job job;
	assert_int_equal(store_job_take(b->store, &job, slice_of(e.token),
					WORKER_HYBRID, 100, 1000, NULL),
			 CAH_ETIMEDOUT);
	OK(store_worker_bye(b->store, slice_of(e.token), e.type, NULL));
	book_states(b, 2 * WATS - 1, 1, 0, 0, 0);
}

static void reset__makes_a_task_as_it_was(void **state)
{
	struct book *b = *state;
	struct worker a = worker_of(b, 0), next = worker_of(b, 1);
	add(b, "x");
	takes(b, &a, 1, "x");
	OK(finish(b, &a, "y"));
	takes(b, &next, 1, "y");
	OK(store_task_reset(b->store, 1, NULL));
	is_at(b, 1, TASK_OPEN, 0, 0);
	assert_int_equal(finish(b, &next, "z"), CAH_ENOJOB);
	takes(b, &a, 1, "x");
	counts_are(b, "0/1 0/0 0/0 0");
	assert_int_equal(store_task_reset(b->store, 2, NULL), CAH_ENOTFOUND);
	struct task task;
	assert_int_equal(store_task_get(b->store, &task, 2, NULL),
			 CAH_ENOTFOUND);
}

static void list__tells_states_and_stages_apart(void **state)
{
	struct book *b = *state;
	struct worker a = worker_of(b, 0);
	struct task list[8];
	size_t n;
	add_three(b);
	takes(b, &a, 1, "one");
	OK(finish(b, &a, "y"));
	takes(b, &a, 2, "two");
	static const struct {
		int64_t from;
		int state, stage;
		size_t count;
		int64_t first;
	} rows[] = {
		{0, -1, -1, 3, 1},        {2, -1, -1, 2, 2},
		{0, TASK_OPEN, -1, 2, 1}, {0, TASK_OPEN, 0, 1, 3},
		{0, -1, 0, 2, 2},         {0, TASK_LEASED, -1, 1, 2},
		{0, TASK_DONE, -1, 0, 0}, {4, -1, -1, 0, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		OK(store_tasks(b->store, list, 8, rows[i].from, rows[i].state,
			       rows[i].stage, &n, NULL));
		assert_int_equal(n, rows[i].count);
		if (n > 0)
			assert_int_equal(list[0].number, rows[i].first);
	}
	OK(store_tasks(b->store, list, 1, 0, -1, -1, &n, NULL));
	assert_int_equal(n, 1);
}

/* What a group's calls do, its later calls see. */
static void in_a_group(void *arg)
{
	struct book *b = arg;
	struct worker a = worker_of(b, 0), next = worker_of(b, 1);
	takes(b, &a, 1, "one");
	OK(finish(b, &a, "y"));
	assert_int_equal(finish(b, &a, "y"), CAH_ENOJOB);
	takes(b, &next, 1, "y");
	OK(flag(b, &next));
	takes(b, &a, 2, "two");
	OK(store_worker_bye(b->store, slice_of(a.token), a.type, NULL));
	counts_are(b, "2/0 1/0 0/0 0");
}

static void group__of_calls_is_seen_by_its_own_calls(void **state)
{
	struct book *b = *state;
	add_three(b);
	OK(store_group(b->store, true, in_a_group, b, NULL));
	counts_are(b, "2/0 1/0 0/0 0");
	assert_int_equal(book_counts(b).stage_workers[0], 0);
	assert_int_equal(book_counts(b).stage_workers[1], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(task__goes_through_its_stages_with_what_they_give),
		TEST(task__is_known_by_its_input),
		TEST(task__takes_no_room_once_added),
		TEST(task__has_one_holder),
		TEST(task__data_keeps_every_character),
		TEST(task__data_has_a_limit),
		TEST(flag__sends_a_task_back_at_the_fifth_report),
		TEST(flag__begins_anew_at_each_stage),
		TEST(flag__leaves_a_task_at_the_first_stage),
		TEST(flag__gives_the_reporter_another_task),
		TEST(worker__that_goes_gives_its_task_back),
		TEST(worker__of_a_stage_is_a_kind_of_its_own),
		TEST(reset__makes_a_task_as_it_was),
		TEST(list__tells_states_and_stages_apart),
		TEST(group__of_calls_is_seen_by_its_own_calls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
