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

/* What a worker wants to know of a shard that is there. */
struct stats_found {
	struct fate_counts fates;
	bool is_same; /* made from the WAT and piece that were asked for */
};

/* Reads @text, a NAME.stats.json from anywhere. Errors: CAH_EFORMAT. */
CAH_MUST_CHECK int stats_parse(struct stats_found *out, struct slice text,
			       const char *wat_url, int piece);

#endif
