/* Sources: docs/protocol.md for /data; for /metrics the text format 0.0.4 of
 * Prometheus (prometheus.io/docs/instrumenting/exposition_formats). */
#include "cli/status.h"

#include "base/fail.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

enum {
	NUMBER_TEXT_MAX = 32, /* bytes of a sample's value */
};

/* A whole number that a double holds exactly, so that sums and products of a
 * few still are in range. */
static const int64_t NUMBER_MAX = (int64_t)1 << 53;

/* ---- /data ---- */

static int read_number(const json_t *object, const char *key, int64_t *out,
		       struct cah_error *err)
{
	const json_t *value = json_object_get(object, key);
	if (!json_is_integer(value))
		return cah_fail(err, CAH_EFORMAT, "/data: %s is no number",
				key);
	*out = json_integer_value(value);
	if (*out < 0 || *out > NUMBER_MAX)
		return cah_fail(err, CAH_EFORMAT, "/data: %s is out of range",
				key);
	return CAH_OK;
}

static int read_jobs(struct status *out, const json_t *jobs,
		     struct cah_error *err)
{
	int rc = read_number(jobs, "total", &out->total, err);
	for (int i = 0; i < JOB_STATE_COUNT && rc == CAH_OK; i++) {
		const char *name = store_state_name((enum job_state)i);
		/* Other versions may not have all states. */
		if (json_object_get(jobs, name) != NULL)
			rc = read_number(jobs, name, &out->jobs[i], err);
		if (rc == CAH_OK && out->jobs[i] > out->total)
			rc = cah_fail(err, CAH_EFORMAT,
				      "/data: more jobs are %s than there are",
				      name);
	}
	return rc;
}

static int read_stages(struct status *out, const json_t *data,
		       struct cah_error *err)
{
	const json_t *stages = json_object_get(data, "stages");
	if (stages == NULL)
		return CAH_OK;
	size_t count = json_array_size(stages);
	if (count > STORE_STAGE_COUNT)
		return cah_fail(err, CAH_EFORMAT, "/data: more than %d stages",
				STORE_STAGE_COUNT);
	int rc = CAH_OK;
	for (size_t i = 0; i < count && rc == CAH_OK; i++) {
		const json_t *from = json_array_get(stages, i);
		struct status_stage *stage = &out->stages[i];
		rc = read_number(from, "open", &stage->open, err);
		if (rc == CAH_OK)
			rc = read_number(from, "leased", &stage->leased, err);
		if (rc == CAH_OK)
			rc = read_number(from, "workers", &stage->workers, err);
	}
	const json_t *tasks = json_object_get(data, "tasks");
	if (rc == CAH_OK)
		rc = read_number(tasks, "done", &out->tasks_done, err);
	if (rc == CAH_OK)
		rc = read_number(tasks, "total", &out->tasks_total, err);
	if (rc == CAH_OK && out->tasks_done > out->tasks_total)
		rc = cah_fail(err, CAH_EFORMAT,
			      "/data: more tasks are done than there are");
	out->stage_count = (int)count;
	return rc;
}

static int read_all(struct status *out, const json_t *data,
		    struct cah_error *err)
{
	int rc = read_jobs(out, json_object_get(data, "jobs"), err);
	const json_t *workers = json_object_get(data, "workers");
	for (int i = 0; i < WORKER_TYPE_COUNT && rc == CAH_OK; i++)
		rc = read_number(workers, store_type_name((enum worker_type)i),
				 &out->workers[i], err);
	if (rc == CAH_OK)
		rc = read_number(data, "total_pairs_scraped", &out->pairs, err);
	if (rc == CAH_OK)
		rc = read_number(data, "finished_last_hour",
				 &out->finished_last_hour, err);
	return rc == CAH_OK ? read_stages(out, data, err) : rc;
}

int status_parse(struct status *out, struct slice data, struct cah_error *err)
{
	json_error_t why;
	memset(out, 0, sizeof(*out));
	json_t *root =
		json_loadb(data.len > 0 ? data.data : "", data.len, 0, &why);
	if (root == NULL)
		return cah_fail(err, CAH_EFORMAT, "/data is no JSON: %s",
				why.text);
	int rc = read_all(out, root, err);
	json_decref(root);
	return rc;
}

/* ---- /metrics ---- */

/* The value of a line "NAME VALUE" or "NAME{LABELS} VALUE", whose labels may
 * hold anything in quotes but no quote. False where it is another's. */
static bool read_sample(struct slice line, const char *name, int64_t *out)
{
	size_t len = strlen(name);
	if (line.len <= len || memcmp(line.data, name, len) != 0)
		return false;
	line = slice_from(line, len);
	if (line.data[0] == '{') {
		size_t end = line.len;
		while (end > 0 && line.data[end - 1] != '}')
			end--;
		if (end == 0)
			return false;
		line = slice_from(line, end);
	}
	if (line.len < 2 || line.len > NUMBER_TEXT_MAX || line.data[0] != ' ')
		return false;
	char text[NUMBER_TEXT_MAX];
	memcpy(text, line.data + 1, line.len - 1);
	text[line.len - 1] = '\0';
	char *end;
	double value = strtod(text, &end);
	if (end == text || !(value >= 0 && value <= (double)NUMBER_MAX))
		return false;
	*out = (int64_t)value;
	return true;
}

static void add_sample(struct status *out, struct slice line)
{
	struct status_counters *c = &out->counters;
	const struct {
		const char *name;
		int64_t *sum;
	} known[] = {
		{"cah_http_requests_total", &c->requests},
		{"cah_commits_total", &c->commits},
		{"cah_connections", &c->connections},
		{"cah_refused_total", &c->refused},
		{"cah_store_errors_total", &c->store_errors},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		int64_t value;
		if (!read_sample(line, known[i].name, &value))
			continue;
		out->has_counters = true;
		if (*known[i].sum <= NUMBER_MAX)
			*known[i].sum += value;
		return;
	}
}

void status_parse_metrics(struct status *out, struct slice text)
{
	while (text.len > 0) {
		const char *end = memchr(text.data, '\n', text.len);
		size_t len = end != NULL ? (size_t)(end - text.data) : text.len;
		add_sample(out, (struct slice){text.data, len});
		text = slice_from(text, end != NULL ? len + 1 : len);
	}
}
