/* Full cycles (take a job, say progress, finish it) on a tracker's book from
 * one thread, in groups of calls that share a commit, without HTTP:
 *
 *     bench_store URI GROUP SECONDS
 *
 * As many workers as a group has calls; all of a group make the same call.
 * Prints a JSON object: {"cycles_per_s", "us_per_call": processor time of a
 * call, "p50_ms" and "p99_ms" of a group with its commit, "max_ms"}. */
#include "store/store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	GROUP_MAX = 1024,
	TIMES_MAX = 4 * 1024 * 1024,
	CYCLE = 3, /* calls */
};

struct bench {
	struct store *store;
	struct worker workers[GROUP_MAX];
	int count;
	int what;  /* the call of this group: 0 to 2 */
	int fails; /* of it */
	int64_t now_s;
};

static double seconds_of(clockid_t clock)
{
	struct timespec t;
	(void)clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int call(struct bench *b, const struct worker *w)
{
	static struct job job;
	struct slice token = slice_of(w->token);
	int64_t wall_s = b->now_s + 1600000000;
	if (b->what == 0)
		return store_job_take(b->store, &job, token, w->type, b->now_s,
				      wall_s, NULL);
	if (b->what == 1)
		return store_worker_progress(b->store, token, w->type,
					     SLICE("10 of 500 images"),
					     b->now_s, wall_s, NULL);
	return store_job_finish(b->store, token, w->type, 4321, SLICE(""),
				b->now_s, wall_s, NULL);
}

static void run_group(void *arg)
{
	struct bench *b = arg;
	b->fails = 0;
	for (int i = 0; i < b->count; i++) {
		store_want_worker(b->store, slice_of(b->workers[i].token));
		if (b->what == 0)
			store_want_job(b->store, WORKER_HYBRID);
	}
	for (int i = 0; i < b->count; i++)
		b->fails += call(b, &b->workers[i]) != CAH_OK;
}

static int make_workers(struct bench *b, struct cah_error *err)
{
	for (int i = 0; i < b->count; i++) {
		char nickname[32];
		int len = snprintf(nickname, sizeof(nickname), "bench %d",
				   i % 16);
		int rc = store_worker_new(b->store, &b->workers[i],
					  (struct slice){nickname, (size_t)len},
					  WORKER_HYBRID, b->now_s, 1600000000,
					  err);
		if (rc != CAH_OK)
			return rc;
	}
	return CAH_OK;
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

static int measure(struct bench *b, double seconds, float *times,
		   struct cah_error *err)
{
	double start = seconds_of(CLOCK_MONOTONIC);
	double cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID);
	double now = start;
	size_t n = 0;
	while ((now < start + seconds || n % CYCLE != 0) && n < TIMES_MAX) {
		b->what = (int)(n % CYCLE);
		b->now_s = 100 + (int64_t)(now - start);
		int rc = store_group(b->store, true, run_group, b, err);
		if (rc != CAH_OK)
			return rc;
		if (b->fails > 0)
			break;
		double then = now;
		now = seconds_of(CLOCK_MONOTONIC);
		times[n++] = (float)((now - then) * 1e3);
	}
	cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
	double calls = (double)n * b->count;
	qsort(times, n, sizeof(*times), compare);
	printf("{\"cycles_per_s\": %.0f, \"us_per_call\": %.2f, "
	       "\"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f}\n",
	       calls / CYCLE / (now - start), cpu / calls * 1e6,
	       (double)times[n / 2], (double)times[n * 99 / 100],
	       (double)times[n - 1]);
	return CAH_OK;
}

int main(int argc, char **argv)
{
	static struct bench b;
	struct cah_error err = {0};
	if (argc != 4) {
		fprintf(stderr, "usage: bench_store URI GROUP SECONDS\n");
		return 2;
	}
	b.count = atoi(argv[2]);
	assert(b.count >= 1 && b.count <= GROUP_MAX);
	float *times = malloc(TIMES_MAX * sizeof(*times));
	assert(times != NULL);
	int rc = store_open_existing(&b.store, argv[1], &err);
	if (rc == CAH_OK)
		rc = make_workers(&b, &err);
	if (rc == CAH_OK)
		rc = measure(&b, atof(argv[3]), times, &err);
	store_close(b.store);
	free(times);
	if (rc != CAH_OK)
		fprintf(stderr, "bench_store: %s\n", err.text);
	return rc == CAH_OK ? 0 : 1;
}
