/* cah demo: the whole system at work on this machine, in a minute. */
#include "base/fail.h"
#include "cli/cmd.h"
#include "cli/worker_opts.h"
#include "demo/demo.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	PATHS = 3, /* data files that are looked for */
};

struct demo_args {
	const char *out;
	const char *model;
	const char *docs;
	const char *pages;
	const char *world;
	const char *listen;
	double threshold;
	int64_t threads;
	bool is_serving;
	bool is_quiet;
	bool is_json;
	bool no_sandbox;
	char paths[PATHS][PATH_MAX];
	char made_out[PATH_MAX];
};

/* The data lies in the checkout for a program that was built and not installed,
 * else where `make install` puts it. */
static bool is_installed(void)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n < 0)
		return true;
	exe[n] = '\0';
	size_t len = strlen(CAH_BUILD_DIR);
	return strncmp(exe, CAH_BUILD_DIR, len) != 0 || exe[len] != '/';
}

static const char *find(char out[PATH_MAX], const char *given,
			const char *source, const char *installed)
{
	if (given != NULL)
		return given;
	if (is_installed())
		(void)snprintf(out, PATH_MAX, "%s/%s", CAH_DATA_DIR, installed);
	else
		(void)snprintf(out, PATH_MAX, "%s", source);
	return out;
}

static int check_there(const char *path, const char *what, const char *advice,
		       struct cah_error *err)
{
	if (access(path, R_OK) == 0)
		return CAH_OK;
	return cah_fail(err, CAH_ENOTFOUND, "%s: no such file: %s (%s)", what,
			path, advice);
}

static int find_data(struct demo_args *a, struct cah_error *err)
{
	a->model = find(a->paths[0], a->model, CAH_SOURCE_DIR "/models/demo",
			"models/demo");
	a->docs = find(a->paths[1], a->docs,
		       CAH_SOURCE_DIR "/demo/docs-en.warc.wat.gz",
		       "docs-en.warc.wat.gz");
	a->world = find(a->paths[2], a->world, CAH_BUILT_WORLD, "demo-world");
	char truth[PATH_MAX + 16];
	(void)snprintf(truth, sizeof(truth), "%s/truth.jsonl", a->world);
	int rc = check_there(a->docs, "--docs", "part of the project", err);
	if (rc == CAH_OK)
		rc = check_there(a->pages, "--pages",
				 "Debian's package gimp-help-en", err);
	if (rc == CAH_OK)
		rc = check_there(truth, "--world",
				 "made by tools/demo_world/make_world.py", err);
	return rc;
}

static int choose_out(struct demo_args *a, struct cah_error *err)
{
	if (a->out != NULL)
		return CAH_OK;
	const char *tmp = getenv("TMPDIR");
	(void)snprintf(a->made_out, sizeof(a->made_out), "%s/cah-demo-XXXXXX",
		       tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp");
	a->out = mkdtemp(a->made_out);
	if (a->out == NULL)
		return cah_fail(err, CAH_EIO, "cannot make a folder in %s",
				tmp != NULL ? tmp : "/tmp");
	return CAH_OK;
}

static int demo(struct demo_args *a, struct cancel *cancel,
		struct cah_error *err)
{
	int threads = worker_opts_threads(a->threads);
	struct demo_options options = {
		.pages = a->pages,
		.model = "demo",
		.listen = a->listen,
		.threshold = a->threshold,
		.threads = threads,
		.is_serving = a->is_serving,
		.is_terminal =
			isatty(STDERR_FILENO) && !a->is_quiet && !a->is_json,
		.is_json = a->is_json,
		.report = stdout,
	};
	int rc = find_data(a, err);
	if (rc == CAH_OK)
		rc = choose_out(a, err);
	if (rc == CAH_OK)
		rc = log_new(&options.log, stderr,
			     a->is_quiet ? LOG_ERROR : LOG_INFO, a->is_json,
			     err);
	const struct clip_options clip = {.threads = threads};
	if (rc == CAH_OK)
		rc = clip_open(&options.clip, a->model, &clip, err);
	const struct decoders_options decoders = {
		.count = threads,
		.file_max = fetch_options_default().max_bytes,
		.log = options.log,
	};
	if (rc == CAH_OK && !a->no_sandbox)
		rc = worker_opts_decoders(&options.decoders, options.clip,
					  &decoders, err);
	options.out = a->out;
	options.docs = a->docs;
	options.world = a->world;
	if (rc == CAH_OK)
		rc = demo_run(&options, cancel, err);
	decoders_free(options.decoders);
	if (options.clip != NULL)
		clip_close(options.clip);
	log_free(options.log);
	return rc;
}

int cmd_demo(int argc, char **argv, struct cancel *cancel)
{
	struct demo_args a = {
		.pages = "/usr/share/gimp/2.0/help/en",
		.listen = "127.0.0.1:0",
		.threshold = 0.3,
	};
	const struct opt opts[] = {
		{"out", "DIR", "a new or empty folder; default: one below /tmp",
		 OPT_TEXT, &a.out, 0, 0},
		{"serve", NULL, "keep the pages up until Ctrl-C", OPT_FLAG,
		 &a.is_serving, 0, 0},
		{"listen", "ADDR:PORT", "of the tracker; port 0: any free one",
		 OPT_TEXT, &a.listen, 0, 0},
		{"model", "DIR", "default: the demo model", OPT_TEXT, &a.model,
		 0, 0},
		{"threshold", "X", "least similarity of a pair", OPT_REAL,
		 &a.threshold, -1, 1},
		{"threads", "N", "decoding threads; 0: one a core", OPT_INT,
		 &a.threads, 0, PIPELINE_THREADS_MAX},
		{"docs", "FILE", "default: the project's docs-en.warc.wat.gz",
		 OPT_TEXT, &a.docs, 0, 0},
		{"pages", "DIR", "the pages that it is of", OPT_TEXT, &a.pages,
		 0, 0},
		{"world", "DIR", "default: the world made by the build",
		 OPT_TEXT, &a.world, 0, 0},
		{"no-sandbox", NULL, "decode images in this process", OPT_FLAG,
		 &a.no_sandbox, 0, 0},
		{"quiet", NULL, "nothing but the report", OPT_FLAG, &a.is_quiet,
		 0, 0},
		{"json", NULL, "the report and log lines as JSON", OPT_FLAG,
		 &a.is_json, 0, 0},
	};
	const struct opt_command command = {
		.name = "demo",
		.operands = "",
		.about = "Serves two small webs on this machine's loopback, "
			 "starts a tracker and a hybrid worker, makes\na "
			 "dataset of them and checks it. Exit status 0: every "
			 "check held.",
		.examples = "  cah demo\n"
			    "  cah demo --serve --listen 127.0.0.1:8080",
		.opts = opts,
		.opt_count = sizeof(opts) / sizeof(opts[0]),
	};
	int operands;
	int status = opt_parse(&command, argc, argv, &operands);
	if (status >= 0)
		return status;
	struct cah_error err = {0};
	int rc = demo(&a, cancel, &err);
	return rc == CAH_OK ? EXIT_DONE : opt_report("demo", &err);
}
