/* dns.h: the addresses of names, by libunbound, many at once, without blocking.
 * One owner thread, whose loop watches the descriptor. */
#ifndef FETCH_DNS_H
#define FETCH_DNS_H

#include "base/fate.h"
#include "fetch/address.h"

#include <cah/error.h>
#include <stdint.h>

enum {
	DNS_ADDRESSES = 4,   /* kept of an answer */
	DNS_DETAIL_MAX = 96, /* bytes, with the NUL */
};

struct dns;

struct dns_answer {
	enum fate fate; /* CAH_FATE_KEPT: there is an address */
	int count;
	union address addresses[DNS_ADDRESSES];
	char detail[DNS_DETAIL_MAX]; /* of a failure, for people */
};

typedef void (*dns_done_fn)(const struct dns_answer *answer, void *arg);

/* @server is ADDR[@PORT]; NULL for the servers of /etc/resolv.conf; "recursive"
 * to ask the authorities from the root down. /etc/hosts goes first. The caller
 * frees *out. Errors: CAH_EINVALID (server), CAH_ENOMEM. */
CAH_MUST_CHECK int dns_new(struct dns **out, const char *server,
			   int64_t timeout_ms, struct cah_error *err);

/* What was asked and not answered is never called back. NULL is fine. */
void dns_free(struct dns *dns);

/* Readable when dns_step has something to do. */
int dns_fd(const struct dns *dns);

/* Looks for IPv4 addresses, and for IPv6 where there are none. @done is called
 * once, from dns_step. Errors: CAH_ENOMEM, CAH_EIO (not called back). */
CAH_MUST_CHECK int dns_ask(struct dns *dns, const char *name, int64_t now_ms,
			   dns_done_fn done, void *arg, struct cah_error *err);

/* Calls back for answers and for what took too long. Errors: CAH_EIO. */
CAH_MUST_CHECK int dns_step(struct dns *dns, int64_t now_ms,
			    struct cah_error *err);

/* When dns_step must be called at the latest; -1 where nothing is asked. */
int64_t dns_deadline_ms(const struct dns *dns);

#endif
