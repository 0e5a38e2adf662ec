/* cah jobs: what an organiser does to the book by hand. The tracker may run
 * meanwhile; each command is one transaction, but for a long import. */
#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/import.h"
#include "cli/opt.h"
#include "wire/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	LIST_LIMIT = 20,      /* default of --limit */
	PAGE_JOBS = 100,      /* of one look into the store */
	JSON_MAX = 64 * 1024, /* bytes of one object */
};

struct jobs {
	const char *store_uri;
	const char *base_url;
	const char *state_name;
	int state; /* -1: all */
	int64_t limit;
	int64_t offset;
	bool is_json;
	bool is_quiet;
	char **operands; /* behind the name of the action */
	int operand_count;
	struct cancel *cancel;
	struct store *store;
	struct log *progress; /* NULL where nobody looks */
};

/* ---- what is printed ---- */

static int print_json(struct buf *line, struct cah_error *err)
{
	int rc = buf_check(line, "the answer", err);
	if (rc == CAH_OK)
		puts(line->data);
	buf_fini(line);
	return rc;
}

static void begin_json(struct wire_json *json, struct buf *line)
{
	buf_init(line, JSON_MAX);
	wire_json_init(json, line);
	wire_json_open(json, '{');
}

static int print_job_json(const struct job *job, struct cah_error *err)
{
	struct buf line;
	struct wire_json json;
	begin_json(&json, &line);
	wire_json_put_int(&json, "number", job->number);
	wire_json_put_text(&json, "state", store_state_name(job->state));
	wire_json_put_text(&json, "url", job->url);
	wire_json_put_int(&json, "piece", job->piece);
	wire_json_put_int(&json, "start_id", job->start_id);
	wire_json_put_int(&json, "end_id", job->end_id);
	wire_json_put_int(&json, "pairs", job->pairs);
	wire_json_put_text(&json, "gpu_url", job->gpu_url);
	wire_json_put_text(&json, "holder", job->holder);
	wire_json_put_text(&json, "made_by", job->made_by);
	wire_json_put_text(&json, "done_by", job->done_by);
	wire_json_close(&json, '}');
	return print_json(&line, err);
}

static void print_job(const struct job *job)
{
	printf("number    %lld\nstate     %s\nurl       %s\npiece     %d\n"
	       "ids       %lld to %lld\n",
	       (long long)job->number, store_state_name(job->state), job->url,
	       job->piece, (long long)job->start_id, (long long)job->end_id);
	if (job->holder[0] != '\0')
		printf("held by   %s\n", job->holder);
	if (job->gpu_url[0] != '\0')
		printf("gpu url   %s\nmade by   %s\n", job->gpu_url,
		       job->made_by);
	if (job->state == JOB_DONE)
		printf("pairs     %lld\ndone by   %s\n", (long long)job->pairs,
		       job->done_by);
}

static int print_import(const struct jobs *jobs, const struct import *import,
			struct cah_error *err)
{
	if (jobs->is_json) {
		struct buf line;
		struct wire_json json;
		begin_json(&json, &line);
		wire_json_put_int(&json, "added", import->added);
		wire_json_put_int(&json, "there", import->there);
		wire_json_close(&json, '}');
		return print_json(&line, err);
	}
	if (!jobs->is_quiet)
		printf("added %lld jobs, %lld were there\n",
		       (long long)import->added, (long long)import->there);
	return CAH_OK;
}

/* ---- import ---- */

static void show_progress(void *arg, size_t done, size_t total)
{
	const struct jobs *jobs = arg;
	char line[128];
	(void)snprintf(line, sizeof(line), "importing: %zu of %zu WATs", done,
		       total);
	log_progress(jobs->progress, line);
}

static int import_paths(struct jobs *jobs, const struct paths *paths,
			struct cah_error *err)
{
	int rc = store_open(&jobs->store, jobs->store_uri, err);
	if (rc != CAH_OK)
		return rc;
	struct import import = {
		.store = jobs->store,
		.paths = paths,
		.cancel = jobs->cancel,
		.progress = show_progress,
		.arg = jobs,
	};
	rc = import_run(&import, err);
	log_progress(jobs->progress, NULL);
	return rc == CAH_OK ? print_import(jobs, &import, err) : rc;
}

/* All lists are read before the book is touched: what is broken or far away
 * keeps no tracker waiting. */
static int do_import(struct jobs *jobs, struct cah_error *err)
{
	int rc = paths_check_base(jobs->base_url, err);
	if (rc != CAH_OK)
		return rc;
	struct paths paths;
	paths_init(&paths);
	for (int i = 0; i < jobs->operand_count && rc == CAH_OK; i++) {
		log_progress(jobs->progress, jobs->operands[i]);
		rc = paths_read(&paths, jobs->operands[i], jobs->base_url,
				jobs->cancel, err);
	}
	log_progress(jobs->progress, NULL);
	if (rc == CAH_OK)
		rc = import_paths(jobs, &paths, err);
	paths_fini(&paths);
	/* What a list holds is no bad usage. */
	if (rc == CAH_EINVALIDURL && err != NULL)
		err->code = CAH_EFORMAT;
	return rc;
}

/* ---- count, list, show, reset ---- */

static int do_count(struct jobs *jobs, struct cah_error *err)
{
	struct store_counts counts;
	int rc = store_get_counts(jobs->store, &counts, clock_wall_s(), err);
	if (rc != CAH_OK)
		return rc;
	int64_t total = 0;
	struct buf line;
	struct wire_json json;
	begin_json(&json, &line);
	for (int i = 0; i < JOB_STATE_COUNT; i++) {
		const char *name = store_state_name((enum job_state)i);
		total += counts.jobs[i];
		wire_json_put_int(&json, name, counts.jobs[i]);
		if (!jobs->is_json)
			printf("%-10s %12lld\n", name,
			       (long long)counts.jobs[i]);
	}
	wire_json_put_int(&json, "total", total);
	wire_json_put_int(&json, "pairs", counts.pairs);
	wire_json_put_int(&json, "finished_last_hour",
			  counts.finished_last_hour);
	wire_json_close(&json, '}');
	if (jobs->is_json)
		return print_json(&line, err);
	buf_fini(&line);
	printf("%-10s %12lld\n%-10s %12lld\n", "total", (long long)total,
	       "pairs", (long long)counts.pairs);
	return CAH_OK;
}

static int print_row(const struct jobs *jobs, const struct job *job,
		     struct cah_error *err)
{
	if (jobs->is_json)
		return print_job_json(job, err);
	printf("%lld\t%s\t%d\t%lld\t%s\n", (long long)job->number,
	       store_state_name(job->state), job->piece, (long long)job->pairs,
	       job->url);
	return CAH_OK;
}

/* The numbers have no gaps, so among all jobs an offset is a number. */
static int do_list(struct jobs *jobs, struct cah_error *err)
{
	int64_t skip = jobs->state == -1 ? 0 : jobs->offset;
	int64_t from = 1 + jobs->offset - skip;
	int64_t left = jobs->limit;
	struct job *page = calloc(PAGE_JOBS, sizeof(*page));
	if (page == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	size_t count = PAGE_JOBS;
	int rc = CAH_OK;
	while (rc == CAH_OK && left > 0 && count == PAGE_JOBS &&
	       !cancel_is_set(jobs->cancel)) {
		rc = store_jobs(jobs->store, page, PAGE_JOBS, from, jobs->state,
				&count, err);
		for (size_t i = 0; i < count && rc == CAH_OK && left > 0; i++) {
			from = page[i].number + 1;
			if (skip > 0) {
				skip--;
				continue;
			}
			left--;
			rc = print_row(jobs, &page[i], err);
		}
	}
	free(page);
	return rc;
}

static int read_number(const struct jobs *jobs, int64_t *out,
		       struct cah_error *err)
{
	const char *text = jobs->operands[0];
	char *end;
	errno = 0;
	long long n = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < 1)
		return cah_fail(err, CAH_EINVALID, "'%s' is no job's number",
				text);
	*out = n;
	return CAH_OK;
}

static int do_show(struct jobs *jobs, struct cah_error *err)
{
	struct job job;
	int64_t number = 0;
	int rc = read_number(jobs, &number, err);
	if (rc == CAH_OK)
		rc = store_job_get(jobs->store, &job, number, err);
	if (rc != CAH_OK)
		return rc;
	if (jobs->is_json)
		return print_job_json(&job, err);
	print_job(&job);
	return CAH_OK;
}

static int do_reset(struct jobs *jobs, struct cah_error *err)
{
	int64_t number = 0;
	int rc = read_number(jobs, &number, err);
	if (rc == CAH_OK)
		rc = store_job_reset(jobs->store, number, err);
	if (rc == CAH_OK && !jobs->is_quiet)
		printf("job %lld is open\n", (long long)number);
	return rc;
}

/* ---- the command ---- */

static const struct action {
	const char *name;
	int (*run)(struct jobs *jobs, struct cah_error *err);
	int min_operands;
	int max_operands; /* -1: any number */
	bool makes_store; /* opens it by itself */
} actions[] = {
	{"import", do_import, 1, -1, true}, {"count", do_count, 0, 0, false},
	{"list", do_list, 0, 0, false},     {"show", do_show, 1, 1, false},
	{"reset", do_reset, 1, 1, false},
};

static const struct action *find_action(const struct jobs *jobs,
					const char *name, struct cah_error *err)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		const struct action *a = &actions[i];
		if (strcmp(a->name, name) != 0)
			continue;
		int count = jobs->operand_count;
		if (count >= a->min_operands &&
		    (a->max_operands < 0 || count <= a->max_operands))
			return a;
		(void)cah_fail(err, CAH_EINVALID,
			       "%s: %s arguments (see cah jobs --help)", name,
			       count < a->min_operands ? "missing"
						       : "too many");
		return NULL;
	}
	(void)cah_fail(err, CAH_EINVALID,
		       "there is no action '%s' (see cah jobs --help)", name);
	return NULL;
}

static int run(struct jobs *jobs, const char *name, struct cah_error *err)
{
	const struct action *action = find_action(jobs, name, err);
	if (action == NULL)
		return CAH_EINVALID;
	jobs->state = -1;
	if (jobs->state_name != NULL) {
		jobs->state = store_job_state(slice_of(jobs->state_name));
		if (jobs->state < 0)
			return cah_fail(err, CAH_EINVALID,
					"--state: '%s' is none of open, "
					"leased, gpu_open, gpu_leased, done, "
					"check_open, check_leased",
					jobs->state_name);
	}
	int rc = CAH_OK;
	if (!action->makes_store)
		rc = store_open_existing(&jobs->store, jobs->store_uri, err);
	if (rc == CAH_OK && !jobs->is_quiet && isatty(STDERR_FILENO))
		rc = log_new(&jobs->progress, stderr, LOG_SILENT, false, err);
	if (rc == CAH_OK)
		rc = action->run(jobs, err);
	/* Before any error is printed on the same line. */
	log_free(jobs->progress);
	store_close(jobs->store);
	return rc;
}

/* Main thread only, as the command is; a table can hold its addresses. */
static struct jobs settings = {
	.store_uri = "sqlite:cah.db",
	.base_url = "https://data.commoncrawl.org/",
	.limit = LIST_LIMIT,
};

static const struct opt opts[] = {
	{"store", "URI", "the tracker's book, sqlite:FILE", OPT_TEXT,
	 &settings.store_uri, 0, 0},
	{"base-url", "URL", "goes before relative paths; '': they are files",
	 OPT_TEXT, &settings.base_url, 0, 0},
	{"state", "STATE",
	 "list only: open, leased, gpu_open, gpu_leased, done, check_open, "
	 "check_leased",
	 OPT_TEXT, &settings.state_name, 0, 0},
	{"limit", "N", "list so many at most", OPT_INT, &settings.limit, 0,
	 1e12},
	{"offset", "N", "leave out the first ones of the list", OPT_INT,
	 &settings.offset, 0, 1e12},
	{"json", NULL, "print JSON, one object a line", OPT_FLAG,
	 &settings.is_json, 0, 0},
	{"quiet", NULL, "print nothing but what was asked for", OPT_FLAG,
	 &settings.is_quiet, 0, 0},
};

static const struct opt_command command = {
	.name = "jobs",
	.operands = "import LISTS...|count|list|show N|reset N",
	.about = "Looks after the jobs in a tracker's book, while it runs or "
		 "not.\n"
		 "  import LISTS  add two jobs for each WAT in the lists: "
		 "files, URLs or -,\n"
		 "                plain or gzip; those known already are left\n"
		 "  count         how many jobs are in which state\n"
		 "  list          the jobs, by number\n"
		 "  show N        all about one job\n"
		 "  reset N       make a job open again, whatever it was",
	.examples =
		"  cah jobs import wat.paths.gz\n"
		"  cah jobs import https://data.commoncrawl.org/"
		"crawl-data/CC-MAIN-2022-05/wat.paths.gz\n"
		"  ls /data/*.warc.wat.gz | cah jobs import - --base-url ''\n"
		"  cah jobs list --state leased --json\n"
		"  cah jobs reset 17 --store sqlite:/srv/cah.db",
	.opts = opts,
	.opt_count = sizeof(opts) / sizeof(opts[0]),
	.min_operands = 1,
	.max_operands = -1,
};

int cmd_jobs(int argc, char **argv, struct cancel *cancel)
{
	int count;
	int status = opt_parse(&command, argc, argv, &count);
	if (status >= 0)
		return status;
	settings.cancel = cancel;
	settings.operands = argv + 1;
	settings.operand_count = count - 1;
	struct cah_error err = {0};
	if (run(&settings, argv[0], &err) == CAH_OK)
		return EXIT_DONE;
	return opt_report("jobs", &err);
}
