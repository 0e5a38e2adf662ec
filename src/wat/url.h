/* url.h: absolute URLs as browsers make them (WHATWG URL Standard,
 * https://url.spec.whatwg.org/, "basic URL parser"): relative references,
 * hosts to punycode, percent-encoding, dot segments, IPv4 forms. Any thread. */
#ifndef WAT_URL_H
#define WAT_URL_H

#include "base/buf.h"

enum {
	URL_MAX = 2048, /* bytes of a URL that is kept; longer ones are dropped
			 */
};

/* Writes @input, resolved against @base (a URL that url_resolve wrote; empty,
 * or anything else: none), to @out, which is reset first and whose maximum is
 * the limit of the result where that is less than URL_MAX; the fragment is left
 * out. URLs of all schemes are written; those of others than http and https are
 * cut at the limit, for they are only told by their scheme. Errors:
 * CAH_EINVALIDURL (the standard refuses it), CAH_ELIMIT (longer than the
 * limit), CAH_ENOMEM; @out is empty then. No text is made of failures: there
 * are millions of them. */
CAH_MUST_CHECK int url_resolve(struct buf *out, struct slice base,
			       struct slice input);

/* The parts of an absolute URL written by url_resolve; borrowed from @url. */
struct url_parts {
	struct slice scheme; /* "https", no colon */
	struct slice host;   /* as written; IPv6 without brackets */
	int port;            /* the scheme's default where none stands */
	struct slice path;   /* without query */
	struct slice query;  /* behind the '?', may be empty */
};

/* False when @url is no absolute URL with a host. */
CAH_MUST_CHECK bool url_split(struct slice url, struct url_parts *out);

#endif
