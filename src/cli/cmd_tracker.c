/* cah tracker: hands out jobs over HTTP until it is told to stop. */
#include "base/cancel.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/dedup_opts.h"
#include "cli/limit_opts.h"
#include "cli/opt.h"
#include "store/store.h"
#include "tracker/secret.h"
#include "tracker/tracker.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum {
	SECRET_MAX = 1024, /* bytes of the organiser's secret */
	WAIT_MS = 1000,    /* between two looks for a SIGHUP */
	OWN_OPTS = 14,
	LOG_PATIENCE_MS = 20, /* what a log line waits for its reader */
};

struct choice {
	const char *store;
	const char *secret_file;
	const char *log_format;
	struct opt_list upload;
	struct opt_list stages;
	bool is_json;
	bool is_quiet;
	bool is_verbose;
	struct limit_opts limits;
	struct dedup_opts dedup;
	struct store_verify verify;
	struct tracker_options tracker;
	struct buf secret;
};

static void own_rows(struct opt *rows, struct choice *c)
{
	const struct opt own[OWN_OPTS] = {
		{"listen", "ADDR:PORT",
		 "where to answer; port 0 takes any free one", OPT_TEXT,
		 &c->tracker.listen, 0, 0},
		{"store", "URI",
		 "the tracker's book: sqlite:FILE, postgresql://...", OPT_TEXT,
		 &c->store, 0, 0},
		{"idle-timeout", "SECONDS",
		 "a worker not heard of for so long is gone", OPT_INT,
		 &c->tracker.idle_timeout_s, 1, 31536000},
		{"upload-address", "TYPE=ADDR",
		 "where workers of a type put results", OPT_LIST, &c->upload, 0,
		 0},
		{"project", "NAME", "what a project with stages is called",
		 OPT_TEXT, &c->tracker.project, 0, 0},
		{"stage", "LETTER=NAME",
		 "a stage of the project, a to e, and what it is called",
		 OPT_LIST, &c->stages, 0, 0},
		{"admin-token-file", "FILE",
		 "holds the organiser's secret; without it the admin calls are "
		 "off",
		 OPT_TEXT, &c->secret_file, 0, 0},
		{"verify-share", "P",
		 "give this share of the finished jobs, 0 to 1, to a second "
		 "nickname and compare",
		 OPT_REAL, &c->verify.share, 0, 1},
		{"verify-tolerance", "R",
		 "two counts of a job agree within this share of the larger",
		 OPT_REAL, &c->verify.relative, 0, 1},
		{"max-connections", "N", "connections at one time", OPT_INT,
		 &c->tracker.max_connections, 1, 100000},
		{"log-format", "FORMAT", "logfmt or json, on stderr", OPT_TEXT,
		 &c->log_format, 0, 0},
		{"json", NULL, "the same as --log-format json", OPT_FLAG,
		 &c->is_json, 0, 0},
		{"verbose", NULL, "log every request", OPT_FLAG, &c->is_verbose,
		 0, 0},
		{"quiet", NULL, "log errors only", OPT_FLAG, &c->is_quiet, 0,
		 0},
	};
	memcpy(rows, own, sizeof(own));
}

static int parse_options(struct choice *c, int argc, char **argv)
{
	struct opt opts[OWN_OPTS + DEDUP_OPTS_COUNT + LIMIT_OPTS_COUNT];
	own_rows(opts, c);
	dedup_opts_rows(opts + OWN_OPTS, &c->dedup);
	limit_opts_rows(opts + OWN_OPTS + DEDUP_OPTS_COUNT, &c->limits);
	const struct opt_command command = {
		.name = "tracker",
		.operands = "",
		.about = "Hands out jobs to workers, keeps the books and shows "
			 "the pages, until Ctrl-C.\nPrints 'listening on URL' "
			 "once it answers.",
		.examples = "  cah jobs import wat.paths.gz\n"
			    "  cah tracker\n"
			    "  cah tracker --listen 0.0.0.0:80 "
			    "--admin-token-file secret.txt\n"
			    "  cah tracker --upload-address "
			    "CPU=rsync://host/images",
		.opts = opts,
		.opt_count = sizeof(opts) / sizeof(opts[0]),
	};
	int operand_count;
	return opt_parse(&command, argc, argv, &operand_count);
}

static int take_upload_address(struct choice *c, const char *text,
			       struct cah_error *err)
{
	size_t len = strcspn(text, "=");
	int type = store_worker_type((struct slice){text, len});
	if (type < 0 || text[len] != '=')
		return cah_fail(err, CAH_EINVALID,
				"--upload-address: '%s' is not TYPE=ADDR with "
				"TYPE one of HYBRID, CPU, GPU",
				text);
	c->tracker.upload_address[type] = text + len + 1;
	return CAH_OK;
}

static int take_stage(struct choice *c, const char *text, struct cah_error *err)
{
	int stage = text[0] - 'a';
	if (stage < 0 || stage >= STORE_STAGE_COUNT || text[1] != '=')
		return cah_fail(err, CAH_EINVALID,
				"--stage: '%s' is not LETTER=NAME with LETTER "
				"one of a, b, c, d, e",
				text);
	if (c->tracker.stage_names[stage] != NULL)
		return cah_fail(err, CAH_EINVALID, "--stage: %c is there twice",
				text[0]);
	c->tracker.stage_names[stage] = text + 2;
	return CAH_OK;
}

static int read_secret(struct choice *c, struct cah_error *err)
{
	if (c->secret_file == NULL)
		return CAH_OK;
	int rc = file_read(&c->secret, c->secret_file, err);
	if (rc != CAH_OK)
		return cah_fail_prefix(err, rc, "--admin-token-file");
	char *text = c->secret.data;
	size_t len = c->secret.len;
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	if (len == 0 || memchr(text, '\0', len) != NULL)
		return cah_fail(err, CAH_EINVALID,
				"--admin-token-file: %s holds no secret",
				c->secret_file);
	text[len] = '\0';
	c->tracker.admin_token = text;
	if (len < SECRET_MIN)
		return cah_fail(err, CAH_EINVALID,
				"--admin-token-file: the secret in %s has "
				"fewer than %d bytes",
				c->secret_file, SECRET_MIN);
	return CAH_OK;
}

static int finish_options(struct choice *c, struct cah_error *err)
{
	if (strcmp(c->log_format, "json") == 0)
		c->is_json = true;
	else if (strcmp(c->log_format, "logfmt") != 0)
		return cah_fail(err, CAH_EINVALID,
				"--log-format: '%s' is not logfmt or json",
				c->log_format);
	for (size_t i = 0; i < c->upload.count; i++) {
		int rc = take_upload_address(c, c->upload.values[i], err);
		if (rc != CAH_OK)
			return rc;
	}
	for (size_t i = 0; i < c->stages.count; i++) {
		int rc = take_stage(c, c->stages.values[i], err);
		if (rc != CAH_OK)
			return rc;
	}
	int rc = limit_opts_apply(&c->limits, &c->tracker, err);
	if (rc == CAH_OK)
		rc = dedup_opts_apply(&c->dedup, &c->tracker, err);
	/* Who counts a second time would find all pairs taken by the first. */
	if (rc == CAH_OK && c->dedup.files.count > 0 && c->verify.share > 0)
		rc = cah_fail(err, CAH_EINVALID,
			      "--dedup goes without --verify-share");
	return rc == CAH_OK ? read_secret(c, err) : rc;
}

/* All threads leave it to the loop below. */
static void hold_sighup(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, set, NULL);
}

static void reload(const struct choice *c, struct tracker *tracker)
{
	struct cah_error err;
	if (tracker_reload(tracker, &err) != CAH_OK)
		log_error(c->tracker.log, "SIGHUP: %s", err.text);
	else if (c->tracker.tls_cert != NULL)
		log_info(c->tracker.log, "SIGHUP: %s is read again",
			 c->tracker.tls_cert);
}

static int serve(const struct choice *c, struct cancel *cancel,
		 struct cah_error *err)
{
	struct tracker *tracker;
	const struct timespec at_once = {0, 0};
	sigset_t sighup;
	hold_sighup(&sighup);
	int rc = tracker_start(&tracker, &c->tracker, err);
	if (rc != CAH_OK)
		return rc;
	/* Whoever started us may wait for this line. */
	printf("listening on %s\n", tracker_url(tracker));
	(void)fflush(stdout);
	while (!cancel_sleep(cancel, WAIT_MS))
		while (sigtimedwait(&sighup, NULL, &at_once) == SIGHUP)
			reload(c, tracker);
	tracker_stop(tracker);
	log_info(c->tracker.log, "stopped");
	return CAH_OK;
}

static int run(struct choice *c, struct cancel *cancel, struct cah_error *err)
{
	struct log *log = NULL;
	struct store *store = NULL;
	enum log_level level = c->is_quiet     ? LOG_ERROR
			       : c->is_verbose ? LOG_DEBUG
					       : LOG_INFO;
	int rc = finish_options(c, err);
	if (rc == CAH_OK)
		rc = log_new(&log, stderr, level, c->is_json, err);
	/* A terminal that is stopped must not stop the tracker. */
	log_set_wait(log, LOG_PATIENCE_MS);
	if (rc == CAH_OK)
		rc = store_open(&store, c->store, err);
	if (rc == CAH_OK) {
		c->tracker.log = log;
		c->tracker.store = store;
		if (c->secret_file != NULL && file_is_for_all(c->secret_file))
			log_warn(log,
				 "%s can be read by all users of the machine",
				 c->secret_file);
		store_set_verify(store, &c->verify);
		rc = serve(c, cancel, err);
	}
	store_close(store);
	log_free(log);
	return rc;
}

int cmd_tracker(int argc, char **argv, struct cancel *cancel)
{
	struct choice c = {
		.store = "sqlite:cah.db",
		.log_format = "logfmt",
		.verify = {.relative = STORE_VERIFY_RELATIVE,
			   .absolute = STORE_VERIFY_PAIRS},
		.tracker = {.listen = "127.0.0.1:8080",
			    .idle_timeout_s = TRACKER_IDLE_TIMEOUT_S,
			    .max_connections = TRACKER_MAX_CONNECTIONS},
	};
	limit_opts_init(&c.limits);
	dedup_opts_init(&c.dedup);
	int status = parse_options(&c, argc, argv);
	if (status >= 0)
		return status;
	struct cah_error err = {0};
	buf_init(&c.secret, SECRET_MAX);
	int rc = run(&c, cancel, &err);
	buf_fini(&c.secret);
	return rc == CAH_OK ? EXIT_DONE : opt_report("tracker", &err);
}
