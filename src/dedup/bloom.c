#include "dedup/bloom.h"

#include "base/fail.h"
#include "base/siphash.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the file has the machine's byte order");

enum {
	WORDS = 8,         /* of a block, 32 bits each */
	HEADER_LEN = 4096, /* bytes */
	VERSION = 2,       /* of the file */
	AHEAD = 16,        /* keys whose blocks are fetched at once */
	FULL = 1000,       /* keys for each block, with which it knows all */
};

static const char magic[8] = {'c', 'a', 'h', 'b', 'l', 'o', 'o', 'm'};

/* BloomFilter.md, "salt". */
static const uint32_t salts[WORDS] = {0x47b6137bU, 0x44974d91U, 0x8824ad5bU,
				      0xa2b7289dU, 0x705495c7U, 0x2df1424bU,
				      0x9efc4947U, 0x5c6bfb31U};

struct block {
	_Atomic uint32_t words[WORDS];
};

struct bloom_header {
	char magic[8];
	uint32_t version;
	uint32_t block_len; /* bytes */
	int64_t blocks;
	int64_t capacity;
	double error_rate;
	uint64_t check; /* of what stands before it */
	_Atomic int64_t count;
};

struct bloom {
	struct bloom_header *header; /* the mapping's begin */
	struct block *blocks;
	char *path; /* as the user gave it, for texts */
	size_t len; /* bytes of the mapping */
	int fd;
};

/* ---- sizes ---- */

/* The keys fall into the blocks as rain does (Poisson); in a block of k keys a
 * word has a given bit with 1 - (1 - 1/32)^k, and a new key is taken for an old
 * one where all words have it (Putze et al., section 3). */
static double error_rate_of(double keys, double blocks)
{
	double mean = keys / blocks;
	double sum = 0;
	if (mean >= FULL)
		return 1;
	for (int k = 1; k < 2 * FULL; k++) {
		double chance = exp(k * log(mean) - mean - lgamma(k + 1.0));
		double filled = 1 - pow(1 - 1.0 / 32, k);
		sum += chance * pow(filled, WORDS);
		if (k > mean && chance < 1e-18)
			break;
	}
	return sum;
}

/* The fewest blocks that keep the rate. */
static int64_t blocks_for(const struct bloom_size *size)
{
	int64_t low = 1;
	int64_t high = 1;
	double keys = (double)size->capacity;
	while (error_rate_of(keys, (double)high) > size->error_rate)
		high *= 2;
	while (low < high) {
		int64_t middle = low + (high - low) / 2;
		if (error_rate_of(keys, (double)middle) > size->error_rate)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int check_size(struct bloom_size *size, const char *path,
		      struct cah_error *err)
{
	if (size->capacity == 0)
		size->capacity = BLOOM_CAPACITY;
	if (size->error_rate == 0)
		size->error_rate = BLOOM_ERROR_RATE;
	if (size->capacity < 1 || size->capacity > BLOOM_CAPACITY_MAX)
		return cah_fail(err, CAH_EINVALID,
				"%s: for %lld keys: must be 1 to %lld", path,
				(long long)size->capacity,
				(long long)BLOOM_CAPACITY_MAX);
	if (!(size->error_rate >= BLOOM_ERROR_RATE_MIN &&
	      size->error_rate <= BLOOM_ERROR_RATE_MAX))
		return cah_fail(err, CAH_EINVALID,
				"%s: error rate %g: must be %g to %g", path,
				size->error_rate, BLOOM_ERROR_RATE_MIN,
				BLOOM_ERROR_RATE_MAX);
	return CAH_OK;
}

/* ---- the file ---- */

static int fail_errno(const struct bloom *bloom, int errnum,
		      struct cah_error *err)
{
	return cah_fail_errno(err, errnum, "%s", bloom->path);
}

static size_t file_len(int64_t blocks)
{
	return HEADER_LEN + (size_t)blocks * sizeof(struct block);
}

/* Against a disk's mistakes, not against an enemy: the key is no secret. */
static uint64_t check_of(const struct bloom_header *header)
{
	static const struct siphash_key key = {0x626c6f6f6d, VERSION};
	return siphash(&key,
		       (struct slice){(const char *)header,
				      offsetof(struct bloom_header, check)});
}

/* The header goes last: a file without it is one that was not finished, and is
 * begun anew. */
static int make_file(struct bloom *bloom, const struct bloom_size *size,
		     struct cah_error *err)
{
	struct bloom_header header = {
		.version = VERSION,
		.block_len = sizeof(struct block),
		.blocks = blocks_for(size),
		.capacity = size->capacity,
		.error_rate = size->error_rate,
	};
	memcpy(header.magic, magic, sizeof(magic));
	header.check = check_of(&header);
	/* All of it now: a disk that fills later would end the process at a
	 * write to the mapping. */
	off_t len = (off_t)file_len(header.blocks);
	int errnum = ftruncate(bloom->fd, 0) != 0 ? errno : 0;
	if (errnum == 0)
		errnum = posix_fallocate(bloom->fd, 0, len);
	if (errnum == 0 && pwrite(bloom->fd, &header, sizeof(header), 0) !=
				   (ssize_t)sizeof(header))
		errnum = errno;
	if (errnum == 0 && fsync(bloom->fd) != 0)
		errnum = errno;
	if (errnum == 0)
		return CAH_OK;
	(void)ftruncate(bloom->fd, 0);
	return fail_errno(bloom, errnum, err);
}

static int read_header(struct bloom *bloom, struct bloom_header *header,
		       off_t len, struct cah_error *err)
{
	memset(header, 0, sizeof(*header));
	ssize_t got = pread(bloom->fd, header, sizeof(*header), 0);
	if (got < 0)
		return fail_errno(bloom, errno, err);
	if (memcmp(header->magic, magic, sizeof(magic)) != 0)
		return cah_fail(err, CAH_EFORMAT, "%s is no filter of cah's",
				bloom->path);
	if (header->version != VERSION ||
	    header->block_len != sizeof(struct block))
		return cah_fail(err, CAH_EFORMAT,
				"%s is a filter of version %u, this program "
				"knows %d",
				bloom->path, header->version, VERSION);
	if (header->check != check_of(header))
		return cah_fail(err, CAH_EFORMAT, "%s: its header is damaged",
				bloom->path);
	if (header->blocks < 1 || header->capacity < 1 ||
	    header->blocks > INT64_MAX / (int64_t)sizeof(struct block) - 1 ||
	    len != (off_t)file_len(header->blocks))
		return cah_fail(err, CAH_EFORMAT,
				"%s has not the length that it says",
				bloom->path);
	return CAH_OK;
}

/* Empty, or nothing but zeros where the header should be. */
static bool is_unfinished(const struct bloom *bloom, off_t len)
{
	char header[sizeof(struct bloom_header)] = {0};
	ssize_t got = pread(bloom->fd, header, sizeof(header), 0);
	if (len == 0 || got != (ssize_t)sizeof(header))
		return len == 0;
	/* Each byte is as the one before it, and the first is zero. */
	return header[0] == 0 &&
	       memcmp(header, header + 1, sizeof(header) - 1) == 0;
}

static int open_locked(struct bloom *bloom, const struct bloom_size *size,
		       struct cah_error *err)
{
	struct stat st;
	struct bloom_header header;
	if (fstat(bloom->fd, &st) != 0)
		return fail_errno(bloom, errno, err);
	if (!S_ISREG(st.st_mode))
		return cah_fail(err, CAH_EFORMAT, "%s is not a file",
				bloom->path);
	int rc = CAH_OK;
	if (is_unfinished(bloom, st.st_size)) {
		rc = make_file(bloom, size, err);
		if (rc == CAH_OK && fstat(bloom->fd, &st) != 0)
			rc = fail_errno(bloom, errno, err);
	}
	if (rc == CAH_OK)
		rc = read_header(bloom, &header, st.st_size, err);
	if (rc != CAH_OK)
		return rc;
	bloom->len = file_len(header.blocks);
	void *map = mmap(NULL, bloom->len, PROT_READ | PROT_WRITE, MAP_SHARED,
			 bloom->fd, 0);
	if (map == MAP_FAILED)
		return fail_errno(bloom, errno, err);
	bloom->header = map;
	bloom->blocks = (struct block *)((char *)map + HEADER_LEN);
	return CAH_OK;
}

static int open_file(struct bloom *bloom, const struct bloom_size *size,
		     struct cah_error *err)
{
	bloom->fd = open(bloom->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (bloom->fd < 0)
		return fail_errno(bloom, errno, err);
	/* Two that come at the same time: the second finds it made. */
	while (flock(bloom->fd, LOCK_EX) != 0)
		if (errno != EINTR)
			return fail_errno(bloom, errno, err);
	int rc = open_locked(bloom, size, err);
	(void)flock(bloom->fd, LOCK_UN);
	return rc;
}

int bloom_open(struct bloom **out, const char *path,
	       const struct bloom_size *size, struct cah_error *err)
{
	*out = NULL;
	struct bloom_size checked = *size;
	int rc = check_size(&checked, path, err);
	if (rc != CAH_OK)
		return rc;
	struct bloom *bloom = calloc(1, sizeof(*bloom));
	if (bloom == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	bloom->fd = -1;
	bloom->path = strdup(path);
	rc = bloom->path != NULL
		     ? open_file(bloom, &checked, err)
		     : cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	if (rc != CAH_OK) {
		bloom_close(bloom);
		return rc;
	}
	*out = bloom;
	return CAH_OK;
}

void bloom_close(struct bloom *bloom)
{
	if (bloom == NULL)
		return;
	if (bloom->header != NULL)
		(void)munmap(bloom->header, bloom->len);
	if (bloom->fd >= 0)
		close(bloom->fd);
	free(bloom->path);
	free(bloom);
}

int bloom_sync(struct bloom *bloom, struct cah_error *err)
{
	if (msync(bloom->header, bloom->len, MS_SYNC) != 0)
		return fail_errno(bloom, errno, err);
	return CAH_OK;
}

/* ---- keys ---- */

static uint64_t hash_of(const unsigned char *key)
{
	uint64_t hash;
	memcpy(&hash, key, sizeof(hash));
	return hash;
}

static size_t block_of(const struct bloom *bloom, uint64_t hash)
{
	__extension__ typedef unsigned __int128 wide;
	/* The upper half of the hash says where, the lower which bits; more
	 * blocks than 2^32 borrow from the lower. */
	return (size_t)((wide)hash * (uint64_t)bloom->header->blocks >> 64);
}

static uint32_t bit_of(uint64_t hash, int word)
{
	return UINT32_C(1) << ((uint32_t)hash * salts[word] >> 27);
}

static bool block_has(const struct block *block, uint64_t hash)
{
	uint32_t missing = 0;
	for (int i = 0; i < WORDS; i++)
		missing |= bit_of(hash, i) &
			   ~atomic_load_explicit(&block->words[i],
						 memory_order_relaxed);
	return missing == 0;
}

bool bloom_has(const struct bloom *bloom,
	       const unsigned char key[BLOOM_KEY_LEN])
{
	uint64_t hash = hash_of(key);
	return block_has(&bloom->blocks[block_of(bloom, hash)], hash);
}

void bloom_has_many(const struct bloom *bloom, const unsigned char *keys,
		    size_t count, bool *has)
{
	const struct block *blocks[AHEAD];
	for (size_t at = 0; at < count; at += AHEAD) {
		size_t n = count - at < AHEAD ? count - at : AHEAD;
		const unsigned char *key = keys + at * BLOOM_KEY_LEN;
		for (size_t i = 0; i < n; i++) {
			uint64_t hash = hash_of(key + i * BLOOM_KEY_LEN);
			blocks[i] = &bloom->blocks[block_of(bloom, hash)];
			__builtin_prefetch(blocks[i]);
		}
		for (size_t i = 0; i < n; i++)
			has[at + i] = block_has(
				blocks[i], hash_of(key + i * BLOOM_KEY_LEN));
	}
}

static void block_add(struct block *block, uint64_t hash)
{
	for (int i = 0; i < WORDS; i++)
		(void)atomic_fetch_or_explicit(&block->words[i],
					       bit_of(hash, i),
					       memory_order_relaxed);
}

bool bloom_add(struct bloom *bloom, const unsigned char key[BLOOM_KEY_LEN])
{
	uint64_t hash = hash_of(key);
	struct block *block = &bloom->blocks[block_of(bloom, hash)];
	/* Most writes would change nothing, and still dirty the page. */
	if (block_has(block, hash))
		return false;
	block_add(block, hash);
	atomic_fetch_add_explicit(&bloom->header->count, 1,
				  memory_order_relaxed);
	return true;
}

void bloom_restore(struct bloom *bloom, const unsigned char key[BLOOM_KEY_LEN])
{
	uint64_t hash = hash_of(key);
	if (!bloom_add(bloom, key))
		block_add(&bloom->blocks[block_of(bloom, hash)], hash);
}

int64_t bloom_count(const struct bloom *bloom)
{
	return atomic_load_explicit(&bloom->header->count,
				    memory_order_relaxed);
}

int64_t bloom_capacity(const struct bloom *bloom)
{
	return bloom->header->capacity;
}

size_t bloom_bytes(const struct bloom *bloom)
{
	return bloom->len;
}

double bloom_error_rate(const struct bloom *bloom, int64_t count)
{
	return count > 0 ? error_rate_of((double)count,
					 (double)bloom->header->blocks)
			 : 0;
}
