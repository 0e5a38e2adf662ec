/* queue.h: the door between two threads: a bounded first-in first-out queue
 * of pointers. A full queue makes its producer wait, which is how a slow
 * stage slows the ones before it. Any thread. */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <cah/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

/* Called without the lock after each push, pop of a full queue and close, from
 * the thread that did it; must not block. For owners that sleep elsewhere
 * (in epoll): write an eventfd. */
typedef void (*queue_notify_fn)(void *arg);

/* Makes a queue of @capacity items. The caller frees *out.
 * Errors: CAH_EINVALID (capacity 0), CAH_ENOMEM. */
CAH_MUST_CHECK int queue_new(struct queue **out, size_t capacity,
			     struct cah_error *err);

/* Frees the queue; what is still in it is the caller's: drain it first. No
 * other thread may be inside. */
void queue_free(struct queue *queue);

/* Sets what is told of changes from now on; a call that another thread began
 * before may still come to who was told until then. */
void queue_set_notify(struct queue *queue, queue_notify_fn fn, void *arg);

/* Adds @item, waiting while the queue is full. False when it was closed: the
 * item stays the caller's. */
CAH_MUST_CHECK bool queue_push(struct queue *queue, void *item);

/* The same without waiting: false when full or closed. */
CAH_MUST_CHECK bool queue_try_push(struct queue *queue, void *item);

/* The oldest item, waiting while the queue is empty and open; NULL when it is
 * closed and empty. */
CAH_MUST_CHECK void *queue_pop(struct queue *queue);

/* The same without waiting; NULL when empty. */
CAH_MUST_CHECK void *queue_try_pop(struct queue *queue);

/* The same, waiting for at most @timeout_ms (monotonic). */
CAH_MUST_CHECK void *queue_pop_wait(struct queue *queue, int64_t timeout_ms);

/* No more pushes; who waits wakes up; what is inside can still be popped. */
void queue_close(struct queue *queue);

/* True when closed and empty: nothing will ever come out again. */
bool queue_is_done(struct queue *queue);

struct queue_stats {
	size_t capacity;
	size_t depth;     /* items inside now */
	size_t most;      /* items inside at the fullest */
	uint64_t passed;  /* items popped so far */
	int64_t full_ns;  /* time that producers waited, with those who do */
	int64_t empty_ns; /* the same of consumers */
};

void queue_stats(struct queue *queue, struct queue_stats *out);

#endif
