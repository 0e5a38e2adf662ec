#include "worker/flow.h"

#include "base/metrics.h"

static const char *const names[STAGE_COUNT] = {
#define STAGE(name, room, text) #name,
#include "worker/stages.def"
#undef STAGE
};

const char *flow_name(enum stage stage)
{
	return names[stage];
}

static double share(int64_t busy_ns, int64_t ns, int threads)
{
	if (ns <= 0 || threads <= 0)
		return 0;
	double busy = (double)busy_ns / (double)ns / threads;
	return busy < 0 ? 0 : busy > 1 ? 1 : busy;
}

double flow_busy(const struct flow *flow, enum stage stage)
{
	const struct flow_stage *s = &flow->stages[stage];
	return share(s->busy_ns, flow->ns, s->threads);
}

double flow_rate(const struct flow *flow, enum stage stage)
{
	return flow->ns > 0 ? (double)flow->stages[stage].taken * METRICS_NANO /
				      (double)flow->ns
			    : 0;
}

const char *flow_limit(const struct flow *before, const struct flow *now)
{
	const char *busiest = NULL;
	double most = 0;
	double second = 0;
	for (int i = 0; i < STAGE_COUNT; i++) {
		double busy = share(
			now->stages[i].busy_ns - before->stages[i].busy_ns,
			now->ns - before->ns, now->stages[i].threads);
		if (busy > most) {
			second = most;
			most = busy;
			busiest = names[i];
		} else if (busy > second) {
			second = busy;
		}
	}
	bool is_clear = most * 100 >= FLOW_LIMIT_BUSY &&
			second * 100 <= FLOW_OTHERS_BUSY;
	return is_clear ? busiest : NULL;
}

void flow_add(struct flow *sum, const struct flow *flow)
{
	double before = (double)sum->ns;
	double more = (double)flow->ns;
	for (int i = 0; i < STAGE_COUNT; i++) {
		const struct flow_stage *from = &flow->stages[i];
		struct flow_stage *to = &sum->stages[i];
		double mean = to->depth_mean * before + from->depth_mean * more;
		int64_t most = to->depth_most;
		int64_t busy_ns = to->busy_ns + from->busy_ns;
		int64_t taken = to->taken + from->taken;
		*to = *from;
		to->busy_ns = busy_ns;
		to->taken = taken;
		if (before + more > 0)
			to->depth_mean = mean / (before + more);
		if (most > to->depth_most)
			to->depth_most = most;
	}
	sum->ns += flow->ns;
	sum->limit = flow->limit;
}

void flow_write(struct buf *out, const struct flow *flow)
{
	buf_printf(out, "%-8s %7s %6s %10s %10s %12s\n", "stage", "threads",
		   "busy", "items", "items/s", "at the door");
	for (int i = 0; i < STAGE_COUNT; i++) {
		const struct flow_stage *s = &flow->stages[i];
		if (s->taken == 0)
			continue;
		buf_printf(out, "%-8s %7d %5.0f%% %10lld %10.1f", names[i],
			   s->threads, 100 * flow_busy(flow, (enum stage)i),
			   (long long)s->taken, flow_rate(flow, (enum stage)i));
		/* The first has no door. */
		if (s->room > 0)
			buf_printf(out, " %6.1f of %lld, %lld at most",
				   s->depth_mean, (long long)s->room,
				   (long long)s->depth_most);
		buf_add_byte(out, '\n');
	}
}
