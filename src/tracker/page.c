#include "tracker/page.h"

#include "base/fail.h"
#include "base/utf8.h"
#include "tracker/state.h"

#include <ctype.h>
#include <inttypes.h>
#include <time.h>

enum {
	PAGE_NUMBER_MAX =
		1000000, /* of pages; what is past the last is empty */
};

void page_html(struct request *request, const char *html)
{
	buf_add_text(&request->out, html);
}

static const char *reference(uint32_t rune)
{
	switch (rune) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return utf8_is_control(rune) ? " " : NULL;
	}
}

void page_text(struct request *request, const char *text)
{
	struct buf *out = &request->out;
	struct slice s = slice_of(text);
	while (s.len > 0) {
		uint32_t rune = 0;
		size_t len = utf8_read_valid(s, &rune);
		const char *instead =
			len > 0 ? reference(rune) : "\xef\xbf\xbd";
		if (instead != NULL)
			buf_add_text(out, instead);
		else
			buf_add(out, s.data, len);
		s = slice_from(s, len > 0 ? len : 1);
	}
}

void page_segment(struct request *request, const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;
		if (c < 0x80 && (isalnum(c) || strchr("-._~", c) != NULL))
			buf_add_byte(&request->out, *p);
		else
			buf_printf(&request->out, "%%%02X", c);
	}
}

void page_number(struct request *request, int64_t n)
{
	char text[STATE_TEXT_MAX];
	state_group(text, n);
	page_html(request, text);
}

void page_ago(struct request *request, int64_t wall_s)
{
	char exact[32];
	char span[STATE_TEXT_MAX];
	time_t t = (time_t)wall_s;
	struct tm tm;
	if (gmtime_r(&t, &tm) == NULL)
		return;
	strftime(exact, sizeof(exact), "%Y-%m-%dT%H:%M:%SZ", &tm);
	int64_t age_s = request->wall_s - wall_s;
	if (age_s < 1)
		(void)snprintf(span, sizeof(span), "now");
	else
		state_span(span, age_s);
	buf_printf(&request->out,
		   "<time datetime=\"%s\" title=\"%s\">%s%s</time>", exact,
		   exact, span, age_s < 1 ? "" : " ago");
}

static void add_type(struct request *request, enum worker_type type)
{
	for (const char *p = store_type_name(type); *p != '\0'; p++)
		buf_add_byte(&request->out, (char)tolower((unsigned char)*p));
}

void page_worker_link(struct request *request, const struct worker *worker)
{
	page_html(request, "<a href=\"/worker/");
	add_type(request, worker->type);
	page_html(request, "/");
	page_segment(request, worker->display_name);
	page_html(request, "\">");
	page_text(request, worker->display_name);
	page_html(request, "</a>");
}

void page_nickname(struct request *request, const char *nickname)
{
	page_html(request, "<td class=\"who\"><bdi title=\"");
	page_text(request, nickname);
	page_html(request, "\">");
	page_text(request, nickname);
	page_html(request, "</bdi></td>");
}

void page_fact(struct request *request, const char *name, int64_t n)
{
	page_html(request, "<div><dt>");
	page_text(request, name);
	page_html(request, "</dt><dd>");
	page_number(request, n);
	page_html(request, "</dd></div>\n");
}

static void add_navigation(struct request *request)
{
	static const struct {
		enum wire_route route;
		const char *name;
	} links[] = {
		{ROUTE_INDEX, "Progress"},
		{ROUTE_LEADERBOARD, "Leaderboard"},
		{ROUTE_INSTALL, "Join in"},
	};
	page_html(request, "<header><a class=\"name\" href=\"/\">"
			   "Crawling@Home</a>\n<nav aria-label=\"Pages\">");
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		buf_printf(&request->out, "<a href=\"%s\"%s>%s</a>\n",
			   wire_route_path(links[i].route),
			   links[i].route == request->route
				   ? " aria-current=\"page\""
				   : "",
			   links[i].name);
	page_html(request, "</nav></header>\n<main>\n");
}

int page_begin(struct request *request, const char *title,
	       struct cah_error *err)
{
	char banner[STORE_URL_MAX + 1];
	int rc = store_banner_get(request->tracker->store, banner, err);
	if (rc != CAH_OK)
		return rc;
	page_html(request,
		  "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
		  "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
		  "content=\"width=device-width, initial-scale=1\">\n"
		  "<meta name=\"color-scheme\" content=\"light dark\">\n"
		  "<title>");
	page_text(request, title);
	page_html(request, " - Crawling@Home</title>\n"
			   "<link rel=\"stylesheet\" href=\"/style.css\">\n"
			   "<link rel=\"icon\" href=\"/icon.svg\">\n"
			   "</head>\n<body>\n");
	add_navigation(request);
	if (banner[0] != '\0') {
		page_html(request, "<p class=\"banner\" role=\"note\">");
		page_text(request, banner);
		page_html(request, "</p>\n");
	}
	page_html(request, "<h1>");
	page_text(request, title);
	page_html(request, "</h1>\n");
	return CAH_OK;
}

void page_end(struct request *request)
{
	page_html(request,
		  "</main>\n<footer>The same in numbers: "
		  "<a href=\"/data\">/data</a></footer>\n</body>\n</html>\n");
}

int page_query_page(const struct request *request, int64_t *page,
		    struct cah_error *err)
{
	struct slice text;
	*page = 1;
	if (!wire_query_get(&request->query, SLICE("page"), &text))
		return CAH_OK;
	int64_t n = 0;
	for (size_t i = 0; i < text.len && n <= PAGE_NUMBER_MAX; i++) {
		char c = text.data[i];
		if (c < '0' || c > '9')
			n = PAGE_NUMBER_MAX;
		n = n * 10 + (c - '0');
	}
	if (n < 1 || n > PAGE_NUMBER_MAX)
		return cah_fail(err, CAH_EINVALID,
				"page: not a number from 1 to %d",
				PAGE_NUMBER_MAX);
	*page = n;
	return CAH_OK;
}

static void pager_link(struct request *request, const struct pager *pager,
		       int64_t page, const char *rel, const char *text)
{
	buf_printf(&request->out,
		   "<a rel=\"%s\" href=\"%s?%spage=%" PRId64 "\">%s</a>\n", rel,
		   wire_route_path(request->route),
		   pager->fields != NULL ? pager->fields : "", page, text);
}

void page_pager(struct request *request, const struct pager *pager)
{
	int64_t page = pager->page;
	int64_t last = (pager->total + pager->per_page - 1) / pager->per_page;
	if (last <= 1 && page == 1)
		return;
	page_html(request, "<nav class=\"pager\" aria-label=\"More rows\">\n");
	if (page > 1)
		pager_link(request, pager, page - 1, "prev", "Previous");
	buf_printf(&request->out,
		   "<span>Page %" PRId64 " of %" PRId64 "</span>\n", page,
		   last);
	if (page < last)
		pager_link(request, pager, page + 1, "next", "Next");
	page_html(request, "</nav>\n");
}
