/* The rows of a group of calls, read in one trip and written with the commit:
 * each kind by one statement over arrays. */
#include "base/fail.h"
#include "store/pg.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	COLUMNS_MAX = 7,
};

/* ---- arrays in text ---- */

struct columns {
	struct buf bufs[COLUMNS_MAX];
	struct arg args[COLUMNS_MAX];
	size_t count;
};

static void init_columns(struct columns *c, size_t count)
{
	c->count = count;
	for (size_t i = 0; i < count; i++) {
		buf_init(&c->bufs[i], PG_ARRAY_MAX);
		(void)buf_add_byte(&c->bufs[i], '{');
	}
}

static void fini_columns(struct columns *c)
{
	for (size_t i = 0; i < c->count; i++)
		buf_fini(&c->bufs[i]);
}

static void add_comma(struct buf *out)
{
	if (out->len > 1)
		(void)buf_add_byte(out, ',');
}

static void add_number(struct buf *out, int64_t number)
{
	add_comma(out);
	(void)buf_printf(out, "%" PRId64, number);
}

static void add_text(struct buf *out, struct slice text)
{
	add_comma(out);
	(void)buf_add_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '"' || text.data[i] == '\\')
			(void)buf_add_byte(out, '\\');
		(void)buf_add_byte(out, text.data[i]);
	}
	(void)buf_add_byte(out, '"');
}

/* Frees @c. */
static int send_columns(struct pg *pg, enum pg_kind kind, int stmt,
			struct columns *c, struct cah_error *err)
{
	int rc = CAH_OK;
	for (size_t i = 0; i < c->count && rc == CAH_OK; i++) {
		(void)buf_add_byte(&c->bufs[i], '}');
		rc = buf_check(&c->bufs[i], pg->store.path, err);
		c->args[i] = arg_text(buf_slice(&c->bufs[i]));
	}
	if (rc == CAH_OK)
		rc = pg_send(pg, kind, stmt, c->args, c->count, err);
	fini_columns(c);
	return rc;
}

/* ---- reading ---- */

static int64_t number_of(const struct pg *pg, int stmt, int column)
{
	return strtoll(pg_value(pg, stmt, column), NULL, 10);
}

static bool is_at_row(const struct pg *pg, int stmt)
{
	return pg->rows[stmt] != NULL &&
	       pg->row[stmt] < PQntuples(pg->rows[stmt]);
}

static int send_workers(struct pg *pg, const struct wants *wants,
			struct cah_error *err)
{
	static const int stmts[] = {PG_LOAD_WORKERS, PG_LOAD_JOBS};
	int rc = CAH_OK;
	for (size_t k = 0; k < 2 && rc == CAH_OK; k++) {
		struct columns c;
		init_columns(&c, 1);
		for (size_t i = 0; i < wants->token_count; i++)
			add_text(&c.bufs[0], wants->tokens[i]);
		rc = send_columns(pg, PG_ROWS, stmts[k], &c, err);
	}
	return rc;
}

static int send_wants(struct pg *pg, const struct wants *wants,
		      struct cah_error *err)
{
	int rc = CAH_OK;
	if (wants->token_count > 0)
		rc = send_workers(pg, wants, err);
	for (int i = 0; i < QUEUE_COUNT && rc == CAH_OK; i++)
		if (wants->open[i] > 0)
			rc = pg_send(
				pg, PG_ROWS,
				i == QUEUE_GPU ? STMT_JOB_PICK_GPU
					       : STMT_JOB_PICK,
				STORE_ARGS(arg_int(0),
					   arg_int((int64_t)wants->open[i])),
				err);
	return rc != CAH_OK ? rc : pg_settle(pg, err);
}

static int put_workers(struct pg *pg, struct cah_error *err)
{
	int s = PG_LOAD_WORKERS, rc = CAH_OK;
	for (; is_at_row(pg, s) && rc == CAH_OK; pg->row[s]++) {
		struct worker_row row = {
			.id = number_of(pg, s, 0),
			.type = (enum worker_type)number_of(pg, s, 1),
			.job = number_of(pg, s, 2),
			.jobs_completed = number_of(pg, s, 3),
			.alive_s = number_of(pg, s, 4),
			.last_seen_s = number_of(pg, s, 5),
		};
		(void)snprintf(row.token, sizeof(row.token), "%s",
			       pg_value(pg, s, 6));
		(void)snprintf(row.nickname, sizeof(row.nickname), "%s",
			       pg_value(pg, s, 7));
		rc = map_put_worker(&pg->store, &row, err);
	}
	return rc;
}

static void fill_job(const struct pg *pg, int s, struct job_row *row)
{
	*row = (struct job_row){
		.number = number_of(pg, s, 0),
		.state = (enum job_state)number_of(pg, s, 1),
		.pairs = number_of(pg, s, 2),
		.holder = number_of(pg, s, 3),
		.maker = number_of(pg, s, 4),
		.closer = number_of(pg, s, 5),
		.minute = number_of(pg, s, 6),
	};
}

static int put_jobs(struct pg *pg, struct cah_error *err)
{
	int s = PG_LOAD_JOBS, rc = CAH_OK;
	for (; is_at_row(pg, s) && rc == CAH_OK; pg->row[s]++) {
		struct job_row row;
		fill_job(pg, s, &row);
		rc = map_put_job(&pg->store, &row, err);
	}
	return rc;
}

static int put_open(struct pg *pg, enum queue queue, int s,
		    struct cah_error *err)
{
	int rc = CAH_OK;
	for (; is_at_row(pg, s) && rc == CAH_OK; pg->row[s]++) {
		struct job_row row;
		fill_job(pg, s, &row);
		row.has_urls = true;
		row.url = slice_of(pg_value(pg, s, 7));
		row.gpu_url = slice_of(pg_value(pg, s, 8));
		rc = map_put_open(&pg->store, queue, &row, err);
	}
	return rc;
}

int pg_load(struct store *store, const struct wants *wants,
	    struct cah_error *err)
{
	struct pg *pg = pg_of(store);
	int rc = send_wants(pg, wants, err);
	if (rc == CAH_OK)
		rc = put_workers(pg, err);
	if (rc == CAH_OK)
		rc = put_jobs(pg, err);
	if (rc == CAH_OK)
		rc = put_open(pg, QUEUE_FIRST, STMT_JOB_PICK, err);
	return rc != CAH_OK ? rc
			    : put_open(pg, QUEUE_GPU, STMT_JOB_PICK_GPU, err);
}

/* ---- writing ---- */

int pg_add_wats(struct store *store, const struct slice *urls, size_t count,
		int64_t first, size_t *added, struct cah_error *err)
{
	struct pg *pg = pg_of(store);
	struct buf array;
	buf_init(&array, PG_ARRAY_MAX);
	(void)buf_add_byte(&array, '{');
	for (size_t i = 0; i < count; i++)
		add_text(&array, urls[i]);
	(void)buf_add_byte(&array, '}');
	int rc = buf_check(&array, "URLs", err);
	if (rc == CAH_OK)
		rc = pg_send(
			pg, PG_ROWS, PG_ADD_WATS,
			STORE_ARGS(arg_text(buf_slice(&array)), arg_int(first)),
			err);
	if (rc == CAH_OK)
		rc = pg_settle(pg, err);
	if (rc == CAH_OK)
		*added = (size_t)number_of(pg, PG_ADD_WATS, 0);
	buf_fini(&array);
	return rc;
}

static int save_jobs(struct pg *pg, const struct changes *changes,
		     struct cah_error *err)
{
	struct columns c;
	if (changes->job_count == 0)
		return CAH_OK;
	init_columns(&c, 7);
	for (size_t i = 0; i < changes->job_count; i++) {
		const struct job_row *row = changes->jobs[i];
		const int64_t numbers[] = {row->number, (int64_t)row->state,
					   row->pairs,  row->holder,
					   row->maker,  row->closer,
					   row->minute};
		for (size_t k = 0; k < 7; k++)
			add_number(&c.bufs[k], numbers[k]);
	}
	return send_columns(pg, PG_EXECUTE, PG_SAVE_JOBS, &c, err);
}

static int save_urls(struct pg *pg, const struct changes *changes,
		     struct cah_error *err)
{
	struct columns c;
	size_t count = 0;
	init_columns(&c, 2);
	for (size_t i = 0; i < changes->job_count; i++) {
		const struct job_row *row = changes->jobs[i];
		if (!row->sets_gpu_url)
			continue;
		count++;
		add_number(&c.bufs[0], row->number);
		add_text(&c.bufs[1], row->gpu_url);
	}
	if (count > 0)
		return send_columns(pg, PG_EXECUTE, PG_SAVE_URLS, &c, err);
	fini_columns(&c);
	return CAH_OK;
}

/* Those with a new progress, or those without. */
static int save_workers(struct pg *pg, const struct changes *changes,
			bool with_progress, struct cah_error *err)
{
	struct columns c;
	size_t count = 0;
	init_columns(&c, with_progress ? 6 : 5);
	for (size_t i = 0; i < changes->worker_count; i++) {
		const struct worker_row *row = changes->workers[i];
		if (row->is_gone || row->sets_progress != with_progress)
			continue;
		const int64_t numbers[] = {row->id, row->job,
					   row->jobs_completed, row->alive_s,
					   row->last_seen_s};
		count++;
		for (size_t k = 0; k < 5; k++)
			add_number(&c.bufs[k], numbers[k]);
		if (with_progress)
			add_text(&c.bufs[5], row->progress);
	}
	if (count > 0)
		return send_columns(pg, PG_EXECUTE,
				    with_progress ? PG_SAVE_PROGRESS
						  : PG_SAVE_WORKERS,
				    &c, err);
	fini_columns(&c);
	return CAH_OK;
}

static int delete_workers(struct pg *pg, const struct changes *changes,
			  struct cah_error *err)
{
	struct columns c;
	size_t count = 0;
	init_columns(&c, 1);
	for (size_t i = 0; i < changes->worker_count; i++) {
		if (!changes->workers[i]->is_gone)
			continue;
		count++;
		add_number(&c.bufs[0], changes->workers[i]->id);
	}
	if (count > 0)
		return send_columns(pg, PG_EXECUTE, PG_DELETE_WORKERS, &c, err);
	fini_columns(&c);
	return CAH_OK;
}

static int save_minutes(struct pg *pg, const struct changes *changes,
			struct cah_error *err)
{
	struct columns c;
	int rc = CAH_OK;
	/* Once a minute is enough. */
	if (changes->this_minute > 0 && changes->this_minute != pg->trimmed) {
		pg->trimmed = changes->this_minute;
		rc = pg_send(pg, PG_EXECUTE, STMT_MINUTE_TRIM,
			     STORE_ARGS(arg_int(changes->this_minute)), err);
	}
	if (rc != CAH_OK || changes->minute_count == 0)
		return rc;
	init_columns(&c, 2);
	for (size_t i = 0; i < changes->minute_count; i++) {
		add_number(&c.bufs[0], changes->minutes[i].minute);
		add_number(&c.bufs[1], changes->minutes[i].jobs);
	}
	return send_columns(pg, PG_EXECUTE, PG_SAVE_MINUTES, &c, err);
}

static int save_counts(struct pg *pg, const struct changes *changes,
		       struct cah_error *err)
{
	struct arg args[COUNT_COUNT];
	bool is_changed = false;
	for (int i = 0; i < COUNT_COUNT; i++) {
		args[i] = arg_int(changes->counts[i]);
		is_changed |= changes->counts[i] != 0;
	}
	return is_changed ? pg_send(pg, PG_EXECUTE, STMT_COUNTS_ADD, args,
				    COUNT_COUNT, err)
			  : CAH_OK;
}

static int save_leaders(struct pg *pg, const struct changes *changes,
			struct cah_error *err)
{
	struct columns c;
	if (changes->leader_count == 0)
		return CAH_OK;
	init_columns(&c, 5);
	for (size_t i = 0; i < changes->leader_count; i++) {
		const struct leader_sum *sum = &changes->leaders[i];
		const int64_t numbers[] = {sum->id, sum->jobs, sum->pairs,
					   sum->checked, sum->disagreed};
		for (size_t k = 0; k < 5; k++)
			add_number(&c.bufs[k], numbers[k]);
	}
	return send_columns(pg, PG_EXECUTE, PG_SAVE_LEADERS, &c, err);
}

int pg_save(struct store *store, const struct changes *changes,
	    struct cah_error *err)
{
	struct pg *pg = pg_of(store);
	int rc = save_jobs(pg, changes, err);
	if (rc == CAH_OK)
		rc = save_urls(pg, changes, err);
	if (rc == CAH_OK)
		rc = save_workers(pg, changes, false, err);
	if (rc == CAH_OK)
		rc = save_workers(pg, changes, true, err);
	if (rc == CAH_OK)
		rc = delete_workers(pg, changes, err);
	if (rc == CAH_OK)
		rc = save_minutes(pg, changes, err);
	if (rc == CAH_OK)
		rc = save_counts(pg, changes, err);
	return rc != CAH_OK ? rc : save_leaders(pg, changes, err);
}
