#include "base/metrics.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum {
	MICRO = 1000,
	MILLI = 1000 * 1000,
};

const struct metrics_scale metrics_seconds = {
	.unit = METRICS_NANO,
	.count = 16,
	.bounds =
		{
			100 * MICRO,
			250 * MICRO,
			500 * MICRO,
			1 * MILLI,
			2500 * MICRO,
			5 * MILLI,
			10 * MILLI,
			25 * MILLI,
			50 * MILLI,
			100 * MILLI,
			250 * MILLI,
			500 * MILLI,
			1000 * MILLI,
			INT64_C(2500) * MILLI,
			INT64_C(5000) * MILLI,
			INT64_C(10000) * MILLI,
		},
};

void histogram_add(struct histogram *histogram,
		   const struct metrics_scale *scale, int64_t value)
{
	size_t i = 0;
	if (value < 0)
		value = 0;
	while (i < scale->count && value > scale->bounds[i])
		i++;
	/* Buckets apart from each other: what is below a bound is added up
	 * where it is written, so that counting is two additions. */
	atomic_fetch_add_explicit(&histogram->buckets[i], 1,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&histogram->sum, (uint64_t)value,
				  memory_order_relaxed);
}

/* ---- text ---- */

/* A HELP text has no quotes to escape; a label's value has. */
static void put_escaped(struct buf *out, struct slice text, bool is_quoted)
{
	while (text.len > 0) {
		char bytes[UTF8_MAX];
		uint32_t cp;
		text = slice_from(text, utf8_read(text, &cp));
		if (cp == '\n')
			buf_add_text(out, "\\n");
		else if (cp == '\\' || (cp == '"' && is_quoted))
			buf_printf(out, "\\%c", (char)cp);
		else
			buf_add(out, bytes, utf8_write(bytes, cp));
	}
}

void metrics_head(struct buf *out, const char *name, enum metrics_type type,
		  const char *help)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	buf_printf(out, "# HELP %s ", name);
	put_escaped(out, slice_of(help), false);
	buf_printf(out, "\n# TYPE %s %s\n", name, types[type]);
}

/* NAME_SUFFIX{label="value",le="BOUND"} and a space; @le may be NULL. */
static void put_name(struct buf *out, const struct metrics_series *series,
		     const char *suffix, const char *le)
{
	buf_add_text(out, series->name);
	buf_add_text(out, suffix);
	const char *before = "{";
	for (size_t i = 0; i < series->label_count; i++) {
		buf_printf(out, "%s%s=\"", before, series->labels[i].name);
		put_escaped(out, series->labels[i].value, true);
		buf_add_byte(out, '"');
		before = ",";
	}
	if (le != NULL) {
		buf_printf(out, "%sle=\"%s\"", before, le);
		before = ",";
	}
	buf_add_text(out, *before == ',' ? "} " : " ");
}

void metrics_int(struct buf *out, const struct metrics_series *series,
		 int64_t value)
{
	put_name(out, series, "", NULL);
	buf_printf(out, "%" PRId64 "\n", value);
}

void metrics_real(struct buf *out, const struct metrics_series *series,
		  double value)
{
	put_name(out, series, "", NULL);
	if (isnan(value))
		buf_add_text(out, "NaN\n");
	else if (isinf(value))
		buf_add_text(out, value > 0 ? "+Inf\n" : "-Inf\n");
	else
		buf_printf(out, "%.15g\n", value);
}

/* Exact where it is a count, to the nanosecond where it is a time. */
static void put_sum(struct buf *out, uint64_t sum, int64_t unit)
{
	uint64_t by = (uint64_t)unit;
	if (unit == METRICS_NANO)
		buf_printf(out, "%" PRIu64 ".%09" PRIu64 "\n", sum / by,
			   sum % by);
	else
		buf_printf(out, "%.15g\n", (double)sum / (double)unit);
}

void metrics_histogram(struct buf *out, const struct metrics_series *series,
		       const struct metrics_scale *scale,
		       const struct histogram *histogram)
{
	uint64_t sum =
		atomic_load_explicit(&histogram->sum, memory_order_relaxed);
	uint64_t below = 0;
	for (size_t i = 0; i <= scale->count; i++) {
		char le[32] = "+Inf";
		if (i < scale->count)
			(void)snprintf(le, sizeof(le), "%.9g",
				       (double)scale->bounds[i] /
					       (double)scale->unit);
		below += atomic_load_explicit(&histogram->buckets[i],
					      memory_order_relaxed);
		put_name(out, series, "_bucket", le);
		buf_printf(out, "%" PRIu64 "\n", below);
	}
	put_name(out, series, "_sum", NULL);
	put_sum(out, sum, scale->unit);
	put_name(out, series, "_count", NULL);
	buf_printf(out, "%" PRIu64 "\n", below);
}

void metrics_one(struct buf *out, const char *name, enum metrics_type type,
		 const char *help, int64_t value)
{
	const struct metrics_series series = {name, NULL, 0};
	metrics_head(out, name, type, help);
	metrics_int(out, &series, value);
}
