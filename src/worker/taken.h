/* taken.h: which pairs other shards have taken: asked while a shard is made, of
 * a filter on this machine (--seen) and of the tracker's dedup service, and
 * told to both once the tracker has the shard. Before that a worker that ends
 * in between would take its pairs with it: no other would fetch them again.
 *
 * A service that does not answer loses no pair: what it cannot be asked is
 * taken for new, and what it cannot be told is told with the next shard. */
#ifndef WORKER_TAKEN_H
#define WORKER_TAKEN_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/log.h"
#include "dedup/bloom.h"

#include <cah/client.h>

enum {
	TAKEN_RETRY_S = 20,        /* for one call to the service */
	TAKEN_PAUSE_MS = 120000,   /* after one in vain it is not asked */
	TAKEN_OWED_MAX = 16 << 20, /* bytes of keys that it is to be told */
};

/* The service's filter that is meant. */
#define TAKEN_FILTER "clipped"

struct taken;

/* Opens the filter in the file @path; NULL: none. The caller frees *out with
 * taken_free. @log may be NULL. Errors: those of bloom_open. */
CAH_MUST_CHECK int taken_new(struct taken **out, const char *path,
			     const struct bloom_size *size, struct log *log,
			     struct cah_error *err);
void taken_free(struct taken *taken);

/* From now on the tracker of @options is asked, too; its interrupt is looked at
 * by taken_tell. Errors: those of cah_dedup_open. */
CAH_MUST_CHECK int taken_join(struct taken *taken,
			      const struct cah_client_options *options,
			      struct cah_error *err);

bool taken_has_file(const struct taken *taken);
bool taken_has_service(const struct taken *taken);

/* Whether the file has it; a seen_fn. Any thread. */
bool taken_was_seen(void *arg, const unsigned char *key);

/* Which of @count keys the service does not have, to @is_new; a
 * pipeline_ask_fn. One thread at a time, and none in taken_tell. */
void taken_ask(void *arg, const unsigned char *keys, size_t count, bool *is_new,
	       struct cancel *stop);

/* These pairs are taken: a shard with them is done. */
void taken_tell(struct taken *taken, const struct buf *keys);

#endif
