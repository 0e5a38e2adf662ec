/* request.h: one request from its first line to its answer, and what the calls
 * (route_*.c, page_*.c) need of it. One thread at a time has it: the server's,
 * which reads it and sends the answer, and in between the desk's, which runs
 * the call (desk.h).
 *
 * A call checks its fields, talks to the store, and writes its answer to @out;
 * it returns CAH_OK for status 200, or an error whose text becomes the answer
 * and whose code its status (wire_status). It may be run again from the start:
 * what it leaves behind is @out and @token. */
#ifndef TRACKER_REQUEST_H
#define TRACKER_REQUEST_H

#include "base/buf.h"
#include "store/store.h"
#include "tracker/access.h"
#include "tracker/peer.h"
#include "tracker/secret.h"
#include "tracker/stages.h"
#include "tracker/tracker.h"
#include "wire/body.h"
#include "wire/json.h"
#include "wire/query.h"
#include "wire/route.h"

#include <stdatomic.h>

enum {
	REQUEST_ANSWER_MAX = 8 * 1024 * 1024, /* bytes; a page of all workers */
	REQUEST_SPARES_MAX = 1024, /* that are kept for those to come */
	REQUEST_KEPT_MAX = 16384,  /* bytes that each of their buffers keeps */
	REQUEST_SMALL_BODY = 4096, /* bytes that count for no limit of all */
	REQUEST_HOST_MAX = 255,    /* bytes of a Host header */
	REQUEST_TYPE_MAX = 16,     /* bytes of a type's name */
	REQUEST_CLIENT_MAX =
		PEER_TEXT, /* of a client's address, with its NUL */
};

struct MHD_Connection;
struct desk;
struct gate;
struct guard_conn;
struct request;
struct server;
struct sifter;
struct tls;
struct watch;

/* What does not change while the tracker runs. */
struct tracker {
	struct store *store;
	struct log *log;
	struct desk *desk;
	struct sifter *sifter; /* NULL: no dedup service */
	struct server *server;
	struct watch *watch;
	struct cancel *stop; /* ends the server's thread */
	char *url;
	char *upload_address[WORKER_TYPE_COUNT];
	struct stages stages;
	struct secret admin; /* not set: admin calls are off */
	struct gate *gate;
	struct tls *tls; /* NULL: plain HTTP */
	int64_t idle_timeout_s;
	int64_t max_connections;
	int64_t max_waiting; /* requests at the desk */
	int64_t max_answer_bytes;
	/* Of answers that are not small, run and not gone yet: request->held of
	 * all. */
	atomic_int_fast64_t answer_bytes;
	int listen_fd;
	atomic_bool is_stopping;

	/* The server's thread only. */
	size_t active;          /* requests without a whole answer yet */
	size_t body_bytes;      /* of their bodies that are not small */
	size_t list_bytes;      /* the same of lists for the sifter */
	struct request *spares; /* free ones */
	size_t spare_count;
};

struct request {
	/* These keep their memory from request to request; what follows begins
	 * zeroed. */
	struct buf uri; /* as in the request line, with a NUL */
	struct buf raw_body;
	struct buf out;

	struct request *next; /* of a chain, or of the spare ones */
	struct tracker *tracker;
	struct MHD_Connection *connection;
	struct guard_conn *conn; /* the same to the gate; NULL: no limits */
	struct peer peer;        /* who sends it, once it is at the gate */
	bool is_reserved;        /* a live worker's place is kept for it */
	bool is_last;            /* of its connection */
	int64_t retry_s;         /* when to come again after 429 or 503 */
	char token[STORE_TOKEN_LEN + 1]; /* of a worker that it made */
	char id[ACCESS_ID_MAX + 1];
	int64_t arrived_ns; /* monotonic; when all of it was there */
	const char *method; /* borrowed from the connection */
	enum wire_route route;
	bool is_routed;
	bool is_begun;   /* its headers have been looked at */
	size_t received; /* bytes of the body, with those thrown away */
	size_t counted;  /* of them in tracker->body_bytes or list_bytes */
	int64_t held;    /* of its answer in tracker->answer_bytes */
	struct wire_body body;
	int staged; /* adds to this filter, from 1 on (sifter.c); 0: to none */
	uint64_t staged_count; /* so many keys */
	struct request *same;  /* whose answer is this one's too, or NULL */
	int users;             /* itself and those whose @same it is */
	bool is_done;          /* has an answer */
	bool is_refused;  /* for what err says, before any call of the store */
	bool is_unframed; /* where its body ends cannot be told: no request
			     may follow it */
	struct cah_error err;
	int status;     /* what was answered */
	int64_t now_s;  /* monotonic */
	int64_t wall_s; /* since 1970 */

	/* Large, and not zeroed. */
	struct wire_path path;
	struct wire_query query;
};

/* Makes a request of the line's URI. NULL when out of memory. The server's
 * thread only, as request_free. */
struct request *request_new(struct tracker *tracker, const char *uri);

/* The answer has left, or never will. NULL is fine. */
void request_free(struct request *request);

/* Frees what request_free kept for later. */
void request_free_spares(struct tracker *tracker);

/* What comes before the body: the call, the method, the kind and size of the
 * body. Errors: those that the answer is made of. */
CAH_MUST_CHECK int request_begin(struct request *request,
				 struct cah_error *err);

/* Whether it has to be answered before its body is read, and the connection to
 * be closed after. */
bool request_is_unread(const struct request *request);

/* Takes one more piece of the body. False where it is so long that the
 * connection has to end. */
bool request_add_body(struct request *request, struct slice piece);

/* The request is whole: takes its body apart. True where its call is for the
 * desk; else it is done. */
bool request_take(struct request *request);

/* Runs the call, from the start each time. */
void request_run(struct request *request, int64_t now_s, int64_t wall_s);

/* False where its answer may be long (a page, a list, what a stage gave) and
 * too many long ones are held: it is refused. */
bool request_has_room(struct request *request);

/* It is refused for what @err says; nothing runs. */
void request_refuse(struct request *request, const struct cah_error *err);

/* Hands the answer of a done request to the connection. An enum MHD_Result. */
int request_answer(struct request *request);

/* A header's value; NULL where there is none. */
const char *request_header(const struct request *request, const char *name);

/* The client's address, as text; "unknown" where it has no limits. */
void request_client(const struct request *request,
		    char out[REQUEST_CLIENT_MAX]);

/* Whether a proxy that we trust sent it. */
bool request_is_proxied(const struct request *request);

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

/* The same for calls of both dialects: where there is no type, and the token is
 * a stage's worker's, *type is that stage's. Errors: the store's, too. */
CAH_MUST_CHECK int request_any_worker(const struct request *request,
				      struct slice *token,
				      enum worker_type *type,
				      struct cah_error *err);

/* The worker that the path /worker/{type}/{name} names. Errors: CAH_EINVALID
 * (the type), CAH_ENOTFOUND. */
CAH_MUST_CHECK int request_path_worker(struct request *request,
				       struct worker *out,
				       struct cah_error *err);

/* Whether the request is the organiser's and carries a secret, right or wrong,
 * where there is one. Once its body is taken apart. */
bool request_has_secret(const struct request *request);

/* Whether the request carries the organiser's secret, as "Authorization:
 * Bearer" or as the body's field "password". */
bool request_is_admin(const struct request *request);

/* Begins the answer to who registered as @worker; the rest of the object is
 * added by the call. */
void request_greet(struct request *request, struct wire_json *json,
		   const struct worker *worker);

/* A bare text, or {"status":"success"}, as the whole answer. */
void request_say(struct request *request, const char *text);
void request_succeed(struct request *request);

/* What the second dialect says where the first says "success". */
#define STAGE_DONE "200 OK"

/* ---- route_stage.c: the second dialect's half of calls of both ---- */

CAH_MUST_CHECK int stage_new(struct request *request, struct slice nickname,
			     struct cah_error *err);
CAH_MUST_CHECK int stage_job_count(struct request *request,
				   struct cah_error *err);
CAH_MUST_CHECK int stage_new_job(struct request *request, struct slice token,
				 enum worker_type type, struct cah_error *err);

/* Every call of routes.def. */
#define ROUTE(name, handler, method, path, answer, book, body_max, text) \
	int route_##handler(struct request *request, struct cah_error *err);
#include "wire/routes.def"
#undef ROUTE

#endif
