/* stage.h: what the stages share. Private to src/worker/. */
#ifndef WORKER_STAGE_H
#define WORKER_STAGE_H

#include "base/queue.h"
#include "dataset/shard.h"
#include "worker/item.h"
#include "worker/pipeline.h"

#include <pthread.h>
#include <stdatomic.h>

/* What the thread that ticks has seen of them. */
struct watch {
	int64_t looks;
	int64_t depth_sum[STAGE_COUNT]; /* of all looks */
	int64_t looked_ns;              /* monotonic; the last one */
	int64_t fetch_busy_ns;
	struct flow before; /* where the window began */
	const char *limit;  /* of the last whole window */
};

struct pipeline {
	const struct pipeline_options *options;
	const struct pipeline_work *work;
	struct queue *doors[STAGE_COUNT]; /* of struct fetch_job * or item *;
					     NULL for the first */
	struct cancel *stop; /* set: every stage ends what it does */
	struct shard *shard; /* the output stage's until the end */
	struct fetch *fetch;
	struct scan_counts scan; /* the wat stage's until the end */

	/* counted by many threads */
	atomic_llong fates[CAH_FATE_COUNT];
	atomic_llong candidates;
	atomic_llong fetched;
	atomic_llong scored;
	atomic_llong ended;
	atomic_llong image_bytes;
	atomic_llong wat_bytes;
	atomic_llong wat_total;

	int64_t start_ns; /* monotonic */
	struct watch watch;

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	int running[STAGE_COUNT];      /* threads of each stage */
	int64_t lived_ns[STAGE_COUNT]; /* of those that have ended */
	int running_stages;
	int code; /* the first failure */
	struct cah_error err;
};

/* The stages. Each takes from its door until that is closed and empty, or stop
 * is set; returns CAH_OK or what made it fail. Many threads may run the same.
 */
#define STAGE(name, room, text)                             \
	CAH_MUST_CHECK int stage_##name(struct pipeline *p, \
					struct cah_error *err);
#include "worker/stages.def"
#undef STAGE

/* Threads of @stage. */
int stage_threads(const struct pipeline *p, int stage);

/* Looks at all stages. The thread that ticks only; @fetch is of this moment. */
void stage_look(struct pipeline *p, const struct fetch_stats *fetch,
		struct flow *out);

/* Frees the file's bytes; the clip stage does not need them. */
void stage_drop_body(struct pipeline *p, struct item *item);

/* The end of @item's way: counts @fate, frees it. NULL: one for which there was
 * no sample number. */
void stage_end(struct pipeline *p, struct item *item, enum fate fate);

/* Hands @item on to @next; ends it where that stage takes no more. */
void stage_pass(struct pipeline *p, enum stage next, struct item *item);

#endif
