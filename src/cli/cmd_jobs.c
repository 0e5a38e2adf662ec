/* cah jobs: what an organiser does to the book by hand. The tracker may run
 * meanwhile; each command is one transaction, but for a long import. */
#include "base/fail.h"
#include "base/log.h"
#include "cli/action.h"
#include "cli/cmd.h"
#include "cli/jobs.h"
#include "cli/opt.h"

#include <stdio.h>
#include <unistd.h>

enum {
	LIST_LIMIT = 20,      /* default of --limit */
	JSON_MAX = 64 * 1024, /* bytes of one object */
};

int jobs_print_json(struct buf *line, struct cah_error *err)
{
	int rc = buf_check(line, "the answer", err);
	if (rc == CAH_OK)
		puts(line->data);
	buf_fini(line);
	return rc;
}

void jobs_begin_json(struct wire_json *json, struct buf *line)
{
	buf_init(line, JSON_MAX);
	wire_json_init(json, line);
	wire_json_open(json, '{');
}

/* ---- the command ---- */

static const struct jobs_action {
	struct action head;
	int (*run)(struct jobs_args *jobs, struct cah_error *err);
} actions[] = {
	{{"import", 1, -1, true}, jobs_import},
	{{"count", 0, 0, false}, jobs_count},
	{{"list", 0, 0, false}, jobs_list},
	{{"show", 1, 1, false}, jobs_show},
	{{"reset", 1, 1, false}, jobs_reset},
	{{"export", 0, 1, false}, jobs_export},
	{{"backup", 1, 1, false}, jobs_backup},
	{{"move", 0, 0, true}, jobs_move},
};

static const struct action_table table = {
	"jobs",
	&actions[0].head,
	sizeof(actions[0]),
	sizeof(actions) / sizeof(actions[0]),
};

static int run(struct jobs_args *jobs, const char *name, struct cah_error *err)
{
	const struct action *head =
		action_find(&table, name, jobs->operand_count, err);
	if (head == NULL)
		return CAH_EINVALID;
	const struct jobs_action *action = (const void *)head;
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
	if (!head->makes_store)
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
static struct jobs_args settings = {
	.store_uri = "sqlite:cah.db",
	.base_url = "https://data.commoncrawl.org/",
	.limit = LIST_LIMIT,
};

static const struct opt opts[] = {
	{"store", "URI", "the tracker's book: sqlite:FILE, postgresql://...",
	 OPT_TEXT, &settings.store_uri, 0, 0},
	{"base-url", "URL", "goes before relative paths; '': they are files",
	 OPT_TEXT, &settings.base_url, 0, 0},
	{"state", "STATE",
	 "list, export: open, leased, gpu_open, gpu_leased, done, check_open, "
	 "check_leased",
	 OPT_TEXT, &settings.state_name, 0, 0},
	{"limit", "N", "list so many at most", OPT_INT, &settings.limit, 0,
	 1e12},
	{"offset", "N", "leave out the first ones of the list", OPT_INT,
	 &settings.offset, 0, 1e12},
	{"format", "NAME",
	 "export: csv or parquet; default as FILE's name says, csv", OPT_TEXT,
	 &settings.format, 0, 0},
	{"force", NULL, "backup: replace a FILE that is there", OPT_FLAG,
	 &settings.is_forced, 0, 0},
	{"from", "URI", "move: a book, sqlite:FILE, that no tracker uses",
	 OPT_TEXT, &settings.from, 0, 0},
	{"to", "URI", "move: an empty one, postgresql://...", OPT_TEXT,
	 &settings.to, 0, 0},
	{"json", NULL, "print JSON, one object a line", OPT_FLAG,
	 &settings.is_json, 0, 0},
	{"quiet", NULL, "print nothing but what was asked for", OPT_FLAG,
	 &settings.is_quiet, 0, 0},
};

static const struct opt_command command = {
	.name = "jobs",
	.operands = "import LISTS...|count|list|show N|reset N|"
		    "export [FILE]|backup FILE|move",
	.about = "Looks after the jobs in a tracker's book, while it runs or "
		 "not.\n"
		 "  import LISTS  add two jobs for each WAT in the lists: "
		 "files, URLs or -,\n"
		 "                plain or gzip; those known already are left\n"
		 "  count         how many jobs are in which state\n"
		 "  list          the jobs, by number\n"
		 "  show N        all about one job\n"
		 "  reset N       make a job open again, whatever it was\n"
		 "  export [FILE] all jobs as one table, CSV or Parquet\n"
		 "  backup FILE   a copy of the book while a tracker uses it\n"
		 "  move          the book --from a file --to an empty "
		 "database",
	.examples =
		"  cah jobs import wat.paths.gz\n"
		"  cah jobs import https://data.commoncrawl.org/"
		"crawl-data/CC-MAIN-2022-05/wat.paths.gz\n"
		"  ls /data/*.warc.wat.gz | cah jobs import - --base-url ''\n"
		"  cah jobs list --state leased --json\n"
		"  cah jobs reset 17 --store sqlite:/srv/cah.db\n"
		"  cah jobs export jobs.parquet\n"
		"  cah jobs backup /backup/cah.db\n"
		"  cah jobs move --from sqlite:cah.db --to "
		"postgresql://db.example/cah",
	.opts = opts,
	.opt_count = sizeof(opts) / sizeof(opts[0]),
	.only = {{"store", "import count list show reset export backup"},
		 {"base-url", "import"},
		 {"state", "list export"},
		 {"limit", "list"},
		 {"offset", "list"},
		 {"format", "export"},
		 {"force", "backup"},
		 {"from", "move"},
		 {"to", "move"}},
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
	if (err.text[0] == '\0')
		return EXIT_FAILED;
	return opt_report("jobs", &err);
}
