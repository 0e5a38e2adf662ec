/* metrics.h: numbers that programs watch, in the text format 0.0.4 of
 * Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * Counting is an atomic addition, from any thread, without a lock or an
 * allocation. Writing reads each number once: those of one answer are not of
 * one moment, but each of them only grows, and a histogram's count is the sum
 * of the buckets that stand before it. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include "base/buf.h"

#include <stdatomic.h>
#include <stdint.h>

enum {
	METRICS_BOUNDS_MAX = 20, /* buckets of a histogram, without +Inf */
	METRICS_NANO = 1000000000,
};

/* The Content-Type of what is written. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct counter {
	atomic_uint_fast64_t count;
};

/* What the buckets of a histogram are; static. Values are counted in whole
 * numbers and written divided by @unit: METRICS_NANO makes seconds of
 * nanoseconds. */
struct metrics_scale {
	int64_t unit;
	size_t count;
	int64_t bounds[METRICS_BOUNDS_MAX]; /* ascending; each is inside */
};

/* 100 microseconds to 10 seconds, in nanoseconds. */
extern const struct metrics_scale metrics_seconds;

/* Zeroed is empty. */
struct histogram {
	atomic_uint_fast64_t buckets[METRICS_BOUNDS_MAX + 1];
	atomic_uint_fast64_t sum;
};

static inline void counter_add(struct counter *counter, uint64_t n)
{
	atomic_fetch_add_explicit(&counter->count, n, memory_order_relaxed);
}

static inline uint64_t counter_get(const struct counter *counter)
{
	return atomic_load_explicit(&counter->count, memory_order_relaxed);
}

/* @scale is the same each time; a negative @value counts as 0. */
void histogram_add(struct histogram *histogram,
		   const struct metrics_scale *scale, int64_t value);

enum metrics_type {
	METRICS_COUNTER, /* its name ends in _total */
	METRICS_GAUGE,
	METRICS_HISTOGRAM,
};

struct metrics_label {
	const char *name; /* [a-z_]+ */
	struct slice value;
};

/* What a sample's name is made of. */
struct metrics_series {
	const char *name; /* [a-z_]+ */
	const struct metrics_label *labels;
	size_t label_count;
};

/* The HELP and TYPE lines; the samples of @name follow at once. */
void metrics_head(struct buf *out, const char *name, enum metrics_type type,
		  const char *help);

/* One sample. Values of labels are escaped, what is no UTF-8 in them is
 * replaced. */
void metrics_int(struct buf *out, const struct metrics_series *series,
		 int64_t value);
void metrics_real(struct buf *out, const struct metrics_series *series,
		  double value);

/* All samples of a histogram: its buckets, its sum, its count. */
void metrics_histogram(struct buf *out, const struct metrics_series *series,
		       const struct metrics_scale *scale,
		       const struct histogram *histogram);

/* A head and one sample without labels. */
void metrics_one(struct buf *out, const char *name, enum metrics_type type,
		 const char *help, int64_t value);

/* What Prometheus' own libraries tell of every process: process_*. */
void metrics_process(struct buf *out);

#endif
