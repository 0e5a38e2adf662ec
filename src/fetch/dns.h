/* dns.h: the addresses of names, by libunbound, many at once, without blocking.
 * Whoever asks for a name that is being looked up already waits for the same
 * answer. One owner thread at a time, whose loop watches the descriptor. */
#ifndef FETCH_DNS_H
#define FETCH_DNS_H

#include "base/fate.h"
#include "base/log.h"
#include "fetch/address.h"

#include <cah/error.h>
#include <stdint.h>

enum {
	DNS_ADDRESSES = 4,     /* kept of an answer */
	DNS_DETAIL_MAX = 96,   /* bytes, with the NUL */
	DNS_FLIGHT = 1024,     /* look-ups under way; others wait for those */
	DNS_NAMES = 1 << 20,   /* asked for at once, waiting ones and all */
	DNS_NAME_MAX = 253,    /* bytes of a name as text, RFC 1035 */
	DNS_SERVERS_MAX = 16,  /* of a list */
	DNS_SERVER_TEXT = 64,  /* bytes of one, with the NUL */
	DNS_FAILED_KEEP_S = 5, /* that a failure is remembered; RFC 2308, 7,
				  allows 5 minutes */
};

struct dns;

struct dns_options {
	const char *how;    /* "recursive": from the root down, by ourselves;
			       "system": the servers of /etc/resolv.conf;
			       ADDR[@PORT],..: those servers;
			       "auto": the better of the first two, found out by
			       asking both for the first names */
	const char *system; /* ADDR[@PORT],.. that "system" stands for;
			       NULL: those of /etc/resolv.conf */
	const char *root_hints; /* a zone file with the root's name servers;
				   NULL: those of the internet */
	int64_t timeout_ms;     /* of one look-up */
	bool allow_private;     /* name servers that a delegation names may
				   have addresses that are not public */
	/* An answer is kept as long as its TTL says, but: */
	int min_ttl_s;
	int max_ttl_s;
	int max_negative_ttl_s; /* no such name, or no address of it; RFC 2308,
				   5, wants one to three hours at most */
};

struct dns_options dns_options_default(void);

struct dns_answer {
	enum fate fate; /* CAH_FATE_KEPT: there is an address */
	int count;
	union address addresses[DNS_ADDRESSES];
	int64_t keep_ms;             /* how long it holds */
	int64_t took_ms;             /* since the servers were asked */
	char detail[DNS_DETAIL_MAX]; /* of a failure, for people */
};

typedef void (*dns_done_fn)(const struct dns_answer *answer, void *arg);

/* /etc/hosts goes before all servers. Copies what it needs. The caller frees
 * *out. Errors: CAH_EINVALID (how), CAH_EIO (no /etc/resolv.conf), CAH_ENOMEM.
 */
CAH_MUST_CHECK int dns_new(struct dns **out, const struct dns_options *options,
			   struct cah_error *err);

/* Where "auto" tells what it chose; borrowed, may be NULL. */
void dns_set_log(struct dns *dns, struct log *log);

/* What was asked and not answered is never called back. NULL is fine. */
void dns_free(struct dns *dns);

/* Readable when dns_step has something to do. */
int dns_fd(const struct dns *dns);

/* Looks for IPv4 addresses, and for IPv6 where there are none. @done is called
 * once, from dns_step. Errors: CAH_ENOMEM, CAH_ELIMIT (not called back). */
CAH_MUST_CHECK int dns_ask(struct dns *dns, const char *name, int64_t now_ms,
			   dns_done_fn done, void *arg, struct cah_error *err);

/* Forgets all that was asked; nobody is called back. The cache stays. */
void dns_forget(struct dns *dns);

/* Calls back for answers and for what took too long. Errors: CAH_EIO. */
CAH_MUST_CHECK int dns_step(struct dns *dns, int64_t now_ms,
			    struct cah_error *err);

/* When dns_step must be called at the latest; -1 where nothing is asked. */
int64_t dns_deadline_ms(const struct dns *dns);

#endif
