/* The window of transfers over links that are made here: latency, capacity that
 * all share, slow and dead hosts, a consumer. Time is simulated, in steps. */
#include "fetch/knee.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <math.h>
#include <string.h>

enum {
	STEP_MS = 5,
	MOST = 2048, /* transfers */
	WARM_S = 40,
	LOOK_S = 60, /* afterwards, to see how it goes */
	TIMEOUT_MS = 20000,
	DEAD_MS = 5000, /* until a dead host is given up */
	SLOW_RATE = 20, /* bytes a millisecond */
	MEDIAN_BYTES = 60000,
};

struct link {
	double latency_ms;
	double bytes_a_ms;   /* of all together */
	double answers_a_ms; /* that are taken; 0: any number */
	double slow_share;   /* of the transfers */
	double dead_share;
	int jobs_at_once; /* there are no more; 0: any number */
};

struct flight {
	double age_ms;
	double wait_ms; /* until the first byte, or until it is dead */
	double left;    /* bytes */
	bool is_dead;
	bool is_slow;
	bool is_overtaken;
	bool is_silent;
	int64_t begun_after;
};

struct world {
	struct link link;
	struct knee knee;
	struct knee_totals totals;
	struct flight flights[MOST];
	int count;
	int overtaken; /* silent ones and all */
	int silent;
	double undelivered; /* answers that nobody took yet */
	int64_t now_ms;
	uint64_t random;
	int least, most; /* windows since the last look */
};

/* xorshift64* (Vigna, 2016), as 0..1. */
static double draw(struct world *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return (double)(w->random * 2685821657736338717U >> 11) / 0x1p53;
}

static double draw_size(struct world *w)
{
	double sum = 0;
	for (int i = 0; i < 12; i++)
		sum += draw(w);
	return fmin(MEDIAN_BYTES * exp(0.9 * (sum - 6)), 1e6);
}

static void begin_flight(struct world *w)
{
	struct flight *f = &w->flights[w->count++];
	*f = (struct flight){
		.wait_ms = w->link.latency_ms * (0.7 + 0.6 * draw(w)),
		.left = draw_size(w),
		.is_dead = draw(w) < w->link.dead_share,
		.is_slow = draw(w) < w->link.slow_share,
		.begun_after = w->totals.answers + w->totals.troubles,
	};
	if (f->is_dead)
		f->wait_ms = DEAD_MS;
}

static void end_flight(struct world *w, int at)
{
	struct flight *f = &w->flights[at];
	if (f->is_dead || f->left > 0) {
		w->totals.troubles++;
	} else {
		w->totals.answers++;
		w->totals.answer_ms += (int64_t)f->age_ms;
		w->undelivered += w->link.answers_a_ms > 0;
	}
	w->overtaken -= f->is_overtaken;
	w->silent -= f->is_silent;
	*f = w->flights[--w->count];
}

/* What each that receives may have in this step: what slow ones leave goes to
 * the others. */
static double share_of(const struct world *w)
{
	double room = w->link.bytes_a_ms * STEP_MS;
	int quick = 0;
	for (int i = 0; i < w->count; i++) {
		const struct flight *f = &w->flights[i];
		if (f->wait_ms > 0 || f->is_dead)
			continue;
		quick += !f->is_slow;
		if (f->is_slow)
			room -= SLOW_RATE * STEP_MS;
	}
	return room > 0 && quick > 0 ? room / quick : 0;
}

static void move_flights(struct world *w)
{
	double share = share_of(w);
	double bytes = 0;
	for (int i = w->count - 1; i >= 0; i--) {
		struct flight *f = &w->flights[i];
		double part = f->is_slow && share > SLOW_RATE * STEP_MS
				      ? SLOW_RATE * STEP_MS
				      : share;
		f->age_ms += STEP_MS;
		if (f->wait_ms > 0) {
			f->wait_ms -= STEP_MS;
		} else if (!f->is_dead) {
			bytes += fmin(part, f->left);
			f->left = f->left > part ? f->left - part : 0;
		}
		if ((f->wait_ms <= 0 && (f->is_dead || f->left == 0)) ||
		    f->age_ms > TIMEOUT_MS)
			end_flight(w, i);
	}
	w->totals.bytes += (int64_t)bytes;
}

static void find_overtaken(struct world *w)
{
	int64_t ended = w->totals.answers + w->totals.troubles;
	for (int i = 0; i < w->count; i++) {
		struct flight *f = &w->flights[i];
		if (f->is_overtaken)
			continue;
		bool is_silent = f->is_dead && f->age_ms > KNEE_SILENT_MS &&
				 w->silent < KNEE_SILENT_MOST;
		if (!is_silent &&
		    !knee_is_overtaken(&w->knee, ended - f->begun_after))
			continue;
		w->silent += is_silent;
		f->is_silent = is_silent;
		f->is_overtaken = true;
		w->overtaken++;
	}
}

static void step(struct world *w)
{
	enum {
		QUEUE = 64
	};
	int jobs = w->link.jobs_at_once > 0 ? w->link.jobs_at_once : MOST;
	w->undelivered =
		fmax(0, w->undelivered - w->link.answers_a_ms * STEP_MS);
	bool is_held = w->undelivered > QUEUE;
	while (!is_held && w->count < jobs &&
	       w->count - w->overtaken < w->knee.window)
		begin_flight(w);
	if (is_held)
		w->totals.held_ms += STEP_MS;
	else if (w->count < jobs)
		w->totals.full_ms += STEP_MS;
	move_flights(w);
	w->now_ms += STEP_MS;
	knee_step(&w->knee, &w->totals, w->now_ms);
	find_overtaken(w);
	if (w->knee.window < w->least)
		w->least = w->knee.window;
	if (w->knee.window > w->most)
		w->most = w->knee.window;
}

static void start(struct world *w, const struct link *link, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->link = *link;
	w->random = seed * 0x9e3779b97f4a7c15U + 1;
	knee_init(&w->knee, MOST, 0);
}

/* Lets @seconds pass; the bytes a millisecond in them. */
static double pass(struct world *w, int seconds)
{
	int64_t from = w->totals.bytes;
	w->least = w->knee.window;
	w->most = w->knee.window;
	for (int ms = 0; ms < seconds * 1000; ms += STEP_MS)
		step(w);
	return (double)(w->totals.bytes - from) / (seconds * 1000);
}

/* A link is at work to @part of what it can, after the time to find that. */
static void uses(const struct link *link, double part)
{
	static struct world w;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		start(&w, link, seed);
		(void)pass(&w, WARM_S);
		assert_true(pass(&w, LOOK_S) >= part * link->bytes_a_ms);
	}
}

static void knee__fills_links_of_any_latency_and_capacity(void **state)
{
	const struct link links[] = {
		{.latency_ms = 10, .bytes_a_ms = 1250},
		{.latency_ms = 50, .bytes_a_ms = 2500},
		{.latency_ms = 100, .bytes_a_ms = 12500},
		{.latency_ms = 400, .bytes_a_ms = 2500},
		{.latency_ms = 100, .bytes_a_ms = 625},
		{.latency_ms = 30, .bytes_a_ms = 60000},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		uses(&links[i], 0.9);
}

/* 100 ms and 100 Mbit/s hold some 15 images of these sizes in flight. */
static void knee__keeps_answers_quick(void **state)
{
	const struct link link = {.latency_ms = 100, .bytes_a_ms = 12500};
	static struct world w;
	(void)state;
	start(&w, &link, 1);
	(void)pass(&w, WARM_S);
	struct knee_totals from = w.totals;
	(void)pass(&w, LOOK_S);
	int64_t answers = w.totals.answers - from.answers;
	assert_true((w.totals.answer_ms - from.answer_ms) / answers < 600);
	assert_in_range(w.most, KNEE_FIRST, 128);
	assert_int_equal(w.totals.troubles, from.troubles);
}

static void knee__is_not_slowed_by_slow_hosts(void **state)
{
	const struct link link = {
		.latency_ms = 50, .bytes_a_ms = 12500, .slow_share = 0.03};
	(void)state;
	uses(&link, 0.95);
}

static void knee__is_not_slowed_by_dead_hosts(void **state)
{
	const struct link some = {.latency_ms = 50,
				  .bytes_a_ms = 12500,
				  .slow_share = 0.03,
				  .dead_share = 0.15};
	const struct link many = {
		.latency_ms = 50, .bytes_a_ms = 12500, .dead_share = 0.4};
	(void)state;
	uses(&some, 0.95);
	uses(&many, 0.85);
}

static void knee__follows_a_link_that_changes(void **state)
{
	const struct link slow = {.latency_ms = 100, .bytes_a_ms = 2500};
	const struct link fast = {.latency_ms = 100, .bytes_a_ms = 50000};
	static struct world w;
	(void)state;
	start(&w, &slow, 1);
	(void)pass(&w, WARM_S);
	w.link = fast;
	(void)pass(&w, WARM_S);
	assert_true(pass(&w, LOOK_S) >= 0.9 * fast.bytes_a_ms);
	w.link = slow;
	(void)pass(&w, WARM_S);
	assert_true(pass(&w, LOOK_S) >= 0.9 * slow.bytes_a_ms);
	assert_true(w.most < 256);
}

static void knee__keeps_what_it_found(void **state)
{
	const struct link link = {.latency_ms = 100, .bytes_a_ms = 50000};
	static struct world w;
	(void)state;
	start(&w, &link, 1);
	(void)pass(&w, WARM_S);
	for (int i = 0; i < 4; i++) {
		(void)pass(&w, LOOK_S / 4);
		assert_true(w.most < 6 * w.least);
	}
}

/* Images time out after 20 s; a link for six a second must not begin so many
 * that more than the largest do. */
static void knee__loses_few_images_to_a_slow_link(void **state)
{
	const struct link link = {.latency_ms = 100, .bytes_a_ms = 625};
	static struct world w;
	(void)state;
	start(&w, &link, 1);
	(void)pass(&w, WARM_S + LOOK_S);
	assert_true(w.totals.troubles * 200 < w.totals.answers);
}

static void knee__does_not_grow_while_nobody_takes_what_comes(void **state)
{
	const struct link link = {
		.latency_ms = 50, .bytes_a_ms = 125000, .answers_a_ms = 0.1};
	static struct world w;
	(void)state;
	start(&w, &link, 1);
	(void)pass(&w, WARM_S);
	int64_t from = w.totals.answers;
	(void)pass(&w, LOOK_S);
	assert_in_range(w.most, KNEE_LEAST, 2 * KNEE_FIRST);
	/* And they never wait for more. */
	assert_true((double)(w.totals.answers - from) >=
		    0.99 * link.answers_a_ms * LOOK_S * 1000);
}

static void knee__does_not_grow_where_there_is_nothing_to_begin(void **state)
{
	const struct link link = {
		.latency_ms = 50, .bytes_a_ms = 12500, .jobs_at_once = 20};
	static struct world w;
	(void)state;
	start(&w, &link, 1);
	(void)pass(&w, WARM_S + LOOK_S);
	assert_int_equal(w.knee.window, KNEE_FIRST);
}

static void knee__survives_a_link_that_dies(void **state)
{
	struct link link = {.latency_ms = 100, .bytes_a_ms = 12500};
	static struct world w;
	(void)state;
	start(&w, &link, 1);
	(void)pass(&w, WARM_S);
	w.link.bytes_a_ms = 0;
	w.link.dead_share = 1;
	(void)pass(&w, LOOK_S);
	assert_in_range(w.knee.window, KNEE_LEAST, 2 * KNEE_FIRST);
	w.link = link;
	(void)pass(&w, WARM_S);
	assert_true(pass(&w, LOOK_S) >= 0.9 * link.bytes_a_ms);
}

/* Time-outs and resets that come with more transfers, as of a router whose
 * table is full, make it go back. */
static void knee__backs_off_from_troubles(void **state)
{
	struct knee knee;
	struct knee_totals totals = {0};
	int64_t now_ms = 0;
	(void)state;
	knee_init(&knee, MOST, 0);
	while (now_ms < 60000) {
		double troubled = knee.window > 200 ? 0.5 : 0.01;
		/* As many more answers as transfers: nothing else to stop. */
		totals.answers += (int64_t)(knee.window * (1 - troubled));
		totals.troubles += (int64_t)(knee.window * troubled);
		totals.answer_ms += knee.window * INT64_C(100);
		totals.full_ms += 100;
		now_ms += 100;
		knee_step(&knee, &totals, now_ms);
		if (now_ms > 10000)
			assert_in_range(knee.window, 50, 500);
	}
}

static void knee__stays_within_what_it_may(void **state)
{
	const struct link link = {.latency_ms = 200, .bytes_a_ms = 1e6};
	static struct world w;
	(void)state;
	start(&w, &link, 1);
	knee_init(&w.knee, 10, 0);
	(void)pass(&w, WARM_S);
	assert_in_range(w.least, KNEE_LEAST, 10);
	assert_in_range(w.most, KNEE_LEAST, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knee__fills_links_of_any_latency_and_capacity),
		cmocka_unit_test(knee__keeps_answers_quick),
		cmocka_unit_test(knee__is_not_slowed_by_slow_hosts),
		cmocka_unit_test(knee__is_not_slowed_by_dead_hosts),
		cmocka_unit_test(knee__follows_a_link_that_changes),
		cmocka_unit_test(knee__keeps_what_it_found),
		cmocka_unit_test(knee__loses_few_images_to_a_slow_link),
		cmocka_unit_test(
			knee__does_not_grow_while_nobody_takes_what_comes),
		cmocka_unit_test(
			knee__does_not_grow_where_there_is_nothing_to_begin),
		cmocka_unit_test(knee__survives_a_link_that_dies),
		cmocka_unit_test(knee__backs_off_from_troubles),
		cmocka_unit_test(knee__stays_within_what_it_may),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
