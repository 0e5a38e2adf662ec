/* The first page: how far it is, and who works on it. */
#include "base/fail.h"
#include "tracker/page.h"
#include "tracker/state.h"

#include <stdlib.h>

enum {
	ROWS_PER_PAGE = 50, /* workers */
};

static void add_progress(struct request *request, const struct state *state)
{
	char percent[32];
	(void)snprintf(percent, sizeof(percent), "%.2f %%", state->percent);
	buf_printf(&request->out,
		   "<p class=\"progress\"><progress max=\"100\" "
		   "value=\"%.4f\" aria-label=\"Jobs done\">%s</progress>\n"
		   "<span><strong>",
		   state->percent, percent);
	page_number(request, state->done);
	page_html(request, "</strong> of ");
	page_number(request, state->total);
	page_html(request, " jobs done (");
	page_text(request, percent);
	page_html(request, ")</span>\n<span>Time left: ");
	page_text(request, state->eta);
	page_html(request, "</span></p>\n");
}

static void add_counts(struct request *request, const struct state *state)
{
	const struct store_counts *counts = &state->counts;
	page_html(request, "<dl class=\"facts\">\n");
	page_fact(request, "Pairs found", counts->pairs);
	page_fact(request, "Open", counts->jobs[JOB_OPEN]);
	page_fact(request, "In work", counts->jobs[JOB_LEASED]);
	page_fact(request, "Awaiting a GPU", counts->jobs[JOB_GPU_OPEN]);
	page_fact(request, "On a GPU", counts->jobs[JOB_GPU_LEASED]);
	/* With --verify-share only. */
	int64_t checks =
		counts->jobs[JOB_CHECK_OPEN] + counts->jobs[JOB_CHECK_LEASED];
	if (checks > 0)
		page_fact(request, "Being checked", checks);
	page_fact(request, "Done", counts->jobs[JOB_DONE]);
	page_fact(request, "Done last hour", counts->finished_last_hour);
	page_html(request, "</dl>\n");
}

static void add_stage(struct request *request,
		      const struct store_counts *counts, int stage)
{
	const char letter[2] = {store_stage_letter(stage), '\0'};
	page_html(request, "<tr><th scope=\"row\">");
	page_html(request, letter);
	page_html(request, "</th><td class=\"text\"><bdi>");
	page_text(request, request->tracker->stages.names[stage]);
	page_html(request, "</bdi></td><td class=\"number\">");
	page_number(request, counts->tasks_open[stage]);
	page_html(request, "</td><td class=\"number\">");
	page_number(request, counts->tasks_leased[stage]);
	page_html(request, "</td><td class=\"number\">");
	page_number(request, counts->stage_workers[stage]);
	page_html(request, "</td></tr>\n");
}

static void add_stages(struct request *request, const struct state *state)
{
	const struct stages *stages = &request->tracker->stages;
	if (stages->count == 0)
		return;
	page_html(request, "<h2 id=\"stages\">Stages of <bdi>");
	page_text(request, stages->project);
	page_html(request,
		  "</bdi></h2>\n<div class=\"scroll\" tabindex=\"0\" "
		  "role=\"region\" aria-labelledby=\"stages\">\n<table>\n"
		  "<thead><tr><th scope=\"col\">Stage</th>"
		  "<th scope=\"col\">Name</th>"
		  "<th scope=\"col\" class=\"number\">Open</th>"
		  "<th scope=\"col\" class=\"number\">In work</th>"
		  "<th scope=\"col\" class=\"number\">Workers</th></tr>"
		  "</thead>\n<tbody>\n");
	for (int i = 0; i < stages->count; i++)
		add_stage(request, &state->counts, i);
	page_html(request, "</tbody>\n</table>\n</div>\n<p>");
	page_number(request, state->counts.tasks_done);
	page_html(request, " of ");
	page_number(request, state->tasks);
	page_html(request, " have been through all of them.</p>\n");
}

static void add_worker(struct request *request, const struct worker *worker)
{
	page_html(request, "<tr><td>");
	page_worker_link(request, worker);
	page_html(request, "</td>");
	page_nickname(request, worker->nickname);
	page_html(request, "<td>");
	page_text(request,
		  stages_type_name(&request->tracker->stages, worker->type));
	page_html(request, "</td><td class=\"number\">");
	if (worker->job_number > 0)
		page_number(request, worker->job_number);
	else
		page_html(request, "none");
	page_html(request, "</td><td class=\"text\"><bdi>");
	page_text(request, worker->progress);
	page_html(request, "</bdi></td><td class=\"number\">");
	page_number(request, worker->jobs_completed);
	page_html(request, "</td><td>");
	page_ago(request, worker->last_seen_s);
	page_html(request, "</td></tr>\n");
}

static void add_table(struct request *request, const struct worker *workers,
		      size_t count)
{
	if (count == 0) {
		page_html(request, "<p>No worker here.</p>\n");
		return;
	}
	page_html(
		request,
		"<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
		"aria-labelledby=\"workers\">\n<table>\n<thead><tr>"
		"<th scope=\"col\">Name</th><th scope=\"col\">Of</th>"
		"<th scope=\"col\">Type</th>"
		"<th scope=\"col\" class=\"number\">Job</th>"
		"<th scope=\"col\">Progress</th>"
		"<th scope=\"col\" class=\"number\">Done</th>"
		"<th scope=\"col\">Last heard of</th></tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < count; i++)
		add_worker(request, &workers[i]);
	page_html(request, "</tbody>\n</table>\n</div>\n");
}

static void add_workers_heading(struct request *request,
				const struct state *state)
{
	page_html(request, "<h2 id=\"workers\">Workers</h2>\n<p>");
	page_number(request, state->workers);
	page_html(request, " connected");
	const char *comma = ": ";
	for (int i = 0; i < WORKER_TYPE_COUNT; i++) {
		page_html(request, comma);
		page_number(request, state->counts.workers[i]);
		page_html(request, " ");
		page_text(request, store_type_name((enum worker_type)i));
		comma = ", ";
	}
	const struct stages *stages = &request->tracker->stages;
	for (int i = 0; i < stages->count; i++) {
		page_html(request, comma);
		page_number(request, state->counts.stage_workers[i]);
		page_html(request, " ");
		page_text(request, stages->names[i]);
	}
	page_html(request, ".</p>\n");
}

struct choice {
	bool is_all;
	int64_t page;
};

static int take_choice(const struct request *request, struct choice *out,
		       struct cah_error *err)
{
	struct slice all = {NULL, 0};
	(void)wire_query_get(&request->query, SLICE("all"), &all);
	out->is_all = slice_equal_nocase(all, SLICE("true"));
	return page_query_page(request, &out->page, err);
}

static int add_workers(struct request *request, const struct choice *choice,
		       struct cah_error *err)
{
	size_t cap = choice->is_all ? STORE_LIST_MAX : ROWS_PER_PAGE;
	struct worker *workers = calloc(cap, sizeof(*workers));
	if (workers == NULL)
		return cah_fail(err, CAH_ENOMEM, "workers");
	size_t offset = (size_t)(choice->page - 1) * cap;
	size_t count = 0;
	int64_t total = 0;
	int rc = store_workers(request->tracker->store, workers, cap, offset,
			       -1, &count, &total, err);
	if (rc == CAH_OK) {
		add_table(request, workers, count);
		const struct pager pager = {choice->page, (int64_t)cap, total,
					    choice->is_all ? "all=true&amp;"
							   : NULL};
		page_pager(request, &pager);
		if (!choice->is_all && total > ROWS_PER_PAGE)
			page_html(request, "<p><a href=\"/?all=true\">"
					   "Longer pages</a></p>\n");
	}
	free(workers);
	return rc;
}

int route_index(struct request *request, struct cah_error *err)
{
	struct choice choice;
	struct state state;
	int rc = take_choice(request, &choice, err);
	if (rc == CAH_OK)
		rc = state_get(&state, request->tracker->store, request->wall_s,
			       err);
	if (rc == CAH_OK)
		rc = page_begin(request, "Progress", err);
	if (rc != CAH_OK)
		return rc;
	add_progress(request, &state);
	add_counts(request, &state);
	add_stages(request, &state);
	add_workers_heading(request, &state);
	rc = add_workers(request, &choice, err);
	page_end(request);
	return rc;
}
