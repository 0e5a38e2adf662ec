/* cah status: how far a tracker is, as a page that refreshes, as text or as
 * JSON. */
#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "cli/cmd.h"
#include "cli/opt.h"
#include "cli/screen.h"
#include "cli/status.h"
#include "client/answer.h"
#include "client/base_url.h"
#include "client/call.h"
#include "client/talk.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	CALL_MS = 10000,  /* for an answer, else the tracker is away */
	SPEED_MS = 30000, /* over which a speed is told, and as much again */
	VIEW_MAX = 64 * 1024, /* bytes of the page */
	WHY_MAX = 300,        /* bytes */
};

/* Main thread only, as the command is; a table can hold its addresses. */
static struct {
	const char *tracker;
	const char *ca_file;
	double interval_s;
	bool is_once;
	bool is_json;
} settings = {.tracker = "http://127.0.0.1:8080", .interval_s = 2};

struct watch {
	struct cancel *cancel;
	struct cah_client_options options;
	struct talk *talk;
	char *base;         /* URL without a final slash */
	struct status last; /* if has_last */
	bool has_last;
	/* The speed is that since `base_of_speed`; `next_base` takes its place
	 * when it is old enough. */
	struct status base_of_speed;
	struct status next_base;
	bool has_base;
	char trouble[WHY_MAX]; /* "" while answers come */
};

/* ---- asking ---- */

/* Of the type talk_tick_fn. */
static int tick(void *arg)
{
	const struct watch *watch = arg;
	return cancel_is_set(watch->cancel) ? 1 : 0;
}

/* The body of an answer 200 in @body, which the caller has initialised.
 * Errors: CAH_EUNAVAILABLE and others (no answer, or another one). */
static int ask(struct watch *watch, const char *path, struct buf *body,
	       struct cah_error *err)
{
	char *url;
	if (asprintf(&url, "%s%s", watch->base, path) < 0)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	const struct talk_request request = {.url = url};
	struct talk_answer answer;
	int rc = talk_call(watch->talk, &answer, &request, tick, watch, err);
	free(url);
	if (rc == CAH_OK && answer.end != TALK_ANSWERED) {
		rc = cah_fail(err, CAH_EUNAVAILABLE, "%.200s", answer.reason);
	} else if (rc == CAH_OK && answer.status != 200) {
		char text[ANSWER_TEXT_MAX];
		answer_error_text(text, buf_slice(&answer.body));
		rc = cah_fail(err, CAH_ESERVER, "%.200s (status %d)",
			      text[0] != '\0' ? text : "an error",
			      answer.status);
	} else if (rc == CAH_OK) {
		(void)buf_add_slice(body, buf_slice(&answer.body));
		rc = buf_check(body, path, err);
	}
	buf_fini(&answer.body);
	return rc;
}

static int ask_status(struct watch *watch, struct status *out,
		      struct cah_error *err)
{
	struct buf body;
	buf_init(&body, TALK_BODY_MAX);
	int rc = ask(watch, "/data", &body, err);
	if (rc == CAH_OK)
		rc = status_parse(out, buf_slice(&body), err);
	buf_fini(&body);
	if (rc != CAH_OK)
		return rc;
	out->at_ms = clock_now_ms();
	/* Other trackers have none, and some show theirs to few. */
	buf_init(&body, TALK_BODY_MAX);
	if (ask(watch, "/metrics", &body, NULL) == CAH_OK)
		status_parse_metrics(out, buf_slice(&body));
	buf_fini(&body);
	return CAH_OK;
}

static void remember(struct watch *watch, const struct status *now)
{
	if (!watch->has_base) {
		watch->base_of_speed = *now;
		watch->next_base = *now;
	} else if (now->at_ms - watch->next_base.at_ms >= SPEED_MS) {
		watch->base_of_speed = watch->next_base;
		watch->next_base = *now;
	}
	watch->has_base = true;
	watch->last = *now;
	watch->has_last = true;
}

static int refresh(struct watch *watch, struct cah_error *err)
{
	struct status now;
	int rc = ask_status(watch, &now, err);
	watch->trouble[0] = '\0';
	if (rc == CAH_OK)
		remember(watch, &now);
	else
		(void)snprintf(watch->trouble, sizeof(watch->trouble), "%.*s",
			       WHY_MAX - 1, err->text);
	return rc;
}

/* ---- showing ---- */

static void write_view(const struct watch *watch, struct buf *out)
{
	int columns, rows;
	screen_size(&columns, &rows);
	const struct status_view view = {
		.url = watch->base,
		.trouble = watch->trouble[0] != '\0' ? watch->trouble : NULL,
		.wall_s = clock_wall_s(),
		.columns = columns,
		.now = watch->has_last ? &watch->last : NULL,
		.before = watch->has_base ? &watch->base_of_speed : NULL,
	};
	status_write(out, &view);
}

static bool draw(const struct watch *watch)
{
	struct buf out;
	buf_init(&out, VIEW_MAX);
	write_view(watch, &out);
	bool is_there = screen_draw(buf_slice(&out));
	buf_fini(&out);
	return is_there;
}

/* A tracker that is away is shown so, and asked again. */
static void show_live(struct watch *watch)
{
	long interval_ms = (long)(settings.interval_s * 1000);
	struct cah_error err = {0};
	enum screen_event event = SCREEN_TIME;
	int64_t due_ms = 0;
	screen_open(watch->cancel);
	while (event != SCREEN_QUIT) {
		int64_t now_ms = clock_now_ms();
		if (now_ms >= due_ms) {
			due_ms = now_ms + interval_ms;
			(void)refresh(watch, &err);
		}
		if (cancel_is_set(watch->cancel) || !draw(watch))
			break;
		int64_t left = due_ms - clock_now_ms();
		event = screen_wait(left > 0 ? (long)left : 0);
	}
	screen_close();
}

static int show_once(struct watch *watch, struct cah_error *err)
{
	int rc = refresh(watch, err);
	if (rc != CAH_OK)
		return cah_fail_prefix(err, rc, "%.200s", watch->base);
	struct buf out;
	buf_init(&out, VIEW_MAX);
	write_view(watch, &out);
	rc = buf_check(&out, "the answer", err);
	if (rc == CAH_OK)
		fputs(out.data, stdout);
	buf_fini(&out);
	return rc;
}

/* As the tracker has it, but in one line, in ASCII and without DEL: whatever it
 * says, a terminal can bear it. */
static int print_json(const char *body, size_t len, struct cah_error *err)
{
	json_error_t why;
	json_t *root =
		json_loadb(body != NULL ? body : "", len, JSON_ALLOW_NUL, &why);
	if (!json_is_object(root)) {
		json_decref(root);
		return cah_fail(err, CAH_EFORMAT, "/data is no JSON object");
	}
	char *text = json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(root);
	if (text == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == 0x7f)
			fputs("\\u007f", stdout);
		else
			putchar(*p);
	}
	putchar('\n');
	free(text);
	return CAH_OK;
}

static int show_json(struct watch *watch, struct cah_error *err)
{
	struct buf body;
	buf_init(&body, TALK_BODY_MAX);
	int rc = ask(watch, "/data", &body, err);
	if (rc == CAH_OK)
		rc = print_json(body.data, body.len, err);
	buf_fini(&body);
	return rc == CAH_OK ? rc
			    : cah_fail_prefix(err, rc, "%.200s", watch->base);
}

/* ---- the command ---- */

static int run(struct watch *watch, struct cah_error *err)
{
	int rc = base_url_parse(&watch->base, settings.tracker, err);
	watch->options = (struct cah_client_options){
		.call_timeout_ms = CALL_MS, .ca_file = settings.ca_file};
	if (rc == CAH_OK)
		rc = talk_new(&watch->talk, &watch->options, err);
	if (rc != CAH_OK)
		return rc;
	if (settings.is_json)
		return show_json(watch, err);
	if (settings.is_once || !isatty(STDOUT_FILENO))
		return show_once(watch, err);
	show_live(watch);
	return CAH_OK;
}

static const struct opt opts[] = {
	{"tracker", "URL", "the tracker", OPT_TEXT, &settings.tracker, 0, 0},
	{"interval", "SECONDS", "between two looks", OPT_REAL,
	 &settings.interval_s, 0.1, 86400},
	{"once", NULL, "print the state as text, and end", OPT_FLAG,
	 &settings.is_once, 0, 0},
	{"json", NULL, "print /data in one line, and end", OPT_FLAG,
	 &settings.is_json, 0, 0},
	{"ca-file", "FILE", "certificates to trust instead of the system's",
	 OPT_TEXT, &settings.ca_file, 0, 0},
};

static const struct opt_command command = {
	.name = "status",
	.operands = "",
	.about =
		"Shows how far a tracker is: jobs by state, speed and time "
		"left, workers, and\nwhat it counts of itself. On a terminal a "
		"page that refreshes until q or Ctrl-C;\nelse text, once.",
	.examples = "  cah status\n"
		    "  cah status --tracker https://tracker.example "
		    "--interval 10\n"
		    "  cah status --once\n"
		    "  cah status --json | jq .jobs.open",
	.opts = opts,
	.opt_count = sizeof(opts) / sizeof(opts[0]),
};

int cmd_status(int argc, char **argv, struct cancel *cancel)
{
	int operands;
	int status = opt_parse(&command, argc, argv, &operands);
	if (status >= 0)
		return status;
	struct watch watch = {.cancel = cancel};
	struct cah_error err = {0};
	int rc = run(&watch, &err);
	talk_free(watch.talk);
	free(watch.base);
	return rc == CAH_OK ? EXIT_DONE : opt_report("status", &err);
}
