/* limit_opts.h: the options of `cah tracker` that say whom it trusts and how
 * much one client may do. Main thread. */
#ifndef CLI_LIMIT_OPTS_H
#define CLI_LIMIT_OPTS_H

#include "cli/opt.h"
#include "tracker/tracker.h"

enum {
	LIMIT_OPTS_COUNT = 12,
};

struct limit_opts {
	struct tracker_limits limits;
	struct opt_list proxies;
	bool is_off;
	const char *tls_cert;
	const char *tls_key;
};

/* The defaults. */
void limit_opts_init(struct limit_opts *opts);

/* Writes LIMIT_OPTS_COUNT rows to @rows, their values in @opts. */
void limit_opts_rows(struct opt *rows, struct limit_opts *opts);

/* Fills in @tracker what the options say, borrowed from @opts.
 * Errors: CAH_EINVALID. */
CAH_MUST_CHECK int limit_opts_apply(const struct limit_opts *opts,
				    struct tracker_options *tracker,
				    struct cah_error *err);

#endif
