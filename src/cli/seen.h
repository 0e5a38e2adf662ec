/* seen.h: --seen FILE: pairs that an earlier run kept are dropped, those that
 * this one keeps are remembered, once it has come to a good end: what a run
 * that failed found is found again. One owner thread. */
#ifndef CLI_SEEN_H
#define CLI_SEEN_H

#include "base/buf.h"
#include "base/table.h"
#include "dedup/bloom.h"
#include "wat/scan.h"

struct seen {
	struct bloom *bloom; /* NULL: off */
	const char *path;    /* borrowed */
	struct buf keys;     /* of what this run kept, one behind the other */
	struct table *kept; /* the same, to look up: its files may share some */
};

/* Opens or makes the filter @path (NULL: off), and has @scan ask it. The caller
 * ends @seen, which must not move, with seen_fini whatever comes. Errors: those
 * of bloom_open. */
CAH_MUST_CHECK int seen_init(struct seen *seen, const char *path,
			     const struct bloom_size *size,
			     struct scan_options *scan, struct cah_error *err);
void seen_fini(struct seen *seen);

/* This one is kept. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int seen_keep(struct seen *seen, const struct candidate *c,
			     struct cah_error *err);

/* Writes down all that were kept. Errors: CAH_EIO. */
CAH_MUST_CHECK int seen_commit(struct seen *seen, struct cah_error *err);

#endif
