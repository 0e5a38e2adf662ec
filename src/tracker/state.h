/* state.h: the numbers that people want to see, and how they are written. Any
 * thread. */
#ifndef TRACKER_STATE_H
#define TRACKER_STATE_H

#include "store/store.h"

enum {
	STATE_TEXT_MAX = 80, /* bytes of a number in words, with its NUL */
};

struct state {
	struct store_counts counts;
	int64_t jobs;  /* of WATs */
	int64_t tasks; /* of a staged project */
	int64_t total; /* of both */
	int64_t done;
	int64_t workers;          /* of all kinds */
	double percent;           /* of the jobs; 100 where there are none */
	char eta[STATE_TEXT_MAX]; /* "2 days, 3 hours", "Finished" or
				     "Unknown" */
};

/* Asks the store. Errors: those of store_get_counts. */
CAH_MUST_CHECK int state_get(struct state *out, struct store *store,
			     int64_t wall_s, struct cah_error *err);

/* "1,234,567" */
void state_group(char out[STATE_TEXT_MAX], int64_t n);

/* "2 days, 3 hours": the two largest units of @seconds. */
void state_span(char out[STATE_TEXT_MAX], int64_t seconds);

#endif
