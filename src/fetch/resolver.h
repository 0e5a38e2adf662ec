/* resolver.h: one way to ask: one context of libunbound, which resolves in a
 * thread of its own, sends again what gets no answer, and has a cache. Not in
 * here: joining, limits and deadlines (dns.h). One owner thread. */
#ifndef FETCH_RESOLVER_H
#define FETCH_RESOLVER_H

#include "fetch/dns.h"

enum {
	RESOLVER_SENDS = 5,            /* of a query to one server */
	RESOLVER_FIRST_WAIT_MS = 376,  /* for an answer; twice as long each
					  time, RFC 1536, 1 */
	RESOLVER_LAST_WAIT_MS = 12000, /* a server that lets us wait so long
					  is taken to be down */
	RESOLVER_PORTS = 1024,         /* sockets at most, one a query: an
					  attacker has to guess the port, RFC
					  5452, 9.2 */
	RESOLVER_FILES_SHARE = 4,      /* of the files that the process may
					  open, at most one in so many */
	RESOLVER_STREAMS = 64,         /* TCP, for what was cut */
	RESOLVER_CNAMES = 11,          /* aliases behind each other */
	RESOLVER_MESSAGES_MB = 16,     /* of cache: */
	RESOLVER_RECORDS_MB = 32,
	RESOLVER_SERVERS = 20000, /* whose speed is remembered */
};

struct resolver;

/* A name that is asked for; in the owner's memory until it is answered or
 * cancelled. */
struct question {
	struct resolver *resolver;
	const char *name; /* borrowed as long */
	/* From resolver_step. fate, count, addresses, keep_ms and detail are
	 * set. */
	void (*done)(struct question *question,
		     const struct dns_answer *answer);
	int id; /* libunbound's */
	int type;
};

/* As dns_new, without "auto". */
CAH_MUST_CHECK int resolver_new(struct resolver **out, const char *how,
				const struct dns_options *options,
				struct cah_error *err);

/* Questions that are open are forgotten. NULL is fine. */
void resolver_free(struct resolver *resolver);

int resolver_fd(const struct resolver *resolver);

/* Fills @question's resolver. False where libunbound cannot, for want of memory
 * as a rule. */
CAH_MUST_CHECK bool resolver_ask(struct resolver *resolver,
				 struct question *question);
void resolver_cancel(struct question *question);

/* Errors: CAH_EIO. */
CAH_MUST_CHECK int resolver_step(struct resolver *resolver,
				 struct cah_error *err);

#endif
