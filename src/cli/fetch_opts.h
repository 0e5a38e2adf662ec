/* fetch_opts.h: the options of fetching images that commands share, and what
 * they make of them. Main thread. */
#ifndef CLI_FETCH_OPTS_H
#define CLI_FETCH_OPTS_H

#include "cli/opt.h"
#include "fetch/fetch.h"

enum {
	FETCH_OPTS_COUNT = 8, /* rows of fetch_opts_rows */
};

struct fetch_opts {
	/* as given */
	const char *concurrency; /* a number, or auto */
	int64_t image_timeout_s;
	int64_t max_image_bytes;
	struct opt_list resolve;
	const char *dns_how;
	const char *root_hints;
	bool allow_private;
	bool ignore_robots_tag;
	/* made by fetch_opts_open */
	struct pins *pins;
	struct dns *dns; /* dns_set_log is the command's */
};

/* The defaults. */
void fetch_opts_init(struct fetch_opts *opts);

/* Writes FETCH_OPTS_COUNT rows to @rows, their values in @opts. */
void fetch_opts_rows(struct opt *rows, struct fetch_opts *opts);

/* Checks what was given, and fills in @fetch what it says, borrowed from @opts.
 * The caller ends with fetch_opts_close whatever comes. Errors: CAH_EINVALID,
 * CAH_ENOMEM. */
CAH_MUST_CHECK int fetch_opts_open(struct fetch_opts *opts,
				   struct fetch_options *fetch,
				   struct cah_error *err);
void fetch_opts_close(struct fetch_opts *opts);

#endif
