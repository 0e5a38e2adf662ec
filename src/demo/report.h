/* report.h: what the demo tells at its end: the numbers of each world, and for
 * every check whether it held. Private to src/demo/. */
#ifndef DEMO_REPORT_H
#define DEMO_REPORT_H

#include "base/fate.h"
#include "worker/work.h"

#include <jansson.h>
#include <stdio.h>

struct report {
	FILE *out;     /* text as it comes; NULL: none */
	json_t *json;  /* the same for --json */
	json_t *world; /* borrowed: the world that is being told */
	int failed;    /* checks */
	int held;
};

/* Begins; report_fini ends. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int report_init(struct report *report, FILE *out, bool is_json,
			       struct cah_error *err);
void report_fini(struct report *report);

/* The next world. */
void report_world(struct report *report, const char *key, const char *title);

/* Jobs, candidates, rates, and what was dropped, why. */
void report_work(struct report *report, const struct work_summary *summary);

/* A number of the world. */
void report_number(struct report *report, const char *key, const char *text,
		   int64_t value);

/* One check: @have must be @want. */
void report_check(struct report *report, const char *text, int64_t have,
		  int64_t want);

/* One check: @have must not be more than @limit. */
void report_limit(struct report *report, const char *text, int64_t have,
		  int64_t limit);

/* A line such as where the files are. */
void report_place(struct report *report, const char *key, const char *text,
		  const char *place);

/* Prints the JSON object where that was asked for. */
void report_print(struct report *report, FILE *out);

#endif
