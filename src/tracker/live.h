/* live.h: how many live workers an address has. One owner; no clock.
 *
 * Kept in memory only: addresses of people have no business in the book, which
 * is backed up and handed on. So a tracker that has just started, and each of
 * two over one book, counts the workers that it has heard of: they are told
 * with each job they take. */
#ifndef TRACKER_LIVE_H
#define TRACKER_LIVE_H

#include "tracker/peer.h"

#include <stdint.h>

enum {
	LIVE_WORKERS_MAX = 1 << 20, /* told apart; about 200 bytes each */
	LIVE_TOKEN_MAX = 40,        /* bytes; longer ones are not ours */
};

struct live;

/* At most @max_per_address workers, each of which is gone when it was not
 * heard of for @idle_s. The caller frees *out. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int live_new(struct live **out, int64_t max_per_address,
			    int64_t idle_s, struct cah_error *err);
void live_free(struct live *live);

/* Keeps a place for a worker that is about to register; false where @peer's
 * class has no more. Each place is given back with live_release, whether the
 * worker came to be or not: live_add before that where it did. */
bool live_reserve(struct live *live, const struct peer *peer, int64_t now_s);
void live_release(struct live *live, const struct peer *peer);

/* A worker that is alive: counted for the address where it was last heard. */
void live_add(struct live *live, struct slice token, const struct peer *peer,
	      int64_t now_s);

/* It was heard of; nothing happens where it is not known. */
void live_touch(struct live *live, struct slice token, int64_t now_s);

void live_remove(struct live *live, struct slice token);

int64_t live_count(struct live *live, const struct peer *peer, int64_t now_s);

#endif
