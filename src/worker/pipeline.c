/* Starts the stages, waits for them, and makes the shard's files appear only
 * when every candidate has its fate. */
#include "worker/pipeline.h"

#include "base/clock.h"
#include "base/fail.h"
#include "worker/stage.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum {
	TICK_MS = 250,
};

struct stage_row {
	const char *name;
	size_t room;
	int (*run)(struct pipeline *p, struct cah_error *err);
};

static const struct stage_row stages[STAGE_COUNT] = {
#define STAGE(name, room, text) {#name, (room), stage_##name},
#include "worker/stages.def"
#undef STAGE
};

/* What a thread of a stage is told. */
struct post {
	struct pipeline *p;
	enum stage stage;
	pthread_t thread;
};

void stage_drop_body(struct pipeline *p, struct item *item)
{
	if (item->has_body)
		fetch_drop_body(p->fetch, &item->fetch);
	item->has_body = false;
}

void stage_end(struct pipeline *p, struct item *item, enum fate fate)
{
	if (item != NULL)
		stage_drop_body(p, item);
	item_free(item);
	atomic_fetch_add(&p->fates[fate], 1);
	atomic_fetch_add(&p->ended, 1);
}

void stage_pass(struct pipeline *p, enum stage next, struct item *item)
{
	if (!queue_push(p->doors[next], item))
		stage_end(p, item, CAH_FATE_INTERNAL);
}

/* After a failure: empties the door, so that the stage before never waits. */
static void drain(struct pipeline *p, enum stage stage)
{
	void *entry;
	if (p->doors[stage] == NULL)
		return;
	while ((entry = queue_pop(p->doors[stage])) != NULL) {
		struct item *item = entry;
		if (stage <= STAGE_image)
			item = item_of(entry);
		/* What leaves the fetch stage has a body to be freed. */
		item->has_body = item->has_body || stage == STAGE_image;
		stage_end(p, item, CAH_FATE_INTERNAL);
	}
}

static void record_failure(struct pipeline *p, int rc,
			   const struct cah_error *err)
{
	pthread_mutex_lock(&p->lock);
	/* A stage that was told to stop is not what failed. */
	if (p->code == CAH_OK && !cancel_is_set(p->stop)) {
		p->code = rc;
		p->err = *err;
	}
	pthread_mutex_unlock(&p->lock);
	cancel_set(p->stop);
}

static void *run_stage(void *arg)
{
	const struct post *post = arg;
	struct pipeline *p = post->p;
	struct cah_error err = {0};

	int rc = stages[post->stage].run(p, &err);
	if (rc != CAH_OK)
		record_failure(p, rc, &err);
	drain(p, post->stage);

	pthread_mutex_lock(&p->lock);
	p->lived_ns[post->stage] += clock_now_ns() - p->start_ns;
	bool is_last = --p->running[post->stage] == 0;
	if (is_last)
		p->running_stages--;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	if (is_last && post->stage + 1 < STAGE_COUNT)
		queue_close(p->doors[post->stage + 1]);
	return NULL;
}

static void read_progress(struct pipeline *p, struct pipeline_progress *out)
{
	struct fetch_stats fetch;
	fetch_get_stats(p->fetch, &fetch);
	*out = (struct pipeline_progress){
		.wat_bytes = atomic_load(&p->wat_bytes),
		.wat_total = atomic_load(&p->wat_total),
		.candidates = atomic_load(&p->candidates),
		.fetching = fetch.active,
		.queued = fetch.waiting,
		.fetched = atomic_load(&p->fetched),
		.scored = atomic_load(&p->scored),
		.kept = atomic_load(&p->fates[CAH_FATE_KEPT]),
		.ended = atomic_load(&p->ended),
		.image_bytes = atomic_load(&p->image_bytes),
		.seconds = (double)(clock_now_ns() - p->start_ns) / 1e9,
	};
	for (int i = 0; i < CAH_FATE_COUNT; i++)
		out->fates.n[i] = atomic_load(&p->fates[i]);
	stage_look(p, &fetch, &out->flow);
}

/* True when all stages have ended; false after TICK_MS. */
static bool wait_for_stages(struct pipeline *p)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += TICK_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;

	pthread_mutex_lock(&p->lock);
	int rc = 0;
	while (p->running_stages > 0 && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&p->changed, &p->lock, &until);
	bool is_over = p->running_stages == 0;
	pthread_mutex_unlock(&p->lock);
	return is_over;
}

/* Starts every thread. Where one cannot be started the others are stopped, and
 * end by themselves. */
static int start(struct pipeline *p, struct post *posts, int *count)
{
	*count = 0;
	for (int s = 0; s < STAGE_COUNT; s++) {
		p->running[s] = stage_threads(p, s);
		p->running_stages++;
	}
	for (int s = 0; s < STAGE_COUNT; s++) {
		for (int t = stage_threads(p, s); t > 0; t--) {
			struct post *post = &posts[*count];
			*post = (struct post){.p = p, .stage = s};
			if (pthread_create(&post->thread, NULL, run_stage,
					   post) != 0)
				return CAH_ENOMEM;
			*count += 1;
		}
	}
	return CAH_OK;
}

/* The threads that could not be started count as ended, and their doors are
 * closed, so that those before them do not wait. */
static void stop_early(struct pipeline *p, int started)
{
	cancel_set(p->stop);
	for (int s = 1; s < STAGE_COUNT; s++)
		queue_close(p->doors[s]);
	pthread_mutex_lock(&p->lock);
	p->code = CAH_ENOMEM;
	(void)cah_fail(&p->err, CAH_ENOMEM, "cannot start a thread");
	int seen = 0;
	for (int s = 0; s < STAGE_COUNT; s++) {
		int wanted = stage_threads(p, s);
		int missing = seen + wanted - started;
		missing = missing < 0 ? 0 : missing > wanted ? wanted : missing;
		p->running[s] -= missing;
		if (missing > 0 && p->running[s] == 0)
			p->running_stages--;
		seen += wanted;
	}
	pthread_mutex_unlock(&p->lock);
}

static void run_threads(struct pipeline *p)
{
	const struct pipeline_work *work = p->work;
	struct post posts[STAGE_COUNT + PIPELINE_THREADS_MAX];
	int count;
	bool is_whole = start(p, posts, &count) == CAH_OK;
	if (!is_whole)
		stop_early(p, count);
	while (!wait_for_stages(p)) {
		struct pipeline_progress progress;
		read_progress(p, &progress);
		if (cancel_is_set(work->cancel) ||
		    (work->tick != NULL &&
		     work->tick(work->tick_arg, &progress) != 0))
			cancel_set(p->stop);
	}
	for (int i = 0; i < count; i++)
		(void)pthread_join(posts[i].thread, NULL);
	/* What was passed to a stage that nobody runs. */
	for (int s = 0; s < STAGE_COUNT && !is_whole; s++)
		drain(p, (enum stage)s);
}

static int make_parts(struct pipeline *p, struct cah_error *err)
{
	const struct shard_options shard = {
		.folder = p->options->folder,
		.name = p->work->name,
		.dimension = p->options->save_embeddings
				     ? clip_dimension(p->options->clip)
				     : 0,
		.save_images = p->options->save_images,
	};
	int rc = cancel_new(&p->stop, err);
	for (int s = 1; s < STAGE_COUNT && rc == CAH_OK; s++)
		rc = queue_new(&p->doors[s], stages[s].room, err);
	if (rc == CAH_OK)
		rc = fetch_new(&p->fetch, &p->options->fetch, err);
	if (rc == CAH_OK)
		rc = shard_create(&p->shard, &shard, err);
	return rc;
}

static void free_parts(struct pipeline *p)
{
	shard_discard(p->shard);
	fetch_free(p->fetch);
	for (int s = 1; s < STAGE_COUNT; s++)
		if (p->doors[s] != NULL)
			queue_free(p->doors[s]);
	cancel_free(p->stop);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
}

/* The scan counts what it drops itself; what passed it was counted on its way.
 */
static int add_up(const struct pipeline *p, struct fate_counts *out,
		  struct cah_error *err)
{
	*out = p->scan.fates;
	out->n[CAH_FATE_KEPT] = 0;
	for (int i = 0; i < CAH_FATE_COUNT; i++)
		out->n[i] += atomic_load(&p->fates[i]);
	int64_t lost = fate_total(&p->scan.fates) - fate_total(out);
	if (lost != 0)
		return cah_fail(err, CAH_EIO,
				"%lld candidates of %s have no fate",
				(long long)lost, p->work->name);
	return CAH_OK;
}

/* A machine whose network is away would empty the queue of jobs, and call each
 * of them done without a pair. */
static int check_reach(const struct pipeline *p, const struct fate_counts *c,
		       struct cah_error *err)
{
	/* Those that the scan dropped as seen are no candidates here. */
	int64_t tried = atomic_load(&p->candidates) -
			c->n[CAH_FATE_OVER_LIMIT] -
			atomic_load(&p->fates[CAH_FATE_SEEN_BEFORE]);
	int64_t unreached =
		c->n[CAH_FATE_NO_SUCH_HOST] + c->n[CAH_FATE_DNS_FAILED] +
		c->n[CAH_FATE_DNS_TIMEOUT] + c->n[CAH_FATE_CONNECT_FAILED];
	if (tried < PIPELINE_REACH_MIN || unreached < tried)
		return CAH_OK;
	return cah_fail(err, CAH_EUNAVAILABLE,
			"none of %lld images could be reached: is this "
			"machine's network away?",
			(long long)tried);
}

static void tell_stages(struct shard_stage *out, const struct flow *flow)
{
	for (int i = 0; i < STAGE_COUNT; i++) {
		const struct flow_stage *stage = &flow->stages[i];
		out[i] = (struct shard_stage){
			.name = flow_name((enum stage)i),
			.threads = stage->threads,
			.busy = flow_busy(flow, (enum stage)i),
			.items = stage->taken,
			.rate = flow_rate(flow, (enum stage)i),
			.depth_mean = stage->depth_mean,
			.depth_most = stage->depth_most,
			.room = stage->room,
		};
	}
}

static int finish(struct pipeline *p, struct pipeline_result *out,
		  struct cah_error *err)
{
	struct shard_stage told[STAGE_COUNT];
	tell_stages(told, &out->flow);
	const struct shard_stats stats = {
		.fates = out->fates,
		.records = p->scan.records,
		.broken_records = p->scan.broken_records,
		.pages = p->scan.pages,
		.image_links = p->scan.image_links,
		.wat_bytes = p->scan.packed_bytes,
		.image_bytes = out->image_bytes,
		.seconds = out->seconds,
		.stages = told,
		.stage_count = STAGE_COUNT,
		.wat_url = p->work->wat,
		.piece = p->work->piece,
		.model = p->options->model,
		.threshold = p->options->threshold,
	};
	struct shard *shard = p->shard;
	p->shard = NULL;
	return shard_commit(shard, &stats, err);
}

/* Waits are measured on the clock that does not step. */
static int init_lock(struct pipeline *p, struct cah_error *err)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	int errnum = pthread_cond_init(&p->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (errnum != 0)
		return cah_fail_errno(err, errnum, "pipeline");
	pthread_mutex_init(&p->lock, NULL);
	return CAH_OK;
}

/* All threads have ended. */
static void conclude(struct pipeline *p, struct pipeline_result *out)
{
	struct pipeline_progress last;
	read_progress(p, &last);
	out->seconds = last.seconds;
	out->flow = last.flow;
	out->fates = last.fates;
	out->image_bytes = last.image_bytes;
	out->wat_bytes = last.wat_bytes;
}

int pipeline_run(const struct pipeline_options *options,
		 const struct pipeline_work *work, struct pipeline_result *out,
		 struct cah_error *err)
{
	assert(options->threads >= 1 &&
	       options->threads <= PIPELINE_THREADS_MAX);
	*out = (struct pipeline_result){0};
	struct pipeline *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return cah_fail(err, CAH_ENOMEM, "pipeline: out of memory");
	p->options = options;
	p->work = work;
	p->start_ns = clock_now_ns();
	p->watch.looked_ns = p->start_ns;
	atomic_store(&p->wat_total, -1);
	int rc = init_lock(p, err);
	if (rc != CAH_OK) {
		free(p);
		return rc;
	}
	rc = make_parts(p, err);
	if (rc != CAH_OK)
		goto out;
	run_threads(p);
	conclude(p, out);
	if (p->code != CAH_OK && err != NULL)
		*err = p->err;
	rc = p->code;
	if (rc == CAH_OK && cancel_is_set(p->stop))
		rc = cah_fail(err, CAH_ECANCELLED, "%s: cancelled", work->name);
	if (rc == CAH_OK)
		rc = add_up(p, &out->fates, err);
	if (rc == CAH_OK)
		rc = check_reach(p, &out->fates, err);
	if (rc == CAH_OK)
		rc = finish(p, out, err);
	out->kept = out->fates.n[CAH_FATE_KEPT];
out:
	free_parts(p);
	free(p);
	return rc;
}
