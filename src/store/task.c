/* Tasks: their rows, what they are about, and the organiser's questions. Who
 * holds them is in task_lease.c.
 *
 * A task's row is read and written at once, by the call that changes it: unlike
 * those of jobs they are not in the map, for what a stage does takes longer
 * than the tracker. The counts go the way of all counts. */
#include "base/fail.h"
#include "base/utf8.h"
#include "store/task_priv.h"

#include <assert.h>
#include <stdlib.h>

enum {
	/* Results of a task are numbered 8 * task + stage. */
	RESULT_IDS = 8,
	/* Databases end texts at a NUL, so it is stored as this and '0', and
	 * this as itself and '1'. */
	ESCAPE = 1,
};

static const char *const state_names[] = {"open", "leased", "done"};

_Static_assert(sizeof(state_names) / sizeof(*state_names) == TASK_STATE_COUNT,
	       "a name for each state");
_Static_assert((int)STORE_STAGE_COUNT <= (int)RESULT_IDS,
	       "a number for each result");

const char *store_task_state_name(enum task_state state)
{
	return state_names[state];
}

int store_task_state(struct slice name)
{
	for (int i = 0; i < TASK_STATE_COUNT; i++)
		if (slice_equal(name, slice_of(state_names[i])))
			return i;
	return -1;
}

/* ---- one task ---- */

int task_load(struct store *store, struct task_row *out, int64_t number,
	      struct cah_error *err)
{
	enum stmt s = STMT_TASK_LOAD;
	int rc = store_start(store, s, STORE_ARGS(arg_int(number)), err);
	if (rc == 0)
		return cah_fail(err, CAH_ENOTFOUND, "there is no task %lld",
				(long long)number);
	if (rc < 0)
		return rc;
	*out = (struct task_row){
		.number = store_int(store, s, 0),
		.stage = (int)store_int(store, s, 1),
		.state = (enum task_state)store_int(store, s, 2),
		.holder = store_int(store, s, 3),
		.reports = store_int(store, s, 4),
	};
	return CAH_OK;
}

static int count_of(const struct task_row *row)
{
	switch (row->state) {
	case TASK_OPEN:
		return COUNT_TASKS_OPEN + row->stage;
	case TASK_LEASED:
		return COUNT_TASKS_LEASED + row->stage;
	default:
		return COUNT_TASKS_DONE;
	}
}

int task_save(struct store *store, const struct task_row *old,
	      const struct task_row *row, struct cah_error *err)
{
	store->has_changed = true;
	store_count(store, count_of(old), -1);
	store_count(store, count_of(row), 1);
	return store_run(store, STMT_TASK_SAVE,
			 STORE_ARGS(arg_int(row->number), arg_int(row->stage),
				    arg_int(row->state), arg_int(row->holder),
				    arg_int(row->reports)),
			 err);
}

int task_give_back(struct store *store, int64_t number, struct cah_error *err)
{
	struct task_row old = {0};
	int rc = task_load(store, &old, number, err);
	if (rc != CAH_OK)
		return rc;
	struct task_row row = old;
	row.state = TASK_OPEN;
	row.holder = 0;
	return task_save(store, &old, &row, err);
}

/* ---- what it is about ---- */

static bool is_escaped(char c)
{
	return c == '\0' || c == ESCAPE;
}

int task_encode(struct store *store, struct slice *out, struct slice data,
		struct cah_error *err)
{
	size_t extra = 0;
	for (size_t i = 0; i < data.len; i++)
		extra += is_escaped(data.data[i]);
	*out = data;
	if (extra == 0)
		return CAH_OK;
	char *to = map_alloc(&store->map, data.len + extra);
	if (to == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	*out = (struct slice){to, data.len + extra};
	for (size_t i = 0; i < data.len; i++) {
		char c = data.data[i];
		*to++ = is_escaped(c) ? ESCAPE : c;
		if (is_escaped(c))
			*to++ = c == '\0' ? '0' : '1';
	}
	return CAH_OK;
}

static void decode(struct buf *out, struct slice text)
{
	while (text.len > 0) {
		const char *at = memchr(text.data, ESCAPE, text.len);
		size_t len = at != NULL ? (size_t)(at - text.data) : text.len;
		buf_add(out, text.data, len);
		if (at == NULL || len + 1 == text.len)
			return;
		buf_add_byte(out, at[1] == '0' ? '\0' : ESCAPE);
		text = slice_from(text, len + 2);
	}
}

/* Column 0 of the row that the statement is at. */
static int take_text(struct store *store, enum stmt s, struct buf *out,
		     struct cah_error *err)
{
	size_t cap = 2 * (size_t)STORE_DATA_MAX + 1;
	char *text = malloc(cap);
	if (text == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	store_text(store, s, 0, text, cap);
	decode(out, slice_of(text));
	free(text);
	return buf_check(out, "data", err);
}

static int64_t result_id(int64_t number, int stage)
{
	return RESULT_IDS * number + stage;
}

/* The input, or what a stage gave. Returns 1, or 0 where there is none, or an
 * error. */
static int read_data(struct store *store, struct buf *out, int64_t number,
		     int stage, struct cah_error *err)
{
	enum stmt s = stage < 0 ? STMT_TASK_INPUT : STMT_TASK_RESULT;
	int64_t id = stage < 0 ? number : result_id(number, stage);
	int rc = store_start(store, s, STORE_ARGS(arg_int(id)), err);
	if (rc == 1)
		rc = take_text(store, s, out, err);
	else if (rc == 0)
		return 0;
	return rc == CAH_OK ? 1 : rc;
}

int task_read(struct store *store, struct buf *out, const struct task_row *row,
	      struct cah_error *err)
{
	int rc = read_data(store, out, row->number, row->stage - 1, err);
	if (rc == 0)
		return cah_fail(err, CAH_EUNAVAILABLE,
				"%s: task %lld has no data", store->path,
				(long long)row->number);
	return rc == 1 ? CAH_OK : rc;
}

int task_write(struct store *store, const struct task_row *row,
	       struct slice data, struct cah_error *err)
{
	store->has_changed = true;
	return store_run(store, STMT_TASK_RESULT_SET,
			 STORE_ARGS(arg_int(result_id(row->number, row->stage)),
				    arg_text(data)),
			 err);
}

int task_forget(struct store *store, int64_t number, int stage,
		struct cah_error *err)
{
	store->has_changed = true;
	return store_run(store, STMT_TASK_RESULT_DELETE,
			 STORE_ARGS(arg_int(result_id(number, stage)),
				    arg_int(result_id(number, RESULT_IDS - 1))),
			 err);
}

/* ---- import ---- */

static int check_input(struct slice input, struct cah_error *err)
{
	if (input.len == 0)
		return cah_fail(err, CAH_EINVALID, "the input is empty");
	if (input.len > STORE_INPUT_MAX)
		return cah_fail(err, CAH_EINVALID,
				"the input has %zu bytes, at most %d are "
				"allowed",
				input.len, STORE_INPUT_MAX);
	if (!store_is_text(input, true))
		return cah_fail(err, CAH_EINVALID,
				"the input is not UTF-8 or holds a NUL");
	return CAH_OK;
}

/* None is ever taken out, so the last number is how many there are. */
static int last_number(struct store *store, int64_t *out, struct cah_error *err)
{
	int64_t sum = 0;
	int rc = CAH_OK;
	for (int i = COUNT_TASKS_OPEN; i <= COUNT_TASKS_DONE && rc == CAH_OK;
	     i++) {
		rc = store_count_get(store, i, out, err);
		sum += *out;
	}
	*out = sum;
	return rc;
}

int store_task_add(struct store *store, struct slice input, bool *added,
		   struct cah_error *err)
{
	struct slice text = {0};
	int64_t last = 0;
	*added = false;
	int rc = check_input(input, err);
	/* What is encoded stays until then. */
	if (rc == CAH_OK)
		rc = store_make_room(store, err);
	if (rc == CAH_OK)
		rc = task_encode(store, &text, input, err);
	if (rc == CAH_OK)
		rc = last_number(store, &last, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_start(store, STMT_TASK_ADD,
			 STORE_ARGS(arg_int(last + 1), arg_text(text)), err);
	if (rc <= 0)
		return rc;
	*added = true;
	store->has_changed = true;
	store_count(store, COUNT_TASKS_OPEN, 1);
	return CAH_OK;
}

/* ---- questions ---- */

int store_task_count(struct store *store, int64_t *out, int stage,
		     struct cah_error *err)
{
	assert(stage >= 0 && stage < STORE_STAGE_COUNT);
	*out = 0;
	int rc = store_begin_peek(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_count_get(store, COUNT_TASKS_OPEN + stage, out, err);
	return store_end(store, rc, err);
}

static void fill(struct store *store, enum stmt s, struct task *out)
{
	out->number = store_int(store, s, 0);
	out->stage = (int)store_int(store, s, 1);
	out->state = (enum task_state)store_int(store, s, 2);
	out->reports = (int)store_int(store, s, 3);
	store_text(store, s, 4, out->holder, sizeof(out->holder));
}

int store_task_get(struct store *store, struct task *out, int64_t number,
		   struct cah_error *err)
{
	enum stmt s = STMT_TASK_GET;
	int rc = store_begin_read(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_start(store, s, STORE_ARGS(arg_int(number)), err);
	if (rc == 1) {
		fill(store, s, out);
		rc = CAH_OK;
	} else if (rc == 0) {
		rc = cah_fail(err, CAH_ENOTFOUND, "there is no task %lld",
			      (long long)number);
	}
	return store_end(store, rc, err);
}

int store_task_data(struct store *store, struct buf *data, bool *has,
		    int64_t number, int stage, struct cah_error *err)
{
	struct task_row row = {0};
	assert(stage >= -1 && stage < STORE_STAGE_COUNT);
	*has = false;
	int rc = store_begin_read(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = task_load(store, &row, number, err);
	if (rc == CAH_OK)
		rc = read_data(store, data, number, stage, err);
	*has = rc == 1;
	return store_end(store, rc == 1 ? CAH_OK : rc, err);
}

int store_tasks(struct store *store, struct task *out, size_t cap, int64_t from,
		int state, int stage, size_t *count, struct cah_error *err)
{
	enum stmt s = STMT_TASK_LIST;
	assert(cap <= STORE_LIST_MAX);
	*count = 0;
	int rc = store_begin_read(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_start(store, s,
			 STORE_ARGS(arg_int(from), arg_int((int64_t)cap),
				    arg_int(state), arg_int(stage)),
			 err);
	for (; rc == 1; rc = store_next(store, s, err))
		fill(store, s, &out[(*count)++]);
	return store_end(store, rc, err);
}
