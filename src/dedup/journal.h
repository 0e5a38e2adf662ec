/* journal.h: keys that are on the disk before anybody is told so, until the
 * filter itself is there (sieve.h). A file of fixed length with two halves: one
 * is written, while what the other holds goes into the filter's file. All its
 * bytes are there from the start, so that a disk that is full later costs
 * nothing.
 *
 * A half: a page of 4,096 bytes that says its generation, then records: a head
 * of 32 bytes and keys, checked by a SipHash whose key is the generation and
 * the record's number. What is of another generation, torn or never written
 * ends it. */
#ifndef DEDUP_JOURNAL_H
#define DEDUP_JOURNAL_H

#include <cah/error.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	JOURNAL_HALVES = 2,
	JOURNAL_HALF_LEN = 16 << 20, /* bytes; 1,000,000 keys */
	JOURNAL_KEYS_MAX = 1 << 19,  /* of one record */
};

struct journal;

/* Told of keys that were written once, one behind the other. */
typedef void (*journal_key_fn)(void *arg, const unsigned char *keys,
			       size_t count);

/* Opens the journal in the file @path, or makes one, and tells @fn of all that
 * is in it, which stays until journal_clear. The caller frees *out with
 * journal_close. One process at a time. Errors: CAH_EUNAVAILABLE (another has
 * it), CAH_EFORMAT (no such file), CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int journal_open(struct journal **out, const char *path,
				journal_key_fn fn, void *arg,
				struct cah_error *err);
void journal_close(struct journal *journal);

/* Whether @half has room for a record of so many keys. */
bool journal_has_room(const struct journal *journal, int half, size_t count);

/* Writes @count keys to @half, which has room, and waits for the disk. After a
 * failure the next call writes to the same place. One thread at a time a half.
 * Errors: CAH_EIO. */
CAH_MUST_CHECK int journal_add(struct journal *journal, int half,
			       const unsigned char *keys, size_t count,
			       struct cah_error *err);

/* Forgets what @half holds. Errors: CAH_EIO. */
CAH_MUST_CHECK int journal_clear(struct journal *journal, int half,
				 struct cah_error *err);

#endif
