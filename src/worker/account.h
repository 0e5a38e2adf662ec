/* account.h: what a worker has done since it began, and does now, for who
 * watches it: written in Prometheus' text format (docs/metrics.md has a row for
 * each name). Any thread; the calls take a lock for a moment. */
#ifndef WORKER_ACCOUNT_H
#define WORKER_ACCOUNT_H

#include "worker/pipeline.h"

enum {
	ACCOUNT_TEXT_MAX = 1 << 20, /* bytes of what is written */
};

/* How a shard ended. */
enum account_end {
	ACCOUNT_DONE,   /* the tracker has it */
	ACCOUNT_LATE,   /* somebody else has it */
	ACCOUNT_FAILED, /* it could not be made, or the worker was stopped */
	ACCOUNT_ENDS,
};

struct account;

/* The caller frees *out with account_free. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int account_new(struct account **out, struct cah_error *err);
void account_free(struct account *account);

/* How far the shard in hand is. NULL: nobody watches; so below. */
void account_look(struct account *account,
		  const struct pipeline_progress *progress);

/* It is made, or not: its counts are these. */
void account_add(struct account *account, const struct pipeline_result *result);

void account_end(struct account *account, enum account_end how);

/* Writes all metrics to @out, which had buf_init. */
void account_write(struct account *account, struct buf *out);

#endif
