/* flow.h: how busy the stages of a shard are, and what waits at their doors: so
 * that it can be told which one the others wait for.
 *
 * Busy is a thread that does not wait: neither for something to come to its
 * door, nor for room at the next one. The fetch stage is one loop that never
 * waits; it is busy while there are downloads, unless what comes out of it has
 * nowhere to go. */
#ifndef WORKER_FLOW_H
#define WORKER_FLOW_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum stage {
#define STAGE(name, room, text) STAGE_##name,
#include "worker/stages.def"
#undef STAGE
	STAGE_COUNT
};

enum {
	FLOW_WINDOW_MS = 2000, /* what is told as now is the mean of so long */
	FLOW_LIMIT_BUSY = 80,  /* per cent of its time that the limit is busy */
	FLOW_OTHERS_BUSY = 60, /* ... and the others at most */
	FLOW_TEXT_MAX = 1 << 14, /* bytes of the table */
};

struct flow_stage {
	int threads;
	int64_t busy_ns;   /* of all its threads */
	int64_t taken;     /* items that it took from its door; of the first
			      those that it found */
	double depth_mean; /* items at its door, looked at 4 times a second */
	int64_t depth;     /* now */
	int64_t depth_most;
	int64_t room;
};

struct flow {
	struct flow_stage stages[STAGE_COUNT];
	int64_t ns;        /* since the shard began */
	const char *limit; /* the stage that the others wait for, lately;
			      NULL: none, clearly */
};

/* "fetch"; static. */
const char *flow_name(enum stage stage);

/* The share of its time that @stage was busy, 0 to 1. */
double flow_busy(const struct flow *flow, enum stage stage);

/* Items a second. */
double flow_rate(const struct flow *flow, enum stage stage);

/* Which stage the others waited for between two looks at one shard, or NULL. */
const char *flow_limit(const struct flow *before, const struct flow *now);

/* Adds a shard to the sum of others; what is of a moment becomes that of @flow.
 */
void flow_add(struct flow *sum, const struct flow *flow);

/* A line for each stage that did something, under a head, for people. */
void flow_write(struct buf *out, const struct flow *flow);

#endif
