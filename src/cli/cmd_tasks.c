/* cah tasks: what an organiser of a staged project does to the book by hand.
 * The tracker may run meanwhile; each command is one transaction, but for a
 * long import. */
#include "base/fail.h"
#include "cli/action.h"
#include "cli/cmd.h"
#include "cli/opt.h"
#include "cli/tasks.h"

#include <stdio.h>

enum {
	LIST_LIMIT = 20, /* default of --limit, for the list */
};

#define RESULTS_LIMIT ((int64_t)1000000000000)

static const struct tasks_action {
	struct action head;
	int (*run)(struct tasks_args *tasks, struct cah_error *err);
} actions[] = {
	{{"import", 1, -1, true}, tasks_import},
	{{"count", 0, 0, false}, tasks_count},
	{{"list", 0, 0, false}, tasks_list},
	{{"show", 1, 1, false}, tasks_show},
	{{"reset", 1, 1, false}, tasks_reset},
	{{"results", 0, 0, false}, tasks_results},
};

static const struct action_table table = {
	"tasks",
	&actions[0].head,
	sizeof(actions[0]),
	sizeof(actions) / sizeof(actions[0]),
};

static int read_choice(struct tasks_args *tasks, struct cah_error *err)
{
	const char *stage = tasks->stage_name;
	tasks->state = tasks->stage = -1;
	if (tasks->state_name != NULL)
		tasks->state = store_task_state(slice_of(tasks->state_name));
	if (tasks->state_name != NULL && tasks->state < 0)
		return cah_fail(err, CAH_EINVALID,
				"--state: '%s' is none of open, leased, done",
				tasks->state_name);
	if (stage == NULL)
		return CAH_OK;
	tasks->stage = stage[0] - 'a';
	if (tasks->stage < 0 || tasks->stage >= STORE_STAGE_COUNT ||
	    stage[1] != '\0')
		return cah_fail(err, CAH_EINVALID,
				"--stage: '%s' is none of a, b, c, d, e",
				stage);
	return CAH_OK;
}

static int run(struct tasks_args *tasks, const char *name,
	       struct cah_error *err)
{
	const struct action *head =
		action_find(&table, name, tasks->operand_count, err);
	if (head == NULL)
		return CAH_EINVALID;
	const struct tasks_action *action = (const void *)head;
	int rc = read_choice(tasks, err);
	if (tasks->limit < 0)
		tasks->limit = action->run == tasks_results ? RESULTS_LIMIT
							    : LIST_LIMIT;
	if (rc == CAH_OK && !head->makes_store)
		rc = store_open_existing(&tasks->store, tasks->store_uri, err);
	if (rc == CAH_OK)
		rc = action->run(tasks, err);
	store_close(tasks->store);
	return rc;
}

/* Main thread only, as the command is; a table can hold its addresses. */
static struct tasks_args settings = {
	.store_uri = "sqlite:cah.db",
	.limit = -1,
};

static const struct opt opts[] = {
	{"store", "URI", "the tracker's book: sqlite:FILE, postgresql://...",
	 OPT_TEXT, &settings.store_uri, 0, 0},
	{"state", "STATE", "list only: open, leased, done", OPT_TEXT,
	 &settings.state_name, 0, 0},
	{"stage", "LETTER", "list: only of this stage; results: what it gave",
	 OPT_TEXT, &settings.stage_name, 0, 0},
	{"limit", "N", "so many at most; -1: a list of 20, all results",
	 OPT_INT, &settings.limit, -1, 1e12},
	{"offset", "N", "leave out the first ones", OPT_INT, &settings.offset,
	 0, 1e12},
	{"json", NULL, "print JSON, one object a line", OPT_FLAG,
	 &settings.is_json, 0, 0},
	{"quiet", NULL, "print nothing but what was asked for", OPT_FLAG,
	 &settings.is_quiet, 0, 0},
};

static const struct opt_command command = {
	.name = "tasks",
	.operands = "import FILES...|count|list|show N|reset N|results",
	.about =
		"Looks after the jobs of a project with stages in a tracker's "
		"book, while it\nruns or not.\n"
		"  import FILES  add a task for each line of the files (-: "
		"standard input);\n"
		"                the line is its input; those known already "
		"are left\n"
		"  count         how many tasks are where\n"
		"  list          the tasks, by number\n"
		"  show N        all about one task\n"
		"  reset N       make a task open at stage a, whatever it was\n"
		"  results       what the last stage gave, as JSON",
	.examples = "  cah tasks import inputs.txt\n"
		    "  cah tracker --project Birds --stage a=Find "
		    "--stage b=Check\n"
		    "  cah tasks list --stage b --state leased\n"
		    "  cah tasks results > results.jsonl",
	.opts = opts,
	.opt_count = sizeof(opts) / sizeof(opts[0]),
	.only = {{"state", "list"},
		 {"stage", "list results"},
		 {"limit", "list results"},
		 {"offset", "list results"}},
	.min_operands = 1,
	.max_operands = -1,
};

int cmd_tasks(int argc, char **argv, struct cancel *cancel)
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
	return opt_report("tasks", &err);
}
