/* loop.h: epoll under libcurl's multi interface (libcurl-multi(3), "multi
 * socket"), with a few descriptors of the owner's beside. One owner thread. */
#ifndef FETCH_LOOP_H
#define FETCH_LOOP_H

#include <cah/error.h>
#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	LOOP_WATCHED_MAX = 4, /* descriptors of the owner's */
};

struct loop;

/* @connections are kept open for later at most. The caller frees *out.
 * Errors: CAH_ENOMEM, CAH_EIO. */
CAH_MUST_CHECK int loop_new(struct loop **out, int connections,
			    struct cah_error *err);

/* All handles must be out of the multi handle. NULL is fine. */
void loop_free(struct loop *loop);

CURLM *loop_multi(struct loop *loop);

/* Wakes loop_turn when @fd is readable. Errors: CAH_EIO. */
CAH_MUST_CHECK int loop_watch(struct loop *loop, int fd, struct cah_error *err);
void loop_unwatch(struct loop *loop, int fd);

/* Whether @fd was readable in the last turn. */
bool loop_is_ready(const struct loop *loop, int fd);

/* Waits until something happens, for @timeout_ms at most (-1: for ever), and
 * lets libcurl do what there is to do. Errors: CAH_EIO. */
CAH_MUST_CHECK int loop_turn(struct loop *loop, int64_t timeout_ms,
			     struct cah_error *err);

#endif
