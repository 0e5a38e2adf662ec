/* page.h: what the pages have in common. Every value from outside goes through
 * page_text, which is the only place that writes such bytes into HTML. The
 * server's thread only. */
#ifndef TRACKER_PAGE_H
#define TRACKER_PAGE_H

#include "tracker/request.h"

/* Everything up to the contents: head, navigation, the organiser's banner.
 * @title is shown in the tab and as the heading. Errors: the store's. */
CAH_MUST_CHECK int page_begin(struct request *request, const char *title,
			      struct cah_error *err);
void page_end(struct request *request);

/* HTML of our own, as it is. */
void page_html(struct request *request, const char *html);

/* Text from outside, escaped for elements and quoted attributes (HTML Living
 * Standard, section 13.3): & < > " ' become references, what is no UTF-8
 * U+FFFD, a control character a space. */
void page_text(struct request *request, const char *text);

/* The same, percent-encoded as one segment of a URL's path. */
void page_segment(struct request *request, const char *text);

/* "1,234" */
void page_number(struct request *request, int64_t n);

/* "<time>" of @wall_s, told as how long ago it was. */
void page_ago(struct request *request, int64_t wall_s);

/* A link to the page of @worker, with its display name as the text. */
void page_worker_link(struct request *request, const struct worker *worker);

/* A table's cell with a nickname, which the style may cut. */
void page_nickname(struct request *request, const char *nickname);

/* A name and its number in a list of them (a <dl>). */
void page_fact(struct request *request, const char *name, int64_t n);

/* "page" of the query, from 1; 1 where it is missing.
 * Errors: CAH_EINVALID. */
CAH_MUST_CHECK int page_query_page(const struct request *request, int64_t *page,
				   struct cah_error *err);

/* A page of a long list. */
struct pager {
	int64_t page; /* from 1 */
	int64_t per_page;
	int64_t total;
	const char *fields; /* HTML of more fields for its links, "a=b&amp;";
			       or NULL */
};

/* Links to the pages before and after; nothing where there is only one. */
void page_pager(struct request *request, const struct pager *pager);

#endif
