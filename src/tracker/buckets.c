/* A bucket is one time: when it will be full again (the generic cell rate
 * algorithm, ITU-T I.371, annex A: its "theoretical arrival time"). Places are
 * found as in a processor's cache: a keyed hash names a set of WAYS. */
#include "tracker/buckets.h"

#include "base/fail.h"
#include "base/siphash.h"

#include <stdlib.h>
#include <string.h>

enum {
	WAYS = 8,
};

static const int64_t second_ns = 1000000000;
static const int64_t minute_ns = 60 * second_ns;

struct place {
	struct peer peer;
	int64_t full_ns[BUCKET_KIND_COUNT]; /* 0: was never taken from */
};

struct buckets {
	struct place *places;
	size_t set_mask;
	struct siphash_key key;
	int64_t step_ns[BUCKET_KIND_COUNT]; /* a token's time; 0: no limit */
};

int buckets_new(struct buckets **out, size_t places,
		const int64_t per_min[BUCKET_KIND_COUNT], struct cah_error *err)
{
	*out = NULL;
	size_t sets = 1;
	while (sets * WAYS < places)
		sets *= 2;
	struct buckets *b = calloc(1, sizeof(*b));
	if (b == NULL)
		return cah_fail(err, CAH_ENOMEM, "buckets: out of memory");
	b->places = calloc(sets * WAYS, sizeof(*b->places));
	if (b->places == NULL) {
		free(b);
		return cah_fail(err, CAH_ENOMEM, "buckets: out of memory");
	}
	b->set_mask = sets - 1;
	siphash_key_new(&b->key);
	for (int k = 0; k < BUCKET_KIND_COUNT; k++)
		b->step_ns[k] = per_min[k] > 0 ? minute_ns / per_min[k] : 0;
	*out = b;
	return CAH_OK;
}

void buckets_free(struct buckets *buckets)
{
	if (buckets == NULL)
		return;
	free(buckets->places);
	free(buckets);
}

static struct place *set_of(const struct buckets *b, const struct peer *class)
{
	struct slice bytes = {(const char *)class->bytes, PEER_BYTES};
	return &b->places[(siphash(&b->key, bytes) & b->set_mask) * WAYS];
}

static struct place *find(struct place *set, const struct peer *class)
{
	for (int i = 0; i < WAYS; i++)
		if (memcmp(&set[i].peer, class, sizeof(*class)) == 0)
			return &set[i];
	return NULL;
}

/* The time at which the last of its buckets will be full. */
static int64_t settled_ns(const struct place *place)
{
	int64_t latest = 0;
	for (int k = 0; k < BUCKET_KIND_COUNT; k++)
		if (place->full_ns[k] > latest)
			latest = place->full_ns[k];
	return latest;
}

/* The newcomer goes on where the one pushed out has been: buckets.h. */
static struct place *push_out(struct place *set, const struct peer *class)
{
	struct place *fullest = &set[0];
	for (int i = 1; i < WAYS; i++)
		if (settled_ns(&set[i]) < settled_ns(fullest))
			fullest = &set[i];
	fullest->peer = *class;
	return fullest;
}

int64_t buckets_take(struct buckets *buckets, const struct peer *peer,
		     enum bucket_kind kind, int64_t now_ns)
{
	int64_t step_ns = buckets->step_ns[kind];
	if (step_ns == 0)
		return 0;
	struct peer class = peer_class(peer);
	struct place *set = set_of(buckets, &class);
	struct place *place = find(set, &class);
	if (place == NULL)
		place = push_out(set, &class);
	int64_t full_ns = place->full_ns[kind];
	if (full_ns < now_ns)
		full_ns = now_ns;
	int64_t wait_ns = full_ns + step_ns - now_ns - minute_ns;
	if (wait_ns <= 0)
		place->full_ns[kind] = full_ns + step_ns;
	return wait_ns <= 0 ? 0 : (wait_ns + second_ns - 1) / second_ns;
}

void buckets_put(struct buckets *buckets, const struct peer *peer,
		 enum bucket_kind kind)
{
	struct peer class = peer_class(peer);
	struct place *place = find(set_of(buckets, &class), &class);
	if (place != NULL && place->full_ns[kind] > buckets->step_ns[kind])
		place->full_ns[kind] -= buckets->step_ns[kind];
}
