/* Who did most: pairs of HYBRID and GPU workers, jobs of CPU workers. */
#include "base/fail.h"
#include "tracker/page.h"

#include <stdlib.h>

enum {
	ROWS_PER_PAGE = 100, /* nicknames of one list */
};

static void add_head(struct request *request, const char *id, bool is_cpu)
{
	buf_printf(&request->out,
		   "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
		   "aria-labelledby=\"%s\">\n<table>\n<thead><tr>"
		   "<th scope=\"col\" class=\"number place\">Place</th>"
		   "<th scope=\"col\">Nickname</th>"
		   "<th scope=\"col\" class=\"number\">Jobs</th>%s"
		   "</tr></thead>\n<tbody>\n",
		   id,
		   is_cpu ? ""
			  : "<th scope=\"col\" class=\"number\">Pairs</th>");
}

static void add_leader(struct request *request, const struct leader *leader,
		       int64_t place, bool is_cpu)
{
	page_html(request, "<tr><td class=\"number\">");
	page_number(request, place);
	page_html(request, "</td>");
	page_nickname(request, leader->nickname);
	page_html(request, "<td class=\"number\">");
	page_number(request, leader->jobs);
	if (!is_cpu) {
		page_html(request, "</td><td class=\"number\">");
		page_number(request, leader->pairs);
	}
	page_html(request, "</td></tr>\n");
}

/* One of the two lists; the larger of their totals in *total. */
static int add_list(struct request *request, int64_t page, bool is_cpu,
		    int64_t *total, struct cah_error *err)
{
	struct leader *leaders = calloc(ROWS_PER_PAGE, sizeof(*leaders));
	if (leaders == NULL)
		return cah_fail(err, CAH_ENOMEM, "leaders");
	int64_t offset = (page - 1) * ROWS_PER_PAGE;
	size_t count = 0;
	int64_t all = 0;
	int rc = store_leaders(request->tracker->store, leaders, ROWS_PER_PAGE,
			       (size_t)offset, is_cpu, &count, &all, err);
	if (rc == CAH_OK && count == 0)
		page_html(request, "<p>Nobody here.</p>\n");
	if (rc == CAH_OK && count > 0) {
		add_head(request, is_cpu ? "cpu" : "pairs", is_cpu);
		for (size_t i = 0; i < count; i++)
			add_leader(request, &leaders[i],
				   offset + (int64_t)i + 1, is_cpu);
		page_html(request, "</tbody>\n</table>\n</div>\n");
	}
	if (all > *total)
		*total = all;
	free(leaders);
	return rc;
}

int route_leaderboard(struct request *request, struct cah_error *err)
{
	int64_t page;
	int64_t total = 0;
	int rc = page_query_page(request, &page, err);
	if (rc == CAH_OK)
		rc = page_begin(request, "Leaderboard", err);
	if (rc != CAH_OK)
		return rc;
	page_html(request,
		  "<h2 id=\"pairs\">Pairs (HYBRID and GPU workers)</h2>\n");
	rc = add_list(request, page, false, &total, err);
	if (rc != CAH_OK)
		return rc;
	page_html(request, "<h2 id=\"cpu\">Jobs prepared (CPU workers)</h2>\n");
	rc = add_list(request, page, true, &total, err);
	const struct pager pager = {page, ROWS_PER_PAGE, total, NULL};
	page_pager(request, &pager);
	page_end(request);
	return rc;
}
