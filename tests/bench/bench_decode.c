/* Decodes and fits pictures on some threads, in this process or in decoders of
 * their own, and says what that took:
 *
 *     bench_decode EDGE THREADS [DECODER] < LIST
 *
 * LIST has a file's name a line; all are read before the clock starts. Prints a
 * JSON object: {"count": N, "wall_s": X, "cpu_s": X}; the processor time is
 * that of this process and of its decoders, their start included. */
#include "base/clock.h"
#include "base/fail.h"
#include "base/file.h"
#include "decode/decoders.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
	FILES_MAX = 10000,
	FILE_LIMIT = 64 * 1024 * 1024, /* bytes */
	NAME_LIMIT = 4096,             /* bytes */
	EDGE_MAX = 4096,               /* pixels */
	THREADS_MAX = 64,
};

struct bench {
	struct buf *files;
	int count;
	int edge;
	struct decoders *decoders;
	atomic_int next;
	atomic_int failed;
};

static double seconds_of(int who)
{
	struct rusage u;
	(void)getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int read_all(struct bench *b, struct cah_error *err)
{
	char name[NAME_LIMIT];
	while (b->count < FILES_MAX &&
	       fgets(name, sizeof(name), stdin) != NULL) {
		name[strcspn(name, "\n")] = '\0';
		struct buf *file = &b->files[b->count++];
		buf_init(file, FILE_LIMIT);
		int rc = file_read(file, name, err);
		if (rc != CAH_OK)
			return rc;
	}
	return CAH_OK;
}

static void *run(void *arg)
{
	struct bench *b = arg;
	const struct image_limits limits = image_limits_default();
	const struct image_fit fit = {b->edge, b->edge, b->edge, IMAGE_BICUBIC};
	uint8_t *pixels = malloc((size_t)b->edge * (size_t)b->edge * 3);
	for (int i; pixels != NULL &&
		    (i = atomic_fetch_add(&b->next, 1)) < b->count;) {
		const struct decoders_job job = {
			.bytes = buf_slice(&b->files[i]), .limits = &limits};
		struct decoders_fitted fitted;
		if (decoders_fit(&fitted, pixels, b->decoders, &job, &fit,
				 NULL) != CAH_OK ||
		    fitted.fate != CAH_FATE_KEPT)
			atomic_fetch_add(&b->failed, 1);
	}
	free(pixels);
	return NULL;
}

static int measure(struct bench *b, int threads, const char *program,
		   struct cah_error *err)
{
	pthread_t ids[THREADS_MAX];
	const struct decoders_options options = {
		.count = threads,
		.program = program,
		.file_max = FILE_LIMIT,
		.made_max = (size_t)b->edge * (size_t)b->edge * 3,
	};
	int rc = program != NULL ? decoders_new(&b->decoders, &options, err)
				 : CAH_OK;
	if (rc != CAH_OK)
		return rc;
	int64_t start_ns = clock_now_ns();
	double start_s = seconds_of(RUSAGE_SELF);
	for (int i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, run, b) != 0)
			return cah_fail(err, CAH_ENOMEM, "no thread");
	for (int i = 0; i < threads; i++)
		(void)pthread_join(ids[i], NULL);
	double wall_s = (double)(clock_now_ns() - start_ns) / 1e9;
	double cpu_s = seconds_of(RUSAGE_SELF) - start_s;
	decoders_free(b->decoders);
	cpu_s += seconds_of(RUSAGE_CHILDREN);
	if (atomic_load(&b->failed) != 0 || atomic_load(&b->next) < b->count)
		return cah_fail(err, CAH_EFORMAT, "pictures were not decoded");
	printf("{\"count\": %d, \"wall_s\": %.6f, \"cpu_s\": %.6f}\n", b->count,
	       wall_s, cpu_s);
	return CAH_OK;
}

int main(int argc, char **argv)
{
	static struct buf files[FILES_MAX];
	struct bench b = {.files = files};
	struct cah_error err = {0};
	long edge = argc >= 3 ? strtol(argv[1], NULL, 10) : 0;
	long threads = argc >= 3 ? strtol(argv[2], NULL, 10) : 0;
	if (edge < 1 || edge > EDGE_MAX || threads < 1 ||
	    threads > THREADS_MAX || argc > 4) {
		fprintf(stderr,
			"usage: bench_decode EDGE THREADS [DECODER] < LIST\n");
		return 2;
	}
	b.edge = (int)edge;
	int rc = read_all(&b, &err);
	if (rc == CAH_OK)
		rc = measure(&b, (int)threads, argc == 4 ? argv[3] : NULL,
			     &err);
	if (rc != CAH_OK)
		fprintf(stderr, "bench_decode: %s\n", err.text);
	for (int i = 0; i < b.count; i++)
		buf_fini(&files[i]);
	return rc == CAH_OK ? 0 : 1;
}
