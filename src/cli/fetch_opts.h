/* fetch_opts.h: the options of fetching images that commands share, and what
 * they make of them. Main thread. */
#ifndef CLI_FETCH_OPTS_H
#define CLI_FETCH_OPTS_H

#include "cli/opt.h"
#include "fetch/fetch.h"

enum {
	FETCH_OPTS_COUNT = 14,   /* rows of fetch_opts_rows */
	FETCH_CONTACT_MAX = 200, /* bytes */
	FETCH_AGENT_MAX = 256,   /* bytes, with the NUL */
};

struct fetch_opts {
	/* as given */
	const char *concurrency; /* a number, or auto */
	int64_t image_timeout_s;
	int64_t max_image_bytes;
	int64_t max_redirects;
	int64_t retries;
	int64_t per_host;
	int64_t per_address;
	int64_t host_delay_ms;
	const char *contact; /* NULL: none */
	struct opt_list resolve;
	const char *dns_how;
	const char *root_hints;
	bool allow_private;
	bool ignore_robots_tag;
	/* made by fetch_opts_open */
	char user_agent[FETCH_AGENT_MAX];
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
