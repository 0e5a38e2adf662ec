/* buckets.h: how many requests an address may make: token buckets, some for
 * each address, in memory that does not grow. One owner; no clock.
 *
 * A bucket of N holds N and gets N a minute: a minute's worth may come at once.
 * A full bucket is the same as none, so only what was taken from needs a place.
 * When there is no place, the newcomer takes that of the fullest buckets among
 * the few that it is placed with, and their level with it: so nobody gets new
 * tokens by having his buckets pushed out (those that are nearly empty go
 * last), a flood of addresses gets together no more than the table's places
 * would, and who is innocently pushed out shares with the least busy. */
#ifndef TRACKER_BUCKETS_H
#define TRACKER_BUCKETS_H

#include "tracker/peer.h"

#include <stdint.h>

enum {
	BUCKETS_PLACES = 65536,        /* addresses at one time; 3 MB */
	BUCKETS_PER_MIN_MAX = 1000000, /* the largest bucket */
};

enum bucket_kind {
	BUCKET_API,   /* calls of workers and scripts */
	BUCKET_PAGE,  /* what browsers load */
	BUCKET_NEW,   /* workers that register */
	BUCKET_DEDUP, /* lists for the dedup service */
	BUCKET_ADMIN, /* wrong secrets */
};

enum {
	BUCKET_KIND_COUNT = BUCKET_ADMIN + 1
};

struct buckets;

/* @places is rounded up to a power of two, at least 8; @per_min gives each
 * kind's N, where 0 is no limit. The caller frees *out. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int buckets_new(struct buckets **out, size_t places,
			       const int64_t per_min[BUCKET_KIND_COUNT],
			       struct cah_error *err);
void buckets_free(struct buckets *buckets);

/* Takes one token of @peer's class. 0: it was there; else the seconds until it
 * will be, at least 1. @now_ns is monotonic. */
int64_t buckets_take(struct buckets *buckets, const struct peer *peer,
		     enum bucket_kind kind, int64_t now_ns);

/* Puts one back that need not have been taken. */
void buckets_put(struct buckets *buckets, const struct peer *peer,
		 enum bucket_kind kind);

#endif
