/* cancel.h: one switch that tells many threads to stop, once. Checking is an
 * atomic load; a loop that sleeps in poll or epoll adds the descriptor, which
 * becomes readable and stays so. Any thread, and signal handlers. */
#ifndef BASE_CANCEL_H
#define BASE_CANCEL_H

#include <cah/error.h>
#include <stdbool.h>

struct cancel;

/* Makes a switch that is not set. The caller frees *out.
 * Errors: CAH_ENOMEM, CAH_EIO (no descriptor left). */
CAH_MUST_CHECK int cancel_new(struct cancel **out, struct cah_error *err);

void cancel_free(struct cancel *cancel);

/* Sets it; safe in a signal handler; NULL is fine. */
void cancel_set(struct cancel *cancel);

/* False for NULL. */
bool cancel_is_set(const struct cancel *cancel);

/* Readable once set; -1 for NULL. */
int cancel_fd(const struct cancel *cancel);

/* Sleeps for @ms or until it is set, whichever is first; true when set. */
bool cancel_sleep(const struct cancel *cancel, long ms);

#endif
