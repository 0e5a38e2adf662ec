/* sieve.h: the filter of bloom.h for one process that answers for it: what it
 * was told to add is there after a crash or a power cut, once it has said so.
 * Keys go to a journal beside the filter (PATH.journal) and from there into it,
 * in the background; what the journal holds at the start is added again.
 *
 * Adding is in two steps, so that many may share one wait for the disk:
 * sieve_stage as often as one likes, then sieve_commit. One owner thread but
 * for sieve_look. */
#ifndef DEDUP_SIEVE_H
#define DEDUP_SIEVE_H

#include "dedup/bloom.h"

enum {
	SIEVE_STAGED_MAX = 1 << 19, /* keys of one commit */
};

struct sieve;

/* Opens or makes the filter @path and its journal. The caller frees *out with
 * sieve_close. Errors: those of bloom_open and journal_open. */
CAH_MUST_CHECK int sieve_open(struct sieve **out, const char *path,
			      const struct bloom_size *size,
			      struct cah_error *err);

/* What was staged and not committed is forgotten. NULL is fine. */
void sieve_close(struct sieve *sieve);

/* Which of @count keys, one behind the other, were not added yet, to @is_new.
 */
void sieve_ask(const struct sieve *sieve, const unsigned char *keys,
	       size_t count, bool *is_new);

/* The same, and those that are new will be added with the next commit; of twins
 * the first is new. What is staged is new to sieve_ask still. On failure
 * nothing of it is staged. Errors: CAH_ELIMIT (the filter holds what it was
 * made for), CAH_EUNAVAILABLE (SIEVE_STAGED_MAX), CAH_ENOMEM. */
CAH_MUST_CHECK int sieve_stage(struct sieve *sieve, const unsigned char *keys,
			       size_t count, bool *is_new,
			       struct cah_error *err);

/* Adds what was staged: it is on the disk when this returns. On failure nothing
 * of it is added. Errors: CAH_EIO. */
CAH_MUST_CHECK int sieve_commit(struct sieve *sieve, struct cah_error *err);

struct sieve_state {
	int64_t count;
	int64_t capacity;
	double error_rate; /* of now */
	size_t bytes;
	bool is_broken; /* its disk failed: nothing is added any more */
};

/* Any thread. */
void sieve_look(struct sieve *sieve, struct sieve_state *out);

#endif
