/* gate.h: what a request has to pass before its call runs: who sends it
 * (peer.h), how many that one sends (buckets.h), how many workers it has
 * (live.h), and at which step its connection is (guard.h). The server's thread
 * only; no clock. */
#ifndef TRACKER_GATE_H
#define TRACKER_GATE_H

#include "tracker/guard.h"
#include "tracker/tracker.h"

struct gate;
struct request;
struct sockaddr;

/* Takes the limits and proxies of @options. The caller frees *out after all
 * connections are closed. Errors: CAH_EINVALID (a proxy), CAH_ENOMEM. */
CAH_MUST_CHECK int gate_new(struct gate **out,
			    const struct tracker_options *options,
			    struct cah_error *err);
void gate_free(struct gate *gate);

/* The most connections that the HTTP library has to bear. */
int64_t gate_conns_max(const struct gate *gate);

/* Whether a connection of @address may be opened; a refused one is closed. */
bool gate_admits(struct gate *gate, const struct sockaddr *address);

/* NULL when out of memory: then the connection has no limits. */
struct guard_conn *gate_open(struct gate *gate, int fd,
			     const struct sockaddr *address, int64_t now_ms);
void gate_close(struct gate *gate, struct guard_conn *conn);

/* The connection's step, guard.h. */
void gate_enter(struct gate *gate, struct guard_conn *conn,
		enum guard_step step, int64_t bytes, int64_t now_ms);
void gate_received(struct guard_conn *conn, size_t len);

/* Hangs up on those who are too slow; returns how many. About once a second. */
int64_t gate_look(struct gate *gate, int64_t now_ms);

/* Once a request's head is there; a request whose call is not known is counted
 * as well. Sets request->peer. On failure request->retry_s says when to come
 * again, and request->is_last that no request may follow on the connection.
 * Errors: CAH_EUNAVAILABLE, with http_status 429 or 503. */
CAH_MUST_CHECK int gate_pass(struct gate *gate, struct request *request,
			     int64_t now_ms, struct cah_error *err);

/* Once its body is there: wrong secrets are limited and logged.
 * Errors: CAH_EUNAVAILABLE, with http_status 429. */
CAH_MUST_CHECK int gate_pass_secret(struct gate *gate, struct request *request,
				    int64_t now_ms, struct cah_error *err);

/* Once, at the end of each request that passed: what it came to is known. */
void gate_leave(struct gate *gate, const struct request *request,
		int64_t now_ms);

#endif
