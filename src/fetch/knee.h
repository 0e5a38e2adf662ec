/* knee.h: how many transfers at once, found instead of asked for. Up to the
 * knee of a link more transfers bring more answers; beyond it they only make
 * each other slow. The window of transfers doubles while that helps, as in TCP
 * slow start and in BBR's start-up (Cardwell et al., "BBR: Congestion-Based
 * Congestion Control", ACM Queue 14(5), 2016); afterwards it is tried a little
 * smaller and a little larger in turn, and goes where that paid, as in PCC
 * (Dong et al., NSDI 2015, and "PCC Vivace", NSDI 2018).
 *
 * What is asked of a trial is the elasticity of the rate: by how many per cent
 * it grows with one per cent more transfers. Before the knee it is 1, beyond
 * it 0, whatever the link's latency and capacity are. Pure: no clock, no I/O,
 * all of it is the caller's memory and one thread's. */
#ifndef FETCH_KNEE_H
#define FETCH_KNEE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	KNEE_LEAST = 8,     /* transfers, whatever happens */
	KNEE_FIRST = 32,    /* to begin with, and around which is tried at least
			       while answers come in time: that is little for any
			       such link, and fewer tell too little */
	KNEE_OVERTAKEN = 2, /* windows that ended since it began. Of the web's
			       sizes one in ten is so far above the mean, which
			       is what this makes the window larger by */
	KNEE_SILENT_MS = 500,   /* without a connection: it takes nothing of the
				    link, as one to a dead host */
	KNEE_SILENT_MOST = 512, /* that make room for others so: when the link
				   is dead, all are silent */
};

/* Sums since the beginning; knee_step looks at their differences. */
struct knee_totals {
	int64_t answers;   /* transfers that ended with one, of any status */
	int64_t answer_ms; /* that they took together */
	int64_t troubles;  /* that ended with a time-out, a reset, a refusal */
	int64_t bytes;     /* of bodies, counted as they come */
	int64_t full_ms;   /* while the window kept others from beginning */
	int64_t held_ms;   /* while who takes the answers kept them from it */
};

/* One window's trial. */
struct knee_trial {
	double window;
	double answers_a_ms;
	double bytes_a_ms;
};

struct knee {
	int window; /* what the caller wants to know */
	int most;
	/* the rest is the file's own */
	double base;  /* around which windows are tried */
	double least; /* of it */
	bool is_starting;
	bool is_settling; /* what ends now began under another window */
	int64_t from_ms;  /* of the trial or the settling */
	struct knee_totals from;
	double best_rate; /* of the start */
	double best_window;
	int dull;                /* trials of the start since then */
	struct knee_trial first; /* of two that are compared */
	bool has_first;
	bool is_low_first;
	bool was_troubled;
	int streak; /* steps in a row: up positive, down negative */
	double trouble_share;
	bool knows_trouble;
};

/* @most: transfers, at least KNEE_LEAST. */
void knee_init(struct knee *knee, int most, int64_t now_ms);

/* To be called often, some times in 100 ms; looks whether enough was seen, and
 * sets knee->window. */
void knee_step(struct knee *knee, const struct knee_totals *totals,
	       int64_t now_ms);

/* A transfer that says nothing of the link holds no place in the window. So it
 * is with one that is overtaken, for @ended others ended since it began: its
 * server is slow. Not told by seconds, because on a link that is full, or
 * stands still, all are slow and none shall make room for more. */
bool knee_is_overtaken(const struct knee *knee, int64_t ended);

#endif
