/* dedup_opts.h: the options of `cah tracker` for its dedup service. Main
 * thread. */
#ifndef CLI_DEDUP_OPTS_H
#define CLI_DEDUP_OPTS_H

#include "cli/opt.h"
#include "tracker/tracker.h"

enum {
	DEDUP_OPTS_COUNT = 3,
};

/* What a filter is called that was given no name: that of the ancestors'
 * workers for pairs that went through CLIP. */
#define DEDUP_OPTS_NAME "clipped"

struct dedup_opts {
	struct opt_list files;
	struct bloom_size size;
	char names[TRACKER_FILTERS_MAX][TRACKER_FILTER_NAME_MAX + 1];
};

/* The defaults. */
void dedup_opts_init(struct dedup_opts *opts);

/* Writes DEDUP_OPTS_COUNT rows to @rows, their values in @opts. */
void dedup_opts_rows(struct opt *rows, struct dedup_opts *opts);

/* Fills in @tracker what the options say, borrowed from @opts.
 * Errors: CAH_EINVALID. */
CAH_MUST_CHECK int dedup_opts_apply(struct dedup_opts *opts,
				    struct tracker_options *tracker,
				    struct cah_error *err);

#endif
