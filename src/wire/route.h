/* route.h: which call a request is. Any thread; no state. */
#ifndef WIRE_ROUTE_H
#define WIRE_ROUTE_H

#include "base/slice.h"

#include <cah/error.h>

enum {
	WIRE_BODY_MAX = 64 * 1024,        /* bytes of a POST */
	WIRE_LIST_BODY_MAX = 1024 * 1024, /* of one that carries a list */
	WIRE_DATA_BODY_MAX = 4096 * 1024, /* of one that carries what a stage
					     gave or 100,000 MD5s, and the most
					     of all */
	WIRE_PATH_MAX = 4096,             /* bytes of a path */
	WIRE_SEGMENTS_MAX = 8,            /* parts of a path between slashes */
};

enum wire_method {
	WIRE_GET, /* and HEAD */
	WIRE_POST,
};

/* What an answer is written in. */
enum wire_answer {
	WIRE_JSON,
	WIRE_TEXT,
	WIRE_HTML,
	WIRE_CSS,
	WIRE_SVG,
	WIRE_METRICS, /* Prometheus' text */
};

/* What a call does to the tracker's book. */
enum wire_book {
	WIRE_NONE,   /* nothing */
	WIRE_READS,  /* reads it */
	WIRE_ASKS,   /* reads it; who sends the same line at the same time gets
			the same answer */
	WIRE_WRITES, /* may change it */
	WIRE_SIFTS,  /* nothing: it asks or fills a filter of the dedup
			service */
};

enum wire_route {
#define ROUTE(name, handler, method, path, answer, book, body_max, text) \
	ROUTE_##name,
#include "wire/routes.def"
#undef ROUTE
	ROUTE_COUNT
};

/* A path taken apart: double slashes are one, a final one is dropped, each
 * segment is decoded. */
struct wire_path {
	size_t count;                             /* 0 for "/" */
	struct slice segments[WIRE_SEGMENTS_MAX]; /* in bytes */
	/* The last, so that a short one touches little memory. */
	char bytes[WIRE_PATH_MAX];
};

/* Takes @raw, the path of a request line, apart. Errors: CAH_ENOTFOUND (too
 * long, too many segments, not from "/": no page has such a path). */
CAH_MUST_CHECK int wire_path_parse(struct wire_path *out, struct slice raw,
				   struct cah_error *err);

/* Which call @path and @method are. Errors: CAH_ENOTFOUND (404);
 * CAH_EINVALID with http_status 405 (the path has another method, which *out
 * then is). */
CAH_MUST_CHECK int wire_route_find(enum wire_route *out,
				   const struct wire_path *path,
				   struct slice method, struct cah_error *err);

/* The columns of routes.def; static. */
const char *wire_route_path(enum wire_route route); /* "/api/newJob" */
enum wire_method wire_route_method(enum wire_route route);
enum wire_answer wire_route_answer(enum wire_route route);
enum wire_book wire_route_book(enum wire_route route);
size_t wire_route_body_max(enum wire_route route);

/* Whether it is asked by machines that watch the tracker: it counts for no rate
 * limit, and is not remarkable in a log. */
bool wire_route_is_watch(enum wire_route route);

/* "application/json"; static. */
const char *wire_answer_type(enum wire_answer answer);

/* The HTTP status of @err: its http_status where one is set, else the one that
 * errors.def gives its code; 503 for what has none of a tracker's. */
int wire_status(const struct cah_error *err);

#endif
