/* The basic URL parser, part by part instead of state by state: a URL is
 * written from its first byte to its last as it is read, and only the path may
 * lose what was written (".."). Left out: the drive letters of file: URLs,
 * which are never fetched. */
#include "wat/url.h"

#include "base/ascii.h"
#include "wat/url_encode.h"
#include "wat/url_host.h"

#include <assert.h>

enum {
	INPUT_MAX = 4 * URL_MAX, /* bytes that are read; a URL may be written in
				    more than it is long: tabs, dot segments */
	PORT_MAX = 65535,
};

/* The standard's special schemes. */
struct scheme {
	const char *name;
	int port; /* that is left out; -1: none */
};

static const struct scheme schemes[] = {
	{"http", 80}, {"https", 443}, {"ws", 80},
	{"wss", 443}, {"ftp", 21},    {"file", -1},
};

/* A URL written here, by its parts, as a base or for url_split. */
struct written {
	struct slice all;
	struct slice name; /* of the scheme */
	const struct scheme *special;
	struct slice authority; /* with its "//"; empty where there is none */
	struct slice path;
	struct slice query; /* with its '?' */
	bool is_opaque;     /* the path is: "mailto:me" */
};

struct parser {
	struct url_put put;
	const struct written *base;   /* NULL: none */
	const struct scheme *special; /* NULL: another scheme */
	bool is_file;
	bool has_authority;
	char *path; /* where it begins */
};

static const struct scheme *special_of(struct slice name)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (slice_equal_nocase(name, slice_of(schemes[i].name)))
			return &schemes[i];
	return NULL;
}

static bool is_file(const struct scheme *special)
{
	return special != NULL && special->port < 0;
}

/* The length of the scheme that @s begins with, 0 where it has none. */
static size_t scheme_len(struct slice s)
{
	if (s.len == 0 || !ascii_is_letter(s.data[0]))
		return 0;
	for (size_t i = 1; i < s.len; i++) {
		char c = s.data[i];
		if (c == ':')
			return i;
		if (!ascii_is_letter(c) && !ascii_is_digit(c) && c != '+' &&
		    c != '-' && c != '.')
			return 0;
	}
	return 0;
}

static size_t find(struct slice s, char c)
{
	const char *at = s.len > 0 ? memchr(s.data, c, s.len) : NULL;
	return at != NULL ? (size_t)(at - s.data) : s.len;
}

static struct slice head(struct slice s, size_t len)
{
	return (struct slice){s.data, len};
}

/* Takes a URL that url_resolve wrote apart; false where it is none. */
static bool read_written(struct slice url, struct written *out)
{
	*out = (struct written){.all = url};
	size_t len = scheme_len(url);
	if (len == 0)
		return false;
	out->name = head(url, len);
	out->special = special_of(out->name);
	struct slice rest = slice_from(url, len + 1);
	if (slice_starts(rest, SLICE("//"))) {
		size_t end = 2;
		while (end < rest.len && rest.data[end] != '/' &&
		       rest.data[end] != '?')
			end++;
		out->authority = head(rest, end);
		rest = slice_from(rest, end);
	} else {
		out->is_opaque = rest.len == 0 || rest.data[0] != '/';
		/* what keeps such a path from being read as a host */
		if (slice_starts(rest, SLICE("/.//")))
			rest = slice_from(rest, 2);
	}
	size_t end = find(rest, '?');
	out->path = head(rest, end);
	out->query = slice_from(rest, end);
	return true;
}

/* ---- the parts ---- */

/* Browsers take '\\' for '/' in the special schemes, so the standard does. */
static bool is_slash(const struct parser *p, char c)
{
	return c == '/' || (c == '\\' && p->special != NULL);
}

static size_t count_slashes(const struct parser *p, struct slice s)
{
	size_t n = 0;
	while (n < s.len && is_slash(p, s.data[n]))
		n++;
	return n;
}

/* Where the part ends that a slash or a query ends. */
static size_t part_end(const struct parser *p, struct slice s)
{
	size_t i = 0;
	while (i < s.len && s.data[i] != '?' && !is_slash(p, s.data[i]))
		i++;
	return i;
}

/* @s is empty or begins with '?'. */
static int put_query(struct parser *p, struct slice s)
{
	if (s.len == 0)
		return CAH_OK;
	url_put_byte(&p->put, '?');
	url_put_encoded(&p->put, slice_from(s, 1),
			p->special != NULL ? URL_SET_SPECIAL_QUERY
					   : URL_SET_QUERY);
	return CAH_OK;
}

/* 1 for ".", 2 for "..", also where dots are written "%2e"; else 0. */
static int dots(struct slice segment)
{
	int n = 0;
	for (size_t i = 0; i < segment.len; n++) {
		struct slice rest = slice_from(segment, i);
		if (rest.data[0] == '.')
			i++;
		else if (rest.len >= 3 &&
			 slice_equal_nocase(head(rest, 3), SLICE("%2e")))
			i += 3;
		else
			return 0;
		if (n == 2)
			return 0;
	}
	return n;
}

/* Takes the last segment off the path. */
static void shorten(struct parser *p)
{
	char *at = p->put.at;
	while (at > p->path && *--at != '/')
		;
	p->put.at = at;
}

/* A path without a host must not begin as a host would. */
static void guard_path(struct parser *p)
{
	if (p->has_authority || p->put.is_full || p->put.at - p->path < 2 ||
	    memcmp(p->path, "//", 2) != 0)
		return;
	size_t len = (size_t)(p->put.at - p->path);
	url_put_slice(&p->put, SLICE("/."));
	if (p->put.is_full)
		return;
	memmove(p->path + 2, p->path, len);
	memcpy(p->path, "/.", 2);
}

/* Writes the segments of @s behind the path that stands there, then the query.
 */
static int put_path(struct parser *p, struct slice s)
{
	for (;;) {
		size_t end = part_end(p, s);
		struct slice rest = slice_from(s, end);
		bool is_last = rest.len == 0 || rest.data[0] == '?';
		struct slice segment = head(s, end);
		int n = dots(segment);
		if (n == 2)
			shorten(p);
		/* "a/." and "a/.." name folders: they end in a slash. */
		if (n == 0 || is_last)
			url_put_byte(&p->put, '/');
		if (n == 0)
			url_put_encoded(&p->put, segment, URL_SET_PATH);
		if (is_last) {
			guard_path(p);
			return put_query(p, rest);
		}
		s = slice_from(rest, 1);
	}
}

/* "Path start": what stands behind a host. */
static int put_path_start(struct parser *p, struct slice s)
{
	p->path = p->put.at;
	if (p->special == NULL && (s.len == 0 || s.data[0] == '?'))
		return put_query(p, s);
	return put_path(
		p, s.len > 0 && is_slash(p, s.data[0]) ? slice_from(s, 1) : s);
}

static void put_credentials(struct parser *p, struct slice s)
{
	size_t colon = find(s, ':');
	struct slice password = slice_from(s, colon + 1);
	/* "http://@host" and "http://:@host" have none to keep. */
	if (colon == 0 && password.len == 0)
		return;
	url_put_encoded(&p->put, head(s, colon), URL_SET_USERINFO);
	if (password.len > 0) {
		url_put_byte(&p->put, ':');
		url_put_encoded(&p->put, password, URL_SET_USERINFO);
	}
	url_put_byte(&p->put, '@');
}

/* @s is the port with its ':', or empty. */
static int put_port(struct parser *p, struct slice s)
{
	int port = 0;
	if (s.len < 2)
		return CAH_OK;
	for (size_t i = 1; i < s.len; i++) {
		if (!ascii_is_digit(s.data[i]))
			return CAH_EINVALIDURL;
		port = port * 10 + (s.data[i] - '0');
		if (port > PORT_MAX)
			return CAH_EINVALIDURL;
	}
	/* So that one place has one name, for the dedup. */
	if (p->special != NULL && p->special->port == port)
		return CAH_OK;
	char digits[8];
	char *at = digits + sizeof(digits);
	do {
		*--at = (char)('0' + port % 10);
		port /= 10;
	} while (port > 0);
	*--at = ':';
	url_put_slice(
		&p->put,
		(struct slice){at, (size_t)(digits + sizeof(digits) - at)});
	return CAH_OK;
}

/* The ':' before the port, not one inside of an IPv6 address's brackets. */
static size_t port_start(struct slice s)
{
	bool is_inside = false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] == ':' && !is_inside)
			return i;
		if (s.data[i] == '[')
			is_inside = true;
		else if (s.data[i] == ']')
			is_inside = false;
	}
	return s.len;
}

/* @s begins behind the "//". */
static int put_authority(struct parser *p, struct slice s)
{
	size_t end = part_end(p, s);
	struct slice host = head(s, end);
	p->has_authority = true;
	url_put_slice(&p->put, SLICE("//"));
	/* The last one: those before it belong to the password. */
	const char *at = end > 0 ? memrchr(s.data, '@', end) : NULL;
	if (at != NULL) {
		size_t len = (size_t)(at - s.data);
		put_credentials(p, head(s, len));
		host = (struct slice){at + 1, end - len - 1};
		if (host.len == 0)
			return CAH_EINVALIDURL;
	}
	size_t colon = port_start(host);
	if (colon == 0 && (host.len > 0 || p->special != NULL))
		return CAH_EINVALIDURL;
	if (colon > 0) {
		int rc = url_put_host(&p->put, head(host, colon),
				      p->special != NULL);
		if (rc == CAH_OK)
			rc = put_port(p, slice_from(host, colon));
		if (rc != CAH_OK)
			return rc;
	}
	return put_path_start(p, slice_from(s, end));
}

/* file://HOST/...: the host may be empty, and "localhost" is. */
static int put_file_host(struct parser *p, struct slice s)
{
	size_t end = part_end(p, s);
	url_put_slice(&p->put, SLICE("//"));
	char *start = p->put.at;
	if (end > 0) {
		int rc = url_put_host(&p->put, head(s, end), true);
		if (rc != CAH_OK)
			return rc;
		struct slice host = {start, (size_t)(p->put.at - start)};
		if (slice_equal(host, SLICE("localhost")))
			p->put.at = start;
	}
	return put_path_start(p, slice_from(s, end));
}

/* What stands behind the scheme, or a whole reference, with the base's parts
 * for those it lacks. The scheme and its ':' are written. */
static int put_relative(struct parser *p, struct slice s)
{
	const struct written *base = p->base;
	size_t slashes = count_slashes(p, s);
	if (slashes >= 2 && p->is_file)
		return put_file_host(p, slice_from(s, 2));
	if (slashes >= 2)
		return put_authority(
			p, slice_from(s, p->special != NULL ? slashes : 2));
	/* From here on the base's host; its user and password go along, as the
	 * standard has it. */
	p->has_authority = base->authority.len > 0;
	url_put_slice(&p->put, base->authority);
	p->path = p->put.at;
	if (slashes == 1)
		return put_path(p, slice_from(s, 1));
	url_put_slice(&p->put, base->path);
	/* A name stands beside the base's last segment, a query behind it. */
	if (s.len > 0 && s.data[0] != '?') {
		shorten(p);
		return put_path(p, s);
	}
	guard_path(p);
	if (s.len > 0)
		return put_query(p, s);
	url_put_slice(&p->put, base->query);
	return CAH_OK;
}

/* file: without a base that is a file: URL too. */
static int put_file(struct parser *p, struct slice s)
{
	size_t slashes = count_slashes(p, s);
	if (slashes >= 2)
		return put_file_host(p, slice_from(s, 2));
	url_put_slice(&p->put, SLICE("//"));
	return put_path_start(p, s);
}

static int put_opaque_path(struct parser *p, struct slice s)
{
	size_t end = find(s, '?');
	struct slice path = head(s, end);
	/* a space at the path's end would be lost when it is read again */
	bool is_space_last = path.len > 0 && path.data[path.len - 1] == ' ';
	if (is_space_last)
		path.len--;
	url_put_encoded(&p->put, path, URL_SET_C0);
	if (is_space_last)
		url_put_slice(&p->put, SLICE("%20"));
	return put_query(p, slice_from(s, end));
}

static void put_scheme(struct parser *p, struct slice name)
{
	p->special = special_of(name);
	p->is_file = is_file(p->special);
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];
		url_put_byte(&p->put,
			     (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c));
	}
	url_put_byte(&p->put, ':');
}

/* @s without fragment; @has_fragment says whether it had one. */
static int parse(struct parser *p, struct slice s, bool has_fragment)
{
	size_t len = scheme_len(s);
	if (len == 0) {
		const struct written *base = p->base;
		if (base == NULL)
			return CAH_EINVALIDURL;
		/* Nothing is relative to "mailto:me" but a fragment of it. */
		if (base->is_opaque && (s.len > 0 || !has_fragment))
			return CAH_EINVALIDURL;
		put_scheme(p, base->name);
		return put_relative(p, s);
	}
	assert(s.data != NULL); /* for a scheme was found there */
	put_scheme(p, head(s, len));
	struct slice rest = slice_from(s, len + 1);
	/* "http:a.png" is relative to a base of http, for old pages' sake. */
	bool is_base_alike = p->special != NULL && p->base != NULL &&
			     p->base->special == p->special;
	if (is_base_alike && !slice_starts(rest, SLICE("//")))
		return put_relative(p, rest);
	if (p->is_file)
		return put_file(p, rest);
	/* Any number of slashes, even none, begins a special host. */
	if (p->special != NULL)
		return put_authority(p,
				     slice_from(rest, count_slashes(p, rest)));
	if (slice_starts(rest, SLICE("//")))
		return put_authority(p, slice_from(rest, 2));
	if (rest.len > 0 && rest.data[0] == '/')
		return put_path_start(p, rest);
	return put_opaque_path(p, rest);
}

/* ---- the input ---- */

static bool is_c0_or_space(char c)
{
	return (unsigned char)c <= ' ';
}

static bool is_tab_or_newline(char c)
{
	return c == '\t' || c == '\n' || c == '\r';
}

/* @input without what surrounds it and without its fragment. */
static struct slice trim(struct slice input, bool *has_fragment)
{
	while (input.len > 0 && is_c0_or_space(input.data[0]))
		input = slice_from(input, 1);
	while (input.len > 0 && is_c0_or_space(input.data[input.len - 1]))
		input.len--;
	size_t end = find(input, '#');
	*has_fragment = end < input.len;
	return head(input, end);
}

/* @input without tabs and newlines, copied to @copy only where it has some; cut
 * to INPUT_MAX bytes. */
static struct slice without_tabs(struct slice input, char copy[INPUT_MAX],
				 bool *is_cut)
{
	size_t first = 0;
	while (first < input.len && !is_tab_or_newline(input.data[first]))
		first++;
	*is_cut = input.len > INPUT_MAX;
	if (first == input.len || first >= INPUT_MAX)
		return head(input, *is_cut ? INPUT_MAX : input.len);
	size_t len = 0;
	size_t i = 0;
	for (; i < input.len && len < INPUT_MAX; i++)
		if (!is_tab_or_newline(input.data[i]))
			copy[len++] = input.data[i];
	*is_cut = i < input.len;
	return (struct slice){copy, len};
}

int url_resolve(struct buf *out, struct slice base, struct slice input)
{
	buf_reset(out);
	size_t max = out->max < URL_MAX ? out->max : URL_MAX;
	int rc = buf_reserve(out, max);
	if (rc != CAH_OK)
		return rc;
	struct written written;
	struct parser p = {
		.put = {out->data, out->data, out->data + max, false},
		.base = read_written(base, &written) ? &written : NULL,
		.path = out->data,
	};
	char copy[INPUT_MAX];
	bool has_fragment;
	bool is_cut;
	struct slice text = trim(input, &has_fragment);
	text = without_tabs(text, copy, &is_cut);
	rc = parse(&p, text, has_fragment);
	/* data: URLs of many kilobytes are only told by their scheme */
	bool is_http = p.special != NULL && p.special - schemes < 2;
	if (rc == CAH_OK && is_http && (p.put.is_full || is_cut))
		rc = CAH_ELIMIT;
	if (rc == CAH_OK)
		out->len = url_put_written(&p.put).len;
	out->data[out->len] = '\0';
	return rc;
}

bool url_split(struct slice url, struct url_parts *out)
{
	struct written w;
	if (!read_written(url, &w) || w.authority.len <= 2)
		return false;
	struct slice host = slice_from(w.authority, 2);
	size_t at = find(host, '@');
	if (at < host.len)
		host = slice_from(host, at + 1);
	size_t colon = port_start(host);
	int port = 0;
	for (size_t i = colon + 1; i < host.len && port <= PORT_MAX; i++)
		port = port * 10 + (host.data[i] - '0');
	if (colon == host.len && w.special != NULL)
		port = w.special->port;
	host.len = colon;
	if (host.len >= 2 && host.data[0] == '[')
		host = (struct slice){host.data + 1, host.len - 2};
	*out = (struct url_parts){
		.scheme = w.name,
		.host = host,
		.port = port,
		.path = w.path,
		.query = slice_from(w.query, 1),
	};
	return host.len > 0;
}
