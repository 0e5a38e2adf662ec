/* When a half of the journal is full, the keys of it are in the filter's
 * memory; a thread waits until they are in its file, and the half is free.
 *
 * Order: a key that is in the filter before the journal has it would be told as
 * old to who asks again after a failure, and be lost. */
#include "dedup/sieve.h"

#include "base/buf.h"
#include "base/fail.h"
#include "base/table.h"
#include "dedup/journal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct sieve {
	struct bloom *bloom;
	struct journal *journal;
	char *journal_path;
	struct buf staged;   /* keys, one behind the other */
	struct table *twins; /* the same, to look up */
	int half;            /* that is written */
	pthread_t thread;
	bool is_running;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_full[JOURNAL_HALVES]; /* to go into the filter's file */
	bool is_stopping;
	bool is_broken;
	struct cah_error why; /* where it is */
};

/* ---- the thread that empties halves ---- */

/* After an error of the disk the kernel takes for written what is not; so the
 * journal is kept, which only a new start reads. */
static int empty(struct sieve *s, int half, struct cah_error *err)
{
	int rc = bloom_sync(s->bloom, err);
	return rc == CAH_OK ? journal_clear(s->journal, half, err) : rc;
}

static int full_half(const struct sieve *s)
{
	for (int i = 0; i < JOURNAL_HALVES; i++)
		if (s->is_full[i])
			return i;
	return -1;
}

static void *run(void *arg)
{
	struct sieve *s = arg;
	pthread_mutex_lock(&s->lock);
	while (!s->is_broken) {
		int half = full_half(s);
		if (half < 0 && s->is_stopping)
			break;
		if (half < 0) {
			pthread_cond_wait(&s->changed, &s->lock);
			continue;
		}
		pthread_mutex_unlock(&s->lock);
		struct cah_error err;
		int rc = empty(s, half, &err);
		pthread_mutex_lock(&s->lock);
		s->is_full[half] = rc != CAH_OK;
		s->is_broken = rc != CAH_OK;
		if (rc != CAH_OK)
			s->why = err;
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- opening ---- */

static void restore(void *arg, const unsigned char *keys, size_t count)
{
	struct sieve *s = arg;
	for (size_t i = 0; i < count; i++)
		bloom_restore(s->bloom, keys + i * BLOOM_KEY_LEN);
}

static int open_parts(struct sieve *s, const char *path,
		      const struct bloom_size *size, struct cah_error *err)
{
	if (asprintf(&s->journal_path, "%s.journal", path) < 0) {
		s->journal_path = NULL;
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	}
	int rc = table_new(&s->twins, SIEVE_STAGED_MAX, err);
	if (rc == CAH_OK)
		rc = bloom_open(&s->bloom, path, size, err);
	if (rc == CAH_OK)
		rc = journal_open(&s->journal, s->journal_path, restore, s,
				  err);
	for (int i = 0; i < JOURNAL_HALVES && rc == CAH_OK; i++)
		rc = empty(s, i, err);
	if (rc != CAH_OK)
		return rc;
	int why = pthread_create(&s->thread, NULL, run, s);
	if (why != 0)
		return cah_fail_errno(err, why, "%s: thread", path);
	s->is_running = true;
	(void)pthread_setname_np(s->thread, "cah-sieve");
	return CAH_OK;
}

int sieve_open(struct sieve **out, const char *path,
	       const struct bloom_size *size, struct cah_error *err)
{
	*out = NULL;
	struct sieve *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	buf_init(&s->staged, (size_t)SIEVE_STAGED_MAX * BLOOM_KEY_LEN);
	int rc = open_parts(s, path, size, err);
	if (rc != CAH_OK) {
		sieve_close(s);
		return rc;
	}
	*out = s;
	return CAH_OK;
}

void sieve_close(struct sieve *s)
{
	if (s == NULL)
		return;
	if (s->is_running) {
		pthread_mutex_lock(&s->lock);
		s->is_stopping = true;
		pthread_cond_broadcast(&s->changed);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->thread, NULL);
	}
	journal_close(s->journal);
	bloom_close(s->bloom);
	table_free(s->twins);
	buf_fini(&s->staged);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s->journal_path);
	free(s);
}

/* ---- keys ---- */

void sieve_ask(const struct sieve *s, const unsigned char *keys, size_t count,
	       bool *is_new)
{
	bloom_has_many(s->bloom, keys, count, is_new);
	for (size_t i = 0; i < count; i++)
		is_new[i] = !is_new[i];
}

static size_t staged_count(const struct sieve *s)
{
	return s->staged.len / BLOOM_KEY_LEN;
}

/* Forgets those from number @from on. */
static void unstage(struct sieve *s, size_t from)
{
	if (from == 0)
		table_clear(s->twins);
	for (size_t i = from; from > 0 && i < staged_count(s); i++)
		(void)table_remove(
			s->twins,
			(struct slice){s->staged.data + i * BLOOM_KEY_LEN,
				       BLOOM_KEY_LEN});
	s->staged.len = from * BLOOM_KEY_LEN;
}

static int stage_one(struct sieve *s, const unsigned char *key, bool *is_new,
		     struct cah_error *err)
{
	bool was_there = false;
	struct slice bytes = {(const char *)key, BLOOM_KEY_LEN};
	if (!*is_new)
		return CAH_OK;
	int rc = table_set(s->twins, bytes, 1, &was_there);
	*is_new = !was_there;
	if (rc == CAH_OK && *is_new)
		rc = buf_add_slice(&s->staged, bytes);
	return rc == CAH_OK ? rc : cah_fail(err, CAH_ENOMEM, "out of memory");
}

int sieve_stage(struct sieve *s, const unsigned char *keys, size_t count,
		bool *is_new, struct cah_error *err)
{
	size_t before = staged_count(s);
	int64_t capacity = bloom_capacity(s->bloom);
	if (before + count > SIEVE_STAGED_MAX)
		return cah_fail(err, CAH_EUNAVAILABLE,
				"too many pairs at one time, try again");
	sieve_ask(s, keys, count, is_new);
	int rc = CAH_OK;
	for (size_t i = 0; i < count && rc == CAH_OK; i++)
		rc = stage_one(s, keys + i * BLOOM_KEY_LEN, &is_new[i], err);
	/* Beyond it more and more new pairs would be taken for old. */
	if (rc == CAH_OK && staged_count(s) > before &&
	    bloom_count(s->bloom) + (int64_t)staged_count(s) > capacity)
		rc = cah_fail(err, CAH_ELIMIT,
			      "the filter is full: it was made for %lld pairs",
			      (long long)capacity);
	if (rc != CAH_OK)
		unstage(s, before);
	return rc;
}

/* The half that the record goes to; waits for the other where this one is full.
 */
static int find_half(struct sieve *s, size_t count, struct cah_error *err)
{
	int rc = CAH_OK;
	pthread_mutex_lock(&s->lock);
	if (!journal_has_room(s->journal, s->half, count)) {
		s->is_full[s->half] = true;
		s->half = (s->half + 1) % JOURNAL_HALVES;
		pthread_cond_broadcast(&s->changed);
	}
	while (s->is_full[s->half] && !s->is_broken)
		pthread_cond_wait(&s->changed, &s->lock);
	if (s->is_broken)
		rc = cah_fail(err, CAH_EIO, "%s", s->why.text);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int commit(struct sieve *s, struct cah_error *err)
{
	const unsigned char *keys = (const unsigned char *)s->staged.data;
	size_t count = staged_count(s);
	int rc = find_half(s, count, err);
	if (rc == CAH_OK)
		rc = journal_add(s->journal, s->half, keys, count, err);
	for (size_t i = 0; i < count && rc == CAH_OK; i++)
		(void)bloom_add(s->bloom, keys + i * BLOOM_KEY_LEN);
	return rc;
}

int sieve_commit(struct sieve *s, struct cah_error *err)
{
	if (staged_count(s) == 0)
		return CAH_OK;
	int rc = commit(s, err);
	unstage(s, 0);
	return rc;
}

void sieve_look(struct sieve *s, struct sieve_state *out)
{
	pthread_mutex_lock(&s->lock);
	bool is_broken = s->is_broken;
	pthread_mutex_unlock(&s->lock);
	int64_t count = bloom_count(s->bloom);
	*out = (struct sieve_state){
		.count = count,
		.capacity = bloom_capacity(s->bloom),
		.error_rate = bloom_error_rate(s->bloom, count),
		.bytes = bloom_bytes(s->bloom),
		.is_broken = is_broken,
	};
}
