/* bloom.h: which pairs were taken before, by any shard, of any run: a Bloom
 * filter in a file that processes and threads share. It never forgets a key; a
 * new key is taken for an old one with the error rate at most, as long as no
 * more keys are added than it was made for.
 *
 * Split block: a key sets one bit in each of the 8 words of one block of 32
 * bytes, so that a question costs one line of the cache (F. Putze, P. Sanders,
 * J. Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007, in the
 * form of Apache Parquet's BloomFilter.md, with its salts).
 *
 * The file: a page of 4,096 bytes (struct bloom_header, in the machine's byte
 * order, which must be little-endian; it carries a check of what it says), then
 * the blocks. It is mapped: whoever cuts it while it is open ends those who use
 * it. */
#ifndef DEDUP_BLOOM_H
#define DEDUP_BLOOM_H

#include <cah/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	BLOOM_KEY_LEN = 16, /* bytes: an MD5, of which 8 are used */
	BLOOM_CAPACITY = 100 * 1000 * 1000, /* default, keys */
};

#define BLOOM_CAPACITY_MAX INT64_C(100000000000) /* keys */
#define BLOOM_ERROR_RATE 0.001                   /* default */
#define BLOOM_ERROR_RATE_MIN 1e-8
#define BLOOM_ERROR_RATE_MAX 0.5

/* What a new file is made for; both 0: the defaults. An old one stays as it
 * is. */
struct bloom_size {
	int64_t capacity;  /* keys */
	double error_rate; /* at that many */
};

struct bloom;

/* Opens the filter in the file @path, or makes one. Any number of processes may
 * have it open. The caller frees *out with bloom_close. Errors: CAH_EINVALID
 * (@size out of its limits), CAH_EFORMAT (not such a file, or cut), CAH_EIO (a
 * disk too full for all of it among them), CAH_ENOMEM. */
CAH_MUST_CHECK int bloom_open(struct bloom **out, const char *path,
			      const struct bloom_size *size,
			      struct cah_error *err);

/* What was added is in the file for other processes; after a power cut it may
 * not be: see bloom_sync. NULL is fine. */
void bloom_close(struct bloom *bloom);

/* ---- any thread, any number at once ---- */

/* Whether @key was added. */
bool bloom_has(const struct bloom *bloom,
	       const unsigned char key[BLOOM_KEY_LEN]);

/* The same for @count keys, one behind the other, to @has: several times as
 * fast where the filter is larger than the caches. */
void bloom_has_many(const struct bloom *bloom, const unsigned char *keys,
		    size_t count, bool *has);

/* Adds it; true where it was not there. Of two that add one key at the same
 * time both may be told so. */
bool bloom_add(struct bloom *bloom, const unsigned char key[BLOOM_KEY_LEN]);

/* Adds it, and has its page written even where it seems to be there: what the
 * disk has lost after an error may still be in memory. */
void bloom_restore(struct bloom *bloom, const unsigned char key[BLOOM_KEY_LEN]);

/* Waits until all that was added is on the disk. Errors: CAH_EIO. */
CAH_MUST_CHECK int bloom_sync(struct bloom *bloom, struct cah_error *err);

/* Keys that were new when they were added. */
int64_t bloom_count(const struct bloom *bloom);

/* How many it was made for. */
int64_t bloom_capacity(const struct bloom *bloom);

/* Bytes of the file. */
size_t bloom_bytes(const struct bloom *bloom);

/* The chance that a new key is taken for an old one, with @count keys in it. */
double bloom_error_rate(const struct bloom *bloom, int64_t count);

#endif
