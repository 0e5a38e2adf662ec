/* links.h: the image links of one WAT record's JSON. One owner; no locks. */
#ifndef WAT_LINKS_H
#define WAT_LINKS_H

#include "base/slice.h"

#include <cah/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A link of the page, in the page's order; all slices are valid during the
 * call, strings with JSON's escapes decoded. */
struct link {
	enum link_kind {
		LINK_IMAGE,   /* IMG@/src with an alt */
		LINK_LICENCE, /* a link to creativecommons.org/licenses/ */
	} kind;
	struct slice url;
	struct slice alt; /* images only */
};

struct page {
	struct slice url;  /* WARC-Target-URI */
	struct slice base; /* Head.Base, empty where there is none */
};

/* Called for each link, after the page is known; not 0: stop with that code. */
typedef int (*link_fn)(void *arg, const struct page *page,
		       const struct link *link);

struct links; /* the parser's memory, used again record by record */

CAH_MUST_CHECK int links_new(struct links **out, struct cah_error *err);
void links_free(struct links *links);

/* Tells @fn the links of the record's JSON body. The order of the JSON's keys
 * does not matter. CAH_OK also where the record has no HTML links (a request's,
 * say). Errors: CAH_EFORMAT (broken JSON: the links before the breakage may
 * have been told), CAH_ENOMEM, what @fn returned. */
CAH_MUST_CHECK int links_parse(struct links *links, struct slice json,
			       link_fn fn, void *arg);

#ifdef __cplusplus
}
#endif

#endif
