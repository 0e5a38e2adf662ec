#include "dedup/journal.h"

#include "base/fail.h"
#include "base/siphash.h"
#include "dedup/bloom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	PAGE_LEN = 4096, /* bytes, before a half's records */
	VERSION = 1,
};

static const char magic[8] = {'c', 'a', 'h', 'j', 'o', 'u', 'r', 'n'};

struct page {
	char magic[8];
	uint64_t version;
	uint64_t generation; /* from 1 on */
	uint64_t check;
};

struct record {
	uint64_t generation;
	uint64_t serial; /* within the generation, from 0 on */
	uint64_t count;  /* of keys */
	uint64_t check;  /* of them */
};

struct half {
	off_t start; /* in the file */
	off_t at;    /* where the next record goes */
	uint64_t generation;
	uint64_t serial;
};

struct journal {
	struct half halves[JOURNAL_HALVES];
	char *path; /* as the user gave it, for texts */
	int fd;
};

static int fail_errno(const struct journal *j, int errnum,
		      struct cah_error *err)
{
	return cah_fail_errno(err, errnum, "%s", j->path);
}

/* All of it, or an errno. */
static int write_all(const struct journal *j, struct iovec *parts, int count,
		     off_t at)
{
	while (count > 0) {
		ssize_t put = pwritev(j->fd, parts, count, at);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? errno : EIO;
		at += put;
		while (count > 0 && (size_t)put >= parts->iov_len) {
			put -= (ssize_t)parts->iov_len;
			parts++;
			count--;
		}
		if (count > 0) {
			parts->iov_base = (char *)parts->iov_base + put;
			parts->iov_len -= (size_t)put;
		}
	}
	return fdatasync(j->fd) != 0 ? errno : 0;
}

/* Fewer only at the end of the file. */
static ssize_t read_all(const struct journal *j, void *to, size_t len, off_t at)
{
	size_t have = 0;
	while (have < len) {
		ssize_t got = pread(j->fd, (char *)to + have, len - have,
				    at + (off_t)have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

/* ---- halves ---- */

static uint64_t page_check(const struct page *page)
{
	const struct siphash_key key = {page->version, page->generation};
	return siphash(&key, (struct slice){page->magic, sizeof(page->magic)});
}

static int write_page(struct journal *j, struct half *half, uint64_t generation,
		      struct cah_error *err)
{
	struct page page = {.version = VERSION, .generation = generation};
	memcpy(page.magic, magic, sizeof(magic));
	page.check = page_check(&page);
	struct iovec part = {&page, sizeof(page)};
	int errnum = write_all(j, &part, 1, half->start);
	if (errnum != 0)
		return fail_errno(j, errnum, err);
	half->generation = generation;
	half->serial = 0;
	half->at = half->start + PAGE_LEN;
	return CAH_OK;
}

static uint64_t record_check(const struct record *record,
			     const unsigned char *keys)
{
	const struct siphash_key key = {record->generation, record->serial};
	return siphash(&key, (struct slice){(const char *)keys,
					    record->count * BLOOM_KEY_LEN});
}

static size_t record_len(size_t count)
{
	return sizeof(struct record) + count * BLOOM_KEY_LEN;
}

/* The next record's keys to @keys, which has room for JOURNAL_KEYS_MAX; their
 * number, 0 where there is no record, -1 with errno. */
static ssize_t read_record(struct journal *j, struct half *half,
			   unsigned char *keys)
{
	struct record record;
	ssize_t got = read_all(j, &record, sizeof(record), half->at);
	if (got != (ssize_t)sizeof(record))
		return got < 0 ? -1 : 0;
	if (record.generation != half->generation ||
	    record.serial != half->serial || record.count < 1 ||
	    record.count > JOURNAL_KEYS_MAX)
		return 0;
	size_t len = (size_t)record.count * BLOOM_KEY_LEN;
	if (half->at + (off_t)record_len(record.count) >
	    half->start + JOURNAL_HALF_LEN)
		return 0;
	got = read_all(j, keys, len, half->at + (off_t)sizeof(record));
	if (got != (ssize_t)len)
		return got < 0 ? -1 : 0;
	if (record.check != record_check(&record, keys))
		return 0;
	half->at += (off_t)record_len(record.count);
	half->serial++;
	return (ssize_t)record.count;
}

/* A half without a page was never finished, so that nothing is in it. */
static int read_half(struct journal *j, struct half *half, unsigned char *keys,
		     journal_key_fn fn, void *arg, struct cah_error *err)
{
	struct page page = {.version = 0};
	const struct page none = {.version = 0};
	ssize_t got = read_all(j, &page, sizeof(page), half->start);
	if (got < 0)
		return fail_errno(j, errno, err);
	if (memcmp(&page, &none, sizeof(page)) == 0)
		return write_page(j, half, 1, err);
	if (memcmp(page.magic, magic, sizeof(magic)) != 0)
		return cah_fail(err, CAH_EFORMAT, "%s is no journal of cah's",
				j->path);
	if (page.version != VERSION || page.check != page_check(&page))
		return cah_fail(err, CAH_EFORMAT,
				"%s is damaged, or of another version",
				j->path);
	half->generation = page.generation;
	half->at = half->start + PAGE_LEN;
	ssize_t count;
	while ((count = read_record(j, half, keys)) > 0)
		fn(arg, keys, (size_t)count);
	return count < 0 ? fail_errno(j, errno, err) : CAH_OK;
}

/* ---- the file ---- */

/* 0, or an errno. */
static int make_whole(const struct journal *j)
{
	const off_t len = (off_t)JOURNAL_HALVES * JOURNAL_HALF_LEN;
	struct stat st;
	if (fstat(j->fd, &st) != 0)
		return errno;
	if (st.st_size == len)
		return 0;
	int errnum = posix_fallocate(j->fd, 0, len);
	if (errnum == 0 && fsync(j->fd) != 0)
		errnum = errno;
	return errnum;
}

static int open_file(struct journal *j, journal_key_fn fn, void *arg,
		     struct cah_error *err)
{
	j->fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (j->fd < 0)
		return fail_errno(j, errno, err);
	if (flock(j->fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK
			       ? cah_fail(err, CAH_EUNAVAILABLE,
					  "%s: another process has it", j->path)
			       : fail_errno(j, errno, err);
	int errnum = make_whole(j);
	if (errnum != 0)
		return fail_errno(j, errnum, err);
	unsigned char *keys = malloc((size_t)JOURNAL_KEYS_MAX * BLOOM_KEY_LEN);
	if (keys == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", j->path);
	int rc = CAH_OK;
	for (int i = 0; i < JOURNAL_HALVES && rc == CAH_OK; i++) {
		j->halves[i].start = (off_t)i * JOURNAL_HALF_LEN;
		rc = read_half(j, &j->halves[i], keys, fn, arg, err);
	}
	free(keys);
	return rc;
}

int journal_open(struct journal **out, const char *path, journal_key_fn fn,
		 void *arg, struct cah_error *err)
{
	*out = NULL;
	struct journal *j = calloc(1, sizeof(*j));
	if (j == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	j->fd = -1;
	j->path = strdup(path);
	int rc = j->path != NULL
			 ? open_file(j, fn, arg, err)
			 : cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	if (rc != CAH_OK) {
		journal_close(j);
		return rc;
	}
	*out = j;
	return CAH_OK;
}

void journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	if (j->fd >= 0)
		close(j->fd);
	free(j->path);
	free(j);
}

bool journal_has_room(const struct journal *j, int half, size_t count)
{
	const struct half *h = &j->halves[half];
	return h->at + (off_t)record_len(count) <= h->start + JOURNAL_HALF_LEN;
}

int journal_add(struct journal *j, int half, const unsigned char *keys,
		size_t count, struct cah_error *err)
{
	struct half *h = &j->halves[half];
	struct record record = {
		.generation = h->generation,
		.serial = h->serial,
		.count = count,
	};
	record.check = record_check(&record, keys);
	struct iovec parts[] = {
		{&record, sizeof(record)},
		{(void *)keys, count * BLOOM_KEY_LEN},
	};
	int errnum = write_all(j, parts, 2, h->at);
	if (errnum != 0)
		return fail_errno(j, errnum, err);
	h->at += (off_t)record_len(count);
	h->serial++;
	return CAH_OK;
}

int journal_clear(struct journal *j, int half, struct cah_error *err)
{
	struct half *h = &j->halves[half];
	return write_page(j, h, h->generation + 1, err);
}
