/* How the state of a tracker looks, in lines. */
#include "base/utf8.h"
#include "cli/status.h"
#include "tracker/state.h"

#include <stdio.h>
#include <time.h>

enum {
	LINE_MAX = 512,      /* bytes, before it is cut to the terminal */
	COLUMNS_MIN = 20,    /* what is narrower is written as if it were so */
	BAR_MARGIN = 14,     /* columns beside the bar */
	RATE_MIN_MS = 500,   /* of which a speed can be told */
	LONGEST_S = 1 << 30, /* 34 years: longer is as good as never */
};

/* How a state is drawn in the bar, from its left to its right. */
static const struct kind {
	enum job_state state;
	char mark;
} kinds[] = {
	{JOB_DONE, '#'},       {JOB_CHECK_LEASED, '%'}, {JOB_CHECK_OPEN, ':'},
	{JOB_GPU_LEASED, '*'}, {JOB_GPU_OPEN, '+'},     {JOB_LEASED, '='},
	{JOB_OPEN, '.'},
};

_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == JOB_STATE_COUNT,
	       "each state has its mark");

/* What is not printable ASCII becomes a '?' a character: of a URL or of a
 * reason nothing shall reach the terminal that it could obey, or that is wider
 * than it counts. */
static void put_line(struct buf *out, const struct status_view *view,
		     const char *text)
{
	int left = view->columns > COLUMNS_MIN ? view->columns : COLUMNS_MIN;
	struct slice rest = slice_of(text);
	for (; rest.len > 0 && left > 0; left--) {
		uint32_t cp;
		rest = slice_from(rest, utf8_read(rest, &cp));
		(void)buf_add_byte(out,
				   cp >= ' ' && cp <= '~' ? (char)cp : '?');
	}
	(void)buf_add_byte(out, '\n');
}

static double share_of(int64_t part, int64_t whole)
{
	return whole > 0 ? (double)part / (double)whole : 0;
}

/* ---- the lines ---- */

static void put_head(struct buf *out, const struct status_view *view)
{
	char line[LINE_MAX];
	char when[32] = "";
	struct tm utc;
	time_t wall = (time_t)view->wall_s;
	if (view->wall_s != 0 && gmtime_r(&wall, &utc) != NULL)
		(void)strftime(when, sizeof(when), "  %H:%M:%S UTC", &utc);
	(void)snprintf(line, sizeof(line), "%.400s%s", view->url, when);
	put_line(out, view, line);
	if (view->trouble != NULL)
		(void)snprintf(line, sizeof(line), "no answer: %s",
			       view->trouble);
	put_line(out, view, view->trouble != NULL ? line : "");
}

/* Jobs of WATs and those of stages together. */
static int64_t count_of(const struct status *now, enum job_state state)
{
	int64_t n = now->jobs[state];
	if (state == JOB_DONE)
		n += now->tasks_done;
	for (int i = 0; i < now->stage_count; i++) {
		if (state == JOB_OPEN)
			n += now->stages[i].open;
		else if (state == JOB_LEASED)
			n += now->stages[i].leased;
	}
	return n;
}

/* Each state gets the columns between where its share begins and where it
 * ends, so that together they fill the bar. */
static void put_bar(struct buf *out, const struct status_view *view)
{
	char line[LINE_MAX];
	const struct status *now = view->now;
	int width = view->columns - BAR_MARGIN;
	if (width > LINE_MAX - BAR_MARGIN)
		width = LINE_MAX - BAR_MARGIN;
	int at = 0;
	int64_t sum = 0;
	int64_t total = now->total + now->tasks_total;
	line[at++] = '[';
	for (size_t i = 0; i < JOB_STATE_COUNT; i++) {
		sum += count_of(now, kinds[i].state);
		double end = share_of(sum, total) * width;
		while (at - 1 < (int)end && at - 1 < width)
			line[at++] = kinds[i].mark;
	}
	while (at - 1 < width)
		line[at++] = ' ';
	(void)snprintf(line + at, sizeof(line) - (size_t)at, "] %6.2f %%",
		       100 * share_of(count_of(now, JOB_DONE), total));
	/* Too narrow for a bar: the number alone. */
	put_line(out, view, width >= 4 ? line : line + at + 2);
}

static void put_jobs(struct buf *out, const struct status_view *view)
{
	char line[LINE_MAX], number[STATE_TEXT_MAX];
	const struct status *now = view->now;
	for (size_t i = 0; i < JOB_STATE_COUNT; i++) {
		enum job_state state = kinds[i].state;
		int64_t jobs = now->jobs[state];
		/* Most projects have hybrid workers only, and check none. */
		bool is_rare = state != JOB_DONE && state != JOB_LEASED &&
			       state != JOB_OPEN;
		if (is_rare && jobs == 0)
			continue;
		state_group(number, jobs);
		(void)snprintf(line, sizeof(line), "%c %-12s %13s %6.2f %%",
			       kinds[i].mark, store_state_name(state), number,
			       100 * share_of(jobs, now->total));
		put_line(out, view, line);
	}
	state_group(number, now->total);
	(void)snprintf(line, sizeof(line), "  %-12s %13s", "jobs", number);
	put_line(out, view, line);
	state_group(number, now->pairs);
	(void)snprintf(line, sizeof(line), "  %-12s %13s", "pairs", number);
	put_line(out, view, line);
}

static void put_stages(struct buf *out, const struct status_view *view)
{
	char line[LINE_MAX], open[STATE_TEXT_MAX], done[STATE_TEXT_MAX];
	char leased[STATE_TEXT_MAX], workers[STATE_TEXT_MAX];
	const struct status *now = view->now;
	for (int i = 0; i < now->stage_count; i++) {
		state_group(open, now->stages[i].open);
		state_group(leased, now->stages[i].leased);
		state_group(workers, now->stages[i].workers);
		(void)snprintf(line, sizeof(line),
			       "  stage %-6c %13s open, %s in work, %s workers",
			       'a' + i, open, leased, workers);
		put_line(out, view, line);
	}
	if (now->stage_count == 0)
		return;
	state_group(done, now->tasks_done);
	state_group(open, now->tasks_total);
	(void)snprintf(line, sizeof(line), "  %-12s %13s of %s", "all stages",
		       done, open);
	put_line(out, view, line);
}

/* Of a count that grew, a second; -1 where it cannot be told: a tracker that
 * was started again counts anew. */
static double speed(const struct status_view *view, int64_t now, int64_t before)
{
	if (view->before == NULL || now < before)
		return -1;
	int64_t ms = view->now->at_ms - view->before->at_ms;
	return ms < RATE_MIN_MS ? -1
				: (double)(now - before) * 1000 / (double)ms;
}

static void put_rate(struct buf *out, const struct status_view *view)
{
	char line[LINE_MAX], hour[STATE_TEXT_MAX], left[STATE_TEXT_MAX];
	const struct status *now = view->now;
	int64_t rest = now->total - now->jobs[JOB_DONE];
	int64_t tasks_left = now->tasks_total - now->tasks_done;
	state_group(hour, now->finished_last_hour);
	int len = snprintf(line, sizeof(line), "  %-12s %s in the last hour",
			   "finished", hour);
	double here = view->before == NULL
			      ? -1
			      : speed(view, now->jobs[JOB_DONE],
				      view->before->jobs[JOB_DONE]);
	if (here >= 0)
		(void)snprintf(line + len, sizeof(line) - (size_t)len,
			       ", %.1f a second now", here);
	put_line(out, view, line);

	double seconds =
		now->finished_last_hour > 0
			? (double)rest * 3600 / (double)now->finished_last_hour
			: LONGEST_S;
	if (rest + tasks_left == 0)
		(void)snprintf(left, sizeof(left), "nothing");
	/* How fast stages are is not known. */
	else if (seconds >= LONGEST_S || tasks_left > 0)
		(void)snprintf(left, sizeof(left), "unknown");
	else
		state_span(left, (int64_t)seconds);
	(void)snprintf(line, sizeof(line), "  %-12s %s", "left", left);
	put_line(out, view, line);
}

static void put_workers(struct buf *out, const struct status_view *view)
{
	char line[LINE_MAX], number[STATE_TEXT_MAX];
	int64_t sum = 0;
	for (int i = 0; i < WORKER_TYPE_COUNT; i++)
		sum += view->now->workers[i];
	state_group(number, sum);
	int len = snprintf(line, sizeof(line), "  %-12s %s", "workers", number);
	for (int i = 0; i < WORKER_TYPE_COUNT; i++) {
		state_group(number, view->now->workers[i]);
		len += snprintf(line + len, sizeof(line) - (size_t)len,
				"%s%s %s", i == 0 ? ": " : ", ", number,
				store_type_name((enum worker_type)i));
	}
	put_line(out, view, line);
}

static void put_counters(struct buf *out, const struct status_view *view)
{
	char line[LINE_MAX];
	const struct status *now = view->now;
	const struct status_counters *c = &now->counters;
	if (!now->has_counters)
		return;
	double requests = -1, commits = -1;
	if (view->before != NULL && view->before->has_counters) {
		requests = speed(view, c->requests,
				 view->before->counters.requests);
		commits =
			speed(view, c->commits, view->before->counters.commits);
	}
	if (requests >= 0 && commits >= 0) {
		(void)snprintf(
			line, sizeof(line),
			"  %-12s %.1f requests and %.1f commits a second",
			"tracker", requests, commits);
		put_line(out, view, line);
	}
	(void)snprintf(line, sizeof(line),
		       "  %-12s %lld open, %lld requests refused",
		       "connections", (long long)c->connections,
		       (long long)c->refused);
	put_line(out, view, line);
	if (c->store_errors > 0) {
		(void)snprintf(line, sizeof(line), "  %-12s %lld",
			       "store errors", (long long)c->store_errors);
		put_line(out, view, line);
	}
}

void status_write(struct buf *out, const struct status_view *view)
{
	put_head(out, view);
	if (view->now == NULL)
		return;
	put_bar(out, view);
	put_line(out, view, "");
	put_jobs(out, view);
	put_stages(out, view);
	put_rate(out, view);
	put_workers(out, view);
	put_counters(out, view);
}
