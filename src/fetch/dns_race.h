/* dns_race.h: which of two ways to ask is the better one, by the first names
 * that both were asked for. Arithmetic only: no clock, no sockets. */
#ifndef FETCH_DNS_RACE_H
#define FETCH_DNS_RACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RACE_LANES = 2,
	RACE_NAMES = 400,    /* asked for both ways; the others are asked for
				the way that leads so far */
	RACE_WARM_UP = 100,  /* of them count only where there are no others: a
				cache is cold once */
	RACE_MS = 8000,      /* from the first question to the choice */
	RACE_AHEAD_PCT = 10, /* by which lane 1 must be better than lane 0 */
};

struct race_sum {
	int answered;     /* that there is an address, or none */
	int failed;       /* or got no answer in time */
	int64_t total_ms; /* a failure counts as a whole time-out */
};

struct race_lane {
	struct race_sum cold; /* the first RACE_WARM_UP */
	struct race_sum warm;
};

struct race {
	int64_t timeout_ms;
	int64_t began_ms; /* the first question; -1 before it */
	int asked;
	struct race_lane lanes[RACE_LANES];
};

struct race race_start(int64_t timeout_ms);

/* Whether one more name shall be asked for both ways. */
bool race_takes(struct race *race, int64_t now_ms);

/* @lane's answer came after @took_ms, or it has failed. */
void race_note(struct race *race, int lane, bool is_answered, int64_t took_ms);

/* Whether enough is known; or there is no more time, and somebody answered. */
bool race_is_over(const struct race *race, int64_t now_ms);

/* Whether anybody answered. */
bool race_has_leader(const struct race *race);

/* Who leads. Lane 0 where nothing speaks for lane 1. */
int race_leader(const struct race *race);

/* What counts of @lane. */
struct race_sum race_sum(const struct race *race, int lane);

/* Milliseconds for a name; -1 where none was asked for. */
int64_t race_mean_ms(const struct race_sum *sum);

#endif
