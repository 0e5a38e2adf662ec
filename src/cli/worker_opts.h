/* worker_opts.h: the options that `cah work`, `cah run` and `cah demo` share,
 * and what they make of them. Main thread. */
#ifndef CLI_WORKER_OPTS_H
#define CLI_WORKER_OPTS_H

#include "cli/blocking.h"
#include "cli/fetch_opts.h"
#include "cli/languages.h"
#include "cli/monitor.h"
#include "cli/opt.h"
#include "cli/text_opts.h"
#include "worker/work.h"

#include <limits.h>

enum {
	WORKER_OPTS_OWN = 14, /* beside those of texts and of fetching */
	/* rows of worker_opts_rows */
	WORKER_OPTS_COUNT =
		WORKER_OPTS_OWN + TEXT_OPTS_COUNT + FETCH_OPTS_COUNT,
};

struct worker_opts {
	/* as given */
	const char *model;
	const char *out;
	int64_t threads;
	double threshold;
	bool save_images;
	bool no_embeddings;
	const char *languages;
	struct blocking blocking;
	struct text_opts text;
	struct fetch_opts fetch;
	bool no_sandbox;
	bool wants_stats;
	const char *metrics;
	bool is_quiet;
	bool is_json;
	/* made by worker_opts_open */
	struct fetch_options fetch_options;
	struct blocklist *blocked;
	struct clip *clip;
	struct decoders *decoders; /* NULL with no_sandbox */
	struct log *log;
	struct account *account; /* with metrics */
	struct monitor *monitor;
	char *folder; /* of --out */
	char model_name[NAME_MAX + 1];
	struct languages language_list;
	const char *resolve_entries[OPT_LIST_MAX + 1]; /* NULL-terminated */
};

/* Threads for @wanted, 0 being one for each core: 1 to PIPELINE_THREADS_MAX. */
int worker_opts_threads(int64_t wanted);

/* Starts decoders whose results have the size that @clip wants. The rest as
 * decoders_new. */
CAH_MUST_CHECK int worker_opts_decoders(struct decoders **out,
					const struct clip *clip,
					const struct decoders_options *wanted,
					struct cah_error *err);

/* The defaults. */
void worker_opts_init(struct worker_opts *opts);

/* Writes WORKER_OPTS_COUNT rows to @rows, their values in @opts. */
void worker_opts_rows(struct opt *rows, struct worker_opts *opts);

/* Checks what was given, starts the log, loads the model. The caller ends with
 * worker_opts_close whatever comes. Errors: CAH_EINVALID, those of clip_open.
 */
CAH_MUST_CHECK int worker_opts_open(struct worker_opts *opts,
				    struct cah_error *err);
void worker_opts_close(struct worker_opts *opts);

/* Fills in @work what the options say; client.url, client.nickname and
 * max_jobs are the command's. Errors: CAH_EINVALID (languages). */
CAH_MUST_CHECK int worker_opts_apply(struct worker_opts *opts,
				     struct work_options *work,
				     struct cah_error *err);

/* Says how it ended: the sums, as text in the log or, with --json, as one
 * object on standard output. Returns the exit status: EXIT_INTERRUPTED after
 * Ctrl-C, else as opt_report. Also where worker_opts_open failed. */
int worker_opts_report(const struct worker_opts *opts, const char *command,
		       const struct work_summary *summary, int rc,
		       const struct cah_error *err);

#endif
