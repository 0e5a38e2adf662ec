/* gather.h: from a list of URLs to shards of pictures: a thread reads the list,
 * one fetches, some decode and encode, one writes, joined by bounded queues. */
#ifndef GATHER_GATHER_H
#define GATHER_GATHER_H

#include "base/fate.h"
#include "decode/decoders.h"
#include "fetch/fetch.h"
#include "gather/list.h"
#include "gather/output.h"
#include "gather/plan.h"
#include "image/make.h"

enum {
	GATHER_THREADS_MAX = 64,
	GATHER_SHARD_ROWS = 10000, /* img2dataset's default */
	GATHER_SHARD_ROWS_MAX = 1000000,
	GATHER_SHARDS_OPEN = 3, /* begun and not whole: the slow last rows of
				   one do not hold up the next */
	GATHER_REACH_MIN = 100, /* rows of a shard of which not one reached a
				   server: the fault is this machine's */
	GATHER_URLS_MAX = 50000000, /* that --unique-urls tells apart */
};

/* Bytes of rows that were read and are not written yet. */
#define GATHER_HELD_MAX ((size_t)128 << 20)

/* Everything is borrowed. */
struct gather_options {
	struct list_options list;
	struct fetch_options fetch;
	struct image_limits limits;
	struct image_recipe recipe;
	const char *folder;
	enum output_kind kind;
	enum image_digest hash;
	enum plan_mode mode;
	int64_t shard_rows;
	int threads;               /* that decode and encode */
	struct decoders *decoders; /* of as many; NULL: in this process */
	bool is_unique; /* a URL that was in the list before is dropped */
};

struct gather_progress {
	int64_t read;    /* rows */
	int64_t skipped; /* of shards that were there */
	int64_t done;    /* that have their fate, without the skipped */
	int64_t kept;
	int64_t bytes;  /* of pictures that came whole */
	int fetching;   /* transfers now */
	double share;   /* of the list that was read; -1 where unknown */
	double seconds; /* since the start */
};

/* A shard that is whole, or was before. */
struct gather_shard {
	char name[OUTPUT_NAME_MAX];
	struct plan_stats stats;
	bool is_skipped;
};

struct gather_watch {
	/* Every 250 ms on the calling thread. May be NULL. */
	void (*tick)(void *arg, const struct gather_progress *progress);
	/* On threads of the pipeline, one at a time. May be NULL. */
	void (*shard)(void *arg, const struct gather_shard *shard);
	void *arg;
};

struct gather_result {
	struct fate_counts fates;   /* of this run */
	struct fate_counts skipped; /* of shards that were there */
	int64_t shards;
	int64_t shards_skipped;
	int64_t bytes;
	int64_t misfits; /* values that were dropped for their type */
	double seconds;
};

/* Runs to the end of the list; *out says how far it came, whatever comes. What
 * was not whole when it ends is not there. Blocks. Errors: CAH_ECANCELLED,
 * those of list_open and plan_open, CAH_EINVALID (a shard was made from other
 * rows), CAH_EUNAVAILABLE (GATHER_REACH_MIN), CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int gather_run(const struct gather_options *options,
			      struct cancel *cancel,
			      const struct gather_watch *watch,
			      struct gather_result *out, struct cah_error *err);

#endif
