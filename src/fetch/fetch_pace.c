/* When a site may have its next transfer: the spacing that was asked for, the
 * rest that its server asked for (Retry-After), and the places at the machine
 * that its name leads to. A site that may not stands in a list of its own
 * instead of the ring, so it costs nothing while it waits. */
#include "fetch/fetch_priv.h"

#include <stdio.h>

enum {
	REST_LONGEST_S = 24 * 3600, /* believed of Retry-After */
};

static int64_t later_of(int64_t a_ms, int64_t b_ms)
{
	return a_ms > b_ms ? a_ms : b_ms;
}

/* The list is in the order of time. Most sites wait equally long, so the place
 * is near its end. */
static void put_to_rest(struct fetch *fetch, struct site *site,
			int64_t until_ms)
{
	struct site *before = TAILQ_LAST(&fetch->resting, site_list);
	while (before != NULL && before->wakes_ms > until_ms)
		before = TAILQ_PREV(before, site_list, link);
	site->wakes_ms = until_ms;
	site->place = SITE_RESTING;
	if (before != NULL)
		TAILQ_INSERT_AFTER(&fetch->resting, before, site, link);
	else
		TAILQ_INSERT_HEAD(&fetch->resting, site, link);
}

bool fetch_may_begin(struct site *site, int64_t now_ms)
{
	struct fetch *fetch = site->owner;
	struct machine *machine = site->machine;
	int64_t from_ms = later_of(later_of(site->next_ms, machine->next_ms),
				   site->rests_until_ms);
	if (from_ms > now_ms) {
		put_to_rest(fetch, site, from_ms);
		return false;
	}
	if (machine->running < fetch->options.per_address)
		return true;
	TAILQ_INSERT_TAIL(&machine->crowding, site, link);
	site->place = SITE_CROWDED;
	return false;
}

void fetch_wake_rested(struct fetch *fetch, int64_t now_ms)
{
	for (struct site *site = TAILQ_FIRST(&fetch->resting);
	     site != NULL && site->wakes_ms <= now_ms;
	     site = TAILQ_FIRST(&fetch->resting)) {
		TAILQ_REMOVE(&fetch->resting, site, link);
		site->place = SITE_NOWHERE;
		fetch_make_ready(fetch, site);
		sites_release(fetch->sites, site);
	}
}

int64_t fetch_rest_deadline_ms(const struct fetch *fetch)
{
	const struct site *first = TAILQ_FIRST(&fetch->resting);
	return first != NULL ? first->wakes_ms : -1;
}

/* Nobody else would wake those that crowd, so who was woken and does not use
 * the place must be followed by another. */
void fetch_wake_crowd(struct fetch *fetch, struct machine *machine)
{
	bool is_ready = false;
	while (!is_ready && !TAILQ_EMPTY(&machine->crowding) &&
	       machine->running < fetch->options.per_address) {
		struct site *site = TAILQ_FIRST(&machine->crowding);
		TAILQ_REMOVE(&machine->crowding, site, link);
		site->place = SITE_NOWHERE;
		fetch_make_ready(fetch, site);
		is_ready = site->place == SITE_READY;
		sites_release(fetch->sites, site);
	}
}

bool fetch_take_place(struct task *task, int64_t now_ms)
{
	struct fetch *fetch = task->fetch;
	struct site *site = task->site;
	task->machine =
		machines_hold(sites_machines(fetch->sites),
			      &site->answer.addresses[task->address_at]);
	if (task->machine == NULL)
		return false;
	task->machine->running++;
	task->machine->next_ms = now_ms + fetch->options.address_delay_ms;
	site->next_ms = now_ms + fetch->options.host_delay_ms;
	return true;
}

void fetch_leave_place(struct task *task)
{
	struct fetch *fetch = task->fetch;
	struct machine *machine = task->machine;
	task->machine = NULL;
	if (machine == NULL)
		return;
	machine->running--;
	fetch_wake_crowd(fetch, machine);
	machines_let_go(sites_machines(fetch->sites), machine);
}

/* ---- rests ---- */

static void end_impatient(struct site *site, struct task *task)
{
	char detail[FETCH_DETAIL_MAX];
	(void)snprintf(detail, sizeof(detail),
		       "the host asks to wait longer than the limit "
		       "(status %d, Retry-After)",
		       site->rest_status);
	fetch_settle(task, site->rest_fate, detail);
}

bool fetch_begin_wait(struct task *task, int64_t now_ms)
{
	struct site *site = task->site;
	int64_t left_ms = later_of(site->rests_until_ms - now_ms, 0);
	task->rested_ms = site->rested_ms - left_ms;
	if (left_ms <= task->fetch->options.max_rest_ms)
		return true;
	end_impatient(site, task);
	return false;
}

bool fetch_let_rest(struct site *site, int64_t seconds, int64_t now_ms)
{
	struct fetch *fetch = site->owner;
	if (seconds > REST_LONGEST_S)
		seconds = REST_LONGEST_S;
	int64_t until_ms = now_ms + seconds * 1000;
	int64_t from_ms = later_of(site->rests_until_ms, now_ms);
	if (until_ms > from_ms) {
		site->rested_ms += until_ms - from_ms;
		site->rests_until_ms = until_ms;
	}
	struct task *next;
	for (struct task *task = TAILQ_FIRST(&site->waiting); task != NULL;
	     task = next) {
		next = TAILQ_NEXT(task, link);
		if (site->rested_ms - task->rested_ms <=
		    fetch->options.max_rest_ms)
			continue;
		TAILQ_REMOVE(&site->waiting, task, link);
		end_impatient(site, task);
	}
	return site->rests_until_ms - now_ms <= fetch->options.max_rest_ms;
}
