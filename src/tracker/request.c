#include "tracker/request.h"

#include "base/clock.h"
#include "base/fail.h"
#include "tracker/gate.h"
#include "tracker/watch.h"
#include "wire/form.h"

#include <ctype.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stddef.h>
#include <stdlib.h>

enum {
	RETRY_AFTER_S = 5, /* what an answer 503 asks for */
	/* A client that is still sending does not read its refusal; so much of
	 * a body too long is read and thrown away first, in bytes. */
	DISCARD_MAX = 2 * WIRE_DATA_BODY_MAX,
	REQUEST_URI_MAX = TRACKER_HEADERS_MAX,
};

typedef int (*route_fn)(struct request *request, struct cah_error *err);

static const route_fn routes[] = {
#define ROUTE(name, handler, method, path, answer, book, body_max, text) \
	[ROUTE_##name] = route_##handler,
#include "wire/routes.def"
#undef ROUTE
};

/* A request is large (paths and queries are taken apart within it); those that
 * are free wait for the next. */
static struct request *take_spare(struct tracker *tracker)
{
	struct request *request = tracker->spares;
	if (request != NULL) {
		tracker->spares = request->next;
		tracker->spare_count--;
		return request;
	}
	request = malloc(sizeof(*request));
	if (request == NULL)
		return NULL;
	buf_init(&request->uri, REQUEST_URI_MAX);
	buf_init(&request->raw_body, WIRE_DATA_BODY_MAX);
	buf_init(&request->out, REQUEST_ANSWER_MAX);
	return request;
}

static void drop(struct request *request)
{
	buf_fini(&request->uri);
	buf_fini(&request->raw_body);
	buf_fini(&request->out);
	free(request);
}

static void clear(struct buf *buf)
{
	size_t max = buf->max;
	buf_reset(buf);
	if (buf->cap <= REQUEST_KEPT_MAX)
		return;
	buf_fini(buf);
	buf_init(buf, max);
}

static bool sifts(const struct request *request)
{
	return request->is_routed &&
	       wire_route_book(request->route) == WIRE_SIFTS;
}

/* Where its body is counted. */
static size_t *held_bytes(const struct request *request)
{
	struct tracker *tracker = request->tracker;
	return sifts(request) ? &tracker->list_bytes : &tracker->body_bytes;
}

static void put_spare(struct request *request)
{
	struct tracker *tracker = request->tracker;
	wire_body_fini(&request->body);
	*held_bytes(request) -= request->counted;
	if (request->held > 0)
		atomic_fetch_sub(&tracker->answer_bytes, request->held);
	if (tracker->spare_count >= REQUEST_SPARES_MAX) {
		drop(request);
		return;
	}
	clear(&request->uri);
	clear(&request->raw_body);
	clear(&request->out);
	request->next = tracker->spares;
	tracker->spares = request;
	tracker->spare_count++;
}

struct request *request_new(struct tracker *tracker, const char *uri)
{
	struct request *request = take_spare(tracker);
	if (request == NULL)
		return NULL;
	memset(&request->next, 0,
	       offsetof(struct request, path) - offsetof(struct request, next));
	request->retry_s = RETRY_AFTER_S;
	request->path.count = 0;
	request->query.count = 0;
	request->tracker = tracker;
	request->users = 1;
	if (buf_add_text(&request->uri, uri) == CAH_OK)
		return request;
	put_spare(request);
	return NULL;
}

void request_free(struct request *request)
{
	if (request == NULL || --request->users > 0)
		return;
	request_free(request->same);
	put_spare(request);
}

void request_free_spares(struct tracker *tracker)
{
	while (tracker->spares != NULL) {
		struct request *request = tracker->spares;
		tracker->spares = request->next;
		drop(request);
	}
	tracker->spare_count = 0;
}

const char *request_header(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
					   name);
}

void request_client(const struct request *request, char out[REQUEST_CLIENT_MAX])
{
	if (request->conn != NULL)
		peer_write(out, &request->peer);
	else
		(void)snprintf(out, REQUEST_CLIENT_MAX, "unknown");
}

bool request_is_proxied(const struct request *request)
{
	return request->conn != NULL && guard_is_proxy(request->conn);
}

/* Proxies are sent a whole URL (RFC 9112, section 3.2.2); a server has to take
 * one as well. */
static struct slice without_authority(struct slice uri)
{
	if (!slice_starts(uri, SLICE("http://")) &&
	    !slice_starts(uri, SLICE("https://")))
		return uri;
	struct slice rest = slice_from(uri, sizeof("https://") - 1);
	const char *path =
		rest.len > 0 ? memchr(rest.data, '/', rest.len) : NULL;
	return path != NULL ? slice_from(uri, (size_t)(path - uri.data))
			    : SLICE("/");
}

/* Deployed clients send JSON with its type; a missing one is let pass. */
static int check_content_type(const struct request *request,
			      struct cah_error *err)
{
	const char *type = request_header(request, "Content-Type");
	if (type == NULL)
		return CAH_OK;
	struct slice name = {type, strcspn(type, "; \t")};
	bool is_list = sifts(request);
	if (is_list ? slice_equal_nocase(name, SLICE("text/plain")) ||
			      wire_form_is(slice_of(type))
		    : slice_equal_nocase(name, SLICE("application/json")))
		return CAH_OK;
	(void)cah_fail(err, CAH_EINVALID, "Content-Type: not %s",
		       is_list ? "text/plain or multipart/form-data"
			       : "application/json");
	err->http_status = 415;
	return CAH_EINVALID;
}

static int check_length(const struct request *request, struct cah_error *err)
{
	size_t max = wire_route_body_max(request->route);
	const char *length = request_header(request, "Content-Length");
	/* The server has checked that it is a number. */
	if (length != NULL && strtoull(length, NULL, 10) > max)
		return cah_fail(err, CAH_ELIMIT,
				"the body is longer than %zu bytes", max);
	return CAH_OK;
}

/* The fields that say where a body ends. */
struct framing {
	int lengths;
	int codings;
	bool is_chunked;
};

static enum MHD_Result look_at_framing(void *arg, enum MHD_ValueKind kind,
				       const char *name, const char *value)
{
	struct framing *framing = arg;
	(void)kind;
	if (strcasecmp(name, "Content-Length") == 0) {
		framing->lengths++;
	} else if (strcasecmp(name, "Transfer-Encoding") == 0) {
		framing->codings++;
		framing->is_chunked =
			value != NULL && strcasecmp(value, "chunked") == 0;
	}
	return MHD_YES;
}

/* Where a proxy in front of us may see the end of the body somewhere else than
 * the library does, the rest would be a request that the proxy never saw (RFC
 * 9112, sections 6.1, 6.3 and 11.2). */
static int check_framing(struct request *request, struct cah_error *err)
{
	struct framing framing = {0};
	(void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND,
					look_at_framing, &framing);
	if (framing.lengths + framing.codings <= 1 &&
	    (framing.codings == 0 || framing.is_chunked))
		return CAH_OK;
	request->is_unframed = true;
	return cah_fail(err, CAH_EINVALID,
			"Content-Length and Transfer-Encoding: one of them, "
			"once; chunked is the only coding");
}

bool request_is_unread(const struct request *request)
{
	const char *length = request_header(request, "Content-Length");
	return request->is_unframed ||
	       (length != NULL && strtoull(length, NULL, 10) > DISCARD_MAX);
}

int request_begin(struct request *request, struct cah_error *err)
{
	watch_name(request->tracker->watch, request);
	int rc = check_framing(request, err);
	if (rc != CAH_OK)
		return rc;
	struct slice uri = without_authority(buf_slice(&request->uri));
	const char *mark = uri.len > 0 ? memchr(uri.data, '?', uri.len) : NULL;
	struct slice path = uri;
	struct slice query = {NULL, 0};
	if (mark != NULL) {
		path.len = (size_t)(mark - uri.data);
		query = slice_from(uri, path.len + 1);
	}
	rc = wire_path_parse(&request->path, path, err);
	if (rc == CAH_OK)
		rc = wire_route_find(&request->route, &request->path,
				     slice_of(request->method), err);
	if (rc != CAH_OK)
		return rc;
	request->is_routed = true;
	if (sifts(request) && request->tracker->sifter == NULL)
		return cah_fail(err, CAH_ENOTFOUND,
				"this tracker has no dedup service");
	rc = wire_query_parse(&request->query, query, err);
	if (rc == CAH_OK && wire_route_method(request->route) == WIRE_POST)
		rc = check_content_type(request, err);
	if (rc == CAH_OK && wire_route_method(request->route) == WIRE_POST)
		rc = check_length(request, err);
	return rc;
}

/* Bodies that are not small share a limit: what they are taken apart into is
 * ten times as large. Lists for the sifter are not, and share one of their own.
 */
static int hold_body(struct request *request, struct slice piece,
		     struct cah_error *err)
{
	struct tracker *tracker = request->tracker;
	size_t max = wire_route_body_max(request->route);
	if (request->received > max)
		return cah_fail(err, CAH_ELIMIT,
				"the body is longer than %zu bytes", max);
	if (request->received > REQUEST_SMALL_BODY) {
		size_t more = request->received - request->counted;
		size_t *held = held_bytes(request);
		if (more >
		    (sifts(request) ? TRACKER_LISTS_MAX : TRACKER_BODIES_MAX) -
			    *held) {
			watch_refused(tracker->watch, REFUSAL_BODIES, 1);
			return cah_fail(err, CAH_EUNAVAILABLE,
					"too many long bodies at one time, try "
					"again");
		}
		*held += more;
		request->counted += more;
	}
	if (buf_add_slice(&request->raw_body, piece) != CAH_OK)
		return buf_check(&request->raw_body, "body", err);
	return CAH_OK;
}

bool request_add_body(struct request *request, struct slice piece)
{
	request->received += piece.len;
	if (request->received > DISCARD_MAX)
		return false;
	if (!request->is_refused &&
	    wire_route_method(request->route) == WIRE_POST)
		request->is_refused =
			hold_body(request, piece, &request->err) != CAH_OK;
	return true;
}

bool request_take(struct request *request)
{
	watch_arrived(request);
	if (!request->is_refused &&
	    wire_route_method(request->route) == WIRE_POST && !sifts(request))
		request->is_refused =
			wire_body_parse(&request->body,
					buf_slice(&request->raw_body),
					&request->err) != CAH_OK;
	if (!request->is_refused)
		request->is_refused = gate_pass_secret(request->tracker->gate,
						       request, clock_now_ms(),
						       &request->err) != CAH_OK;
	if (request->is_refused)
		request_refuse(request, &request->err);
	else if (wire_route_book(request->route) != WIRE_NONE)
		return true;
	else
		request_run(request, clock_now_ms() / 1000, clock_wall_s());
	request->is_done = true;
	return false;
}

static bool may_be_long(const struct request *request)
{
	switch (request->route) {
	case ROUTE_INDEX:
	case ROUTE_LEADERBOARD:
	case ROUTE_IS_COMPLETED:
	case ROUTE_DEDUPLICATE:
		return true;
	case ROUTE_NEW_JOB:
		return request->tracker->stages.count > 0;
	default:
		return false;
	}
}

/* Clients that ask for long answers and do not read them must not take all
 * memory. Asked before the call runs, for what it changed would stay. */
bool request_has_room(struct request *request)
{
	struct tracker *tracker = request->tracker;
	struct cah_error err;
	if (!may_be_long(request) ||
	    atomic_load(&tracker->answer_bytes) < tracker->max_answer_bytes)
		return true;
	watch_refused(tracker->watch, REFUSAL_ANSWERS, 1);
	(void)cah_fail(&err, CAH_EUNAVAILABLE,
		       "too many long answers at one time, try again");
	request_refuse(request, &err);
	return false;
}

/* What its answer takes, which may have been less when it ran before. */
static void count_answer(struct request *request)
{
	int64_t held = 0;
	if (request->out.cap > REQUEST_KEPT_MAX)
		held = (int64_t)request->out.cap;
	if (held != request->held)
		atomic_fetch_add(&request->tracker->answer_bytes,
				 held - request->held);
	request->held = held;
}

void request_run(struct request *request, int64_t now_s, int64_t wall_s)
{
	struct cah_error err = {0};
	request->now_s = now_s;
	request->wall_s = wall_s;
	request->status = 200;
	buf_reset(&request->out);
	int rc = routes[request->route](request, &err);
	if (rc == CAH_OK)
		rc = buf_check(&request->out, "answer", &err);
	count_answer(request);
	if (rc == CAH_OK)
		return;
	if (wire_status(&err) == 503 && !sifts(request) &&
	    wire_route_book(request->route) != WIRE_NONE) {
		/* What went wrong inside is for the log: it may name files. */
		watch_call_failed(request->tracker->watch, request, &err);
		(void)cah_fail(&err, CAH_EUNAVAILABLE,
			       "the store is away for now, try again");
	}
	request_refuse(request, &err);
}

void request_refuse(struct request *request, const struct cah_error *err)
{
	request->status = wire_status(err);
	if (err != &request->err)
		request->err = *err;
	buf_reset(&request->out);
	buf_add_text(&request->out, err->text);
}

static void add_header(struct MHD_Response *response, const char *name,
		       const char *value)
{
	(void)MHD_add_response_header(response, name, value);
}

static void add_error_headers(const struct request *request,
			      struct MHD_Response *response)
{
	char seconds[16];
	switch (request->status) {
	case 401:
		add_header(response, "WWW-Authenticate", "Bearer");
		break;
	case 405:
		add_header(response, "Allow",
			   wire_route_method(request->route) == WIRE_GET
				   ? "GET, HEAD"
				   : "POST");
		break;
	case 429:
	case 503:
		(void)snprintf(seconds, sizeof(seconds), "%" PRId64,
			       request->retry_s);
		add_header(response, "Retry-After", seconds);
		break;
	default:
		break;
	}
}

/* The pages carry text of strangers: beside the escaping, the browser is told
 * to run and load nothing but our own style and picture. */
static void add_headers(const struct request *request,
			struct MHD_Response *response)
{
	enum wire_answer kind = WIRE_TEXT;
	if (request->status == 200)
		kind = wire_route_answer(request->route);
	add_header(response, "X-Request-Id", request->id);
	add_header(response, "Content-Type", wire_answer_type(kind));
	add_header(response, "X-Content-Type-Options", "nosniff");
	bool is_static = kind == WIRE_CSS || kind == WIRE_SVG;
	add_header(response, "Cache-Control",
		   is_static ? "max-age=300" : "no-store");
	if (kind == WIRE_HTML) {
		add_header(response, "Content-Security-Policy",
			   "default-src 'none'; style-src 'self'; "
			   "img-src 'self'; base-uri 'none'; "
			   "form-action 'none'; frame-ancestors 'none'");
		add_header(response, "Referrer-Policy", "no-referrer");
	}
	if (request->tracker->is_stopping || request->is_unframed ||
	    request->is_last)
		add_header(response, "Connection", "close");
	add_error_headers(request, response);
}

/* The bytes stay where they are until the last of those whose answer they are
 * is freed, which is after they have left. */
int request_answer(struct request *request)
{
	struct request *from = request->same;
	if (from == NULL)
		from = request;
	request->status = from->status;
	if (from != request && request->status != 200)
		request->err = from->err;
	struct MHD_Response *response = MHD_create_response_from_buffer(
		from->out.len, from->out.data, MHD_RESPMEM_PERSISTENT);
	if (response == NULL)
		return MHD_NO;
	add_headers(request, response);
	int queued = MHD_queue_response(request->connection,
					(unsigned)request->status, response);
	MHD_destroy_response(response);
	watch_answered(request->tracker->watch, request, from->out.len);
	return queued;
}

static int parse_type(struct slice name, enum worker_type *type,
		      struct cah_error *err)
{
	int found = store_worker_type(name);
	if (found < 0)
		return cah_fail(err, CAH_EINVALID,
				"type: not one of HYBRID, CPU, GPU");
	*type = (enum worker_type)found;
	return CAH_OK;
}

int request_query_type(const struct request *request, enum worker_type *type,
		       struct cah_error *err)
{
	struct slice name = SLICE("HYBRID");
	(void)wire_query_get(&request->query, SLICE("type"), &name);
	return parse_type(name, type, err);
}

int request_body_type(const struct request *request, enum worker_type *type,
		      struct cah_error *err)
{
	struct slice name = SLICE("HYBRID");
	if (wire_body_has(&request->body, "type")) {
		int rc = wire_body_text(&request->body, "type", &name, err);
		if (rc != CAH_OK)
			return rc;
	}
	return parse_type(name, type, err);
}

int request_worker(const struct request *request, struct slice *token,
		   enum worker_type *type, struct cah_error *err)
{
	int rc = wire_body_text(&request->body, "token", token, err);
	return rc != CAH_OK ? rc : request_body_type(request, type, err);
}

int request_any_worker(const struct request *request, struct slice *token,
		       enum worker_type *type, struct cah_error *err)
{
	bool is_known;
	enum worker_type kind;
	int rc = request_worker(request, token, type, err);
	if (rc != CAH_OK || request->tracker->stages.count == 0 ||
	    wire_body_has(&request->body, "type"))
		return rc;
	rc = store_worker_kind(request->tracker->store, &is_known, &kind,
			       *token, err);
	if (rc == CAH_OK && is_known && store_type_stage(kind) >= 0)
		*type = kind;
	return rc;
}

static int path_type(struct slice lower)
{
	char upper[REQUEST_TYPE_MAX];
	struct slice name = {upper, 0};
	for (size_t i = 0; i < lower.len && i < sizeof(upper); i++) {
		char c = lower.data[i];
		upper[name.len++] =
			(char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : '?');
	}
	return store_worker_type(name);
}

/* A stage may be called as a type is: then both come into question. */
static bool is_path_type(const struct request *request, int type)
{
	struct slice name = request->path.segments[1];
	if (type < WORKER_STAGE)
		return path_type(name) == type;
	return stages_is_called(&request->tracker->stages, type - WORKER_STAGE,
				name);
}

int request_path_worker(struct request *request, struct worker *out,
			struct cah_error *err)
{
	int rc = cah_fail(err, CAH_EINVALID,
			  "type: not one of hybrid, cpu, gpu%s",
			  request->tracker->stages.count > 0
				  ? ", no stage's letter or name"
				  : "");
	for (int type = 0; type < WORKER_KIND_COUNT; type++) {
		if (!is_path_type(request, type))
			continue;
		rc = store_worker_find(request->tracker->store, out,
				       request->path.segments[2],
				       (enum worker_type)type, err);
		if (rc != CAH_ENOTFOUND)
			return rc;
	}
	if (rc == CAH_ENOTFOUND)
		return cah_fail(err, rc, "there is no such worker");
	return rc;
}

/* The secret that a request carries; false where it carries none. */
static bool given_secret(const struct request *request, struct slice *out)
{
	struct slice given = slice_of(request_header(request, "Authorization"));
	struct slice scheme = SLICE("Bearer ");
	if (given.len > scheme.len &&
	    slice_equal_nocase((struct slice){given.data, scheme.len},
			       scheme)) {
		*out = slice_from(given, scheme.len);
		return true;
	}
	return wire_body_text(&request->body, "password", out, NULL) == CAH_OK;
}

bool request_has_secret(const struct request *request)
{
	struct slice given;
	return request->tracker->admin.is_set &&
	       (request->route == ROUTE_SET_BANNER ||
		request->route == ROUTE_MARK_ADMIN) &&
	       given_secret(request, &given);
}

bool request_is_admin(const struct request *request)
{
	struct slice given;
	return given_secret(request, &given) &&
	       secret_is(&request->tracker->admin, given);
}

void request_greet(struct request *request, struct wire_json *json,
		   const struct worker *worker)
{
	memcpy(request->token, worker->token, sizeof(request->token));
	wire_json_init(json, &request->out);
	wire_json_open(json, '{');
	wire_json_put_text(json, "token", worker->token);
	wire_json_put_text(json, "display_name", worker->display_name);
}

void request_say(struct request *request, const char *text)
{
	buf_add_text(&request->out, text);
}

void request_succeed(struct request *request)
{
	buf_add_text(&request->out, "{\"status\":\"success\"}");
}
