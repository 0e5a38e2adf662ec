/* status.h: what a tracker tells of its state in /data and /metrics, from bytes
 * to numbers, and those as lines for people. What a tracker says is not
 * trusted: of its texts nothing is shown, of its numbers those that can be. Any
 * thread. */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include "base/buf.h"
#include "store/store.h"

#include <cah/error.h>

/* Numbers that a tracker counts from its start on. */
struct status_counters {
	int64_t requests;
	int64_t commits;
	int64_t connections; /* open now */
	int64_t refused;
	int64_t store_errors;
};

/* Of a staged project. */
struct status_stage {
	int64_t open;
	int64_t leased;
	int64_t workers;
};

struct status {
	int64_t jobs[JOB_STATE_COUNT];
	int64_t total;
	int64_t workers[WORKER_TYPE_COUNT];
	int64_t pairs;
	int64_t finished_last_hour; /* jobs */
	struct status_stage stages[STORE_STAGE_COUNT];
	int stage_count; /* 0: no staged project */
	int64_t tasks_done;
	int64_t tasks_total;
	bool has_counters;
	struct status_counters counters;
	int64_t at_ms; /* set by the caller: when, by a clock that does not step
			*/
};

/* Reads the body of /data. Errors: CAH_EFORMAT (no JSON, a number is missing or
 * impossible), CAH_ENOMEM. */
CAH_MUST_CHECK int status_parse(struct status *out, struct slice data,
				struct cah_error *err);

/* Adds what the body of /metrics has, in Prometheus' text format; nothing where
 * it has none of ours. */
void status_parse_metrics(struct status *out, struct slice text);

/* What is to be shown. */
struct status_view {
	const char *url;
	const char *trouble;         /* why there is no answer now, or NULL */
	int64_t wall_s;              /* 0: no time is shown */
	int columns;                 /* of the terminal */
	const struct status *now;    /* NULL: nothing is known yet */
	const struct status *before; /* NULL, or to tell the speed from */
};

/* Appends lines of at most view->columns printable ASCII characters, each with
 * its line end. Failures stay in @out (see buf_check). */
void status_write(struct buf *out, const struct status_view *view);

#endif
