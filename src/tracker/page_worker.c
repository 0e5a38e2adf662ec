/* One worker. */
#include "tracker/page.h"

static void row(struct request *request, const char *name)
{
	page_html(request, "<tr><th scope=\"row\">");
	page_html(request, name);
	page_html(request, "</th><td>");
}

static void text_row(struct request *request, const char *name,
		     const char *value)
{
	row(request, name);
	page_html(request, "<bdi>");
	page_text(request, value);
	page_html(request, "</bdi></td></tr>\n");
}

static void number_row(struct request *request, const char *name, int64_t n)
{
	row(request, name);
	page_number(request, n);
	page_html(request, "</td></tr>\n");
}

static void time_row(struct request *request, const char *name, int64_t wall_s)
{
	row(request, name);
	page_ago(request, wall_s);
	page_html(request, "</td></tr>\n");
}

int route_worker(struct request *request, struct cah_error *err)
{
	struct worker worker;
	int rc = request_path_worker(request, &worker, err);
	if (rc == CAH_OK)
		rc = page_begin(request, worker.display_name, err);
	if (rc != CAH_OK)
		return rc;
	page_html(request, "<table class=\"worker\">\n<tbody>\n");
	text_row(request, "Of", worker.nickname);
	text_row(request, store_type_stage(worker.type) < 0 ? "Type" : "Stage",
		 stages_type_name(&request->tracker->stages, worker.type));
	if (worker.job_number > 0)
		number_row(request, "Job", worker.job_number);
	else
		text_row(request, "Job", "none");
	text_row(request, "Progress", worker.progress);
	number_row(request, "Jobs done", worker.jobs_completed);
	if (worker.checked > 0) {
		number_row(request, "Jobs of this nickname counted twice",
			   worker.checked);
		number_row(request, "Counts that did not agree",
			   worker.disagreed);
	}
	time_row(request, "First heard of", worker.first_seen_s);
	time_row(request, "Last heard of", worker.last_seen_s);
	page_html(request, "</tbody>\n</table>\n");
	page_end(request);
	return CAH_OK;
}
