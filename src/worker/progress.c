#include "worker/progress.h"

#include <stdio.h>

double progress_seconds_left(const struct pipeline_progress *p)
{
	/* While the WAT is read, candidates are still being found; so the
	 * share that is done is that of the WAT times that of what it gave. */
	if (p->wat_total <= 0 || p->candidates == 0 || p->wat_bytes <= 0)
		return -1;
	double read = (double)p->wat_bytes / (double)p->wat_total;
	double done = (double)p->ended / (double)p->candidates;
	double share = (read > 1 ? 1 : read) * done;
	if (share < 0.001)
		return -1;
	return p->seconds * (1 - share) / share;
}

static void write_duration(char *out, size_t cap, double seconds)
{
	if (seconds < 0 || seconds > 359999) {
		(void)snprintf(out, cap, "-:--:--");
		return;
	}
	int s = (int)seconds;
	(void)snprintf(out, cap, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
}

void progress_line(char *out, size_t cap, const char *name,
		   const struct pipeline_progress *p)
{
	char left[16];
	write_duration(left, sizeof(left), progress_seconds_left(p));
	int percent = p->wat_total > 0 ? (int)(100.0 * (double)p->wat_bytes /
					       (double)p->wat_total)
				       : 0;
	char limit[32] = "";
	if (p->flow.limit != NULL)
		(void)snprintf(limit, sizeof(limit), " (%s is the limit)",
			       p->flow.limit);
	double rate = p->seconds > 0 ? (double)p->ended / p->seconds : 0;
	/* What a narrow terminal cuts off stands last. */
	(void)snprintf(out, cap,
		       "%s: %s left, %.0f/s%s, kept %lld, scored %lld, fetched "
		       "%lld/%lld, wat %d%%, %lld open",
		       name, left, rate, limit, (long long)p->kept,
		       (long long)p->scored, (long long)p->fetched,
		       (long long)p->candidates, percent,
		       (long long)p->fetching);
}

void progress_for_tracker(char *out, size_t cap,
			  const struct pipeline_progress *p)
{
	(void)snprintf(out, cap,
		       "Completed %lld / %lld images, %lld pairs kept",
		       (long long)p->ended, (long long)p->candidates,
		       (long long)p->kept);
}
