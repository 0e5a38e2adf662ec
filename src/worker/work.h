/* work.h: a worker's life: takes jobs from a tracker, runs each through the
 * pipeline, reports, and gives back what it cannot finish. */
#ifndef WORKER_WORK_H
#define WORKER_WORK_H

#include "base/log.h"
#include "dedup/bloom.h"
#include "worker/account.h"
#include "worker/pipeline.h"

#include <cah/client.h>

enum {
	WORK_FAILURES_MAX = 3,  /* jobs in a row that fail or come too late */
	WORK_PAUSE_MS = 1000,   /* after a job that failed; doubles */
	WORK_HEARTBEAT_S = 10,  /* between two signs of life to the tracker */
	WORK_GOODBYE_MS = 5000, /* for what the tracker is to hear after Ctrl-C:
				   of a shard that is whole, of the job that
				   is given back */
};

/* Told of each finished shard, on the calling thread. */
typedef void (*work_shard_fn)(void *arg, const struct pipeline_work *work,
			      const struct pipeline_result *result);

/* Everything is borrowed. */
struct work_options {
	struct pipeline_options pipeline;
	struct cah_client_options client;
	const char *seen_path; /* a filter of pairs taken before; NULL: none */
	struct bloom_size seen_size; /* of a new one */
	bool no_dedup;               /* the tracker's service is not asked */
	int64_t max_jobs;            /* 0: until none is open */
	int64_t heartbeat_s;         /* 0: WORK_HEARTBEAT_S */
	struct log *log;             /* may be NULL */
	bool is_terminal;            /* a progress line in the log */
	struct account *account;     /* is told of all; may be NULL */
	work_shard_fn on_shard;      /* may be NULL */
	void *arg;
};

struct work_summary {
	int64_t jobs; /* finished */
	int64_t lost; /* finished too late: somebody else has them */
	struct fate_counts fates;
	int64_t kept;
	double seconds;
	struct flow flow; /* of all shards */
};

/* Works until no job is open, max_jobs are done or @cancel is set; what it did
 * is in *out in any case. A shard that is already in the folder, whole, from
 * the same WAT and piece, is reported without being made again. Errors:
 * CAH_ECANCELLED (the job was given back), those of cah_client_init; after
 * WORK_FAILURES_MAX those of pipeline_run, CAH_ETIMEDOUT. */
CAH_MUST_CHECK int work_run(const struct work_options *options,
			    struct work_summary *out, struct cancel *cancel,
			    struct cah_error *err);

#endif
