/* fetch.h: the stage that downloads images: one epoll loop over libcurl's multi
 * interface and libunbound, requests in by one queue, answers out by another.
 * What cannot be had is no error but a fate. */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/fate.h"
#include "base/queue.h"
#include "fetch/address.h"
#include "fetch/dns.h"

#include <cah/error.h>
#include <stdint.h>

enum {
	FETCH_DETAIL_MAX = 128, /* bytes, with the NUL */
	FETCH_WINDOW = 16, /* jobs inside for each transfer at once: so many
			      that those of one slow host do not keep the
			      others out */
	FETCH_WINDOW_LEAST = 256, /* transfers that jobs are taken in for, if
				     there are fewer */
	FETCH_SHARES = 512,       /* max_held is so many shares: what no body is
				     denied, and 256 transfers need half of it */
};

struct fetch_options {
	int concurrency; /* transfers at once; 0: as many as the link bears,
			    which is found out (knee.h) */
	int per_host;    /* of them to one host and port */
	int per_address; /* of them to one address, whatever the hosts */
	int64_t host_delay_ms;    /* between the beginnings of two requests to
				     one host and port, at least */
	int64_t address_delay_ms; /* the same for one address */
	int64_t max_rest_ms;      /* that a job waits for hosts that ask for it
				     by Retry-After; where it were longer, it
				     ends with the fate of that answer */
	int retries;              /* of what failed for a passing reason, when
				     no other job waits */
	int64_t connect_timeout_ms;
	int64_t total_timeout_ms; /* one image, with its look-ups and
				     redirects; not what it waits for others */
	int64_t lowest_rate;      /* bytes a second, over 5 s: too_slow */
	size_t max_bytes;         /* of a body: too_large */
	size_t max_held;          /* bytes of all bodies that are not dropped
				     yet. Over half of it no transfer begins;
				     over it, bodies that are larger than a
				     share of it end as too_large: only servers
				     that conspire get there */
	size_t max_header_bytes;  /* http_broken */
	int max_redirects;
	bool allow_private;      /* addresses that are not public */
	bool ignore_robots_tag;  /* X-Robots-Tag noai, noimageai, noindex,
				    noimageindex are honoured otherwise */
	const char *user_agent;  /* NULL: the project's own */
	const struct pins *pins; /* may be NULL; borrowed. No permission: a
				    private address needs allow_private */
	struct dns *dns;     /* borrowed, one stage's at a time; NULL: one of
				its own, with dns_options_default */
	const char *ca_file; /* certificates; NULL: the system's */
};

struct fetch_options fetch_options_default(void);

/* One image. The caller makes it, with @url and what else it wants around it;
 * the stage borrows it until it comes out of the queue. */
struct fetch_job {
	const char *url; /* absolute, http or https; the caller's */
	void *user;      /* the caller's */
	/* set by the stage: */
	enum fate fate;  /* CAH_FATE_KEPT: the body is whole */
	int http_status; /* of the last answer, 0 where there was none */
	int tries;       /* how often it was begun */
	struct buf body; /* initialised by the stage, the caller's from then
			    on: fetch_drop_body after the job came out */
	char detail[FETCH_DETAIL_MAX]; /* one line for people where it is not
					  kept */
	struct fetch_job *next;        /* the stage's */
};

struct fetch_stats {
	int64_t started;
	int64_t done;
	int64_t retried; /* tries but for the first */
	int64_t bytes;   /* of bodies */
	int active;      /* transfers now */
	int window;      /* that may be at once */
	int waiting;     /* jobs inside that have no transfer yet */
};

struct fetch;

/* Copies what @options says, but for what is borrowed. The caller frees *out.
 * Errors: CAH_EINVALID, CAH_ENOMEM, CAH_EIO, CAH_ELIMIT (too
 * few files may be open). Any thread. */
CAH_MUST_CHECK int fetch_new(struct fetch **out,
			     const struct fetch_options *options,
			     struct cah_error *err);

/* After fetch_run came back, and whoever pushes to its @in is done too. */
void fetch_free(struct fetch *fetch);

/* Takes jobs (struct fetch_job *) from @in and puts each into @out exactly
 * once, in whatever order they end, until @in is closed and all are out; then
 * closes @out. When @cancel (may be NULL) is set, what is inside and what still
 * comes ends at once with the fate CAH_FATE_INTERNAL; the caller closes @in and
 * empties @out all the same. The calling thread is the loop's; sets @in's
 * notify. Where @out is full no jobs are taken or begun until there is room.
 * Errors: CAH_EIO, CAH_ENOMEM (the jobs still come out, as when cancelled). */
CAH_MUST_CHECK int fetch_run(struct fetch *fetch, struct queue *in,
			     struct queue *out, struct cancel *cancel,
			     struct cah_error *err);

/* Frees the body of a job that came out, which makes room for others. After
 * fetch_free it is buf_fini. Any thread. */
void fetch_drop_body(struct fetch *fetch, struct fetch_job *job);

/* Any thread. */
void fetch_get_stats(struct fetch *fetch, struct fetch_stats *out);

#endif
