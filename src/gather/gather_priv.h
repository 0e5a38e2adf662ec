/* gather_priv.h: what the threads of gather.h share. Private to src/gather. */
#ifndef GATHER_GATHER_PRIV_H
#define GATHER_GATHER_PRIV_H

#include "base/cancel.h"
#include "base/queue.h"
#include "gather/gather.h"
#include "gather/schema.h"

#include <pthread.h>
#include <stdatomic.h>

/* A shard that is being made. The reader makes it and fills in what it knows
 * before the mark of its end; from its first sample on the writer has it. */
struct batch {
	int64_t shard;
	int64_t first; /* number of its first row */
	int64_t begun_ns;
	int64_t begun_s;
	/* the reader's until the mark */
	int64_t rows;
	char digest[PLAN_DIGEST_MAX];
	/* the writer's, until all threads have ended */
	struct output *output; /* NULL before the first sample */
	int64_t written;
	bool is_read; /* the mark came */
	struct fate_counts fates;
	int64_t bytes;
};

struct gather {
	const struct gather_options *options;
	const struct gather_watch *watch;
	struct output_options output;
	struct output_schema *schema;
	int key_scale; /* keys of a shard: 10 to the so-manieth */

	struct list *list; /* the reader's */
	struct fetch *fetch;
	struct queue *to_fetch; /* struct fetch_job * */
	struct queue *to_make;  /* the same */
	struct queue *to_write; /* struct sample * */
	struct cancel *stop;    /* set: every thread ends what it does */

	/* counted by many threads */
	atomic_llong read;
	atomic_llong skipped;
	atomic_llong done;
	atomic_llong kept;
	atomic_llong bytes;

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	int running;    /* threads */
	int writers_to; /* threads that push to to_write */
	size_t held;    /* bytes of samples on their way */
	struct batch *batches[GATHER_SHARDS_OPEN]; /* that are not whole; NULL:
						      room */
	struct gather_result result; /* the writer's, and of skipped ones the
					reader's */
	int code;                    /* the first failure */
	struct cah_error err;
};

/* The threads; each ends when its door is closed and empty. CAH_OK, or what
 * made it fail. */
CAH_MUST_CHECK int gather_read(struct gather *g, struct cah_error *err);
CAH_MUST_CHECK int gather_make(struct gather *g, struct cah_error *err);
CAH_MUST_CHECK int gather_write(struct gather *g, struct cah_error *err);

/* Remembers the first failure, and makes every thread end. */
void gather_fail(struct gather *g, int code, const struct cah_error *err);

/* One thread fewer that pushes to to_write; the last closes it. */
void gather_leave_write(struct gather *g);

/* Ends what is left of @batch, and makes room for another. */
void gather_end_batch(struct gather *g, struct batch *batch);

/* Hands @sample to the writer; frees it where nothing is taken any more. */
void gather_pass(struct gather *g, struct sample *sample);

/* @bytes fewer are held. */
void gather_release(struct gather *g, size_t bytes);

/* Tells of a shard that is whole, by the watch and in g->result. */
void gather_tell_shard(struct gather *g, int64_t shard,
		       const struct plan_stats *stats, bool is_skipped);

#endif
