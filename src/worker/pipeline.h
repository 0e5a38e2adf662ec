/* pipeline.h: one shard, from the WAT file to the files of the dataset. Each
 * stage has its own threads and a bounded queue at its door; what a stage drops
 * is counted by fate, and the counts add up to the number of candidates. */
#ifndef WORKER_PIPELINE_H
#define WORKER_PIPELINE_H

#include "base/cancel.h"
#include "base/fate.h"
#include "clip/clip.h"
#include "decode/decoders.h"
#include "fetch/fetch.h"
#include "fetch/stream.h"
#include "image/image.h"
#include "wat/scan.h"
#include "worker/flow.h"

#include <cah/error.h>

enum {
	PIPELINE_PIECE_IDS = 500000, /* sample numbers of one piece */
	PIPELINE_THREADS_MAX = 64,   /* of the image stage */
	PIPELINE_REACH_MIN = 100,    /* downloads of which not one reached a
					server: the fault is this machine's */
};

/* Which of @count pairs, by their keys one behind the other, nobody has taken
 * before, to @is_new. Called on a thread of its own; ends early, with any
 * answer, where @stop is set. */
typedef void (*pipeline_ask_fn)(void *arg, const unsigned char *keys,
				size_t count, bool *is_new,
				struct cancel *stop);

/* What stays the same from shard to shard; everything is borrowed. */
struct pipeline_options {
	struct clip *clip;
	const char *model;    /* its name, for the stats */
	const char *folder;   /* where the shards go */
	int threads;          /* of the image stage */
	double threshold;     /* least similarity of a pair that is kept */
	bool save_images;     /* NAME.tar */
	bool save_embeddings; /* the .npy files */
	struct scan_options scan;
	struct fetch_options fetch;
	struct stream_options stream; /* for the WAT file */
	struct image_limits image;
	pipeline_ask_fn ask; /* NULL: nobody is asked */
	void *ask_arg;
	struct decoders *decoders; /* as many; NULL: pictures are decoded in
				      this process */
};

struct pipeline_progress {
	int64_t wat_bytes;  /* read of this piece */
	int64_t wat_total;  /* bytes of this piece, -1 where unknown */
	int64_t candidates; /* that passed the wat stage */
	int64_t fetching;   /* transfers now */
	int64_t queued;     /* jobs inside the fetch stage that have none yet */
	int64_t fetched;    /* images that came whole */
	int64_t scored;     /* pairs that went through CLIP */
	int64_t kept;
	int64_t ended;            /* candidates that have their fate */
	int64_t image_bytes;      /* downloaded */
	double seconds;           /* since the shard began */
	struct fate_counts fates; /* of those that passed the wat stage */
	struct flow flow;
};

/* Called every 250 ms on the calling thread; not 0: the shard is given up with
 * CAH_ECANCELLED. */
typedef int (*pipeline_tick_fn)(void *arg,
				const struct pipeline_progress *progress);

/* One shard's work; everything is borrowed. */
struct pipeline_work {
	const char *name; /* of the files */
	const char *wat;  /* its URL, or path where options.stream allows */
	int piece;
	int64_t first_id; /* of the first sample; at most PIPELINE_PIECE_IDS
			     follow */
	struct cancel *cancel; /* may be NULL */
	pipeline_tick_fn tick; /* may be NULL */
	void *tick_arg;
	struct buf *scored; /* gets the keys of pairs that went through CLIP;
			       may be NULL */
};

struct pipeline_result {
	struct fate_counts fates;
	int64_t kept; /* pairs in the files */
	int64_t wat_bytes;
	int64_t image_bytes;
	double seconds;
	struct flow flow;
};

/* Runs one shard to its end; its files appear when all is well and not
 * otherwise. Blocks; one shard at a time a clip. Errors: CAH_ECANCELLED;
 * CAH_ENOTFOUND, CAH_ESERVER, CAH_EUNAVAILABLE,
 * CAH_EFORMAT, ... (the WAT cannot be had, as stream_open says);
 * CAH_EUNAVAILABLE also where no server at all was reached
 * (PIPELINE_REACH_MIN); CAH_EIO (the disk, the engine); CAH_ENOMEM. */
CAH_MUST_CHECK int pipeline_run(const struct pipeline_options *options,
				const struct pipeline_work *work,
				struct pipeline_result *out,
				struct cah_error *err);

#endif
