#include "tracker/watch.h"

#include "base/clock.h"
#include "base/fail.h"
#include "tracker/access.h"
#include "tracker/request.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <stdlib.h>

struct watch {
	struct store *store;
	struct log *log;
	struct tally tally;
	struct access access;
	struct health *health;
	struct log_burst calls;
	struct log_burst groups;
	struct log_burst secrets;
};

static int64_t now_s(void)
{
	return clock_now_ms() / 1000;
}

/* ---- the store ---- */

struct question {
	struct store *store;
	struct store_counts *counts;
	struct cah_error *err;
	int rc;
};

static void ask_counts(void *arg)
{
	struct question *q = arg;
	q->rc = store_get_counts(q->store, q->counts, clock_wall_s(), q->err);
}

/* Once a second; what was left out of the log is told here as well. */
static int ask(void *arg, bool is_write, struct store_counts *out,
	       struct cah_error *err)
{
	struct watch *watch = arg;
	struct question q = {.store = watch->store, .counts = out, .err = err};
	int rc = store_group(watch->store, is_write, ask_counts, &q, err);
	int64_t second = now_s();
	access_tell(&watch->access, second);
	log_burst_tell(watch->log, LOG_ERROR, &watch->calls,
		       "calls that failed", second);
	log_burst_tell(watch->log, LOG_ERROR, &watch->groups,
		       "transactions that failed", second);
	log_burst_tell(watch->log, LOG_WARN, &watch->secrets, "wrong secrets",
		       second);
	return rc != CAH_OK ? rc : q.rc;
}

int watch_new(struct watch **out, struct store *store, struct log *log,
	      struct cah_error *err)
{
	*out = NULL;
	struct watch *watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return cah_fail(err, CAH_ENOMEM, "watch");
	watch->store = store;
	watch->log = log;
	access_init(&watch->access, log);
	const struct health_options options = {
		.ask = ask, .arg = watch, .log = log};
	int rc = health_new(&watch->health, &options, err);
	if (rc != CAH_OK) {
		free(watch);
		return rc;
	}
	*out = watch;
	return CAH_OK;
}

void watch_free(struct watch *watch)
{
	if (watch == NULL)
		return;
	health_free(watch->health);
	free(watch);
}

/* ---- requests ---- */

void watch_name(struct watch *watch, struct request *request)
{
	const char *given = NULL;
	if (request_is_proxied(request))
		given = request_header(request, "X-Request-Id");
	if (!access_take_id(request->id, slice_of(given)))
		access_make_id(&watch->access, request->id);
}

void watch_arrived(struct request *request)
{
	request->arrived_ns = clock_now_ns();
}

static bool has_route(const struct request *request)
{
	return request->is_routed || request->status == 405;
}

void watch_answered(struct watch *watch, const struct request *request,
		    size_t bytes)
{
	int64_t now_ns = clock_now_ns();
	int64_t ns = now_ns - request->arrived_ns;
	int route = has_route(request) ? (int)request->route : TALLY_UNKNOWN;
	tally_request(&watch->tally, route, request->status, ns);
	if (!access_wants(&watch->access, request->status, ns))
		return;
	char client[REQUEST_CLIENT_MAX];
	request_client(request, client);
	const struct access_entry entry = {
		.id = request->id,
		.address = client,
		.method = request->method,
		.route = has_route(request) ? wire_route_path(request->route)
					    : NULL,
		.path = buf_slice(&request->uri),
		.status = request->status,
		.bytes = bytes,
		.ns = ns,
		.error = request->status >= 400 ? request->err.text : NULL,
		.is_unremarked = has_route(request) &&
				 wire_route_is_watch(request->route),
	};
	access_write(&watch->access, &entry, now_ns / METRICS_NANO);
}

void watch_call_failed(struct watch *watch, const struct request *request,
		       const struct cah_error *err)
{
	const struct log_field fields[] = {
		log_text("id", slice_of(request->id)),
		log_text("route", slice_of(wire_route_path(request->route))),
		log_text("error", slice_of(err->text)),
	};
	if (log_burst_passes(&watch->calls, now_s()))
		log_fields(watch->log, LOG_ERROR, "call failed", fields, 3);
}

void watch_wrong_secret(struct watch *watch, const struct request *request)
{
	char client[REQUEST_CLIENT_MAX];
	request_client(request, client);
	const struct log_field fields[] = {
		log_text("id", slice_of(request->id)),
		log_text("client", slice_of(client)),
		log_text("route", slice_of(wire_route_path(request->route))),
	};
	if (log_burst_passes(&watch->secrets, now_s()))
		log_fields(watch->log, LOG_WARN, "a wrong secret", fields, 3);
}

void watch_refused(struct watch *watch, enum refusal why, int64_t count)
{
	tally_refused(&watch->tally, why, count);
}

/* ---- groups and sweeps ---- */

void watch_group(struct watch *watch, size_t requests, bool is_write,
		 int64_t commit_ns)
{
	tally_group(&watch->tally, requests, commit_ns);
	if (is_write)
		health_wrote(watch->health);
}

void watch_flush(struct watch *watch, int64_t ns)
{
	tally_flush(&watch->tally, ns);
}

void watch_group_failed(struct watch *watch, size_t requests, bool is_write,
			const struct cah_error *err)
{
	tally_store_error(&watch->tally);
	if (is_write)
		health_failed(watch->health);
	const struct log_field fields[] = {
		log_int("requests", (int64_t)requests),
		log_text("error", slice_of(err->text)),
	};
	if (log_burst_passes(&watch->groups, now_s()))
		log_fields(watch->log, LOG_ERROR, "transaction failed", fields,
			   2);
}

void watch_sifted(struct watch *watch, int64_t ns)
{
	tally_sifted(&watch->tally, ns);
}

void watch_sift_failed(struct watch *watch, const struct cah_error *err)
{
	tally_sift_error(&watch->tally);
	if (log_burst_passes(&watch->groups, now_s()))
		log_error(watch->log, "dedup: %s", err->text);
}

void watch_sweep(struct watch *watch, int64_t count)
{
	tally_sweep(&watch->tally, count);
	health_wrote(watch->health);
	if (count > 0)
		log_info(watch->log, "%" PRId64 " workers timed out", count);
}

void watch_sweep_failed(struct watch *watch, const struct cah_error *err)
{
	tally_store_error(&watch->tally);
	health_failed(watch->health);
	if (log_burst_passes(&watch->groups, now_s()))
		log_warn(watch->log, "sweep: %s", err->text);
}

/* ---- who looks ---- */

bool watch_is_ready(struct watch *watch, char why[HEALTH_WHY_MAX])
{
	return health_is_ready(watch->health, why);
}

void watch_write(struct watch *watch, struct buf *out, int64_t connections,
		 struct sifter *sifter)
{
	struct store_counts counts;
	bool is_up = health_counts(watch->health, &counts);
	const struct tally_now now = {
		.counts = is_up ? &counts : NULL,
		.connections = connections,
		.sifter = sifter,
	};
	tally_write(out, &watch->tally, &now);
}
