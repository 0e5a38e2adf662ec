/* health.h: whether the store answers. A thread of its own asks it about once a
 * second, so that whoever wants to know never waits for a store that hangs.
 *
 * Normally it only reads: a question that wants to write would wait for the
 * lock of another writer, and the calls behind it too. After a change that
 * failed it asks for a transaction that may write, until one is given. */
#ifndef TRACKER_HEALTH_H
#define TRACKER_HEALTH_H

#include "base/log.h"
#include "store/store.h"

#include <cah/error.h>
#include <stdint.h>

enum {
	HEALTH_PERIOD_MS = 1000,  /* between two questions */
	HEALTH_LIMIT_MS = 5000,   /* an older answer counts as none */
	HEALTH_FAILED_MS = 10000, /* after a change that failed, at least so
				     long the tracker is not ready */
	HEALTH_WHY_MAX = 128,     /* bytes of a reason, with its NUL */
};

/* Asks the store, for its counts and, @is_write, whether it could be changed.
 * An error of the store, or CAH_OK. */
typedef int (*health_ask_fn)(void *arg, bool is_write, struct store_counts *out,
			     struct cah_error *err);

struct health;

struct health_options {
	health_ask_fn ask;
	void *arg;
	struct log *log;   /* is told when the store goes and comes back */
	int64_t period_ms; /* 0: HEALTH_PERIOD_MS */
	int64_t limit_ms;  /* 0: HEALTH_LIMIT_MS */
	int64_t failed_ms; /* 0: HEALTH_FAILED_MS */
};

/* Asks once, then starts the thread. The caller frees *out with health_free.
 * Errors: CAH_EIO, CAH_ENOMEM; a store that is away is none. */
CAH_MUST_CHECK int health_new(struct health **out,
			      const struct health_options *options,
			      struct cah_error *err);

/* Waits for the question that is under way. NULL is fine. */
void health_free(struct health *health);

/* A group of changes has failed, or is durable. Any thread. */
void health_failed(struct health *health);
void health_wrote(struct health *health);

/* The counts of the last answer; false where the store is away. Any thread. */
bool health_counts(struct health *health, struct store_counts *out);

/* Whether the tracker can answer calls; else @why, one line for strangers. */
bool health_is_ready(struct health *health, char why[HEALTH_WHY_MAX]);

#endif
