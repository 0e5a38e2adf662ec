#include "tracker/state.h"

#include <inttypes.h>
#include <stdio.h>

static const struct unit {
	const char *name;
	int64_t seconds;
} units[] = {
	{"year", 365 * 86400}, {"day", 86400}, {"hour", 3600},
	{"minute", 60},        {"second", 1},
};

void state_group(char out[STATE_TEXT_MAX], int64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRId64, n);
	char *to = out;
	for (int i = 0; i < len; i++) {
		*to++ = digits[i];
		int left = len - 1 - i;
		if (left > 0 && left % 3 == 0 && digits[i] != '-')
			*to++ = ',';
	}
	*to = '\0';
}

static int write_unit(char *out, size_t cap, const struct unit *unit,
		      int64_t count)
{
	return snprintf(out, cap, "%" PRId64 " %s%s", count, unit->name,
			count == 1 ? "" : "s");
}

void state_span(char out[STATE_TEXT_MAX], int64_t seconds)
{
	size_t last = sizeof(units) / sizeof(units[0]) - 1;
	size_t i = 0;
	while (i < last && seconds < units[i].seconds)
		i++;
	int64_t count = seconds / units[i].seconds;
	int len = write_unit(out, STATE_TEXT_MAX, &units[i], count);
	if (i == last)
		return;
	int64_t rest = seconds % units[i].seconds / units[i + 1].seconds;
	if (rest == 0)
		return;
	out[len++] = ',';
	out[len++] = ' ';
	(void)write_unit(out + len, STATE_TEXT_MAX - (size_t)len, &units[i + 1],
			 rest);
}

static void write_eta(struct state *state)
{
	int64_t left = state->total - state->done;
	int64_t rate = state->counts.finished_last_hour;
	if (left == 0)
		(void)snprintf(state->eta, sizeof(state->eta), "Finished");
	/* How fast tasks are done is not written down. */
	else if (rate <= 0 || state->tasks > state->counts.tasks_done)
		(void)snprintf(state->eta, sizeof(state->eta), "Unknown");
	else
		state_span(state->eta, left * 3600 / rate);
}

int state_get(struct state *out, struct store *store, int64_t wall_s,
	      struct cah_error *err)
{
	int rc = store_get_counts(store, &out->counts, wall_s, err);
	if (rc != CAH_OK)
		return rc;
	out->jobs = 0;
	for (int i = 0; i < JOB_STATE_COUNT; i++)
		out->jobs += out->counts.jobs[i];
	out->done = out->counts.jobs[JOB_DONE] + out->counts.tasks_done;
	out->workers = 0;
	for (int i = 0; i < WORKER_TYPE_COUNT; i++)
		out->workers += out->counts.workers[i];
	out->tasks = out->counts.tasks_done;
	for (int i = 0; i < STORE_STAGE_COUNT; i++) {
		out->tasks +=
			out->counts.tasks_open[i] + out->counts.tasks_leased[i];
		out->workers += out->counts.stage_workers[i];
	}
	out->total = out->jobs + out->tasks;
	out->percent = 100;
	if (out->total > 0)
		out->percent = 100 * (double)out->done / (double)out->total;
	write_eta(out);
	return CAH_OK;
}
