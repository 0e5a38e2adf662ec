/* Fetches the URLs of a list from a site on loopback and prints a JSON object:
 * how fast, at what cost of this process, and what became of them.
 *
 *     bench_fetch URLS.TXT PORT CONCURRENCY [PER-HOST [CA-FILE]]
 *
 * Every host is taken to be 127.0.0.1 at that port. CONCURRENCY 0: found out;
 * PER-HOST 0: as many as there are. */
#include "base/clock.h"
#include "base/fail.h"
#include "fetch/fetch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
	JOBS_MAX = 1000000,
	QUEUE_ITEMS = 256,
	LINE_MAX_BYTES = 512,
	PER_ADDRESS = 65536,
	MOST_PERCENT = 95, /* of the jobs: the rest wait for slow hosts */
};

struct bench {
	struct fetch *fetch;
	struct queue *in;
	struct queue *out;
	struct fetch_job *jobs;
	int count;
	struct fate_counts fates;
	int64_t bytes;
	int out_count;
	int64_t most_ns; /* when MOST_PERCENT of the jobs were out */
	int active;      /* the most that were seen */
	int window;      /* the last */
};

static int read_list(struct bench *bench, const char *path)
{
	char line[LINE_MAX_BYTES];
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return -1;
	while (bench->count < JOBS_MAX &&
	       fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		bench->jobs[bench->count++].url = strdup(line);
	}
	(void)fclose(file);
	return 0;
}

static void *push_all(void *arg)
{
	struct bench *bench = arg;
	for (int i = 0; i < bench->count; i++)
		if (!queue_push(bench->in, &bench->jobs[i]))
			break;
	queue_close(bench->in);
	return NULL;
}

static void look(struct bench *bench)
{
	struct fetch_stats stats;
	fetch_get_stats(bench->fetch, &stats);
	if (stats.active > bench->active)
		bench->active = stats.active;
	bench->window = stats.window;
	if (++bench->out_count * INT64_C(100) <=
	    (int64_t)bench->count * MOST_PERCENT)
		bench->most_ns = clock_now_ns();
}

static void *pop_all(void *arg)
{
	struct bench *bench = arg;
	for (struct fetch_job *job = queue_pop(bench->out); job != NULL;
	     job = queue_pop(bench->out)) {
		bench->fates.n[job->fate]++;
		bench->bytes += (int64_t)job->body.len;
		fetch_drop_body(bench->fetch, job);
		look(bench);
	}
	return NULL;
}

static double cpu_s(void)
{
	struct rusage usage;
	(void)getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void report(const struct bench *bench, int64_t start_ns, double cpu)
{
	double s = (double)(clock_now_ns() - start_ns) / 1e9;
	double most_s = (double)(bench->most_ns - start_ns) / 1e9;
	const char *comma = "";
	printf("{\"jobs\": %d, \"seconds\": %.6f, \"most_seconds\": %.6f, "
	       "\"cpu_s\": %.6f, \"bytes\": %lld, \"active\": %d, "
	       "\"window\": %d, \"fates\": {",
	       bench->count, s, most_s, cpu, (long long)bench->bytes,
	       bench->active, bench->window);
	for (int i = 0; i < CAH_FATE_COUNT; i++) {
		if (bench->fates.n[i] == 0)
			continue;
		printf("%s\"%s\": %lld", comma, fate_key((enum fate)i),
		       (long long)bench->fates.n[i]);
		comma = ", ";
	}
	printf("}}\n");
}

static int run(struct bench *bench, struct fetch_options *options,
	       struct cah_error *err)
{
	pthread_t pusher;
	pthread_t popper;
	int rc = fetch_new(&bench->fetch, options, err);
	if (rc == CAH_OK)
		rc = queue_new(&bench->in, QUEUE_ITEMS, err);
	if (rc == CAH_OK)
		rc = queue_new(&bench->out, QUEUE_ITEMS, err);
	if (rc != CAH_OK)
		return rc;
	double cpu = cpu_s();
	int64_t start_ns = clock_now_ns();
	if (pthread_create(&pusher, NULL, push_all, bench) != 0 ||
	    pthread_create(&popper, NULL, pop_all, bench) != 0)
		return cah_fail(err, CAH_ENOMEM, "no thread");
	rc = fetch_run(bench->fetch, bench->in, bench->out, NULL, err);
	pthread_join(pusher, NULL);
	pthread_join(popper, NULL);
	report(bench, start_ns, cpu_s() - cpu);
	return rc;
}

int main(int argc, char **argv)
{
	struct bench bench = {0};
	struct cah_error err = {0};
	struct fetch_options options = fetch_options_default();
	char pin[64];
	const char *pins[] = {pin};
	struct pins *pinned = NULL;
	if (argc < 4 || argc > 6) {
		fprintf(stderr, "usage: bench_fetch URLS.TXT PORT CONCURRENCY "
				"[PER-HOST [CA-FILE]]\n");
		return 2;
	}
	options.concurrency = (int)strtol(argv[3], NULL, 10);
	(void)snprintf(pin, sizeof(pin), "*:%s:127.0.0.1", argv[2]);
	bench.jobs = calloc(JOBS_MAX, sizeof(*bench.jobs));
	if (bench.jobs == NULL || read_list(&bench, argv[1]) != 0) {
		fprintf(stderr, "bench_fetch: %s cannot be read\n", argv[1]);
		free(bench.jobs);
		return 1;
	}
	int rc = pins_new(&pinned, pins, 1, &err);
	options.pins = pinned;
	options.allow_private = true;
	/* All of the site is one address. */
	options.per_address = PER_ADDRESS;
	options.per_host = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 0;
	if (options.per_host == 0)
		options.per_host = JOBS_MAX;
	options.ca_file = argc > 5 ? argv[5] : NULL;
	if (rc == CAH_OK)
		rc = run(&bench, &options, &err);
	if (rc != CAH_OK)
		fprintf(stderr, "bench_fetch: %s\n", err.text);
	fetch_free(bench.fetch);
	queue_free(bench.in);
	queue_free(bench.out);
	pins_free(pinned);
	for (int i = 0; i < bench.count; i++)
		free((char *)bench.jobs[i].url);
	free(bench.jobs);
	return rc == CAH_OK ? 0 : 1;
}
