/* Prepares pictures on one thread, and says what processor time that took, by
 * format: for CLIP (decoded and fitted), or for a dataset (image_make, to a
 * JPEG of that size, border or as is, quality 95).
 *
 *     bench_image EDGE [make|exact] < LIST
 *
 * LIST has a file's name a line; all are read before the clock starts. Prints a
 * JSON object: {"jpg": {"count": N, "cpu_s": X}, ...}. */
#include "base/fail.h"
#include "base/file.h"
#include "image/make.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	FILES_MAX = 10000,
	FILE_LIMIT = 64 * 1024 * 1024, /* bytes */
	NAME_LIMIT = 4096,             /* bytes */
	EDGE_MAX = 4096,               /* pixels */
	FORMATS = IMAGE_WEBP + 1,
};

struct cost {
	int count;
	double cpu_s;
};

static double cpu_s(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int read_all(struct buf *files, int *count, struct cah_error *err)
{
	char name[NAME_LIMIT];
	while (*count < FILES_MAX && fgets(name, sizeof(name), stdin) != NULL) {
		name[strcspn(name, "\n")] = '\0';
		struct buf *file = &files[(*count)++];
		buf_init(file, FILE_LIMIT);
		int rc = file_read(file, name, err);
		if (rc != CAH_OK)
			return rc;
	}
	return CAH_OK;
}

static void add_cost(struct cost *costs, enum image_format format, double start)
{
	costs[format].cpu_s += cpu_s() - start;
	costs[format].count++;
}

static int fit(struct cost *costs, uint8_t *pixels, struct slice bytes,
	       int edge, struct cah_error *err)
{
	const struct image_limits limits = image_limits_default();
	const struct image_fit wanted = {edge, edge, edge, IMAGE_BICUBIC};
	struct image image = {0};
	double start = cpu_s();
	enum fate fate = image_decode(&image, bytes, &limits, edge);
	if (fate != CAH_FATE_KEPT)
		return cah_fail(err, CAH_EFORMAT, "a picture is %s",
				fate_key(fate));
	int rc = image_fit(pixels, &image, &wanted);
	add_cost(costs, image.format, start);
	image_fini(&image);
	if (rc != CAH_OK)
		return cah_fail(err, rc, "a picture cannot be fitted");
	return CAH_OK;
}

static int make(struct cost *costs, struct slice bytes, int edge, bool is_exact,
		struct cah_error *err)
{
	const struct image_limits limits = image_limits_default();
	struct image_recipe recipe = image_recipe_default();
	recipe.size = edge;
	recipe.exact = is_exact;
	struct image_made made;
	double start = cpu_s();
	enum fate fate = image_make(&made, bytes, &limits, &recipe);
	if (fate != CAH_FATE_KEPT)
		return cah_fail(err, CAH_EFORMAT, "a picture is %s",
				fate_key(fate));
	add_cost(costs, image_sniff(bytes), start);
	image_made_fini(&made);
	return CAH_OK;
}

static void report(const struct cost *costs)
{
	for (int i = IMAGE_JPEG; i < FORMATS; i++)
		printf("%s\"%s\": {\"count\": %d, \"cpu_s\": %.6f}",
		       i == IMAGE_JPEG ? "{" : ", ",
		       image_extension((enum image_format)i), costs[i].count,
		       costs[i].cpu_s);
	printf("}\n");
}

int main(int argc, char **argv)
{
	static struct buf files[FILES_MAX];
	struct cost costs[FORMATS] = {0};
	struct cah_error err = {0};
	int count = 0;
	long edge = argc >= 2 ? strtol(argv[1], NULL, 10) : 0;
	bool is_exact = argc == 3 && strcmp(argv[2], "exact") == 0;
	bool is_made = is_exact || (argc == 3 && strcmp(argv[2], "make") == 0);
	if (edge < 1 || edge > EDGE_MAX || argc > 3 ||
	    (argc == 3 && !is_made)) {
		fprintf(stderr,
			"usage: bench_image EDGE [make|exact] < LIST\n");
		return 2;
	}
	uint8_t *pixels = malloc((size_t)edge * (size_t)edge * 3);
	int rc = pixels != NULL ? read_all(files, &count, &err)
				: cah_fail(&err, CAH_ENOMEM, "out of memory");
	for (int i = 0; i < count && rc == CAH_OK; i++) {
		struct slice bytes = buf_slice(&files[i]);
		rc = is_made ? make(costs, bytes, (int)edge, is_exact, &err)
			     : fit(costs, pixels, bytes, (int)edge, &err);
	}
	if (rc == CAH_OK)
		report(costs);
	else
		fprintf(stderr, "bench_image: %s\n", err.text);
	for (int i = 0; i < count; i++)
		buf_fini(&files[i]);
	free(pixels);
	return rc == CAH_OK ? 0 : 1;
}
