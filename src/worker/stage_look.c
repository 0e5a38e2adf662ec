/* How the stages do, from what their queues have counted (flow.h). */
#include "base/clock.h"
#include "worker/stage.h"

enum {
	/* The fetch stage begins nothing where the door behind it is full; it
	 * is a little less than full while that is so. */
	CROWDED = 75, /* per cent */
};

int stage_threads(const struct pipeline *p, int stage)
{
	return stage == STAGE_image ? p->options->threads : 1;
}

/* The door that what @stage gives goes to; STAGE_COUNT: none. */
static int next_door(const struct pipeline *p, int stage)
{
	if (stage == STAGE_wat && p->options->ask == NULL)
		return STAGE_fetch;
	return stage + 1;
}

/* The time that all threads of the stages have lived. */
static void read_lives(struct pipeline *p, int64_t now_ns,
		       int64_t out[STAGE_COUNT])
{
	pthread_mutex_lock(&p->lock);
	for (int s = 0; s < STAGE_COUNT; s++)
		out[s] =
			p->lived_ns[s] + p->running[s] * (now_ns - p->start_ns);
	pthread_mutex_unlock(&p->lock);
}

/* What the fetch stage did since the last look is what it does now. */
static void watch_fetch(struct pipeline *p, const struct fetch_stats *fetch,
			const struct queue_stats *behind, int64_t now_ns)
{
	bool is_idle = fetch->active == 0 && fetch->waiting == 0;
	bool is_crowded = behind->depth * 100 >= behind->capacity * CROWDED;
	if (!is_idle && !is_crowded)
		p->watch.fetch_busy_ns += now_ns - p->watch.looked_ns;
	p->watch.looked_ns = now_ns;
}

static void fill(struct pipeline *p, const struct queue_stats *doors,
		 const int64_t *lives, struct flow *out)
{
	const struct watch *watch = &p->watch;
	for (int s = 0; s < STAGE_COUNT; s++) {
		const struct queue_stats *door = &doors[s];
		struct flow_stage *stage = &out->stages[s];
		int next = next_door(p, s);
		*stage = (struct flow_stage){
			.threads = stage_threads(p, s),
			.busy_ns = lives[s] - door->empty_ns,
			.taken = (int64_t)door->passed,
			.depth = (int64_t)door->depth,
			.depth_most = (int64_t)door->most,
			.depth_mean = (double)watch->depth_sum[s] /
				      (double)watch->looks,
			.room = (int64_t)door->capacity,
		};
		if (next < STAGE_COUNT)
			stage->busy_ns -= doors[next].full_ns;
	}
	out->stages[STAGE_wat].taken = atomic_load(&p->candidates);
	out->stages[STAGE_fetch].busy_ns = watch->fetch_busy_ns;
}

void stage_look(struct pipeline *p, const struct fetch_stats *fetch,
		struct flow *out)
{
	struct queue_stats doors[STAGE_COUNT] = {{0}};
	int64_t lives[STAGE_COUNT];
	struct watch *watch = &p->watch;
	int64_t now_ns = clock_now_ns();
	read_lives(p, now_ns, lives);
	for (int s = 1; s < STAGE_COUNT; s++) {
		queue_stats(p->doors[s], &doors[s]);
		watch->depth_sum[s] += (int64_t)doors[s].depth;
	}
	watch->looks++;
	watch_fetch(p, fetch, &doors[STAGE_image], now_ns);
	fill(p, doors, lives, out);
	out->ns = now_ns - p->start_ns;
	if (out->ns - watch->before.ns >= FLOW_WINDOW_MS * 1000000LL) {
		watch->limit = flow_limit(&watch->before, out);
		watch->before = *out;
	}
	out->limit = watch->limit;
}
