#include "tracker/desk.h"

#include "base/clock.h"
#include "base/fail.h"
#include "tracker/request.h"
#include "tracker/watch.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	/* A tenth of the time-out between sweeps: a worker is gone at most that
	 * much too late. */
	SWEEPS_PER_TIMEOUT = 10,
	SWEEP_MIN_MS = 100,
};

struct desk {
	struct tracker *tracker;
	pthread_t thread;  /* runs groups */
	pthread_t flusher; /* waits for the disk */
	bool is_running;
	int fd;
	int64_t sweep_ms; /* when the next sweep is due, monotonic */

	pthread_mutex_t lock;
	pthread_cond_t changed;           /* what waits, or is_stopping */
	pthread_cond_t committed_changed; /* what is committed, or is_ended */
	struct chain waiting;
	struct chain committed; /* but not durable yet */
	struct chain done;
	bool is_stopping;
	bool is_ended; /* no group will come any more */
};

/* What shares a transaction. */
struct group {
	struct tracker *tracker;
	struct request *requests[TRACKER_GROUP_MAX];
	size_t count;
	/* Those of them that nobody before asked the same. */
	struct request *asks[TRACKER_GROUP_MAX];
	size_t ask_count;
	bool has_writes;
	bool reads_only; /* run no others */
	int64_t now_s;
	int64_t wall_s;
	int64_t ran_ns; /* when the last call was through */
};

void chain_add(struct chain *chain, struct request *request)
{
	request->next = NULL;
	if (chain->last != NULL)
		chain->last->next = request;
	else
		chain->first = request;
	chain->last = request;
	chain->count++;
}

void chain_move(struct chain *to, struct chain *from)
{
	if (from->first == NULL)
		return;
	if (to->last != NULL)
		to->last->next = from->first;
	else
		to->first = from->first;
	to->last = from->last;
	to->count += from->count;
	*from = (struct chain){NULL, NULL, 0};
}

struct request *chain_pop(struct chain *chain)
{
	struct request *request = chain->first;
	if (request == NULL)
		return NULL;
	chain->first = request->next;
	if (chain->first == NULL)
		chain->last = NULL;
	chain->count--;
	request->next = NULL;
	return request;
}

/* ---- groups ---- */

static bool is_write(const struct request *request)
{
	return wire_route_book(request->route) == WIRE_WRITES;
}

/* Who asked the same before; NULL where nobody did. */
static struct request *find_same(const struct group *group,
				 const struct request *request)
{
	for (size_t i = 0; i < group->ask_count; i++)
		if (slice_equal(buf_slice(&group->asks[i]->uri),
				buf_slice(&request->uri)))
			return group->asks[i];
	return NULL;
}

static void group_add(struct group *group, struct request *request)
{
	group->requests[group->count++] = request;
	group->has_writes |= is_write(request);
	if (wire_route_book(request->route) != WIRE_ASKS)
		return;
	request->same = find_same(group, request);
	if (request->same != NULL)
		request->same->users++;
	else
		group->asks[group->ask_count++] = request;
}

/* So that a database far away is asked once for all of them. */
static void say_wants(const struct group *group)
{
	for (size_t i = 0; i < group->count; i++) {
		const struct request *request = group->requests[i];
		struct slice token;
		enum worker_type type;
		if (!is_write(request) || request->body.root == NULL ||
		    request_worker(request, &token, &type, NULL) != CAH_OK)
			continue;
		store_want_worker(group->tracker->store, token);
		if (request->route == ROUTE_NEW_JOB)
			store_want_job(group->tracker->store, type);
	}
}

static void run_all(void *arg)
{
	struct group *group = arg;
	group->now_s = clock_now_ms() / 1000;
	group->wall_s = clock_wall_s();
	if (!group->reads_only)
		say_wants(group);
	for (int reads = group->reads_only; reads < 2; reads++) {
		for (size_t i = 0; i < group->count; i++) {
			struct request *request = group->requests[i];
			if (is_write(request) != (reads == 0) ||
			    request->same != NULL)
				continue;
			if (request_has_room(request))
				request_run(request, group->now_s,
					    group->wall_s);
		}
	}
	group->ran_ns = clock_now_ns();
}

static void refuse_all(struct group *group, bool with_reads,
		       const struct cah_error *err)
{
	for (size_t i = 0; i < group->count; i++)
		if (with_reads || is_write(group->requests[i]))
			request_refuse(group->requests[i], err);
}

static void group_run(struct group *group)
{
	struct cah_error err;
	struct store *store = group->tracker->store;
	struct watch *watch = group->tracker->watch;
	if (store_group_start(store, group->has_writes, run_all, group, &err) ==
	    CAH_OK) {
		watch_group(watch, group->count, group->has_writes,
			    clock_now_ns() - group->ran_ns);
		return;
	}
	watch_group_failed(watch, group->count, group->has_writes, &err);
	/* What went wrong inside is for the log: it may name files. */
	(void)cah_fail(&err, CAH_EUNAVAILABLE,
		       "the store is away for now, try again");
	refuse_all(group, false, &err);
	group->reads_only = true;
	if (!group->has_writes ||
	    store_group_start(store, false, run_all, group, NULL) != CAH_OK)
		refuse_all(group, true, &err);
}

static void hand_on(struct desk *desk, const struct group *group)
{
	pthread_mutex_lock(&desk->lock);
	for (size_t i = 0; i < group->count; i++)
		chain_add(&desk->committed, group->requests[i]);
	pthread_mutex_unlock(&desk->lock);
	pthread_cond_signal(&desk->committed_changed);
}

/* ---- the thread that waits for the disk ---- */

/* What the disk lost nobody may be told, and those that only read may have seen
 * it. */
static void refuse_chain(struct chain *chain)
{
	struct cah_error err;
	(void)cah_fail(&err, CAH_EUNAVAILABLE,
		       "the store is away for now, try again");
	for (struct request *r = chain->first; r != NULL; r = r->next)
		request_refuse(r, &err);
}

static void give_back(struct desk *desk, struct chain *chain)
{
	uint64_t one = 1;
	for (struct request *r = chain->first; r != NULL; r = r->next)
		r->is_done = true;
	pthread_mutex_lock(&desk->lock);
	bool was_empty = desk->done.count == 0;
	chain_move(&desk->done, chain);
	pthread_mutex_unlock(&desk->lock);
	if (was_empty && write(desk->fd, &one, sizeof(one)) != sizeof(one))
		assert(!"an eventfd that is read takes any number of ones");
}

/* False where all are through. */
static bool take_committed(struct desk *desk, struct chain *chain)
{
	pthread_mutex_lock(&desk->lock);
	while (desk->committed.count == 0 && !desk->is_ended)
		pthread_cond_wait(&desk->committed_changed, &desk->lock);
	chain_move(chain, &desk->committed);
	pthread_mutex_unlock(&desk->lock);
	return chain->count > 0;
}

static void *flush(void *arg)
{
	struct desk *desk = arg;
	struct chain chain = {NULL, NULL, 0};
	while (take_committed(desk, &chain)) {
		struct cah_error err;
		int64_t from_ns = clock_now_ns();
		if (store_flush(desk->tracker->store, &err) != CAH_OK) {
			watch_group_failed(desk->tracker->watch, chain.count,
					   true, &err);
			refuse_chain(&chain);
		} else {
			watch_flush(desk->tracker->watch,
				    clock_now_ns() - from_ns);
		}
		give_back(desk, &chain);
	}
	return NULL;
}

/* ---- the thread that runs groups ---- */

static int64_t sweep_period_ms(const struct tracker *tracker)
{
	int64_t ms = tracker->idle_timeout_s * 1000 / SWEEPS_PER_TIMEOUT;
	if (ms < SWEEP_MIN_MS)
		return SWEEP_MIN_MS;
	return ms < TRACKER_SWEEP_MAX_MS ? ms : TRACKER_SWEEP_MAX_MS;
}

static void sweep(struct desk *desk)
{
	struct tracker *tracker = desk->tracker;
	struct cah_error err;
	int64_t count = 0;
	int rc = store_sweep(tracker->store, clock_now_ms() / 1000,
			     tracker->idle_timeout_s, &count, &err);
	if (rc != CAH_OK)
		watch_sweep_failed(tracker->watch, &err);
	else
		watch_sweep(tracker->watch, count);
	desk->sweep_ms = clock_now_ms() + sweep_period_ms(tracker);
}

/* Waits for requests or for the time of a sweep; false where it has to stop. */
static bool gather(struct desk *desk, struct group *group)
{
	struct timespec until = {
		.tv_sec = desk->sweep_ms / 1000,
		.tv_nsec = desk->sweep_ms % 1000 * 1000000,
	};
	struct chain taken = {NULL, NULL, 0};
	pthread_mutex_lock(&desk->lock);
	int why = 0;
	while (!desk->is_stopping && desk->waiting.count == 0 && why == 0)
		why = pthread_cond_timedwait(&desk->changed, &desk->lock,
					     &until);
	bool may_go_on = !desk->is_stopping;
	while (may_go_on && taken.count < TRACKER_GROUP_MAX &&
	       desk->waiting.count > 0)
		chain_add(&taken, chain_pop(&desk->waiting));
	pthread_mutex_unlock(&desk->lock);
	group->count = 0;
	group->ask_count = 0;
	group->has_writes = false;
	group->reads_only = false;
	while (taken.count > 0)
		group_add(group, chain_pop(&taken));
	return may_go_on;
}

static void *work(void *arg)
{
	struct desk *desk = arg;
	struct group group = {.tracker = desk->tracker};
	while (gather(desk, &group)) {
		if (group.count > 0) {
			group_run(&group);
			hand_on(desk, &group);
		}
		if (clock_now_ms() >= desk->sweep_ms)
			sweep(desk);
	}
	return NULL;
}

static void init_lock(struct desk *desk)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&desk->lock, NULL);
	pthread_cond_init(&desk->changed, &attr);
	pthread_cond_init(&desk->committed_changed, &attr);
	pthread_condattr_destroy(&attr);
}

/* Those that were committed are still given back. */
static void end_flusher(struct desk *desk)
{
	pthread_mutex_lock(&desk->lock);
	desk->is_ended = true;
	pthread_mutex_unlock(&desk->lock);
	pthread_cond_signal(&desk->committed_changed);
	pthread_join(desk->flusher, NULL);
}

/* 0, or an errno. */
static int start_threads(struct desk *desk)
{
	int why = pthread_create(&desk->flusher, NULL, flush, desk);
	if (why != 0)
		return why;
	(void)pthread_setname_np(desk->flusher, "cah-flush");
	why = pthread_create(&desk->thread, NULL, work, desk);
	if (why != 0)
		end_flusher(desk);
	else
		(void)pthread_setname_np(desk->thread, "cah-desk");
	return why;
}

int desk_new(struct desk **out, struct tracker *tracker, struct cah_error *err)
{
	*out = NULL;
	struct desk *desk = calloc(1, sizeof(*desk));
	if (desk == NULL)
		return cah_fail(err, CAH_ENOMEM, "desk");
	init_lock(desk);
	desk->tracker = tracker;
	desk->sweep_ms = clock_now_ms() + sweep_period_ms(tracker);
	desk->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int why = desk->fd < 0 ? errno : start_threads(desk);
	desk->is_running = why == 0;
	if (why != 0) {
		desk_free(desk);
		return cah_fail_errno(err, why, "tracker: desk");
	}
	*out = desk;
	return CAH_OK;
}

void desk_put(struct desk *desk, struct chain *requests)
{
	pthread_mutex_lock(&desk->lock);
	chain_move(&desk->waiting, requests);
	pthread_mutex_unlock(&desk->lock);
	pthread_cond_signal(&desk->changed);
}

int desk_fd(const struct desk *desk)
{
	return desk->fd;
}

void desk_take(struct desk *desk, struct chain *done)
{
	uint64_t times;
	pthread_mutex_lock(&desk->lock);
	/* There may be nothing to read yet, or nothing done any more: whoever
	 * gives back writes after it has let go of the lock. */
	if (read(desk->fd, &times, sizeof(times)) != sizeof(times))
		assert(errno == EAGAIN);
	chain_move(done, &desk->done);
	pthread_mutex_unlock(&desk->lock);
}

void desk_stop(struct desk *desk)
{
	if (!desk->is_running)
		return;
	pthread_mutex_lock(&desk->lock);
	desk->is_stopping = true;
	pthread_mutex_unlock(&desk->lock);
	pthread_cond_signal(&desk->changed);
	pthread_join(desk->thread, NULL);
	end_flusher(desk);
	desk->is_running = false;
	struct cah_error err;
	(void)cah_fail(&err, CAH_EUNAVAILABLE, "the tracker stops");
	struct request *request = chain_pop(&desk->waiting);
	for (; request != NULL; request = chain_pop(&desk->waiting)) {
		request_refuse(request, &err);
		request->is_done = true;
		chain_add(&desk->done, request);
	}
}

void desk_free(struct desk *desk)
{
	if (desk == NULL)
		return;
	desk_stop(desk);
	if (desk->fd >= 0)
		close(desk->fd);
	pthread_cond_destroy(&desk->changed);
	pthread_cond_destroy(&desk->committed_changed);
	pthread_mutex_destroy(&desk->lock);
	free(desk);
}
