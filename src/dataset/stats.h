/* stats.h: NAME.stats.json; private to this folder. */
#ifndef DATASET_STATS_H
#define DATASET_STATS_H

#include "base/buf.h"
#include "dataset/shard.h"

/* Appends the JSON of @stats for the shard @name of @rows pairs.
 * Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int stats_write(struct buf *out, const char *name, int64_t rows,
			       const struct shard_stats *stats,
			       struct cah_error *err);

#endif
