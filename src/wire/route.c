#include "wire/route.h"

#include "base/fail.h"
#include "base/metrics.h"
#include "wire/query.h"

#include <string.h>

struct row {
	const char *path;
	enum wire_method method;
	enum wire_answer answer;
	enum wire_book book;
	size_t body_max;
};

static const struct row rows[] = {
#define ROUTE(name, handler, method, path, answer, book, body_max, text) \
	{(path), WIRE_##method, WIRE_##answer, WIRE_##book, (body_max)},
#include "wire/routes.def"
#undef ROUTE
};

int wire_path_parse(struct wire_path *out, struct slice raw,
		    struct cah_error *err)
{
	out->count = 0;
	if (raw.len == 0 || raw.data[0] != '/' || raw.len > WIRE_PATH_MAX)
		return cah_fail(err, CAH_ENOTFOUND, "there is no such page");
	size_t used = 0;
	for (size_t at = 0; at < raw.len;) {
		while (at < raw.len && raw.data[at] == '/')
			at++;
		size_t end = at;
		while (end < raw.len && raw.data[end] != '/')
			end++;
		if (end == at)
			break;
		if (out->count == WIRE_SEGMENTS_MAX)
			return cah_fail(err, CAH_ENOTFOUND,
					"there is no such page");
		/* Decoded after the cut, so %2F is a character of a name. */
		struct slice part = {raw.data + at, end - at};
		char *to = out->bytes + used;
		size_t len = wire_percent_decode(to, part, false);
		out->segments[out->count++] = (struct slice){to, len};
		used += len;
		at = end;
	}
	return CAH_OK;
}

/* Cuts the first segment off *pattern; false at its end. */
static bool next_segment(const char **pattern, struct slice *segment)
{
	const char *p = *pattern;
	while (*p == '/')
		p++;
	*segment = (struct slice){p, strcspn(p, "/")};
	*pattern = p + segment->len;
	return segment->len > 0;
}

static bool is_match(const char *pattern, const struct wire_path *path)
{
	struct slice want;
	size_t at = 0;
	while (next_segment(&pattern, &want)) {
		if (at == path->count)
			return false;
		struct slice got = path->segments[at++];
		if (want.data[0] != '{' && !slice_equal(want, got))
			return false;
	}
	return at == path->count;
}

int wire_route_find(enum wire_route *out, const struct wire_path *path,
		    struct slice method, struct cah_error *err)
{
	bool is_get = slice_equal(method, SLICE("GET")) ||
		      slice_equal(method, SLICE("HEAD"));
	bool is_post = slice_equal(method, SLICE("POST"));
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		if (!is_match(rows[i].path, path))
			continue;
		*out = (enum wire_route)i;
		if (rows[i].method == WIRE_GET ? is_get : is_post)
			return CAH_OK;
		int rc = cah_fail(err, CAH_EINVALID, "this call takes %s",
				  rows[i].method == WIRE_GET ? "GET" : "POST");
		if (err != NULL)
			err->http_status = 405;
		return rc;
	}
	return cah_fail(err, CAH_ENOTFOUND, "there is no such page");
}

const char *wire_route_path(enum wire_route route)
{
	return rows[route].path;
}

enum wire_method wire_route_method(enum wire_route route)
{
	return rows[route].method;
}

enum wire_answer wire_route_answer(enum wire_route route)
{
	return rows[route].answer;
}

enum wire_book wire_route_book(enum wire_route route)
{
	return rows[route].book;
}

size_t wire_route_body_max(enum wire_route route)
{
	return rows[route].body_max;
}

bool wire_route_is_watch(enum wire_route route)
{
	return route == ROUTE_HEALTHZ || route == ROUTE_READYZ ||
	       route == ROUTE_METRICS;
}

const char *wire_answer_type(enum wire_answer answer)
{
	static const char *const types[] = {
		[WIRE_JSON] = "application/json",
		[WIRE_TEXT] = "text/plain; charset=utf-8",
		[WIRE_HTML] = "text/html; charset=utf-8",
		[WIRE_CSS] = "text/css; charset=utf-8",
		[WIRE_SVG] = "image/svg+xml",
		[WIRE_METRICS] = METRICS_CONTENT_TYPE,
	};
	return types[answer];
}

int wire_status(const struct cah_error *err)
{
	if (err->http_status != 0)
		return err->http_status;
	switch (err->code) {
#define ERR(name, code, http, python, text) \
	case (code):                        \
		return (http) < 500 ? (http) : 503;
#include <cah/errors.def>
#undef ERR
	default:
		return 503;
	}
}
