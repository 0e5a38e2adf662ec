/* guard.h: which connections may be there, and for how long. A client that
 * sends or reads a byte now and then is never idle to the HTTP library, so each
 * step of a request has a time of its own here; whoever needs longer is hung up
 * on. Where connections are used up, those that wait between two requests go
 * first, the longest waiting one before the others. One owner; no clock. */
#ifndef TRACKER_GUARD_H
#define TRACKER_GUARD_H

#include "tracker/peer.h"

#include <stdint.h>

enum {
	GUARD_RATE = 4096, /* bytes a second that a body has to come with and
			      an answer to be read with, beside @step_ms */
	GUARD_GRACE_MS = 2000, /* while connections are used up, in the place
				  of @step_ms: slow ones are in the way */
	/* Beyond the limits so many connections more are told why, all
	 * together and of one address; others are closed without a word. */
	GUARD_TOLD = 64,
	GUARD_TOLD_PER_ADDRESS = 4,
};

struct guard_limits {
	int64_t max;             /* connections */
	int64_t max_per_address; /* 0: no limit */
	int64_t step_ms; /* for a head, and for a body or an answer beside
			    GUARD_RATE; 0: no limit */
	int64_t idle_ms; /* between two requests; 0: no limit */
};

/* What a connection is about. */
enum guard_step {
	GUARD_IDLE,   /* the last request is answered, no other has come */
	GUARD_HEAD,   /* a request's head is awaited */
	GUARD_BODY,   /* its body */
	GUARD_WORK,   /* our turn: no limit */
	GUARD_ANSWER, /* the client reads */
	GUARD_HUNG_UP,
};

/* How a new connection is met. */
enum guard_welcome {
	GUARD_WELCOME,
	GUARD_CROWDED, /* its address has too many: answer 429, close */
	GUARD_FULL,    /* there are too many: answer 503, close */
};

struct guard;
struct guard_conn;

/* Ends a connection's socket; the HTTP library then finds it closed. */
typedef void (*guard_hang_up_fn)(int fd);

/* @hang_up is NULL for shutdown(2). The caller frees *out after all
 * connections are closed. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int guard_new(struct guard **out,
			     const struct guard_limits *limits,
			     guard_hang_up_fn hang_up, struct cah_error *err);
void guard_free(struct guard *guard);

/* The most connections that the HTTP library has to bear. */
int64_t guard_conns_max(const struct guard_limits *limits);

/* False: close it at once, without guard_open. */
bool guard_admits(struct guard *guard, const struct peer *peer, bool is_proxy);

/* A connection begins, in the step GUARD_HEAD. A proxy's connections are not
 * counted for its address. NULL when out of memory. */
struct guard_conn *guard_open(struct guard *guard, int fd,
			      const struct peer *peer, bool is_proxy,
			      int64_t now_ms);
void guard_close(struct guard *guard, struct guard_conn *conn);

const struct peer *guard_peer(const struct guard_conn *conn);
bool guard_is_proxy(const struct guard_conn *conn);
enum guard_welcome guard_welcome(const struct guard_conn *conn);

/* The next step; @bytes is what the answer has, 0 for the other steps. */
void guard_enter(struct guard *guard, struct guard_conn *conn,
		 enum guard_step step, int64_t bytes, int64_t now_ms);

/* So many bytes of the body have come. */
void guard_received(struct guard_conn *conn, int64_t len);

/* Hangs up on those whose time is over; returns how many. To be called about
 * once a second. */
int64_t guard_look(struct guard *guard, int64_t now_ms);

#endif
