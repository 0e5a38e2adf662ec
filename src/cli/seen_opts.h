/* seen_opts.h: the options of `cah work` and `cah run` for pairs that were
 * taken before. Main thread. */
#ifndef CLI_SEEN_OPTS_H
#define CLI_SEEN_OPTS_H

#include "cli/opt.h"
#include "worker/work.h"

enum {
	SEEN_OPTS_COUNT = 3, /* rows of seen_opts_rows */
};

struct seen_opts {
	const char *path;
	struct bloom_size size;
};

/* The defaults. */
void seen_opts_init(struct seen_opts *opts);

/* Writes SEEN_OPTS_COUNT rows to @rows, their values in @opts. */
void seen_opts_rows(struct opt *rows, struct seen_opts *opts);

/* Fills in @work what the options say, borrowed from @opts. */
void seen_opts_apply(const struct seen_opts *opts, struct work_options *work);

#endif
