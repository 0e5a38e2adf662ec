/* talk.h: one request, one answer, over a connection that is kept. Waits on the
 * calling thread and looks at a switch meanwhile. One owner. */
#ifndef CLIENT_TALK_H
#define CLIENT_TALK_H

#include "base/buf.h"

#include <cah/client.h>
#include <stdint.h>

enum {
	TALK_TICK_MS = 100,              /* between two looks at the switch */
	TALK_BODY_MAX = 8 * 1024 * 1024, /* bytes of an answer: what a stage
					    gave, written in JSON */
	TALK_REDIRECTS = 5,
	TALK_REASON = 256, /* bytes */
	TALK_CONNECT_TIMEOUT_MS = 10000,
	TALK_CALL_TIMEOUT_MS = 60000,
};

struct talk;

struct talk_request {
	const char *url;
	const char *body; /* NULL: GET, else POST */
	bool is_text;     /* the body: else it is JSON */
	bool is_once;     /* acting on it twice makes a difference: over a
			     connection of its own, since libcurl by itself
			     sends again what a kept one lost */
};

/* What became of a request. */
enum talk_end {
	TALK_ANSWERED, /* status, body */
	TALK_BROKEN,   /* no answer, or not all of it: another try may help */
	TALK_FAILED,   /* no other try will help */
};

struct talk_answer {
	enum talk_end end;
	int status;               /* TALK_ANSWERED */
	int64_t retry_after_s;    /* 0 where the answer had none */
	bool is_sent;             /* TALK_BROKEN: the request was sent whole, so
				     the other side may have acted on it */
	bool is_peer_private;     /* TALK_ANSWERED: from an address that is not
				     public */
	char reason[TALK_REASON]; /* for people; TALK_BROKEN, TALK_FAILED */
	struct buf body;          /* initialised by talk_call; buf_fini */
};

/* Borrows @options and what it points to until talk_free.
 * Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int talk_new(struct talk **out,
			    const struct cah_client_options *options,
			    struct cah_error *err);
void talk_free(struct talk *talk);

/* Not 0 stops a call. */
typedef int (*talk_tick_fn)(void *arg);

/* Sends @request and waits for its end. The caller frees answer->body whatever
 * comes. After a fork the child gets a connection of its own.
 * Errors: CAH_ECANCELLED, CAH_ENOMEM. */
CAH_MUST_CHECK int talk_call(struct talk *talk, struct talk_answer *answer,
			     const struct talk_request *request,
			     talk_tick_fn tick, void *tick_arg,
			     struct cah_error *err);

#endif
