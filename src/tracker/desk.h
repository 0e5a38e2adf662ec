/* desk.h: where requests wait for the book. A thread of its own takes all that
 * have gathered and runs their calls in one transaction (store_group_start); in
 * between it sweeps. A second thread waits for the disk (store_flush) and then
 * gives them back, while the first runs the next group: many requests share one
 * wait, nobody waits to write, and no answer is older than its commit.
 *
 * Within a group the calls that may change something run first, in the order in
 * which they came; those that only read see all of it. All of them were under
 * way at the same time, so that any order is as good; and who asked the same
 * (WIRE_ASKS) shares one answer.
 *
 * Where a group fails, nothing of it is done: each of its calls that may change
 * something is answered 503, for even an error that it met may come from what
 * is not so; calls that only read are run again in a group of their own. */
#ifndef TRACKER_DESK_H
#define TRACKER_DESK_H

#include <cah/error.h>
#include <stddef.h>

struct desk;
struct request;
struct tracker;

/* Requests in a row, by their next. */
struct chain {
	struct request *first;
	struct request *last;
	size_t count;
};

void chain_add(struct chain *chain, struct request *request);

/* The first one, NULL where there is none. */
struct request *chain_pop(struct chain *chain);

/* @from is empty after. */
void chain_move(struct chain *to, struct chain *from);

/* Starts the thread. The caller ends *out with desk_free.
 * Errors: CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int desk_new(struct desk **out, struct tracker *tracker,
			    struct cah_error *err);

/* Hands @requests over; the chain is empty after. Any thread. */
void desk_put(struct desk *desk, struct chain *requests);

/* Readable while there are done ones. */
int desk_fd(const struct desk *desk);

/* Takes all that are done. The server's thread only. */
void desk_take(struct desk *desk, struct chain *done);

/* Ends the thread after the group that it is at. Those that still wait are
 * refused and done. A second call does nothing. */
void desk_stop(struct desk *desk);

/* NULL is fine. */
void desk_free(struct desk *desk);

#endif
