/* cah run: tracker, worker and output in one process. */
#include "base/clock.h"
#include "base/fail.h"
#include "cli/cmd.h"
#include "cli/import.h"
#include "cli/seen_opts.h"
#include "cli/worker_opts.h"
#include "tracker/tracker.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	OWN_OPTS = 5,
	LOOK_MS = 500,   /* between two looks at what others do */
	FAREWELL_S = 10, /* for others to hear that no job is open */
};

struct run_args {
	struct worker_opts common;
	struct seen_opts seen;
	char **paths; /* operands */
	int path_count;
	const char *base_url;
	const char *store_uri;
	const char *listen;
	const char *nickname;
	int64_t jobs;
	/* made */
	struct store *store;
	struct tracker *tracker;
	char made_uri[PATH_MAX + 32];
};

static bool is_wat(const char *name)
{
	return slice_ends(slice_of(name), SLICE(".wat")) ||
	       slice_ends(slice_of(name), SLICE(".wat.gz"));
}

/* A WAT of this machine is told by its whole path, so that a later start in
 * another folder means the same one. */
static int add_wat(struct paths *paths, const char *name, struct cah_error *err)
{
	char whole[PATH_MAX];
	if (strstr(name, "://") == NULL) {
		if (realpath(name, whole) == NULL)
			return cah_fail(err, CAH_ENOTFOUND, "%s: no such file",
					name);
		name = whole;
	}
	return paths_add(paths, slice_of(name), err);
}

static int read_paths(struct run_args *a, struct paths *paths,
		      struct cancel *cancel, struct cah_error *err)
{
	int rc = paths_check_base(a->base_url, err);
	for (int i = 0; i < a->path_count && rc == CAH_OK; i++) {
		if (is_wat(a->paths[i]))
			rc = add_wat(paths, a->paths[i], err);
		else
			rc = paths_read(paths, a->paths[i], a->base_url, cancel,
					err);
	}
	return rc;
}

static int open_book(struct run_args *a, struct cancel *cancel,
		     struct cah_error *err)
{
	if (a->store_uri == NULL) {
		(void)snprintf(a->made_uri, sizeof(a->made_uri),
			       "sqlite:%s/tracker.db", a->common.folder);
		a->store_uri = a->made_uri;
	}
	struct paths paths;
	paths_init(&paths);
	int rc = read_paths(a, &paths, cancel, err);
	if (rc == CAH_OK)
		rc = store_open(&a->store, a->store_uri, err);
	if (rc == CAH_OK)
		rc = store_claim(a->store, err);
	struct import import = {
		.store = a->store, .paths = &paths, .cancel = cancel};
	if (rc == CAH_OK)
		rc = import_run(&import, err);
	if (rc == CAH_OK)
		log_info(a->common.log, "%lld new jobs, %lld were there",
			 (long long)import.added, (long long)import.there);
	paths_fini(&paths);
	return rc;
}

/* A process that was killed left its worker behind, which still holds a job.
 * Workers that joined it are told to register anew. */
static int forget_workers(struct store *store, struct cah_error *err)
{
	int64_t count;
	int rc = store_renew_leases(store, 0, err);
	return rc == CAH_OK ? store_sweep(store, 1, 0, &count, err) : rc;
}

static int start_tracker(struct run_args *a, struct cah_error *err)
{
	const struct tracker_options options = {
		.store = a->store,
		.listen = a->listen,
	};
	int rc = forget_workers(a->store, err);
	if (rc == CAH_OK)
		rc = tracker_start(&a->tracker, &options, err);
	if (rc == CAH_OK)
		log_info(a->common.log, "the pages are at %s",
			 tracker_url(a->tracker));
	return rc;
}

static const char *user_name(void)
{
	const struct passwd *user = getpwuid(getuid());
	return user != NULL ? user->pw_name : "me";
}

/* Others may have joined (--listen). Waits until their jobs are done, or open
 * again because they went silent; then a little, for a tracker that is gone
 * before they know is one that they wait for. */
static int wait_for_others(struct run_args *a, bool *is_open,
			   struct cancel *cancel, struct cah_error *err)
{
	int64_t done_ms = 0;
	int64_t told = 0; /* jobs that others had */
	for (;;) {
		struct store_counts counts;
		int rc = store_get_counts(a->store, &counts, clock_wall_s(),
					  err);
		*is_open = rc == CAH_OK && counts.jobs[JOB_OPEN] > 0;
		if (rc != CAH_OK || *is_open)
			return rc;
		int64_t others = 0;
		for (int i = 0; i < WORKER_TYPE_COUNT; i++)
			others += counts.workers[i];
		int64_t now_ms = clock_now_ms();
		if (counts.jobs[JOB_LEASED] != told) {
			told = counts.jobs[JOB_LEASED];
			log_info(a->common.log,
				 "jobs with workers that joined: %lld",
				 (long long)told);
		}
		if (told > 0)
			done_ms = 0;
		else if (done_ms == 0)
			done_ms = now_ms;
		if (others == 0 ||
		    (done_ms != 0 && now_ms - done_ms > FAREWELL_S * 1000))
			return CAH_OK;
		if (cancel_sleep(cancel, LOOK_MS))
			return cah_fail(err, CAH_ECANCELLED, "stopped");
	}
}

static void add(struct work_summary *sum, const struct work_summary *one)
{
	sum->jobs += one->jobs;
	sum->lost += one->lost;
	sum->kept += one->kept;
	sum->seconds += one->seconds;
	fate_add(&sum->fates, &one->fates);
	flow_add(&sum->flow, &one->flow);
}

/* Until the book has no job left, or --jobs are done. */
static int work(struct run_args *a, struct work_options *options,
		struct work_summary *summary, struct cancel *cancel,
		struct cah_error *err)
{
	bool is_open = true;
	int rc = CAH_OK;
	while (rc == CAH_OK && is_open) {
		struct work_summary one;
		options->max_jobs = a->jobs != 0 ? a->jobs - summary->jobs : 0;
		rc = work_run(options, &one, cancel, err);
		add(summary, &one);
		if (a->jobs != 0 && summary->jobs >= a->jobs)
			return rc;
		if (rc == CAH_OK)
			rc = wait_for_others(a, &is_open, cancel, err);
	}
	return rc;
}

static int run(struct run_args *a, struct work_summary *summary,
	       struct cancel *cancel, struct cah_error *err)
{
	struct work_options options;
	int rc = worker_opts_open(&a->common, err);
	if (rc == CAH_OK)
		rc = worker_opts_apply(&a->common, &options, err);
	if (rc == CAH_OK)
		rc = open_book(a, cancel, err);
	if (rc == CAH_OK)
		rc = start_tracker(a, err);
	if (rc == CAH_OK) {
		options.client.url = tracker_url(a->tracker);
		seen_opts_apply(&a->seen, &options);
		options.client.nickname =
			a->nickname != NULL ? a->nickname : user_name();
		/* Whoever typed the paths may read them. */
		options.pipeline.stream.allow_files = true;
		rc = work(a, &options, summary, cancel, err);
	}
	tracker_stop(a->tracker);
	store_close(a->store);
	return rc;
}

int cmd_run(int argc, char **argv, struct cancel *cancel)
{
	struct run_args args = {
		.base_url = "https://data.commoncrawl.org/",
		.listen = "127.0.0.1:0",
		.paths = argv,
	};
	worker_opts_init(&args.common);
	seen_opts_init(&args.seen);
	struct opt opts[WORKER_OPTS_COUNT + SEEN_OPTS_COUNT + OWN_OPTS] = {
		{"base-url", "URL", "before relative paths; empty: local files",
		 OPT_TEXT, &args.base_url, 0, 0},
		{"store", "sqlite:FILE",
		 "the book; default: tracker.db in --out", OPT_TEXT,
		 &args.store_uri, 0, 0},
		{"listen", "ADDR:PORT", "where the pages are", OPT_TEXT,
		 &args.listen, 0, 0},
		{"nickname", "NAME", "default: the user's name", OPT_TEXT,
		 &args.nickname, 0, 0},
		{"jobs", "N", "stop after so many; 0: until none is open",
		 OPT_INT, &args.jobs, 0, 1e12},
	};
	seen_opts_rows(opts + OWN_OPTS, &args.seen);
	worker_opts_rows(opts + OWN_OPTS + SEEN_OPTS_COUNT, &args.common);
	const struct opt_command command = {
		.name = "run",
		.operands = "PATHS...",
		.about = "Does it all in one process: a tracker of its own, a "
			 "hybrid worker, the dataset.\nPATHS are lists of WAT "
			 "paths (wat.paths.gz; file or URL) or WAT files. A "
			 "second start goes on where the first stopped.",
		.examples = "  cah run wat.paths.gz --model DIR --out shards\n"
			    "  cah run CC-MAIN-00000.warc.wat.gz --model DIR "
			    "--out shards --save-images",
		.opts = opts,
		.opt_count = sizeof(opts) / sizeof(opts[0]),
		.min_operands = 1,
		.max_operands = -1,
	};
	int status = opt_parse(&command, argc, argv, &args.path_count);
	if (status >= 0)
		return status;

	struct cah_error err = {0};
	struct work_summary summary = {0};
	int rc = run(&args, &summary, cancel, &err);
	status = worker_opts_report(&args.common, "run", &summary, rc, &err);
	worker_opts_close(&args.common);
	return status;
}
