/* stop.h: what a stream asks whether to stop while it waits: the caller's
 * switch, and the caller's function, which no descriptor can tell of. */
#ifndef FETCH_STOP_H
#define FETCH_STOP_H

#include "base/cancel.h"
#include "fetch/stream.h"

enum {
	STOP_TICK_MS = 100, /* between two calls of the tick */
};

struct stop {
	const struct cancel *cancel; /* may be NULL */
	stream_tick_fn tick;         /* may be NULL */
	void *tick_arg;
};

static inline bool stop_is_set(const struct stop *stop)
{
	return cancel_is_set(stop->cancel) ||
	       (stop->tick != NULL && stop->tick(stop->tick_arg) != 0);
}

/* How long one may sleep, of @ms, before asking again. */
static inline int stop_nap_ms(const struct stop *stop, int64_t ms)
{
	int64_t most = stop->tick != NULL ? STOP_TICK_MS : 10 * STOP_TICK_MS;
	return (int)(ms < most ? ms : most);
}

#endif
