#include "tracker/gate.h"

#include "base/fail.h"
#include "tracker/buckets.h"
#include "tracker/live.h"
#include "tracker/request.h"
#include "tracker/watch.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <strings.h>

enum {
	/* Bytes of X-Forwarded-For, all its lines: as many as there can be, for
	 * a client must not pass for its proxy by writing more. */
	FORWARDED_MAX = TRACKER_HEADERS_MAX,
	RETRY_CONNECTION_S = 5, /* when there are too many */
	RETRY_WORKERS_S = 60,
	SECRETS_PER_MIN = 20, /* wrong ones of an address */
};

struct gate {
	struct guard_limits conn_limits;
	struct guard *guard;
	struct buckets *buckets; /* NULL: no limits of calls */
	struct live *live;       /* NULL: no limit of workers */
	struct peer_net proxies[TRACKER_PROXIES_MAX];
	size_t proxy_count;
	bool has_warned; /* of X-Forwarded-For by who is no proxy */
	struct log *log;
};

static int take_proxies(struct gate *gate, const struct tracker_limits *limits,
			struct cah_error *err)
{
	for (size_t i = 0; i < limits->proxy_count; i++) {
		if (i == TRACKER_PROXIES_MAX)
			return cah_fail(err, CAH_EINVALID,
					"more than %d trusted proxies",
					TRACKER_PROXIES_MAX);
		int rc = peer_net_parse(&gate->proxies[i], limits->proxies[i],
					err);
		if (rc != CAH_OK)
			return cah_fail_prefix(err, rc, "trusted proxy");
		gate->proxy_count = i + 1;
	}
	return CAH_OK;
}

static int make_parts(struct gate *gate, const struct tracker_options *options,
		      struct cah_error *err)
{
	const struct tracker_limits *limits = &options->limits;
	const int64_t per_min[BUCKET_KIND_COUNT] = {
		[BUCKET_API] = limits->calls_per_min,
		[BUCKET_PAGE] = limits->pages_per_min,
		[BUCKET_NEW] = limits->new_per_min,
		[BUCKET_DEDUP] = limits->dedup_per_min,
		[BUCKET_ADMIN] = SECRETS_PER_MIN,
	};
	int rc = guard_new(&gate->guard, &gate->conn_limits, NULL, err);
	if (rc == CAH_OK)
		rc = buckets_new(&gate->buckets, BUCKETS_PLACES, per_min, err);
	if (rc == CAH_OK && limits->workers > 0)
		rc = live_new(&gate->live, limits->workers,
			      options->idle_timeout_s > 0
				      ? options->idle_timeout_s
				      : TRACKER_IDLE_TIMEOUT_S,
			      err);
	return rc == CAH_OK ? take_proxies(gate, limits, err) : rc;
}

static int64_t seconds_or(int64_t seconds, int64_t otherwise)
{
	return 1000 * (seconds > 0 ? seconds : otherwise);
}

int gate_new(struct gate **out, const struct tracker_options *options,
	     struct cah_error *err)
{
	*out = NULL;
	struct gate *gate = calloc(1, sizeof(*gate));
	if (gate == NULL)
		return cah_fail(err, CAH_ENOMEM, "gate");
	const struct tracker_limits *limits = &options->limits;
	gate->log = options->log;
	gate->conn_limits = (struct guard_limits){
		.max = options->max_connections > 0 ? options->max_connections
						    : TRACKER_MAX_CONNECTIONS,
		.max_per_address = limits->connections,
		.step_ms = seconds_or(limits->request_s, TRACKER_REQUEST_S),
		.idle_ms =
			seconds_or(limits->keep_alive_s, TRACKER_KEEP_ALIVE_S),
	};
	int rc = make_parts(gate, options, err);
	if (rc != CAH_OK) {
		gate_free(gate);
		return rc;
	}
	*out = gate;
	return CAH_OK;
}

void gate_free(struct gate *gate)
{
	if (gate == NULL)
		return;
	guard_free(gate->guard);
	buckets_free(gate->buckets);
	live_free(gate->live);
	free(gate);
}

int64_t gate_conns_max(const struct gate *gate)
{
	return guard_conns_max(&gate->conn_limits);
}

/* ---- connections ---- */

static bool is_proxy(const struct gate *gate, const struct peer *peer)
{
	return peer_is_in(peer, gate->proxies, gate->proxy_count);
}

bool gate_admits(struct gate *gate, const struct sockaddr *address)
{
	struct peer peer;
	peer_of_socket(&peer, address);
	return guard_admits(gate->guard, &peer, is_proxy(gate, &peer));
}

struct guard_conn *gate_open(struct gate *gate, int fd,
			     const struct sockaddr *address, int64_t now_ms)
{
	struct peer peer;
	peer_of_socket(&peer, address);
	return guard_open(gate->guard, fd, &peer, is_proxy(gate, &peer),
			  now_ms);
}

void gate_close(struct gate *gate, struct guard_conn *conn)
{
	guard_close(gate->guard, conn);
}

void gate_enter(struct gate *gate, struct guard_conn *conn,
		enum guard_step step, int64_t bytes, int64_t now_ms)
{
	guard_enter(gate->guard, conn, step, bytes, now_ms);
}

void gate_received(struct guard_conn *conn, size_t len)
{
	guard_received(conn, (int64_t)len);
}

int64_t gate_look(struct gate *gate, int64_t now_ms)
{
	int64_t count = guard_look(gate->guard, now_ms);
	if (count > 0)
		log_debug(gate->log, "%lld slow connections ended",
			  (long long)count);
	return count;
}

/* ---- requests ---- */

/* The lines of a field are one list (RFC 9110, section 5.3); some proxies add
 * a line, some lengthen the last. */
static enum MHD_Result add_forwarded(void *arg, enum MHD_ValueKind kind,
				     const char *name, const char *value)
{
	struct buf *list = arg;
	(void)kind;
	if (strcasecmp(name, "X-Forwarded-For") != 0)
		return MHD_YES;
	if (list->len > 0)
		buf_add_byte(list, ',');
	buf_add_text(list, value != NULL ? value : "");
	return MHD_YES;
}

static void warn_of_proxy(struct gate *gate, const struct peer *peer)
{
	char text[PEER_TEXT];
	if (gate->has_warned)
		return;
	gate->has_warned = true;
	peer_write(text, peer);
	log_warn(gate->log,
		 "%s sends X-Forwarded-For and is no --trusted-proxy: all "
		 "behind it count as one address",
		 text);
}

/* Who sends the request; false where that is a proxy itself, as when it looks
 * whether we are well: then nothing is limited. */
static bool find_peer(struct gate *gate, struct request *request)
{
	const struct peer *socket = guard_peer(request->conn);
	const char *first = request_header(request, "X-Forwarded-For");
	request->peer = *socket;
	if (!guard_is_proxy(request->conn)) {
		if (first != NULL)
			warn_of_proxy(gate, socket);
		return true;
	}
	if (first == NULL)
		return false;
	struct buf list;
	buf_init(&list, FORWARDED_MAX);
	(void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND,
					add_forwarded, &list);
	if (!list.is_failed)
		request->peer = peer_client(socket, buf_slice(&list),
					    gate->proxies, gate->proxy_count);
	buf_fini(&list);
	return true;
}

static int too_many(struct request *request, int64_t retry_s, const char *what,
		    struct cah_error *err)
{
	char text[PEER_TEXT];
	struct peer class = peer_class(&request->peer);
	peer_write(text, &class);
	request->retry_s = retry_s;
	(void)cah_fail(err, CAH_EUNAVAILABLE, "too many %s from %s", what,
		       text);
	err->http_status = 429;
	return CAH_EUNAVAILABLE;
}

static int welcome(struct request *request, struct cah_error *err)
{
	enum guard_welcome how = guard_welcome(request->conn);
	if (how == GUARD_WELCOME)
		return CAH_OK;
	request->is_last = true;
	watch_refused(request->tracker->watch,
		      how == GUARD_CROWDED ? REFUSAL_CROWDED : REFUSAL_FULL, 1);
	if (how == GUARD_CROWDED)
		return too_many(request, RETRY_CONNECTION_S, "connections",
				err);
	request->retry_s = RETRY_CONNECTION_S;
	return cah_fail(err, CAH_EUNAVAILABLE,
			"too many connections at one time, try again");
}

static enum bucket_kind kind_of(const struct request *request)
{
	if (!request->is_routed)
		return BUCKET_PAGE;
	if (request->route == ROUTE_NEW)
		return BUCKET_NEW;
	if (wire_route_book(request->route) == WIRE_SIFTS)
		return BUCKET_DEDUP;
	enum wire_answer answer = wire_route_answer(request->route);
	return answer == WIRE_JSON || answer == WIRE_TEXT ? BUCKET_API
							  : BUCKET_PAGE;
}

int gate_pass(struct gate *gate, struct request *request, int64_t now_ms,
	      struct cah_error *err)
{
	static const char *const what[BUCKET_KIND_COUNT] = {
		[BUCKET_API] = "calls",
		[BUCKET_PAGE] = "pages",
		[BUCKET_NEW] = "new workers",
		[BUCKET_DEDUP] = "lists of pairs",
	};
	if (request->conn == NULL)
		return CAH_OK;
	bool is_limited = find_peer(gate, request);
	int rc = welcome(request, err);
	if (rc != CAH_OK || !is_limited ||
	    (request->is_routed && wire_route_is_watch(request->route)))
		return rc;
	enum bucket_kind kind = kind_of(request);
	int64_t wait_s = buckets_take(gate->buckets, &request->peer, kind,
				      now_ms * 1000000);
	if (wait_s > 0) {
		watch_refused(request->tracker->watch, REFUSAL_RATE, 1);
		return too_many(request, wait_s, what[kind], err);
	}
	if (kind != BUCKET_NEW || gate->live == NULL)
		return CAH_OK;
	request->is_reserved =
		live_reserve(gate->live, &request->peer, now_ms / 1000);
	if (request->is_reserved)
		return CAH_OK;
	watch_refused(request->tracker->watch, REFUSAL_WORKERS, 1);
	return too_many(request, RETRY_WORKERS_S, "live workers", err);
}

int gate_pass_secret(struct gate *gate, struct request *request, int64_t now_ms,
		     struct cah_error *err)
{
	if (request->conn == NULL || !request_has_secret(request))
		return CAH_OK;
	int64_t wait_s = buckets_take(gate->buckets, &request->peer,
				      BUCKET_ADMIN, now_ms * 1000000);
	if (wait_s > 0) {
		watch_refused(request->tracker->watch, REFUSAL_ADMIN, 1);
		return too_many(request, wait_s, "wrong secrets", err);
	}
	if (request_is_admin(request)) {
		buckets_put(gate->buckets, &request->peer, BUCKET_ADMIN);
		return CAH_OK;
	}
	watch_wrong_secret(request->tracker->watch, request);
	return CAH_OK;
}

void gate_leave(struct gate *gate, const struct request *request,
		int64_t now_ms)
{
	struct slice token;
	if (gate->live == NULL || request->conn == NULL)
		return;
	bool is_good = request->is_done && request->status == 200;
	if (request->route == ROUTE_NEW && request->is_reserved) {
		if (is_good)
			live_add(gate->live, slice_of(request->token),
				 &request->peer, now_ms / 1000);
		live_release(gate->live, &request->peer);
		return;
	}
	if (!is_good || !request->is_routed ||
	    wire_route_method(request->route) != WIRE_POST ||
	    wire_body_text(&request->body, "token", &token, NULL) != CAH_OK)
		return;
	if (request->route == ROUTE_BYE)
		live_remove(gate->live, token);
	else if (request->route == ROUTE_NEW_JOB)
		live_add(gate->live, token, &request->peer, now_ms / 1000);
	else
		live_touch(gate->live, token, now_ms / 1000);
}
