/* fetch_report.h: what `cah fetch` tells while it runs and at its end. */
#ifndef CLI_FETCH_REPORT_H
#define CLI_FETCH_REPORT_H

#include "base/log.h"
#include "gather/gather.h"

struct fetch_report {
	struct log *log;
	bool is_terminal; /* a progress line is drawn */
	bool is_json;
};

/* For gather_watch, with a struct fetch_report * as its arg. */
void fetch_report_tick(void *arg, const struct gather_progress *progress);
void fetch_report_shard(void *arg, const struct gather_shard *shard);

/* The line of a terminal: rate, share that is kept, time left. @out gets at
 * most @cap bytes with the NUL. */
void fetch_report_line(char *out, size_t cap,
		       const struct gather_progress *progress);

/* Says how it ended; returns the exit status. */
int fetch_report_end(const struct fetch_report *report,
		     const struct gather_result *result, int rc,
		     const struct cah_error *err);

#endif
