/* tracker.h: the HTTP server that hands out jobs and shows the pages
 * (docs/protocol.md). It runs in threads of its own over a store that is
 * already open; `cah tracker`, `cah run` and `cah demo` start it. */
#ifndef TRACKER_TRACKER_H
#define TRACKER_TRACKER_H

#include "base/log.h"
#include "store/store.h"

#include <cah/error.h>

enum {
	TRACKER_IDLE_TIMEOUT_S = 7200,   /* default */
	TRACKER_MAX_CONNECTIONS = 12000, /* default */
	TRACKER_MAX_WAITING = 8192,      /* default */
	TRACKER_GROUP_MAX = 256, /* requests that share one transaction */
	TRACKER_BODIES_MAX =
		16 * 1024 * 1024, /* bytes of all bodies that are not small */
	TRACKER_STOP_MS = 5000,   /* what answers in flight get at the end */
	TRACKER_SWEEP_MAX_MS = 60000, /* between two sweeps at most */
	TRACKER_CONNECTION_S = 30,    /* a connection that says nothing */
	TRACKER_HEADERS_MAX =
		16 * 1024, /* bytes of a request before its body */
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

	/* The organiser's secret; NULL or "": the admin calls are off. */
	const char *admin_token;

	int64_t max_connections; /* 0: the default */

	/* Requests that wait for the store; who comes when there are so many is
	 * told to try again (503). 0: the default. */
	int64_t max_waiting;
};

struct tracker;

/* Claims the store (store_claim), begins the leases of the workers that it
 * knows anew, and answers.
 * The caller ends *out with tracker_stop. Errors: CAH_EINVALID (listen, an
 * upload address), CAH_EUNAVAILABLE (the address is taken or not ours; another
 * tracker has the store), CAH_EIO (threads, sockets), CAH_ENOMEM. */
CAH_MUST_CHECK int tracker_start(struct tracker **out,
				 const struct tracker_options *options,
				 struct cah_error *err);

/* "http://127.0.0.1:8080/", with the port that was given; borrowed until
 * tracker_stop. An address for all interfaces is told as it was given. */
const char *tracker_url(const struct tracker *tracker);

/* Takes no new connection, finishes the answers in flight within
 * TRACKER_STOP_MS, ends the threads, frees @tracker. The store is left open.
 * NULL is fine. */
void tracker_stop(struct tracker *tracker);

#endif
