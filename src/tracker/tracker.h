/* tracker.h: the HTTP server that hands out jobs and shows the pages
 * (docs/protocol.md). It runs in threads of its own over a store that is
 * already open; `cah tracker`, `cah run` and `cah demo` start it. */
#ifndef TRACKER_TRACKER_H
#define TRACKER_TRACKER_H

#include "base/log.h"
#include "dedup/bloom.h"
#include "store/store.h"

#include <cah/error.h>

enum {
	TRACKER_IDLE_TIMEOUT_S = 7200,   /* default */
	TRACKER_MAX_CONNECTIONS = 12000, /* default */
	TRACKER_MAX_WAITING = 8192,      /* default */
	TRACKER_GROUP_MAX = 256, /* requests that share one transaction */
	TRACKER_BODIES_MAX =
		16 * 1024 * 1024, /* bytes of all bodies that are not small */
	TRACKER_LISTS_MAX =
		64 * 1024 * 1024, /* bytes of lists for the dedup service */
	TRACKER_ANSWERS_MAX = 256 * 1024 * 1024, /* default: bytes of all
						    answers that are not small,
						    until they are read */
	TRACKER_STOP_MS = 4000, /* what answers in flight, and calls of the
				   store, get at the end: a stop takes 5 s */
	TRACKER_SWEEP_MAX_MS = 60000, /* between two sweeps at most */
	TRACKER_REQUEST_S = 20,    /* default: for a request's head, and for its
				      body or answer beside GUARD_RATE */
	TRACKER_KEEP_ALIVE_S = 60, /* default: between two requests */
	/* What one address may do, where the limits are on (`cah tracker`): a
	 * school with 500 workers that call every ten seconds needs a quarter
	 * of it. */
	TRACKER_CALLS_PER_MIN = 12000,
	TRACKER_PAGES_PER_MIN = 3000,
	TRACKER_NEW_PER_MIN = 1000,
	TRACKER_DEDUP_PER_MIN = 600, /* lists of up to 100,000 pairs */
	TRACKER_ADDRESS_WORKERS = 2000,
	TRACKER_ADDRESS_CONNECTIONS = 2500,
	TRACKER_PROXIES_MAX = 64,     /* ADDR/BITS that are trusted */
	TRACKER_FILTERS_MAX = 8,      /* of the dedup service */
	TRACKER_FILTER_NAME_MAX = 64, /* bytes */
	TRACKER_HEADERS_MAX =
		16 * 1024, /* bytes of a request before its body */
};

/* What one address may do (an IPv6 one: its /64); 0: as much as it likes. A
 * minute's worth may come at once. */
struct tracker_limits {
	int64_t calls_per_min;
	int64_t pages_per_min;
	int64_t new_per_min; /* workers that register */
	int64_t dedup_per_min;
	int64_t workers; /* that are alive */
	int64_t connections;

	/* ADDR[/BITS] of those whose X-Forwarded-For is believed. */
	const char *const *proxies;
	size_t proxy_count;

	/* For all, 0: the default. */
	int64_t request_s;
	int64_t keep_alive_s;
};

/* A filter of the dedup service. */
struct tracker_filter {
	const char *name; /* what clients send as "key" */
	const char *path; /* its file; a journal lies beside it */
	struct bloom_size size;
};

struct tracker_dedup {
	struct tracker_filter filters[TRACKER_FILTERS_MAX];
	size_t count; /* 0: there is no such service */
};

/* Everything is borrowed; strings are copied by tracker_start, the store and
 * the log must stay until tracker_stop has returned. Zeroed is a good start:
 * then only @store must be set. */
struct tracker_options {
	struct store *store; /* open */
	struct log *log;     /* NULL: says nothing */
	const char *listen;  /* "ADDR:PORT", "[V6ADDR]:PORT"; port 0: any free
				one; NULL: "127.0.0.1:8080" */

	/* A worker not heard of for so long is gone; 0: the default. */
	int64_t idle_timeout_s;

	/* What /api/getUploadAddress answers, by enum worker_type; NULL: "" */
	const char *upload_address[WORKER_TYPE_COUNT];

	/* A project with stages: what it and they are called, by stage, NULL
	 * for those that are off. Stages go from the first on without a gap.
	 * NULL: "Crawling@Home". */
	const char *project;
	const char *stage_names[STORE_STAGE_COUNT];

	/* The organiser's secret, at least SECRET_MIN bytes; NULL or "": the
	 * admin calls are off. */
	const char *admin_token;

	/* PEM files; both or none. With them the tracker speaks TLS only, and
	 * one tracker of a process may. */
	const char *tls_cert;
	const char *tls_key;

	struct tracker_limits limits;

	struct tracker_dedup dedup;

	int64_t max_connections; /* 0: the default */

	/* Requests that wait for the store; who comes when there are so many is
	 * told to try again (503). 0: the default. */
	int64_t max_waiting;

	/* Bytes of long answers that may be held until they are read: above it
	 * pages, lists and what stages gave are refused (503). 0: the default.
	 */
	int64_t max_answer_bytes;
};

struct tracker;

/* Claims the store (store_claim), begins the leases of the workers that it
 * knows anew, and answers.
 * The caller ends *out with tracker_stop. Errors: CAH_EINVALID (listen, an
 * upload address, a stage, a secret too short, a proxy, what is in the TLS
 * files, a filter), CAH_EUNAVAILABLE (the address is taken or not ours; another
 * tracker has the store), CAH_EIO (threads, sockets), CAH_ENOMEM. */
CAH_MUST_CHECK int tracker_start(struct tracker **out,
				 const struct tracker_options *options,
				 struct cah_error *err);

/* "http://127.0.0.1:8080/", with the port that was given; borrowed until
 * tracker_stop. An address for all interfaces is told as it was given. */
const char *tracker_url(const struct tracker *tracker);

/* Reads the TLS files again, for connections that begin from now on; on failure
 * the former ones stay. Does nothing where there are none. The thread of
 * tracker_start. Errors: as tracker_start's. */
CAH_MUST_CHECK int tracker_reload(struct tracker *tracker,
				  struct cah_error *err);

/* Takes no new connection, finishes the answers in flight within
 * TRACKER_STOP_MS, ends the threads, frees @tracker. The store is left open.
 * NULL is fine. */
void tracker_stop(struct tracker *tracker);

#endif
