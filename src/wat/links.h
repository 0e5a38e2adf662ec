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
		LINK_IMAGE,   /* IMG@/src, with an alt or without */
		LINK_LICENCE, /* any other whose URL contains
				 creativecommons.org/licenses/; those of the
				 page's Head come before all others */
	} kind;
	struct slice url;
	struct slice alt; /* empty where there is none */
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
 * does not matter; of a key that comes twice the last one counts. Bytes that
 * are not UTF-8 come through as they are, halves of surrogate pairs as U+FFFD.
 * CAH_OK also where the record has no HTML links (a request's, say). Errors:
 * CAH_EFORMAT (broken JSON, nested too deep, too many links: none was told),
 * CAH_ENOMEM, what @fn returned. */
CAH_MUST_CHECK int links_parse(struct links *links, struct slice json,
			       link_fn fn, void *arg);

/* How many links of any kind the last record had in its Links. */
size_t links_count(const struct links *links);

#ifdef __cplusplus
}
#endif

#endif
