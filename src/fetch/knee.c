#include "fetch/knee.h"

#include <math.h>

enum {
	SETTLE_MS = 1000,     /* at most */
	TRIAL_LEAST_MS = 100, /* shorter ones see bursts, not rates */
	TRIAL_MOST_MS = 3000,
	TRIAL_ANSWERS = 150, /* at least, in less than TRIAL_MOST_MS: their
				number varies by its root */
	DULL_MOST = 2,       /* trials of the start that brought nothing */
	LATENCY_MS = 2000,   /* mean of answers over which transfers are many,
				unless they clearly pay: images time out long
				before the rate falls */
	TROUBLE_LEAST = 20,  /* transfers ended, to tell a share of them */
};

static const double START_GROWTH = 1.15; /* of the rate, by twice the window */
static const double SPREAD = 1.2;        /* of trials, around the base */
static const double GAIN_UP = 0.08;      /* elasticity that pays */
static const double GAIN_DOWN = 0.04;    /* one that does not */
static const double GAIN_CLEAR = 0.4;
static const double DOWN = 0.85;
static const double DOWN_AGAIN = 0.7;
static const double BACK_OFF = 0.7;     /* after troubles */
static const double HELD = 0.875;       /* while nobody takes what comes */
static const double TROUBLE_MORE = 0.1; /* share above twice the usual one */
static const double TROUBLE_WEIGHT = 0.125;

static double clamp(double x, double least, double most)
{
	return fmin(fmax(x, least), most);
}

static void set_window(struct knee *knee, double window,
		       const struct knee_totals *totals, int64_t now_ms)
{
	int rounded = (int)lround(clamp(window, KNEE_LEAST, knee->most));
	/* Where it stays there is nothing to wait for. */
	knee->is_settling = rounded != knee->window;
	knee->window = rounded;
	knee->from = *totals;
	knee->from_ms = now_ms;
}

/* The window of the trial that comes next. */
static void set_trial(struct knee *knee, const struct knee_totals *totals,
		      int64_t now_ms)
{
	bool is_low = knee->has_first != knee->is_low_first;
	double window = is_low ? knee->base / SPREAD : knee->base * SPREAD;
	set_window(knee, window, totals, now_ms);
}

/* From now on trials are around @base; what was seen so far says nothing. */
static void move_to(struct knee *knee, double base,
		    const struct knee_totals *totals, int64_t now_ms)
{
	knee->base = clamp(base, knee->least, knee->most);
	knee->has_first = false;
	/* In turn, so that a link which grows faster by itself speaks for both
	 * directions as often. */
	knee->is_low_first = !knee->is_low_first;
	set_trial(knee, totals, now_ms);
}

void knee_init(struct knee *knee, int most, int64_t now_ms)
{
	*knee = (struct knee){.most = most,
			      .least = fmin(KNEE_FIRST, most),
			      .is_starting = true};
	knee->base = knee->least;
	set_window(knee, knee->base, &knee->from, now_ms);
}

bool knee_is_overtaken(const struct knee *knee, int64_t ended)
{
	return ended > (int64_t)KNEE_OVERTAKEN * knee->window;
}

/* Answers and bytes a millisecond as one number, answers: sizes of images vary
 * so much that bytes alone tell little where latency is the limit, and answers
 * alone where capacity is. */
static double rate_of(const struct knee_trial *trial,
		      const struct knee_totals *totals)
{
	if (totals->bytes == 0)
		return trial->answers_a_ms;
	double size = (double)totals->bytes / (double)totals->answers;
	return (trial->answers_a_ms + trial->bytes_a_ms / size) / 2;
}

/* Doubles the window until that brings nothing. */
static void step_start(struct knee *knee, const struct knee_trial *trial,
		       double latency_ms, const struct knee_totals *totals,
		       int64_t now_ms)
{
	double rate = rate_of(trial, totals);
	/* Little's law: what a transfer takes; the first answers are of small
	 * images and tell less. */
	latency_ms = fmax(latency_ms, trial->window / trial->answers_a_ms);
	knee->dull++;
	if (knee->best_rate == 0 || rate > knee->best_rate * START_GROWTH) {
		knee->best_rate = rate;
		knee->best_window = trial->window;
		knee->dull = 0;
	}
	if (knee->dull < DULL_MOST && trial->window < knee->most &&
	    latency_ms <= LATENCY_MS) {
		set_window(knee, trial->window * 2, totals, now_ms);
		return;
	}
	knee->is_starting = false;
	if (latency_ms > LATENCY_MS)
		knee->best_window *= fmax(LATENCY_MS / latency_ms, 0.25);
	move_to(knee, knee->best_window, totals, now_ms);
}

static double elasticity(const struct knee_trial *a, const struct knee_trial *b,
			 const struct knee_totals *totals)
{
	double rate_a = rate_of(a, totals);
	double rate_b = rate_of(b, totals);
	if (rate_a <= 0 || rate_b <= 0 || a->window == b->window)
		return 0;
	return log(rate_b / rate_a) / log(b->window / a->window);
}

/* A step the same way as the one before is longer, where the gain is clear. */
static double pick_factor(struct knee *knee, double gain, double latency_ms)
{
	bool is_late = latency_ms > LATENCY_MS;
	if (gain < (is_late ? GAIN_CLEAR : GAIN_DOWN)) {
		knee->streak = knee->streak < 0 ? knee->streak - 1 : -1;
		return is_late || knee->streak < -1 ? DOWN_AGAIN : DOWN;
	}
	if (gain < GAIN_UP) {
		knee->streak = 0;
		return 1;
	}
	knee->streak = knee->streak > 0 ? knee->streak + 1 : 1;
	if (gain < GAIN_CLEAR || knee->streak == 1)
		return 1.25;
	return knee->streak == 2 ? 1.5 : 2;
}

static void step_pair(struct knee *knee, const struct knee_trial *trial,
		      double latency_ms, const struct knee_totals *totals,
		      int64_t now_ms)
{
	if (!knee->has_first) {
		knee->first = *trial;
		knee->has_first = true;
		set_trial(knee, totals, now_ms);
		return;
	}
	double gain = elasticity(&knee->first, trial, totals);
	double factor = pick_factor(knee, gain, latency_ms);
	move_to(knee, knee->base * factor, totals, now_ms);
}

/* Whether more transfers than usual found no answer. What is usual is learnt:
 * of the web's hosts some are dead on any link. */
static bool is_troubled(struct knee *knee, int64_t answers, int64_t troubles)
{
	if (answers + troubles < TROUBLE_LEAST)
		return false;
	double share = (double)troubles / (double)(answers + troubles);
	double usual = knee->knows_trouble ? knee->trouble_share : share;
	knee->trouble_share = usual + (share - usual) * TROUBLE_WEIGHT;
	knee->knows_trouble = true;
	/* Who began together gives up together, so one trial proves nothing. */
	bool is_more = share > 2 * usual + TROUBLE_MORE;
	bool is_again = is_more && knee->was_troubled;
	knee->was_troubled = is_more;
	return is_again;
}

static void end_trial(struct knee *knee, const struct knee_totals *totals,
		      int64_t now_ms)
{
	int64_t ms = now_ms - knee->from_ms;
	int64_t answers = totals->answers - knee->from.answers;
	int64_t troubles = totals->troubles - knee->from.troubles;
	int64_t answer_ms = totals->answer_ms - knee->from.answer_ms;
	double latency_ms =
		answers > 0 ? (double)answer_ms / (double)answers : 0;
	struct knee_trial trial = {
		.window = knee->window,
		.answers_a_ms = (double)answers / (double)ms,
		.bytes_a_ms =
			(double)(totals->bytes - knee->from.bytes) / (double)ms,
	};
	if (latency_ms > LATENCY_MS)
		knee->least = KNEE_LEAST;
	else if (answers > 0 && latency_ms < LATENCY_MS / 2.0)
		knee->least = fmin(KNEE_FIRST, knee->most);
	if (is_troubled(knee, answers, troubles)) {
		knee->is_starting = false;
		knee->streak = 0;
		move_to(knee, knee->base * BACK_OFF, totals, now_ms);
	} else if (totals->held_ms - knee->from.held_ms > ms / 2) {
		/* More would only wait behind. */
		knee->is_starting = false;
		knee->streak = 0;
		move_to(knee, knee->base * HELD, totals, now_ms);
	} else if (totals->full_ms - knee->from.full_ms < ms / 2) {
		/* The window was no limit, so the trial was of nothing. */
		set_window(knee, knee->window, totals, now_ms);
	} else if (knee->is_starting) {
		step_start(knee, &trial, latency_ms, totals, now_ms);
	} else {
		step_pair(knee, &trial, latency_ms, totals, now_ms);
	}
}

void knee_step(struct knee *knee, const struct knee_totals *totals,
	       int64_t now_ms)
{
	int64_t ms = now_ms - knee->from_ms;
	int64_t answers = totals->answers - knee->from.answers;
	if (knee->is_settling) {
		if (answers < knee->window && ms < SETTLE_MS)
			return;
		knee->is_settling = false;
		knee->from = *totals;
		knee->from_ms = now_ms;
		return;
	}
	int64_t wanted =
		knee->window > TRIAL_ANSWERS ? knee->window : TRIAL_ANSWERS;
	if (ms < TRIAL_LEAST_MS || (answers < wanted && ms < TRIAL_MOST_MS))
		return;
	end_trial(knee, totals, now_ms);
}
