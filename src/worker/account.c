#include "worker/account.h"

#include "base/fail.h"
#include "base/metrics.h"

#include <cah/version.h>

#include <pthread.h>
#include <stdlib.h>

/* What only grows. */
struct sums {
	struct fate_counts fates;
	int64_t busy_ns[STAGE_COUNT];
	int64_t taken[STAGE_COUNT];
	int64_t wat_bytes;
	int64_t image_bytes;
};

struct account {
	pthread_mutex_t lock; /* for all that follows */
	struct sums before;   /* of shards that have ended */
	struct sums now;      /* of the one in hand */
	struct pipeline_progress progress;
	int64_t ends[ACCOUNT_ENDS];
};

static const char *const end_names[ACCOUNT_ENDS] = {
	[ACCOUNT_DONE] = "done",
	[ACCOUNT_LATE] = "late",
	[ACCOUNT_FAILED] = "failed",
};

int account_new(struct account **out, struct cah_error *err)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return cah_fail(err, CAH_ENOMEM, "account: out of memory");
	pthread_mutex_init(&(*out)->lock, NULL);
	return CAH_OK;
}

void account_free(struct account *a)
{
	if (a == NULL)
		return;
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* Two looks at a thread that waits may differ by less than nothing, as the
 * clocks are read one after the other; a counter must not fall. */
static void take_flow(struct sums *sums, const struct flow *flow)
{
	for (int i = 0; i < STAGE_COUNT; i++) {
		const struct flow_stage *stage = &flow->stages[i];
		if (stage->busy_ns > sums->busy_ns[i])
			sums->busy_ns[i] = stage->busy_ns;
		sums->taken[i] = stage->taken;
	}
}

void account_look(struct account *a, const struct pipeline_progress *progress)
{
	if (a == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	a->progress = *progress;
	a->now.fates = progress->fates;
	a->now.wat_bytes = progress->wat_bytes;
	a->now.image_bytes = progress->image_bytes;
	take_flow(&a->now, &progress->flow);
	pthread_mutex_unlock(&a->lock);
}

static void add(struct sums *to, const struct sums *from)
{
	fate_add(&to->fates, &from->fates);
	for (int i = 0; i < STAGE_COUNT; i++) {
		to->busy_ns[i] += from->busy_ns[i];
		to->taken[i] += from->taken[i];
	}
	to->wat_bytes += from->wat_bytes;
	to->image_bytes += from->image_bytes;
}

void account_add(struct account *a, const struct pipeline_result *result)
{
	if (a == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	a->now.fates = result->fates;
	a->now.wat_bytes = result->wat_bytes;
	a->now.image_bytes = result->image_bytes;
	take_flow(&a->now, &result->flow);
	add(&a->before, &a->now);
	a->now = (struct sums){.wat_bytes = 0};
	a->progress = (struct pipeline_progress){.wat_total = -1};
	pthread_mutex_unlock(&a->lock);
}

void account_end(struct account *a, enum account_end how)
{
	if (a == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	a->ends[how]++;
	pthread_mutex_unlock(&a->lock);
}

/* ---- writing ---- */

/* A copy, for writing takes longer than anybody should wait. */
struct view {
	struct sums sums;
	struct pipeline_progress progress;
	int64_t ends[ACCOUNT_ENDS];
};

static void put(struct buf *out, const char *name, const char *label,
		const char *value, int64_t n)
{
	const struct metrics_label labels[] = {{label, slice_of(value)}};
	const struct metrics_series series = {name, labels, 1};
	metrics_int(out, &series, n);
}

static void put_seconds(struct buf *out, const char *name, int stage,
			int64_t ns)
{
	const struct metrics_label labels[] = {
		{"stage", slice_of(flow_name((enum stage)stage))}};
	const struct metrics_series series = {name, labels, 1};
	metrics_real(out, &series, (double)ns / METRICS_NANO);
}

static void write_shards(struct buf *out, const struct view *view)
{
	const char *name = "cah_worker_shards_total";
	metrics_head(out, name, METRICS_COUNTER, "Shards, by how they ended.");
	for (int i = 0; i < ACCOUNT_ENDS; i++)
		put(out, name, "end", end_names[i], view->ends[i]);
	name = "cah_worker_candidates_total";
	metrics_head(out, name, METRICS_COUNTER,
		     "Candidates, by what became of them.");
	for (int i = 0; i < CAH_FATE_COUNT; i++)
		put(out, name, "fate", fate_key((enum fate)i),
		    view->sums.fates.n[i]);
	metrics_one(out, "cah_worker_wat_bytes_total", METRICS_COUNTER,
		    "Bytes of WAT files read.", view->sums.wat_bytes);
	metrics_one(out, "cah_worker_image_bytes_total", METRICS_COUNTER,
		    "Bytes of images that came whole.", view->sums.image_bytes);
	metrics_one(out, "cah_worker_fetch_active", METRICS_GAUGE,
		    "Downloads at this moment.", view->progress.fetching);
	metrics_one(out, "cah_worker_fetch_queued", METRICS_GAUGE,
		    "Jobs in the fetch stage that are no download yet.",
		    view->progress.queued);
}

/* A number of each stage. */
static void write_stage_ints(struct buf *out, const char *name,
			     enum metrics_type type, const char *help,
			     const int64_t values[STAGE_COUNT])
{
	metrics_head(out, name, type, help);
	for (int i = 0; i < STAGE_COUNT; i++)
		put(out, name, "stage", flow_name((enum stage)i), values[i]);
}

static void write_stages(struct buf *out, const struct view *view)
{
	const struct flow *flow = &view->progress.flow;
	int64_t threads[STAGE_COUNT];
	int64_t depth[STAGE_COUNT];
	int64_t room[STAGE_COUNT];
	int64_t limit[STAGE_COUNT];
	for (int i = 0; i < STAGE_COUNT; i++) {
		threads[i] = flow->stages[i].threads;
		depth[i] = flow->stages[i].depth;
		room[i] = flow->stages[i].room;
		limit[i] = flow->limit == flow_name((enum stage)i);
	}
	const char *name = "cah_worker_stage_busy_seconds_total";
	metrics_head(out, name, METRICS_COUNTER,
		     "Time that a stage's threads did not wait.");
	for (int i = 0; i < STAGE_COUNT; i++)
		put_seconds(out, name, i, view->sums.busy_ns[i]);
	write_stage_ints(out, "cah_worker_stage_items_total", METRICS_COUNTER,
			 "Items that a stage took.", view->sums.taken);
	write_stage_ints(out, "cah_worker_stage_threads", METRICS_GAUGE,
			 "Threads of a stage; 0 between two shards.", threads);
	write_stage_ints(out, "cah_worker_stage_depth", METRICS_GAUGE,
			 "Items at a stage's door.", depth);
	write_stage_ints(out, "cah_worker_stage_room", METRICS_GAUGE,
			 "Items that have room there.", room);
	write_stage_ints(out, "cah_worker_stage_is_limit", METRICS_GAUGE,
			 "1 for the stage that the others wait for.", limit);
}

void account_write(struct account *a, struct buf *out)
{
	struct view view;
	pthread_mutex_lock(&a->lock);
	view.sums = a->before;
	add(&view.sums, &a->now);
	view.progress = a->progress;
	memcpy(view.ends, a->ends, sizeof(view.ends));
	pthread_mutex_unlock(&a->lock);
	metrics_head(out, "cah_build_info", METRICS_GAUGE,
		     "1, with the version of the program.");
	put(out, "cah_build_info", "version", CAH_VERSION, 1);
	write_shards(out, &view);
	write_stages(out, &view);
	metrics_process(out);
}
