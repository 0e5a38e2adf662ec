/* What an organiser asks about tasks, and what they gave. */
#include "base/clock.h"
#include "base/fail.h"
#include "cli/action.h"
#include "cli/tasks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	PAGE_TASKS = 100, /* of one look into the store */
	/* Bytes of a line of JSON: an input and what all stages gave, each
	 * character in six. */
	LINE_MAX_BYTES = 64 * 1024 * 1024,
};

/* ---- lines of JSON ---- */

static void begin_json(struct wire_json *json, struct buf *line)
{
	buf_init(line, LINE_MAX_BYTES);
	wire_json_init(json, line);
	wire_json_open(json, '{');
}

static int end_json(struct wire_json *json, struct buf *line,
		    struct cah_error *err)
{
	wire_json_close(json, '}');
	int rc = buf_check(line, "the answer", err);
	if (rc == CAH_OK)
		puts(line->data);
	buf_fini(line);
	return rc;
}

/* What a stage gave (-1: the input), if anything. */
static int put_data(const struct tasks_args *tasks, struct wire_json *json,
		    const char *key, const struct task *task, int stage,
		    struct cah_error *err)
{
	struct buf data;
	bool has;
	buf_init(&data, STORE_DATA_MAX);
	int rc = store_task_data(tasks->store, &data, &has, task->number, stage,
				 err);
	if (rc == CAH_OK && has)
		wire_json_put_slice(json, key, buf_slice(&data));
	buf_fini(&data);
	return rc;
}

static void put_task(struct wire_json *json, const struct task *task)
{
	const char letter[2] = {store_stage_letter(task->stage), '\0'};
	wire_json_put_int(json, "number", task->number);
	wire_json_put_text(json, "state", store_task_state_name(task->state));
	wire_json_put_text(json, "stage", letter);
	wire_json_put_int(json, "reports", task->reports);
	wire_json_put_text(json, "holder", task->holder);
}

/* ---- count ---- */

static int count_json(const struct store_counts *counts, int64_t total,
		      struct cah_error *err)
{
	struct buf line;
	struct wire_json json;
	begin_json(&json, &line);
	for (int i = 0; i < STORE_STAGE_COUNT; i++) {
		const char letter[2] = {store_stage_letter(i), '\0'};
		wire_json_key(&json, letter);
		wire_json_open(&json, '{');
		wire_json_put_int(&json, "open", counts->tasks_open[i]);
		wire_json_put_int(&json, "leased", counts->tasks_leased[i]);
		wire_json_put_int(&json, "workers", counts->stage_workers[i]);
		wire_json_close(&json, '}');
	}
	wire_json_put_int(&json, "done", counts->tasks_done);
	wire_json_put_int(&json, "total", total);
	return end_json(&json, &line, err);
}

int tasks_count(struct tasks_args *tasks, struct cah_error *err)
{
	struct store_counts counts;
	int rc = store_get_counts(tasks->store, &counts, clock_wall_s(), err);
	if (rc != CAH_OK)
		return rc;
	int64_t total = counts.tasks_done;
	for (int i = 0; i < STORE_STAGE_COUNT; i++)
		total += counts.tasks_open[i] + counts.tasks_leased[i];
	if (tasks->is_json)
		return count_json(&counts, total, err);
	printf("stage %12s %12s %12s\n", "open", "leased", "workers");
	for (int i = 0; i < STORE_STAGE_COUNT; i++)
		printf("%-5c %12lld %12lld %12lld\n", store_stage_letter(i),
		       (long long)counts.tasks_open[i],
		       (long long)counts.tasks_leased[i],
		       (long long)counts.stage_workers[i]);
	printf("done  %12lld\ntotal %12lld\n", (long long)counts.tasks_done,
	       (long long)total);
	return CAH_OK;
}

/* ---- list, results ---- */

typedef int (*each_fn)(const struct tasks_args *tasks, const struct task *task,
		       struct cah_error *err);

/* Calls @each for the tasks that the options choose. */
static int walk(const struct tasks_args *tasks, int state, int stage,
		each_fn each, struct cah_error *err)
{
	int64_t skip = tasks->offset, left = tasks->limit, from = 1;
	struct task *page = calloc(PAGE_TASKS, sizeof(*page));
	if (page == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	size_t count = PAGE_TASKS;
	int rc = CAH_OK;
	while (rc == CAH_OK && left > 0 && count == PAGE_TASKS &&
	       !cancel_is_set(tasks->cancel)) {
		rc = store_tasks(tasks->store, page, PAGE_TASKS, from, state,
				 stage, &count, err);
		for (size_t i = 0; i < count && rc == CAH_OK && left > 0; i++) {
			from = page[i].number + 1;
			if (skip > 0) {
				skip--;
				continue;
			}
			left--;
			rc = each(tasks, &page[i], err);
		}
	}
	free(page);
	return rc;
}

static int print_row(const struct tasks_args *tasks, const struct task *task,
		     struct cah_error *err)
{
	if (tasks->is_json) {
		struct buf line;
		struct wire_json json;
		begin_json(&json, &line);
		put_task(&json, task);
		return end_json(&json, &line, err);
	}
	printf("%lld\t%s\t%c\t%d\t%s\n", (long long)task->number,
	       store_task_state_name(task->state),
	       store_stage_letter(task->stage), task->reports, task->holder);
	return CAH_OK;
}

int tasks_list(struct tasks_args *tasks, struct cah_error *err)
{
	return walk(tasks, tasks->state, tasks->stage, print_row, err);
}

static int print_result(const struct tasks_args *tasks, const struct task *task,
			struct cah_error *err)
{
	int stage = tasks->stage >= 0 ? tasks->stage : task->stage;
	bool has = task->state == TASK_DONE ? stage <= task->stage
					    : stage < task->stage;
	struct buf line;
	struct wire_json json;
	if (!has)
		return CAH_OK;
	begin_json(&json, &line);
	wire_json_put_int(&json, "number", task->number);
	int rc = put_data(tasks, &json, "input", task, -1, err);
	if (rc == CAH_OK)
		rc = put_data(tasks, &json, "data", task, stage, err);
	if (rc == CAH_OK)
		return end_json(&json, &line, err);
	buf_fini(&line);
	return rc;
}

/* Without --stage what the last one gave. */
int tasks_results(struct tasks_args *tasks, struct cah_error *err)
{
	int state = tasks->stage >= 0 ? -1 : TASK_DONE;
	return walk(tasks, state, -1, print_result, err);
}

/* ---- show, reset ---- */

static int show_json(const struct tasks_args *tasks, const struct task *task,
		     struct cah_error *err)
{
	struct buf line;
	struct wire_json json;
	begin_json(&json, &line);
	put_task(&json, task);
	int rc = put_data(tasks, &json, "input", task, -1, err);
	wire_json_key(&json, "results");
	wire_json_open(&json, '{');
	for (int i = 0; i < STORE_STAGE_COUNT && rc == CAH_OK; i++) {
		const char letter[2] = {store_stage_letter(i), '\0'};
		rc = put_data(tasks, &json, letter, task, i, err);
	}
	wire_json_close(&json, '}');
	if (rc == CAH_OK)
		return end_json(&json, &line, err);
	buf_fini(&line);
	return rc;
}

/* As JSON writes it: what strangers gave may do things to a terminal. */
static int print_data(const struct tasks_args *tasks, const char *what,
		      const struct task *task, int stage, struct cah_error *err)
{
	struct buf data, text;
	struct wire_json json;
	bool has;
	buf_init(&data, STORE_DATA_MAX);
	buf_init(&text, LINE_MAX_BYTES);
	wire_json_init(&json, &text);
	int rc = store_task_data(tasks->store, &data, &has, task->number, stage,
				 err);
	if (rc == CAH_OK && has) {
		wire_json_text(&json, buf_slice(&data));
		rc = buf_check(&text, "data", err);
	}
	if (rc == CAH_OK && has)
		printf("%s%s\n", what, text.data);
	buf_fini(&data);
	buf_fini(&text);
	return rc;
}

int tasks_show(struct tasks_args *tasks, struct cah_error *err)
{
	struct task task;
	int64_t number = 0;
	int rc = action_number(&number, "task", tasks->operands[0], err);
	if (rc == CAH_OK)
		rc = store_task_get(tasks->store, &task, number, err);
	if (rc != CAH_OK)
		return rc;
	if (tasks->is_json)
		return show_json(tasks, &task, err);
	printf("number   %lld\nstate    %s\nstage    %c\nreports  %d\n",
	       (long long)task.number, store_task_state_name(task.state),
	       store_stage_letter(task.stage), task.reports);
	if (task.holder[0] != '\0')
		printf("held by  %s\n", task.holder);
	rc = print_data(tasks, "input    ", &task, -1, err);
	for (int i = 0; i < STORE_STAGE_COUNT && rc == CAH_OK; i++) {
		char what[] = "a gave   ";
		what[0] = store_stage_letter(i);
		rc = print_data(tasks, what, &task, i, err);
	}
	return rc;
}

int tasks_reset(struct tasks_args *tasks, struct cah_error *err)
{
	int64_t number = 0;
	int rc = action_number(&number, "task", tasks->operands[0], err);
	if (rc == CAH_OK)
		rc = store_task_reset(tasks->store, number, err);
	if (rc == CAH_OK && !tasks->is_quiet)
		printf("task %lld is open at stage a\n", (long long)number);
	return rc;
}
