/* site.h: hosts with their ports: what their addresses are, and who waits for
 * them. Owned by the loop's thread. */
#ifndef FETCH_SITE_H
#define FETCH_SITE_H

#include "fetch/dns.h"
#include "fetch/target.h"

#include <sys/queue.h>

enum {
	SITE_IDLE_MAX = 4096,     /* sites kept that nobody waits for */
};

struct task;
struct machine;
struct machines;
TAILQ_HEAD(task_list, task);

enum site_state {
	SITE_NEW,
	SITE_ASKING, /* the name servers */
	SITE_KNOWN,  /* answer stands */
};

enum site_place {
	SITE_NOWHERE,
	SITE_READY,   /* among those that may begin a transfer */
	SITE_RESTING, /* among those that may not begin one before a time */
	SITE_CROWDED, /* among those that wait for a place at their machine */
	SITE_IDLE,    /* among those that nobody wants */
};

struct site {
	TAILQ_ENTRY(site) all;
	TAILQ_ENTRY(site) link; /* of the list that place says */
	enum site_place place;
	enum site_state state;
	struct dns_answer answer;
	int64_t asked_ms;
	int64_t known_ms;
	struct machine *machine; /* of the first address, once it is known */
	int64_t next_ms;         /* no transfer begins before (spacing) */
	int64_t rests_until_ms;  /* nor before this (Retry-After) */
	int64_t rested_ms;       /* rests that it asked for, together */
	int64_t wakes_ms;        /* while it rests: when it is looked at */
	enum fate rest_fate;     /* of the answer that asked for the last */
	int rest_status;
	struct task_list waiting;
	int running;   /* transfers */
	bool was_used; /* a connection may have been left open */
	void *owner;   /* of the table */
	int port;
	char *host; /* behind the key */
	char key[]; /* HOST:PORT */
};

TAILQ_HEAD(site_list, site);

struct sites;

/* A table of at most @max sites that are wanted at once. The caller frees
 * *out. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int sites_new(struct sites **out, size_t max, void *owner,
			     struct cah_error *err);
void sites_free(struct sites *sites);

/* What the addresses of sites are counted in; the table frees it. */
struct machines *sites_machines(struct sites *sites);

/* The site of @target, a new one where there is none; in no list any more if it
 * was idle, and SITE_NEW if what was known of it is too old. NULL when out of
 * memory. */
struct site *sites_get(struct sites *sites, const struct target *target,
		       int64_t now_ms);

/* Puts @site among the idle where nobody wants it; it may be freed soon. */
void sites_release(struct sites *sites, struct site *site);

/* Calls @fn for each; it may end tasks but must not get or release. */
void sites_each(struct sites *sites, void (*fn)(struct site *site));

#endif
