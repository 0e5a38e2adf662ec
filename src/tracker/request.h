/* request.h: one request from its first line to its answer, and what the calls
 * (route_*.c, page_*.c) need of it. The server's thread only.
 *
 * A call checks its fields, talks to the store once, and writes its answer to
 * @out; it returns CAH_OK for status 200, or an error whose text becomes the
 * answer and whose code its status (wire_status). */
#ifndef TRACKER_REQUEST_H
#define TRACKER_REQUEST_H

#include "base/buf.h"
#include "store/store.h"
#include "tracker/tracker.h"
#include "wire/body.h"
#include "wire/json.h"
#include "wire/query.h"
#include "wire/route.h"

#include <stdatomic.h>

enum {
	REQUEST_ANSWER_MAX = 8 * 1024 * 1024, /* bytes; a page of all workers */
	REQUEST_HOST_MAX = 255,               /* bytes of a Host header */
	REQUEST_TYPE_MAX = 16,                /* bytes of a type's name */
};

struct MHD_Connection;
struct MHD_Daemon;

/* What does not change while the tracker runs. */
struct tracker {
	struct store *store;
	struct log *log;
	struct MHD_Daemon *daemon;
	struct cancel *stop; /* ends the sweeper */
	char *url;
	char *upload_address[WORKER_TYPE_COUNT];
	char *admin_token; /* NULL: admin calls are off */
	int64_t idle_timeout_s;
	int64_t max_connections;
	int listen_fd;
	atomic_int active; /* requests without a whole answer yet */
	atomic_bool is_stopping;
};

struct request {
	struct tracker *tracker;
	struct MHD_Connection *connection;
	const char *method; /* borrowed from the connection */
	char *uri;          /* as in the request line; owned */
	enum wire_route route;
	bool is_routed;
	bool is_begun; /* its headers have been looked at */
	struct wire_path path;
	struct wire_query query;
	struct buf raw_body;
	size_t received; /* bytes of the body, with those thrown away */
	struct wire_body body;
	struct buf out;
	bool is_refused;  /* for what err says, before any call of the store */
	bool is_unframed; /* where its body ends cannot be told: no request
			     may follow it */
	struct cah_error err;
	int status;     /* what was answered */
	int64_t now_s;  /* monotonic */
	int64_t wall_s; /* since 1970 */
};

/* Makes a request of the line's URI. NULL when out of memory. */
struct request *request_new(struct tracker *tracker, const char *uri);
void request_free(struct request *request);

/* What comes before the body: the call, the method, the kind and size of the
 * body. Errors: those that the answer is made of. */
CAH_MUST_CHECK int request_begin(struct request *request,
				 struct cah_error *err);

/* Answers: calls the route, or the refusal in request->err, and hands the
 * answer to the connection. An enum MHD_Result. */
int request_answer(struct request *request);

/* A header's value; NULL where there is none. */
const char *request_header(const struct request *request, const char *name);

/* "type" of the query or of the body; HYBRID where it is missing.
 * Errors: CAH_EFORMAT (not a string), CAH_EINVALID. */
CAH_MUST_CHECK int request_query_type(const struct request *request,
				      enum worker_type *type,
				      struct cah_error *err);
CAH_MUST_CHECK int request_body_type(const struct request *request,
				     enum worker_type *type,
				     struct cah_error *err);

/* "token" and "type" of the body. */
CAH_MUST_CHECK int request_worker(const struct request *request,
				  struct slice *token, enum worker_type *type,
				  struct cah_error *err);

/* The worker that the path /worker/{type}/{name} names. Errors: CAH_EINVALID
 * (the type), CAH_ENOTFOUND. */
CAH_MUST_CHECK int request_path_worker(struct request *request,
				       struct worker *out,
				       struct cah_error *err);

/* Whether the request carries the organiser's secret, as "Authorization:
 * Bearer" or as the body's field "password". */
bool request_is_admin(const struct request *request);

/* A bare text, or {"status":"success"}, as the whole answer. */
void request_say(struct request *request, const char *text);
void request_succeed(struct request *request);

/* Every call of routes.def. */
#define ROUTE(name, handler, method, path, answer, body_max, text) \
	int route_##handler(struct request *request, struct cah_error *err);
#include "wire/routes.def"
#undef ROUTE

#endif
