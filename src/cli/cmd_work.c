/* cah work: a volunteer's worker. */
#include "base/fail.h"
#include "cli/cmd.h"
#include "cli/seen_opts.h"
#include "cli/worker_opts.h"

#include <stdlib.h>

enum {
	OWN_OPTS = 8,
};

struct work_args {
	struct worker_opts common;
	struct seen_opts seen;
	bool no_dedup;
	const char *type;
	const char *tracker;
	const char *nickname;
	const char *ca_file;
	int64_t jobs;
	int64_t retry_s;
	int64_t heartbeat_s;
};

static int check_type(const char *type, struct cah_error *err)
{
	int known = cah_worker_type_parse(type);
	if (known < 0)
		return cah_fail(err, CAH_EINVALID,
				"--type: '%s' is none of hybrid, cpu, gpu",
				type);
	if (known != CAH_HYBRID)
		return cah_fail(err, CAH_EINVALID,
				"--type: this worker does hybrid jobs only; "
				"the client library does %s ones",
				cah_worker_type_name(known));
	return CAH_OK;
}

static int work(struct work_args *args, struct work_summary *summary,
		struct cancel *cancel, struct cah_error *err)
{
	struct work_options options;
	int rc = check_type(args->type, err);
	if (rc == CAH_OK && args->nickname == NULL)
		rc = cah_fail(err, CAH_EINVALID,
			      "--nickname is missing: the name that the "
			      "leaderboard shows");
	if (rc == CAH_OK)
		rc = worker_opts_open(&args->common, err);
	if (rc == CAH_OK)
		rc = worker_opts_apply(&args->common, &options, err);
	if (rc != CAH_OK)
		return rc;
	options.client.url = args->tracker;
	options.client.nickname = args->nickname;
	options.client.ca_file = args->ca_file;
	options.client.retry_s = args->retry_s;
	options.max_jobs = args->jobs;
	options.no_dedup = args->no_dedup;
	seen_opts_apply(&args->seen, &options);
	options.heartbeat_s = args->heartbeat_s;
	return work_run(&options, summary, cancel, err);
}

int cmd_work(int argc, char **argv, struct cancel *cancel)
{
	struct work_args args = {.type = "hybrid",
				 .retry_s = 600,
				 .heartbeat_s = WORK_HEARTBEAT_S};
	worker_opts_init(&args.common);
	seen_opts_init(&args.seen);
	struct opt opts[WORKER_OPTS_COUNT + SEEN_OPTS_COUNT + OWN_OPTS] = {
		{"tracker", "URL", "the tracker; default http://127.0.0.1:8080",
		 OPT_TEXT, &args.tracker, 0, 0},
		{"nickname", "NAME", "who gets the credit", OPT_TEXT,
		 &args.nickname, 0, 0},
		{"ca-file", "FILE",
		 "trust a tracker with a certificate signed by these (PEM)",
		 OPT_TEXT, &args.ca_file, 0, 0},
		{"type", "TYPE", "hybrid: all steps of the job", OPT_TEXT,
		 &args.type, 0, 0},
		{"jobs", "N", "stop after so many; 0: until none is open",
		 OPT_INT, &args.jobs, 0, 1e12},
		{"retry", "SECONDS",
		 "how long to wait for a tracker that is away; -1: for ever",
		 OPT_INT, &args.retry_s, -1, 1e9},
		{"heartbeat", "SECONDS", "between two signs of life", OPT_INT,
		 &args.heartbeat_s, 1, 3600},
		{"no-dedup", NULL,
		 "do not ask the tracker which pairs others have taken",
		 OPT_FLAG, &args.no_dedup, 0, 0},
	};
	seen_opts_rows(opts + OWN_OPTS, &args.seen);
	worker_opts_rows(opts + OWN_OPTS + SEEN_OPTS_COUNT, &args.common);
	const struct opt_command command = {
		.name = "work",
		.operands = "",
		.about = "Takes shards from a tracker, finds image-text pairs "
			 "in them, and keeps those that CLIP finds similar.\n"
			 "Ctrl-C gives the job back; exit status 130 then.",
		.examples = "  cah work --tracker http://tracker.example:8080 "
			    "--nickname ME \\\n"
			    "           --model clip-vit-base-patch32 --out "
			    "shards\n"
			    "  CAH_NICKNAME=ME cah work --model DIR --out DIR "
			    "--jobs 1 --json",
		.opts = opts,
		.opt_count = sizeof(opts) / sizeof(opts[0]),
	};
	int operands;
	int status = opt_parse(&command, argc, argv, &operands);
	if (status >= 0)
		return status;

	struct cah_error err = {0};
	struct work_summary summary = {0};
	int rc = work(&args, &summary, cancel, &err);
	status = worker_opts_report(&args.common, "work", &summary, rc, &err);
	worker_opts_close(&args.common);
	return status;
}
