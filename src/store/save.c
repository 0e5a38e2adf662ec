/* The end of a group: what its calls changed, merged and in order, goes to the
 * database. The sums over jobs (of WATs, leaders, minutes) are not kept by the
 * calls: each follows from how a row was and how it is. */
#include "store/store_priv.h"

#include "base/fail.h"

#include <assert.h>
#include <stdlib.h>

enum {
	ROW_SIZE = sizeof(void *), /* of what points to a row */
};

/* ---- gathering ---- */

static int compare_jobs(const void *a, const void *b)
{
	int64_t x = (*(struct job_row *const *)a)->number;
	int64_t y = (*(struct job_row *const *)b)->number;
	return (x > y) - (x < y);
}

static int compare_workers(const void *a, const void *b)
{
	int64_t x = (*(struct worker_row *const *)a)->id;
	int64_t y = (*(struct worker_row *const *)b)->id;
	return (x > y) - (x < y);
}

static int compare_leaders(const void *a, const void *b)
{
	int64_t x = ((const struct leader_sum *)a)->id;
	int64_t y = ((const struct leader_sum *)b)->id;
	return (x > y) - (x < y);
}

static int compare_minutes(const void *a, const void *b)
{
	int64_t x = ((const struct minute_sum *)a)->minute;
	int64_t y = ((const struct minute_sum *)b)->minute;
	return (x > y) - (x < y);
}

/* What is gathered, in the transaction's arena. */
struct gather {
	struct changes out;
	struct job_row **jobs;
	struct worker_row **workers;
	struct wat_sum *wats;
	struct leader_sum *leaders;
	struct minute_sum *minutes;
};

static int pick_dirty(struct map *map, struct gather *g, struct cah_error *err)
{
	size_t jobs = 0, workers = 0;
	/* A group may save often, so no room for those that are clean. */
	for (size_t i = 0; i < map->jobs.count; i++)
		jobs += ((struct job_row *)map->jobs.rows[i])->is_dirty;
	for (size_t i = 0; i < map->workers.count; i++)
		workers +=
			((struct worker_row *)map->workers.rows[i])->is_dirty;
	g->jobs = map_alloc(map, (jobs + 1) * ROW_SIZE);
	g->workers = map_alloc(map, (workers + 1) * ROW_SIZE);
	if (g->jobs == NULL || g->workers == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	for (size_t i = 0; i < map->jobs.count; i++) {
		struct job_row *row = map->jobs.rows[i];
		if (row->is_dirty)
			g->jobs[g->out.job_count++] = row;
	}
	for (size_t i = 0; i < map->workers.count; i++) {
		struct worker_row *row = map->workers.rows[i];
		if (row->is_dirty)
			g->workers[g->out.worker_count++] = row;
	}
	qsort(g->jobs, g->out.job_count, ROW_SIZE, compare_jobs);
	qsort(g->workers, g->out.worker_count, ROW_SIZE, compare_workers);
	g->out.jobs = g->jobs;
	g->out.workers = g->workers;
	return CAH_OK;
}

/* The jobs are sorted, so both of a WAT stand together. */
static void add_wat(struct gather *g, const struct job_row *row)
{
	int64_t id = (row->number - 1) / 2;
	int delta = (row->state == JOB_OPEN) - (row->saved.state == JOB_OPEN);
	size_t n = g->out.wat_count;
	if (delta == 0)
		return;
	if (n == 0 || g->wats[n - 1].id != id)
		g->wats[g->out.wat_count++] = (struct wat_sum){id, delta};
	else
		g->wats[n - 1].open_jobs += delta;
}

static void add_leader(struct gather *g, int64_t id, enum board board, int jobs,
		       int64_t pairs)
{
	if (id != 0)
		g->leaders[g->out.leader_count++] = (struct leader_sum){
			.id = id,
			.board = board,
			.jobs = jobs,
			.pairs = pairs,
		};
}

static void add_minute(struct gather *g, enum job_state state, int64_t minute,
		       int jobs)
{
	if (state == JOB_DONE && minute != 0)
		g->minutes[g->out.minute_count++] =
			(struct minute_sum){minute, jobs};
}

/* Sorted, summed, without zeros; returns how many are left. */
static size_t merge_leaders(struct leader_sum *sums, size_t count)
{
	size_t n = 0;
	qsort(sums, count, sizeof(*sums), compare_leaders);
	for (size_t i = 0; i < count;) {
		struct leader_sum sum = sums[i++];
		for (; i < count && sums[i].id == sum.id; i++) {
			sum.jobs += sums[i].jobs;
			sum.pairs += sums[i].pairs;
			sum.checked += sums[i].checked;
			sum.disagreed += sums[i].disagreed;
		}
		if (sum.jobs != 0 || sum.pairs != 0 || sum.checked != 0)
			sums[n++] = sum;
	}
	return n;
}

static size_t merge_minutes(struct minute_sum *sums, size_t count)
{
	size_t n = 0;
	qsort(sums, count, sizeof(*sums), compare_minutes);
	for (size_t i = 0; i < count;) {
		struct minute_sum sum = sums[i++];
		for (; i < count && sums[i].minute == sum.minute; i++)
			sum.jobs += sums[i].jobs;
		if (sum.jobs != 0)
			sums[n++] = sum;
	}
	return n;
}

static size_t merge_wats(struct wat_sum *sums, size_t count)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++)
		if (sums[i].open_jobs != 0)
			sums[n++] = sums[i];
	return n;
}

static int sum_up(struct store *store, struct gather *g, struct cah_error *err)
{
	struct map *map = &store->map;
	size_t count = g->out.job_count, checks = 0;
	for (struct map_check *c = map->checks; c != NULL; c = c->next)
		checks++;
	g->wats = map_alloc(map, (count + 1) * sizeof(*g->wats));
	g->minutes = map_alloc(map, (2 * count + 1) * sizeof(*g->minutes));
	g->leaders =
		map_alloc(map, (4 * count + checks + 1) * sizeof(*g->leaders));
	if (g->wats == NULL || g->minutes == NULL || g->leaders == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		const struct job_row *row = g->jobs[i];
		add_wat(g, row);
		add_leader(g, row->saved.maker, BOARD_CPU, -1, 0);
		add_leader(g, row->maker, BOARD_CPU, 1, 0);
		add_leader(g, row->saved.closer, BOARD_PAIRS, -1,
			   -row->saved.pairs);
		add_leader(g, row->closer, BOARD_PAIRS, 1, row->pairs);
		add_minute(g, row->saved.state, row->saved.minute, -1);
		add_minute(g, row->state, row->minute, 1);
	}
	for (struct map_check *c = map->checks; c != NULL; c = c->next)
		g->leaders[g->out.leader_count++] = (struct leader_sum){
			.id = c->leader,
			.board = BOARD_PAIRS,
			.checked = 1,
			.disagreed = c->has_disagreed,
		};
	g->out.wats = g->wats;
	g->out.wat_count = merge_wats(g->wats, g->out.wat_count);
	g->out.leaders = g->leaders;
	g->out.leader_count = merge_leaders(g->leaders, g->out.leader_count);
	g->out.minutes = g->minutes;
	g->out.minute_count = merge_minutes(g->minutes, g->out.minute_count);
	return CAH_OK;
}

/* ---- by single statements ---- */

static int save_job(struct store *store, const struct job_row *row,
		    struct cah_error *err)
{
	const struct arg args[] = {
		arg_int(row->number), arg_int(row->state),
		arg_int(row->pairs),  arg_int(row->holder),
		arg_int(row->maker),  arg_int(row->closer),
		arg_int(row->minute), arg_text(row->gpu_url),
	};
	return row->sets_gpu_url
		       ? store_run(store, STMT_JOB_SAVE_URL, args, 8, err)
		       : store_run(store, STMT_JOB_SAVE, args, 7, err);
}

static int save_worker(struct store *store, const struct worker_row *row,
		       struct cah_error *err)
{
	struct arg args[6] = {arg_int(row->id)};
	if (row->is_gone)
		return store_run(store, STMT_WORKER_DELETE, args, 1, err);
	enum stmt stmt = row->sets_alive
				 ? (row->sets_progress ? STMT_WORKER_SAVE_ALL
						       : STMT_WORKER_SAVE_ALIVE)
			 : row->sets_progress ? STMT_WORKER_SAVE_PROGRESS
					      : STMT_WORKER_SAVE;
	size_t n = 1;
	args[n++] = arg_int(row->job);
	args[n++] = arg_int(row->jobs_completed);
	if (row->sets_alive) {
		args[n++] = arg_int(row->alive_s);
		args[n++] = arg_int(row->last_seen_s);
	}
	if (row->sets_progress)
		args[n++] = arg_text(row->progress);
	return store_run(store, stmt, args, n, err);
}

/* Counts those that come to have jobs, and those that have none any more. */
static int save_leader(struct store *store, const struct leader_sum *sum,
		       int64_t *counts, struct cah_error *err)
{
	enum stmt s = STMT_LEADER_ADD;
	int rc = store_start(store, s,
			     STORE_ARGS(arg_int(sum->id), arg_int(sum->jobs),
					arg_int(sum->pairs),
					arg_int(sum->checked),
					arg_int(sum->disagreed)),
			     err);
	if (rc == 0)
		return cah_fail(err, CAH_EUNAVAILABLE,
				"%s: leader %lld is gone", store->path,
				(long long)sum->id);
	if (rc < 0)
		return rc;
	int64_t jobs = store_int(store, s, 0);
	counts[COUNT_LEADERS + (int)sum->board] +=
		(jobs > 0) - (jobs - sum->jobs > 0);
	return CAH_OK;
}

static int save_minutes(struct store *store, const struct changes *c,
			struct cah_error *err)
{
	int rc = CAH_OK;
	if (c->this_minute > 0)
		rc = store_run(store, STMT_MINUTE_TRIM,
			       STORE_ARGS(arg_int(c->this_minute)), err);
	for (size_t i = 0; i < c->minute_count && rc == CAH_OK; i++) {
		int64_t jobs = c->minutes[i].jobs;
		enum stmt s = jobs > 0 ? STMT_MINUTE_ADD : STMT_MINUTE_TAKE;
		rc = store_run(store, s,
			       STORE_ARGS(arg_int(c->minutes[i].minute),
					  arg_int(jobs > 0 ? jobs : -jobs)),
			       err);
	}
	return rc;
}

static int save_counts(struct store *store, const int64_t counts[COUNT_COUNT],
		       struct cah_error *err)
{
	struct arg args[COUNT_COUNT];
	bool is_changed = false;
	for (int i = 0; i < COUNT_COUNT; i++) {
		args[i] = arg_int(counts[i]);
		is_changed |= counts[i] != 0;
	}
	return is_changed ? store_run(store, STMT_COUNTS_ADD, args, COUNT_COUNT,
				      err)
			  : CAH_OK;
}

static int save_one_by_one(struct store *store, const struct changes *c,
			   int64_t counts[COUNT_COUNT], struct cah_error *err)
{
	int rc = CAH_OK;
	for (size_t i = 0; i < c->job_count && rc == CAH_OK; i++)
		rc = save_job(store, c->jobs[i], err);
	for (size_t i = 0; i < c->wat_count && rc == CAH_OK; i++)
		rc = store_run(store, STMT_WAT_OPEN_ADD,
			       STORE_ARGS(arg_int(c->wats[i].id),
					  arg_int(c->wats[i].open_jobs)),
			       err);
	for (size_t i = 0; i < c->worker_count && rc == CAH_OK; i++)
		rc = save_worker(store, c->workers[i], err);
	for (size_t i = 0; i < c->leader_count && rc == CAH_OK; i++)
		rc = save_leader(store, &c->leaders[i], counts, err);
	if (rc == CAH_OK)
		rc = save_minutes(store, c, err);
	return rc != CAH_OK ? rc : save_counts(store, counts, err);
}

/* ---- all of it ---- */

static void set_clean(const struct gather *g)
{
	for (size_t i = 0; i < g->out.job_count; i++) {
		struct job_row *row = g->jobs[i];
		row->is_dirty = row->sets_gpu_url = false;
		row->saved.state = row->state;
		row->saved.pairs = row->pairs;
		row->saved.maker = row->maker;
		row->saved.closer = row->closer;
		row->saved.minute = row->minute;
	}
	for (size_t i = 0; i < g->out.worker_count; i++) {
		struct worker_row *row = g->workers[i];
		row->is_dirty = row->sets_alive = row->sets_progress = false;
	}
}

int save_all(struct store *store, struct cah_error *err)
{
	struct gather g = {.jobs = NULL};
	int rc = pick_dirty(&store->map, &g, err);
	if (rc == CAH_OK)
		rc = sum_up(store, &g, err);
	if (rc != CAH_OK)
		return rc;
	memcpy(g.out.counts, store->deltas, sizeof(g.out.counts));
	g.out.this_minute = store->this_minute;
	/* What the leaders come to is known last. */
	if (store->backend->save != NULL)
		rc = store->backend->save(store, &g.out, err);
	else
		rc = save_one_by_one(store, &g.out, g.out.counts, err);
	if (rc != CAH_OK)
		return rc;
	set_clean(&g);
	memset(store->deltas, 0, sizeof(store->deltas));
	store->has_counts = false;
	store->this_minute = 0;
	store->map.checks = NULL;
	store->map.has_minutes = store->map.has_checks = false;
	return CAH_OK;
}
