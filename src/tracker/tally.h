/* tally.h: what the tracker counts, and how /metrics tells it (docs/metrics.md
 * has a row for each name). Any thread; counting takes no lock.
 *
 * Labels are from lists of the program, never from a request: a stranger who
 * asks for a million paths must not make a million series. */
#ifndef TRACKER_TALLY_H
#define TRACKER_TALLY_H

#include "base/metrics.h"
#include "store/store.h"
#include "tracker/sifter.h"
#include "wire/route.h"

enum {
	TALLY_UNKNOWN = ROUTE_COUNT,  /* as a route: there is no such page */
	TALLY_STATUSES = 16,          /* told apart at most */
	TALLY_TEXT_MAX = 1024 * 1024, /* bytes of what is written */
};

enum refusal {
#define REFUSAL(name, reason, text) REFUSAL_##name,
#include "tracker/refusals.def"
#undef REFUSAL
	REFUSAL_COUNT
};

/* Zeroed is empty. */
struct tally {
	struct counter requests[ROUTE_COUNT + 1][TALLY_STATUSES];
	struct histogram request_ns[ROUTE_COUNT + 1];
	struct counter commits;
	struct histogram commit_ns;
	struct histogram flush_ns;
	struct histogram group_size;
	struct counter store_errors;
	struct histogram sifted_ns;
	struct counter sift_errors;
	struct counter sweeps;
	struct counter timed_out;
	struct counter refused[REFUSAL_COUNT];
};

/* A request was answered with @status, @ns after all of it was there. @route is
 * an enum wire_route or TALLY_UNKNOWN. */
void tally_request(struct tally *tally, int route, int status, int64_t ns);

/* @requests shared a transaction; its commit took @commit_ns. */
void tally_group(struct tally *tally, size_t requests, int64_t commit_ns);

/* A wait for the disk took @ns. */
void tally_flush(struct tally *tally, int64_t ns);

/* A group of lists is in a filter; its commit took @ns. Or it failed. */
void tally_sifted(struct tally *tally, int64_t ns);
void tally_sift_error(struct tally *tally);

/* A transaction failed. */
void tally_store_error(struct tally *tally);

/* A sweep took @timed_out workers out. */
void tally_sweep(struct tally *tally, int64_t timed_out);

/* So many clients were turned away. */
void tally_refused(struct tally *tally, enum refusal why, int64_t count);

/* What is asked for at the moment of writing. */
struct tally_now {
	const struct store_counts *counts; /* NULL: the store is away */
	int64_t connections;
	struct sifter *sifter; /* NULL: there is none */
};

/* Writes all of it to @out, which had buf_init. */
void tally_write(struct buf *out, const struct tally *tally,
		 const struct tally_now *now);

#endif
