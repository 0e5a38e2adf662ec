#include "base/queue.h"

#include "base/clock.h"
#include "base/fail.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* Whom to tell; copied under the lock, called without it. */
struct listener {
	queue_notify_fn fn;
	void *arg;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t not_full;
	pthread_cond_t not_empty;
	struct listener listener;
	bool is_closed;
	size_t head; /* of the oldest item */
	struct queue_stats stats;
	/* Who waits now: how many, and the sum of when they began. */
	int64_t full_waiters;
	int64_t full_since_ns;
	int64_t empty_waiters;
	int64_t empty_since_ns;
	void *items[];
};

int queue_new(struct queue **out, size_t capacity, struct cah_error *err)
{
	*out = NULL;
	if (capacity == 0 || capacity > SIZE_MAX / sizeof(void *) / 2)
		return cah_fail(err, CAH_EINVALID, "queue of %zu items",
				capacity);
	struct queue *q = calloc(1, sizeof(*q) + capacity * sizeof(void *));
	if (q == NULL)
		return cah_fail(err, CAH_ENOMEM, "queue: out of memory");
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->not_full, &attr);
	pthread_cond_init(&q->not_empty, &attr);
	pthread_condattr_destroy(&attr);
	q->stats.capacity = capacity;
	*out = q;
	return CAH_OK;
}

void queue_free(struct queue *q)
{
	if (q == NULL)
		return;
	pthread_cond_destroy(&q->not_empty);
	pthread_cond_destroy(&q->not_full);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

void queue_set_notify(struct queue *q, queue_notify_fn fn, void *arg)
{
	pthread_mutex_lock(&q->lock);
	q->listener = (struct listener){fn, arg};
	pthread_mutex_unlock(&q->lock);
}

static void tell(struct listener listener)
{
	if (listener.fn != NULL)
		listener.fn(listener.arg);
}

static void put(struct queue *q, void *item)
{
	size_t at = (q->head + q->stats.depth) % q->stats.capacity;
	q->items[at] = item;
	q->stats.depth++;
	if (q->stats.depth > q->stats.most)
		q->stats.most = q->stats.depth;
	pthread_cond_signal(&q->not_empty);
}

static void *get(struct queue *q, bool *was_full)
{
	*was_full = q->stats.depth == q->stats.capacity;
	void *item = q->items[q->head];
	q->head = (q->head + 1) % q->stats.capacity;
	q->stats.depth--;
	q->stats.passed++;
	pthread_cond_signal(&q->not_full);
	return item;
}

bool queue_push(struct queue *q, void *item)
{
	pthread_mutex_lock(&q->lock);
	if (q->stats.depth == q->stats.capacity && !q->is_closed) {
		int64_t start = clock_now_ns();
		q->full_waiters++;
		q->full_since_ns += start;
		while (q->stats.depth == q->stats.capacity && !q->is_closed)
			pthread_cond_wait(&q->not_full, &q->lock);
		q->full_waiters--;
		q->full_since_ns -= start;
		q->stats.full_ns += clock_now_ns() - start;
	}
	bool is_open = !q->is_closed;
	if (is_open)
		put(q, item);
	struct listener listener = q->listener;
	pthread_mutex_unlock(&q->lock);
	if (is_open)
		tell(listener);
	return is_open;
}

bool queue_try_push(struct queue *q, void *item)
{
	pthread_mutex_lock(&q->lock);
	bool has_room = !q->is_closed && q->stats.depth < q->stats.capacity;
	if (has_room)
		put(q, item);
	struct listener listener = q->listener;
	pthread_mutex_unlock(&q->lock);
	if (has_room)
		tell(listener);
	return has_room;
}

static struct timespec deadline_after(int64_t timeout_ms)
{
	int64_t ns = clock_now_ns() + timeout_ms * 1000000;
	return (struct timespec){.tv_sec = ns / 1000000000,
				 .tv_nsec = ns % 1000000000};
}

/* @timeout_ms < 0 waits for ever, 0 not at all. */
static void *pop(struct queue *q, int64_t timeout_ms)
{
	void *item = NULL;
	bool was_full = false;
	struct timespec deadline =
		deadline_after(timeout_ms > 0 ? timeout_ms : 0);

	pthread_mutex_lock(&q->lock);
	bool waits = q->stats.depth == 0 && timeout_ms != 0;
	int64_t start = waits ? clock_now_ns() : 0;
	int rc = timeout_ms == 0 ? ETIMEDOUT : 0;
	q->empty_waiters += waits;
	q->empty_since_ns += start;
	while (q->stats.depth == 0 && !q->is_closed && rc == 0) {
		if (timeout_ms < 0)
			pthread_cond_wait(&q->not_empty, &q->lock);
		else
			rc = pthread_cond_timedwait(&q->not_empty, &q->lock,
						    &deadline);
	}
	q->empty_waiters -= waits;
	q->empty_since_ns -= start;
	if (waits)
		q->stats.empty_ns += clock_now_ns() - start;
	if (q->stats.depth != 0)
		item = get(q, &was_full);
	struct listener listener = q->listener;
	pthread_mutex_unlock(&q->lock);
	if (was_full)
		tell(listener);
	return item;
}

void *queue_pop(struct queue *q)
{
	return pop(q, -1);
}

void *queue_try_pop(struct queue *q)
{
	return pop(q, 0);
}

void *queue_pop_wait(struct queue *q, int64_t timeout_ms)
{
	return pop(q, timeout_ms > 0 ? timeout_ms : 0);
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->is_closed = true;
	pthread_cond_broadcast(&q->not_full);
	pthread_cond_broadcast(&q->not_empty);
	struct listener listener = q->listener;
	pthread_mutex_unlock(&q->lock);
	tell(listener);
}

bool queue_is_done(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	bool is_done = q->is_closed && q->stats.depth == 0;
	pthread_mutex_unlock(&q->lock);
	return is_done;
}

void queue_stats(struct queue *q, struct queue_stats *out)
{
	pthread_mutex_lock(&q->lock);
	*out = q->stats;
	int64_t now = clock_now_ns();
	out->full_ns += q->full_waiters * now - q->full_since_ns;
	out->empty_ns += q->empty_waiters * now - q->empty_since_ns;
	pthread_mutex_unlock(&q->lock);
}
