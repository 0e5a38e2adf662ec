/* Fetches the URLs of a list from a site on loopback (image_site.conf with
 * make_images.py's set) and says how fast, and at what cost of this process:
 *
 *     bench_fetch PATHS.TXT PORT [CONCURRENCY [ROUNDS]]
 *
 * PATHS.TXT has one path a line, for which the hosts img1.test to img8.test
 * take turns, or one whole URL of any host. */
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
	HOSTS = 8,
	LINE_MAX_BYTES = 512,
};

struct bench {
	struct fetch *fetch;
	struct queue *in;
	struct queue *out;
	struct fetch_job *jobs;
	int count;
	struct fate_counts fates;
	int64_t bytes;
};

static int read_list(struct bench *bench, const char *path, const char *port,
		     int rounds)
{
	char line[LINE_MAX_BYTES];
	char url[2 * LINE_MAX_BYTES];
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return -1;
	for (int round = 0; round < rounds; round++) {
		rewind(file);
		while (bench->count < JOBS_MAX &&
		       fgets(line, sizeof(line), file) != NULL) {
			int host = bench->count % HOSTS + 1;
			line[strcspn(line, "\r\n")] = '\0';
			if (line[0] == '/')
				(void)snprintf(url, sizeof(url),
					       "http://img%d.test:%s%s", host,
					       port, line);
			else
				(void)snprintf(url, sizeof(url), "%s", line);
			bench->jobs[bench->count++].url = strdup(url);
		}
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

static void *pop_all(void *arg)
{
	struct bench *bench = arg;
	for (struct fetch_job *job = queue_pop(bench->out); job != NULL;
	     job = queue_pop(bench->out)) {
		bench->fates.n[job->fate]++;
		bench->bytes += (int64_t)job->body.len;
		fetch_drop_body(bench->fetch, job);
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

static void report(const struct bench *bench, double s, double cpu)
{
	double kept = (double)bench->fates.n[CAH_FATE_KEPT];
	printf("%d jobs in %.2f s: %.0f jobs/s, %.0f images/s, %.1f MB/s; "
	       "%.3f CPU s per 1,000 jobs\n",
	       bench->count, s, bench->count / s, kept / s,
	       (double)bench->bytes / s / 1e6, cpu / bench->count * 1000);
	for (int i = 0; i < CAH_FATE_COUNT; i++)
		if (bench->fates.n[i] != 0)
			printf("  %-20s %lld\n", fate_key((enum fate)i),
			       (long long)bench->fates.n[i]);
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
	report(bench, (double)(clock_now_ns() - start_ns) / 1e9, cpu_s() - cpu);
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
	if (argc < 3) {
		fprintf(stderr, "usage: bench_fetch PATHS.TXT PORT "
				"[CONCURRENCY [ROUNDS]]\n");
		return 2;
	}
	if (argc > 3)
		options.concurrency = (int)strtol(argv[3], NULL, 10);
	(void)snprintf(pin, sizeof(pin), "*:%s:127.0.0.1", argv[2]);
	bench.jobs = calloc(JOBS_MAX, sizeof(*bench.jobs));
	int rounds = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 1;
	if (bench.jobs == NULL ||
	    read_list(&bench, argv[1], argv[2], rounds) != 0) {
		fprintf(stderr, "bench_fetch: %s cannot be read\n", argv[1]);
		return 1;
	}
	int rc = pins_new(&pinned, pins, 1, &err);
	options.pins = pinned;
	options.allow_private = true;
	options.per_host = options.concurrency;
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
