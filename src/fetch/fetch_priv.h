/* fetch_priv.h: what the files of the download stage share. Private to
 * src/fetch/; all of it is the loop's thread's, but for the atomic counts.
 *
 * A job becomes a task (fetch_job.c), which waits at its site, host and port
 * (fetch_site.c), for a transfer (fetch_begin.c). Sites that may begin one
 * stand in a ring, so that each turn of it gives every host one transfer: a
 * host with thousands of jobs does not keep others out. Redirects go back to
 * the door of the site they lead to. Whatever happens to a task, fetch_settle
 * is its end, and the only place that gives a job back. */
#ifndef FETCH_FETCH_PRIV_H
#define FETCH_FETCH_PRIV_H

#include "fetch/fetch.h"
#include "fetch/knee.h"
#include "fetch/loop.h"
#include "fetch/machine.h"
#include "fetch/site.h"
#include "fetch/transfer.h"

#include <stdatomic.h>

struct task {
	TAILQ_ENTRY(task)
	link; /* site->waiting, or fetch->running, ->aside or ->later */
	struct fetch *fetch;
	struct fetch_job *job;
	struct target target;
	struct site *site;
	struct transfer *transfer; /* while it runs */
	struct machine *machine;   /* while it runs */
	int tries;                 /* the first, too */
	int redirects;
	int address_at;      /* of the site's addresses */
	int64_t rested_ms;   /* site->rested_ms when it entered, less what is
				left of the rest */
	int64_t failed_ms;   /* the last try */
	int64_t entered_ms;  /* the site */
	int64_t begun_ms;    /* the transfer */
	int64_t left_ms;     /* of the job's time */
	int64_t begun_after; /* transfers that had ended then */
	bool is_aside;
	bool is_silent; /* why it is aside: it has no connection yet */
};

struct fetch {
	struct fetch_options options;
	char *user_agent;
	char *ca_file;
	struct transfer_setup setup;
	struct loop *loop;
	struct dns *dns;
	struct sites *sites;
	int wake; /* eventfd: a queue changed */

	struct queue *out;
	bool is_stopping; /* cancelled or broken: all jobs end at once */
	const char *why;  /* static */
	struct site_list ready;
	struct site_list resting; /* the first to wake first */
	struct task_list running;
	struct task_list later; /* that failed; the oldest first */
	int later_count;
	struct transfer *spare;
	struct fetch_job *undelivered; /* @out was full; the oldest first */
	struct fetch_job **undelivered_end;
	int inside; /* tasks but for those of later */

	bool is_adaptive; /* else the window is what was asked for */
	int most;         /* transfers, those aside and all */
	int connections;  /* that may be open, idle ones and all */
	struct knee knee;
	struct knee_totals totals;
	int64_t counted_ms;     /* until when times are in totals */
	bool was_full;          /* only the window kept others out */
	struct task_list aside; /* they run, but hold no place in the window */
	int aside_count;
	int silent_count;  /* of them, because they have no connection */
	int64_t silent_ms; /* when such ones were looked for */

	atomic_int_least64_t started;
	atomic_int_least64_t done;
	atomic_int_least64_t retried;
	atomic_int_least64_t bytes;
	atomic_int active;
	atomic_int waiting;
	atomic_int window;
};

/* ---- fetch_job.c: jobs come in and go out ---- */

/* Makes tasks of what is in the queue, as far as there is room for them. */
void fetch_take_jobs(struct fetch *fetch, struct queue *in, int64_t now_ms);
void fetch_take_job(struct fetch *fetch, struct fetch_job *job, int64_t now_ms);

/* Reads the job's URL; the task goes to the door of its site. */
void fetch_start(struct task *task, int64_t now_ms);

/* The end of a task that is in no list and holds no transfer. */
void fetch_settle(struct task *task, enum fate fate, const char *detail);

/* Gives back what the queue behind had no room for. */
void fetch_deliver_rest(struct fetch *fetch);

/* ---- fetch_site.c: the doors of sites ---- */

/* The task goes to the door of its target's site; one that was redirected goes
 * before those that have not begun. */
void fetch_enter(struct task *task, int64_t now_ms);

/* Lets @site stand in the ring, if it may begin a transfer. */
void fetch_make_ready(struct fetch *fetch, struct site *site);

/* The end of all that wait at @site; tries that may pass are kept. */
void fetch_settle_waiting(struct site *site, enum fate fate, const char *detail,
			  int64_t now_ms);

/* ---- fetch_pace.c: when a site may begin ---- */

/* False: it stands where it waits for its time or for a place. */
bool fetch_may_begin(struct site *site, int64_t now_ms);

void fetch_wake_rested(struct fetch *fetch, int64_t now_ms);
int64_t fetch_rest_deadline_ms(const struct fetch *fetch); /* -1: none rests */

/* Lets one of the sites that crowd at @machine stand in the ring, if there is
 * a place. */
void fetch_wake_crowd(struct fetch *fetch, struct machine *machine);

/* Counts a transfer to the address whose turn it is; false when out of
 * memory. */
bool fetch_take_place(struct task *task, int64_t now_ms);
void fetch_leave_place(struct task *task);

/* A task that is in no list comes to its site; false: it was settled, for the
 * site rests longer than tasks may wait. */
bool fetch_begin_wait(struct task *task, int64_t now_ms);

/* The site's server asks to be left alone, as its rest_fate and rest_status
 * say. Settles those who would wait too long for it; false where all would. */
bool fetch_let_rest(struct site *site, int64_t seconds, int64_t now_ms);

/* ---- fetch_retry.c: what failed and may pass ---- */

/* Fates that come of the network alone; of answers transfer_judge decides. */
bool fetch_is_passing(enum fate fate);

/* A task that is in no list and holds no transfer failed for a reason that may
 * pass: keeps it for another try, or settles it after the last. */
void fetch_fail(struct task *task, enum fate fate, const char *detail,
		int64_t now_ms);

/* Starts what may be tried again now. */
void fetch_try_again(struct fetch *fetch, int64_t now_ms);
int64_t fetch_retry_deadline_ms(struct fetch *fetch,
				int64_t now_ms); /* -1: nothing waits */

void fetch_settle_later(struct fetch *fetch, enum fate fate,
			const char *detail);

/* ---- fetch_begin.c: transfers ---- */

/* Begins what may begin. */
void fetch_begin_ready(struct fetch *fetch, int64_t now_ms);

/* Goes on with the tasks of which libcurl is done with the transfer. */
void fetch_finish_transfers(struct fetch *fetch, int64_t now_ms);

/* Gives the transfer back; the task is in no list after. */
void fetch_leave(struct task *task);

/* ---- fetch_window.c: how many at once ---- */

/* By the options, and by how many files this process may open. Errors:
 * CAH_ELIMIT. */
CAH_MUST_CHECK int fetch_set_window(struct fetch *fetch, struct cah_error *err);

/* Whether the window lets another transfer begin. */
bool fetch_is_open(const struct fetch *fetch);

/* Whether bodies take so little memory that more may come. */
bool fetch_has_room(struct fetch *fetch);

/* Whether what came cannot go on, so that nothing may begin. */
bool fetch_is_held(struct fetch *fetch);

/* Around a transfer. */
void fetch_enter_window(struct task *task);
void fetch_leave_window(struct task *task);

/* What a transfer that ended says of the link. */
void fetch_count_end(struct fetch *fetch, const struct transfer_result *result,
		     int64_t took_ms);

/* Counts the time since the last call as what kept others from beginning, and
 * sets the window by what was seen. */
void fetch_count_time(struct fetch *fetch, int64_t now_ms);

#endif
