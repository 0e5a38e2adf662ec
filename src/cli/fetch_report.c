#include "cli/fetch_report.h"

#include "cli/cmd.h"
#include "cli/opt.h"

#include <jansson.h>
#include <stdio.h>
#include <sys/resource.h>

enum {
	HOURS_MAX = 99,
	FATES_TOLD = 5, /* the most frequent ones of a line */
};

/* Seconds to the end of the list at the rate so far; -1 where unknown. */
static double seconds_left(const struct gather_progress *p)
{
	if (p->share <= 0 || p->done == 0 || p->seconds <= 0)
		return -1;
	double rows = (double)p->read / p->share;
	double left = rows - (double)(p->done + p->skipped);
	return left > 0 ? left * p->seconds / (double)p->done : 0;
}

void fetch_report_line(char *out, size_t cap, const struct gather_progress *p)
{
	char left[16] = "-:--:--";
	double seconds = seconds_left(p);
	if (seconds >= 0 && seconds < (HOURS_MAX + 1) * 3600.0) {
		int s = (int)seconds;
		(void)snprintf(left, sizeof(left), "%d:%02d:%02d", s / 3600,
			       s / 60 % 60, s % 60);
	}
	double kept = p->done > 0 ? 100 * (double)p->kept / (double)p->done : 0;
	double time = p->seconds > 0 ? p->seconds : 1;
	/* What a narrow terminal cuts off stands last. */
	(void)snprintf(out, cap,
		       "%s left, %.0f/s, kept %.1f %%, %lld of %lld rows, "
		       "%.1f MB/s, %d open",
		       left, (double)p->done / time, kept,
		       (long long)p->done + p->skipped, (long long)p->read,
		       (double)p->bytes / 1e6 / time, p->fetching);
}

void fetch_report_tick(void *arg, const struct gather_progress *progress)
{
	const struct fetch_report *report = arg;
	char line[200];
	if (!report->is_terminal)
		return;
	fetch_report_line(line, sizeof(line), progress);
	log_progress(report->log, line);
}

/* "1200 http_not_found, 31 timeout": the most frequent reasons. */
static void write_reasons(char *out, size_t cap, const struct fate_counts *all)
{
	struct fate_counts left = *all;
	size_t len = 0;
	left.n[CAH_FATE_KEPT] = 0;
	out[0] = '\0';
	for (int told = 0; told < FATES_TOLD && len < cap; told++) {
		int most = 0;
		for (int i = 0; i < CAH_FATE_COUNT; i++)
			if (left.n[i] > left.n[most])
				most = i;
		if (left.n[most] == 0)
			return;
		len += (size_t)snprintf(out + len, cap - len, ", %lld %s",
					(long long)left.n[most],
					fate_key((enum fate)most));
		left.n[most] = 0;
	}
}

void fetch_report_shard(void *arg, const struct gather_shard *shard)
{
	const struct fetch_report *report = arg;
	const struct plan_stats *s = &shard->stats;
	char reasons[200];
	if (shard->is_skipped) {
		log_info(report->log, "shard %s is there: %lld rows",
			 shard->name, (long long)s->rows);
		return;
	}
	write_reasons(reasons, sizeof(reasons), &s->fates);
	log_info(report->log, "shard %s: %lld rows, %lld kept, %.1f s%s",
		 shard->name, (long long)s->rows,
		 (long long)s->fates.n[CAH_FATE_KEPT], s->seconds, reasons);
}

static double seconds_of(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

/* Of this process and of the decoders, which have ended by now. */
static double cpu_seconds(void)
{
	static const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
	double sum = 0;
	for (size_t i = 0; i < sizeof(whose) / sizeof(whose[0]); i++) {
		struct rusage usage;
		if (getrusage(whose[i], &usage) == 0)
			sum += seconds_of(&usage.ru_utime) +
			       seconds_of(&usage.ru_stime);
	}
	return sum;
}

static void print_json(const struct gather_result *r, int rc,
		       const struct cah_error *err)
{
	json_t *fates = json_object();
	int64_t rows = fate_total(&r->fates);
	double seconds = r->seconds > 0 ? r->seconds : 1;
	for (int i = 0; i < CAH_FATE_COUNT; i++)
		json_object_set_new(fates, fate_key((enum fate)i),
				    json_integer(r->fates.n[i]));
	json_t *report = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:o}",
		"rows", (json_int_t)rows, "kept",
		(json_int_t)r->fates.n[CAH_FATE_KEPT], "bytes",
		(json_int_t)r->bytes, "shards", (json_int_t)r->shards,
		"shards_skipped", (json_int_t)r->shards_skipped, "rows_skipped",
		(json_int_t)fate_total(&r->skipped), "values_dropped",
		(json_int_t)r->misfits, "rows_per_second",
		(double)rows / seconds, "seconds", r->seconds, "cpu_seconds",
		cpu_seconds(), "fates", fates);
	if (rc != CAH_OK)
		json_object_set_new(report, "error", json_string(err->text));
	json_dumpf(report, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(report);
}

int fetch_report_end(const struct fetch_report *report,
		     const struct gather_result *r, int rc,
		     const struct cah_error *err)
{
	char reasons[200];
	log_progress(report->log, NULL);
	if (report->is_json)
		print_json(r, rc, err);
	write_reasons(reasons, sizeof(reasons), &r->fates);
	if (r->misfits > 0)
		log_warn(report->log,
			 "%lld values are not of the type of their column and "
			 "are null",
			 (long long)r->misfits);
	if (rc == CAH_OK || r->shards > 0)
		log_info(report->log,
			 "%lld rows, %lld kept, %.1f s, %.1f CPU s; %lld "
			 "shards, %lld more were there%s",
			 (long long)fate_total(&r->fates),
			 (long long)r->fates.n[CAH_FATE_KEPT], r->seconds,
			 cpu_seconds(), (long long)r->shards,
			 (long long)r->shards_skipped, reasons);
	if (rc == CAH_OK)
		return EXIT_DONE;
	if (rc == CAH_ECANCELLED) {
		log_info(report->log,
			 "stopped; the same command goes on from here");
		return EXIT_INTERRUPTED;
	}
	return opt_report("fetch", err);
}
