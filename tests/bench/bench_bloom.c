/* Asks and fills a filter on one thread, and says how many keys it did in a
 * second:
 *
 *     bench_bloom FILE CAPACITY KEYS
 *
 * FILE is made for CAPACITY and filled with as many keys first. Prints a JSON
 * object: keys asked one by one, many at once, added; and, as the limit, lines
 * of the cache read at random places of as much memory. */
#include "base/fail.h"
#include "dedup/bloom.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum {
	BATCH = 100000,
	LINE = 64, /* bytes */
};

#define KEYS_MAX INT64_C(10000000000)

static unsigned char keys[BATCH][BLOOM_KEY_LEN];
static bool has[BATCH];

static double now_s(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t mix(uint64_t x)
{
	x *= 0x9e3779b97f4a7c15U;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
	x = (x ^ x >> 27) * 0x94d049bb133111ebU;
	return x ^ x >> 31;
}

static void make_keys(int64_t from)
{
	for (int i = 0; i < BATCH; i++) {
		uint64_t hash = mix((uint64_t)(from + i) + 1);
		for (int b = 0; b < BLOOM_KEY_LEN; b++)
			keys[i][b] = (unsigned char)(hash >> (b % 8 * 8));
	}
}

enum way {
	ONE_BY_ONE,
	MANY,
	ADD
};

/* Seconds that @count keys from @from on took, their making not counted. */
static double spend(struct bloom *bloom, enum way way, int64_t from,
		    int64_t count)
{
	double spent = 0;
	for (int64_t at = 0; at < count; at += BATCH) {
		make_keys(from + at);
		double start = now_s();
		if (way == MANY)
			bloom_has_many(bloom, keys[0], BATCH, has);
		for (int i = 0; i < BATCH && way != MANY; i++)
			has[i] = way == ADD ? bloom_add(bloom, keys[i])
					    : bloom_has(bloom, keys[i]);
		spent += now_s() - start;
	}
	return spent;
}

/* Where to read does not wait for what was read. */
static double read_lines(size_t len, int64_t count)
{
	unsigned char *memory =
		mmap(NULL, len, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED)
		return 0;
	uint64_t sum = 0;
	double start = now_s();
	for (int64_t i = 0; i < count; i++)
		sum += memory[mix((uint64_t)i) % (len / LINE) * LINE];
	double spent = now_s() - start;
	(void)munmap(memory, len);
	/* So that the reads are not left out. */
	return sum == UINT64_MAX ? 0 : spent;
}

int main(int argc, char **argv)
{
	int64_t capacity = argc == 4 ? strtoll(argv[2], NULL, 10) : 0;
	int64_t count = argc == 4 ? strtoll(argv[3], NULL, 10) : 0;
	if (capacity < 1 || capacity > KEYS_MAX || count < BATCH ||
	    count > KEYS_MAX) {
		fprintf(stderr, "usage: bench_bloom FILE CAPACITY KEYS\n");
		return 2;
	}
	struct cah_error err;
	struct bloom *bloom;
	const struct bloom_size size = {capacity, 0};
	if (bloom_open(&bloom, argv[1], &size, &err) != CAH_OK) {
		fprintf(stderr, "bench_bloom: %s\n", err.text);
		return 1;
	}
	int64_t added = (capacity + BATCH - 1) / BATCH * BATCH;
	double add_s = spend(bloom, ADD, 0, added);
	/* Half of them are there. */
	int64_t from = added - count / 2;
	double one_s = spend(bloom, ONE_BY_ONE, from > 0 ? from : 0, count);
	double many_s = spend(bloom, MANY, from > 0 ? from : 0, count);
	double line_s = read_lines((size_t)capacity * 2, count);
	printf("{\"add\": %.0f, \"one\": %.0f, \"many\": %.0f, \"lines\": "
	       "%.0f}\n",
	       (double)added / add_s, (double)count / one_s,
	       (double)count / many_s, (double)count / line_s);
	bloom_close(bloom);
	return 0;
}
