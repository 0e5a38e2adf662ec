/* What is no job, worker or leader of its own: the names of states and types,
 * the counts, the banner, and what may be text. */
#include "store/store_priv.h"

#include "base/fail.h"
#include "base/utf8.h"

static const char *const type_names[] = {"HYBRID", "CPU", "GPU", "a",
					 "b",      "c",   "d",   "e"};
static const char *const state_names[] = {"open",        "leased", "gpu_open",
					  "gpu_leased",  "done",   "check_open",
					  "check_leased"};

_Static_assert(sizeof(type_names) / sizeof(*type_names) == WORKER_KIND_COUNT,
	       "a name for each type");
_Static_assert(sizeof(state_names) / sizeof(*state_names) == JOB_STATE_COUNT,
	       "a name for each state");

const char *store_type_name(enum worker_type type)
{
	return type_names[type];
}

const char *store_state_name(enum job_state state)
{
	return state_names[state];
}

int store_worker_type(struct slice name)
{
	for (int i = 0; i < WORKER_TYPE_COUNT; i++)
		if (slice_equal(name, slice_of(type_names[i])))
			return i;
	return -1;
}

int store_job_state(struct slice name)
{
	for (int i = 0; i < JOB_STATE_COUNT; i++)
		if (slice_equal(name, slice_of(state_names[i])))
			return i;
	return -1;
}

bool store_is_text(struct slice text, bool with_controls)
{
	/* Most of it is ASCII, and there may be millions of them. */
	size_t ascii = 0;
	while (ascii < text.len && text.data[ascii] >= 0x20 &&
	       text.data[ascii] < 0x7f)
		ascii++;
	text = slice_from(text, ascii);
	while (text.len > 0) {
		uint32_t cp;
		size_t len = utf8_read_valid(text, &cp);
		if (len == 0 || cp == 0 ||
		    (utf8_is_control(cp) && !with_controls))
			return false;
		text = slice_from(text, len);
	}
	return true;
}

int store_check_text(struct slice text, size_t max, const char *what,
		     struct cah_error *err)
{
	if (text.len == 0)
		return cah_fail(err, CAH_EINVALID, "%s is empty", what);
	if (text.len > max)
		return cah_fail(err, CAH_EINVALID,
				"%s has %zu bytes, at most %zu are allowed",
				what, text.len, max);
	if (!store_is_text(text, false))
		return cah_fail(err, CAH_EINVALID,
				"%s is not UTF-8 or has control characters",
				what);
	return CAH_OK;
}

int store_count_get(struct store *store, int count, int64_t *out,
		    struct cah_error *err)
{
	enum stmt s = STMT_COUNTS_GET;
	if (!store->has_counts) {
		int rc = store_start(store, s, NULL, 0, err);
		if (rc < 0)
			return rc;
		if (rc == 0)
			return cah_fail(err, CAH_EUNAVAILABLE,
					"%s: its counts are gone", store->path);
		for (int i = 0; i < COUNT_COUNT; i++)
			store->counts[i] = store_int(store, s, i);
		store->has_counts = true;
	}
	*out = store->counts[count] + store->deltas[count];
	return CAH_OK;
}

static int read_task_counts(struct store *store, struct store_counts *out,
			    struct cah_error *err)
{
	int rc =
		store_count_get(store, COUNT_TASKS_DONE, &out->tasks_done, err);
	for (int i = 0; i < STORE_STAGE_COUNT && rc == CAH_OK; i++) {
		rc = store_count_get(store, COUNT_STAGE_WORKERS + i,
				     &out->stage_workers[i], err);
		if (rc == CAH_OK)
			rc = store_count_get(store, COUNT_TASKS_OPEN + i,
					     &out->tasks_open[i], err);
		if (rc == CAH_OK)
			rc = store_count_get(store, COUNT_TASKS_LEASED + i,
					     &out->tasks_leased[i], err);
	}
	return rc;
}

static int read_counts(struct store *store, struct store_counts *out,
		       int64_t wall_s, struct cah_error *err)
{
	int rc = store_count_get(store, COUNT_PAIRS, &out->pairs, err);
	for (int i = 0; i < JOB_STATE_COUNT && rc == CAH_OK; i++)
		rc = store_count_get(store, COUNT_JOBS + i, &out->jobs[i], err);
	for (int i = 0; i < WORKER_TYPE_COUNT && rc == CAH_OK; i++)
		rc = store_count_get(store, COUNT_WORKERS + i, &out->workers[i],
				     err);
	if (rc == CAH_OK)
		rc = read_task_counts(store, out, err);
	/* Those of calls before it in the group. */
	if (rc == CAH_OK && store->map.has_minutes)
		rc = save_all(store, err);
	if (rc == CAH_OK)
		rc = store_start(store, STMT_MINUTE_SUM,
				 STORE_ARGS(arg_int(wall_s / 60)), err);
	if (rc < 0)
		return rc;
	out->finished_last_hour = store_int(store, STMT_MINUTE_SUM, 0);
	return CAH_OK;
}

int store_get_counts(struct store *store, struct store_counts *out,
		     int64_t wall_s, struct cah_error *err)
{
	memset(out, 0, sizeof(*out));
	int rc = store_begin_peek(store, err);
	if (rc != CAH_OK)
		return rc;
	return store_end(store, read_counts(store, out, wall_s, err), err);
}

int store_job_count(struct store *store, int64_t *out, enum worker_type type,
		    struct cah_error *err)
{
	int64_t checks = 0;
	*out = 0;
	int rc = store_begin_peek(store, err);
	if (rc != CAH_OK)
		return rc;
	int state = type == WORKER_GPU ? JOB_GPU_OPEN : JOB_OPEN;
	rc = store_count_get(store, COUNT_JOBS + state, out, err);
	if (rc == CAH_OK && type == WORKER_HYBRID)
		rc = store_count_get(store, COUNT_JOBS + JOB_CHECK_OPEN,
				     &checks, err);
	*out += checks;
	return store_end(store, rc, err);
}

int store_banner_get(struct store *store, char out[STORE_URL_MAX + 1],
		     struct cah_error *err)
{
	out[0] = '\0';
	int rc = store_begin_peek(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_start(store, STMT_SETTING_GET,
			 STORE_ARGS(arg_text(SLICE("banner"))), err);
	if (rc > 0)
		store_text(store, STMT_SETTING_GET, 0, out, STORE_URL_MAX + 1);
	return store_end(store, rc < 0 ? rc : CAH_OK, err);
}

int store_banner_set(struct store *store, struct slice text,
		     struct cah_error *err)
{
	if (text.len > STORE_URL_MAX)
		return cah_fail(err, CAH_EINVALID,
				"the banner has %zu bytes, at most %d are "
				"allowed",
				text.len, STORE_URL_MAX);
	if (!store_is_text(text, true))
		return cah_fail(err, CAH_EINVALID, "the banner is not UTF-8");
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	store->has_changed = true;
	rc = store_run(store, STMT_SETTING_SET,
		       STORE_ARGS(arg_text(SLICE("banner")), arg_text(text)),
		       err);
	return store_end(store, rc, err);
}
