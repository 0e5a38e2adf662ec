#include "tracker/tally.h"

#include "store/task.h"

#include <cah/version.h>

#include <assert.h>
#include <stddef.h>
#include <stdio.h>

/* What we answer (docs/protocol.md); the last stands for all others. */
static const int statuses[] = {200, 400, 401, 403, 404, 405,
			       413, 415, 422, 429, 503, 0};

enum {
	STATUS_COUNT = sizeof(statuses) / sizeof(statuses[0]),
};

static_assert((int)STATUS_COUNT <= (int)TALLY_STATUSES, "one slot each");

static const struct metrics_scale sizes = {
	.unit = 1,
	.count = 11,
	.bounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024},
};

static const char *const reasons[] = {
#define REFUSAL(name, reason, text) reason,
#include "tracker/refusals.def"
#undef REFUSAL
};

static size_t slot_of(int status)
{
	size_t i = 0;
	while (i < STATUS_COUNT - 1 && statuses[i] != status)
		i++;
	return i;
}

void tally_request(struct tally *tally, int route, int status, int64_t ns)
{
	assert(route >= 0 && route <= TALLY_UNKNOWN);
	counter_add(&tally->requests[route][slot_of(status)], 1);
	histogram_add(&tally->request_ns[route], &metrics_seconds, ns);
}

void tally_group(struct tally *tally, size_t requests, int64_t commit_ns)
{
	counter_add(&tally->commits, 1);
	histogram_add(&tally->commit_ns, &metrics_seconds, commit_ns);
	histogram_add(&tally->group_size, &sizes, (int64_t)requests);
}

void tally_flush(struct tally *tally, int64_t ns)
{
	histogram_add(&tally->flush_ns, &metrics_seconds, ns);
}

void tally_sifted(struct tally *tally, int64_t ns)
{
	histogram_add(&tally->sifted_ns, &metrics_seconds, ns);
}

void tally_sift_error(struct tally *tally)
{
	counter_add(&tally->sift_errors, 1);
}

void tally_store_error(struct tally *tally)
{
	counter_add(&tally->store_errors, 1);
}

void tally_sweep(struct tally *tally, int64_t timed_out)
{
	counter_add(&tally->sweeps, 1);
	counter_add(&tally->timed_out, (uint64_t)timed_out);
}

void tally_refused(struct tally *tally, enum refusal why, int64_t count)
{
	counter_add(&tally->refused[why], (uint64_t)count);
}

/* ---- writing ---- */

static struct slice route_name(int route)
{
	return route == TALLY_UNKNOWN
		       ? SLICE("unknown")
		       : slice_of(wire_route_path((enum wire_route)route));
}

/* One of the label's values. */
static void put_int(struct buf *out, const char *name, const char *label,
		    const char *value, int64_t n)
{
	const struct metrics_label labels[] = {{label, slice_of(value)}};
	const struct metrics_series series = {name, labels, 1};
	metrics_int(out, &series, n);
}

/* A series begins with its first request: most calls have one or two of the
 * statuses, ever. */
static void write_requests(struct buf *out, const struct tally *tally)
{
	const char *name = "cah_http_requests_total";
	metrics_head(out, name, METRICS_COUNTER,
		     "Requests answered, by route and status.");
	for (int route = 0; route <= TALLY_UNKNOWN; route++) {
		for (size_t i = 0; i < STATUS_COUNT; i++) {
			uint64_t n = counter_get(&tally->requests[route][i]);
			char status[16] = "other";
			if (n == 0)
				continue;
			if (statuses[i] != 0)
				(void)snprintf(status, sizeof(status), "%d",
					       statuses[i]);
			const struct metrics_label labels[] = {
				{"route", route_name(route)},
				{"status", slice_of(status)},
			};
			const struct metrics_series series = {name, labels, 2};
			metrics_int(out, &series, (int64_t)n);
		}
	}
}

static bool has_requests(const struct tally *tally, int route)
{
	for (size_t i = 0; i < STATUS_COUNT; i++)
		if (counter_get(&tally->requests[route][i]) > 0)
			return true;
	return false;
}

static void write_times(struct buf *out, const struct tally *tally)
{
	const char *name = "cah_http_request_seconds";
	metrics_head(out, name, METRICS_HISTOGRAM,
		     "Time from a whole request to its answer, by route.");
	for (int route = 0; route <= TALLY_UNKNOWN; route++) {
		if (!has_requests(tally, route))
			continue;
		const struct metrics_label labels[] = {
			{"route", route_name(route)},
		};
		const struct metrics_series series = {name, labels, 1};
		metrics_histogram(out, &series, &metrics_seconds,
				  &tally->request_ns[route]);
	}
}

static void put_histogram(struct buf *out, const char *name, const char *help,
			  const struct metrics_scale *scale,
			  const struct histogram *histogram)
{
	const struct metrics_series series = {name, NULL, 0};
	metrics_head(out, name, METRICS_HISTOGRAM, help);
	metrics_histogram(out, &series, scale, histogram);
}

static void put_counter(struct buf *out, const char *name, const char *help,
			const struct counter *counter)
{
	metrics_one(out, name, METRICS_COUNTER, help,
		    (int64_t)counter_get(counter));
}

static void write_store(struct buf *out, const struct tally *tally)
{
	put_counter(out, "cah_commits_total",
		    "Transactions of requests that were committed.",
		    &tally->commits);
	put_histogram(out, "cah_commit_seconds",
		      "Time that a commit took, without its flush.",
		      &metrics_seconds, &tally->commit_ns);
	put_histogram(out, "cah_flush_seconds",
		      "Time that it took to make commits durable.",
		      &metrics_seconds, &tally->flush_ns);
	put_histogram(out, "cah_group_size",
		      "Requests that shared a transaction.", &sizes,
		      &tally->group_size);
	put_counter(out, "cah_store_errors_total",
		    "Transactions that failed: the store was away.",
		    &tally->store_errors);
	put_counter(out, "cah_sweeps_total", "Looks for workers that are gone.",
		    &tally->sweeps);
	put_counter(out, "cah_workers_timed_out_total",
		    "Workers that this tracker found gone.", &tally->timed_out);
}

static void put_stages(struct buf *out, const char *name, const char *help,
		       const int64_t counts[STORE_STAGE_COUNT])
{
	metrics_head(out, name, METRICS_GAUGE, help);
	for (int i = 0; i < STORE_STAGE_COUNT; i++)
		put_int(out, name, "stage",
			store_type_name(store_stage_type(i)), counts[i]);
}

static void write_stages(struct buf *out, const struct store_counts *counts)
{
	put_stages(out, "cah_tasks_open",
		   "Jobs of a staged project that wait, by stage.",
		   counts->tasks_open);
	put_stages(out, "cah_tasks_leased", "Those that are held, by stage.",
		   counts->tasks_leased);
	metrics_one(out, "cah_tasks_done", METRICS_GAUGE,
		    "Those that have been through all stages.",
		    counts->tasks_done);
	put_stages(out, "cah_stage_workers", "Live workers, by stage.",
		   counts->stage_workers);
}

/* What the store says; without it there is no zero that would be true. */
static void write_counts(struct buf *out, const struct store_counts *counts)
{
	metrics_one(out, "cah_store_up", METRICS_GAUGE,
		    "1 where the store answers.", counts != NULL);
	if (counts == NULL)
		return;
	metrics_head(out, "cah_jobs", METRICS_GAUGE, "Jobs, by state.");
	for (int i = 0; i < JOB_STATE_COUNT; i++)
		put_int(out, "cah_jobs", "state",
			store_state_name((enum job_state)i), counts->jobs[i]);
	metrics_head(out, "cah_workers", METRICS_GAUGE,
		     "Live workers, by type.");
	for (int i = 0; i < WORKER_TYPE_COUNT; i++)
		put_int(out, "cah_workers", "type",
			store_type_name((enum worker_type)i),
			counts->workers[i]);
	metrics_one(out, "cah_pairs_total", METRICS_COUNTER,
		    "Pairs of all finished jobs.", counts->pairs);
	write_stages(out, counts);
}

static void write_refused(struct buf *out, const struct tally *tally)
{
	metrics_head(out, "cah_refused_total", METRICS_COUNTER,
		     "Clients turned away before their call ran, by reason.");
	for (int i = 0; i < REFUSAL_COUNT; i++)
		put_int(out, "cah_refused_total", "reason", reasons[i],
			(int64_t)counter_get(&tally->refused[i]));
}

/* One number of each filter. */
struct filter_row {
	const char *name;
	enum metrics_type type;
	const char *help;
	size_t at; /* in struct sifter_state */
};

static const struct filter_row filter_rows[] = {
	{"cah_dedup_pairs", METRICS_GAUGE, "Pairs in a filter.",
	 offsetof(struct sifter_state, sieve.count)},
	{"cah_dedup_capacity", METRICS_GAUGE,
	 "Pairs that a filter was made for.",
	 offsetof(struct sifter_state, sieve.capacity)},
	{"cah_dedup_asked_total", METRICS_COUNTER,
	 "Pairs that a filter was asked for, or told to add.",
	 offsetof(struct sifter_state, asked)},
	{"cah_dedup_seen_total", METRICS_COUNTER, "Those that it had already.",
	 offsetof(struct sifter_state, seen)},
	{"cah_dedup_added_total", METRICS_COUNTER, "Those that it added.",
	 offsetof(struct sifter_state, added)},
};

static void write_dedup(struct buf *out, const struct tally *tally,
			struct sifter *sifter)
{
	struct sifter_state states[TRACKER_FILTERS_MAX];
	size_t count = sifter_count(sifter);
	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++)
		sifter_look(sifter, i, &states[i]);
	for (size_t k = 0; k < sizeof(filter_rows) / sizeof(*filter_rows);
	     k++) {
		const struct filter_row *row = &filter_rows[k];
		metrics_head(out, row->name, row->type, row->help);
		for (size_t i = 0; i < count; i++) {
			int64_t n;
			memcpy(&n, (const char *)&states[i] + row->at,
			       sizeof(n));
			put_int(out, row->name, "filter",
				sifter_name(sifter, i), n);
		}
	}
	metrics_head(out, "cah_dedup_bytes", METRICS_GAUGE,
		     "Size of a filter's file.");
	for (size_t i = 0; i < count; i++)
		put_int(out, "cah_dedup_bytes", "filter",
			sifter_name(sifter, i), (int64_t)states[i].sieve.bytes);
	metrics_head(out, "cah_dedup_error_rate", METRICS_GAUGE,
		     "Share of new pairs that are taken for old.");
	for (size_t i = 0; i < count; i++) {
		const struct metrics_label labels[] = {
			{"filter", slice_of(sifter_name(sifter, i))}};
		const struct metrics_series series = {"cah_dedup_error_rate",
						      labels, 1};
		metrics_real(out, &series, states[i].sieve.error_rate);
	}
	metrics_head(out, "cah_dedup_broken", METRICS_GAUGE,
		     "1 where its disk failed: nothing is added any more.");
	for (size_t i = 0; i < count; i++)
		put_int(out, "cah_dedup_broken", "filter",
			sifter_name(sifter, i), states[i].sieve.is_broken);
	put_histogram(out, "cah_dedup_commit_seconds",
		      "Time that it took to add a group of lists.",
		      &metrics_seconds, &tally->sifted_ns);
	put_counter(out, "cah_dedup_errors_total",
		    "Groups of lists that could not be added.",
		    &tally->sift_errors);
}

void tally_write(struct buf *out, const struct tally *tally,
		 const struct tally_now *now)
{
	metrics_head(out, "cah_build_info", METRICS_GAUGE,
		     "1, with the version of the program.");
	put_int(out, "cah_build_info", "version", CAH_VERSION, 1);
	write_counts(out, now->counts);
	write_requests(out, tally);
	write_times(out, tally);
	write_store(out, tally);
	write_dedup(out, tally, now->sifter);
	metrics_one(out, "cah_connections", METRICS_GAUGE,
		    "Connections that are open.", now->connections);
	write_refused(out, tally);
	metrics_process(out);
}
