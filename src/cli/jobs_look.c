/* What cah jobs shows of single jobs and of all, and how it opens one again. */
#include "base/clock.h"
#include "base/fail.h"
#include "cli/action.h"
#include "cli/jobs.h"

#include <errno.h>
#include <stdlib.h>

enum {
	PAGE_JOBS = 100, /* of one look into the store */
};

static int print_job_json(const struct job *job, struct cah_error *err)
{
	struct buf line;
	struct wire_json json;
	jobs_begin_json(&json, &line);
	wire_json_put_int(&json, "number", job->number);
	wire_json_put_text(&json, "state", store_state_name(job->state));
	wire_json_put_text(&json, "url", job->url);
	wire_json_put_int(&json, "piece", job->piece);
	wire_json_put_int(&json, "start_id", job->start_id);
	wire_json_put_int(&json, "end_id", job->end_id);
	wire_json_put_int(&json, "pairs", job->pairs);
	wire_json_put_text(&json, "gpu_url", job->gpu_url);
	wire_json_put_text(&json, "holder", job->holder);
	wire_json_put_text(&json, "made_by", job->made_by);
	wire_json_put_text(&json, "done_by", job->done_by);
	wire_json_close(&json, '}');
	return jobs_print_json(&line, err);
}

static void print_job(const struct job *job)
{
	printf("number    %lld\nstate     %s\nurl       %s\npiece     %d\n"
	       "ids       %lld to %lld\n",
	       (long long)job->number, store_state_name(job->state), job->url,
	       job->piece, (long long)job->start_id, (long long)job->end_id);
	if (job->holder[0] != '\0')
		printf("held by   %s\n", job->holder);
	if (job->gpu_url[0] != '\0')
		printf("gpu url   %s\nmade by   %s\n", job->gpu_url,
		       job->made_by);
	if (job->done_by[0] != '\0')
		printf("pairs     %lld\ndone by   %s\n", (long long)job->pairs,
		       job->done_by);
}

int jobs_count(struct jobs_args *jobs, struct cah_error *err)
{
	struct store_counts counts;
	int rc = store_get_counts(jobs->store, &counts, clock_wall_s(), err);
	if (rc != CAH_OK)
		return rc;
	int64_t total = 0;
	struct buf line;
	struct wire_json json;
	jobs_begin_json(&json, &line);
	for (int i = 0; i < JOB_STATE_COUNT; i++) {
		const char *name = store_state_name((enum job_state)i);
		total += counts.jobs[i];
		wire_json_put_int(&json, name, counts.jobs[i]);
		if (!jobs->is_json)
			printf("%-12s %12lld\n", name,
			       (long long)counts.jobs[i]);
	}
	wire_json_put_int(&json, "total", total);
	wire_json_put_int(&json, "pairs", counts.pairs);
	wire_json_put_int(&json, "finished_last_hour",
			  counts.finished_last_hour);
	wire_json_close(&json, '}');
	if (jobs->is_json)
		return jobs_print_json(&line, err);
	buf_fini(&line);
	printf("%-12s %12lld\n%-12s %12lld\n", "total", (long long)total,
	       "pairs", (long long)counts.pairs);
	return CAH_OK;
}

static int print_row(const struct jobs_args *jobs, const struct job *job,
		     struct cah_error *err)
{
	if (jobs->is_json)
		return print_job_json(job, err);
	printf("%lld\t%s\t%d\t%lld\t%s\n", (long long)job->number,
	       store_state_name(job->state), job->piece, (long long)job->pairs,
	       job->url);
	return CAH_OK;
}

/* The numbers have no gaps, so among all jobs an offset is a number. */
int jobs_list(struct jobs_args *jobs, struct cah_error *err)
{
	int64_t skip = jobs->state == -1 ? 0 : jobs->offset;
	int64_t from = 1 + jobs->offset - skip;
	int64_t left = jobs->limit;
	struct job *page = calloc(PAGE_JOBS, sizeof(*page));
	if (page == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	size_t count = PAGE_JOBS;
	int rc = CAH_OK;
	while (rc == CAH_OK && left > 0 && count == PAGE_JOBS &&
	       !cancel_is_set(jobs->cancel)) {
		rc = store_jobs(jobs->store, page, PAGE_JOBS, from, jobs->state,
				&count, err);
		for (size_t i = 0; i < count && rc == CAH_OK && left > 0; i++) {
			from = page[i].number + 1;
			if (skip > 0) {
				skip--;
				continue;
			}
			left--;
			rc = print_row(jobs, &page[i], err);
		}
	}
	free(page);
	return rc;
}

int jobs_show(struct jobs_args *jobs, struct cah_error *err)
{
	struct job job;
	int64_t number = 0;
	int rc = action_number(&number, "job", jobs->operands[0], err);
	if (rc == CAH_OK)
		rc = store_job_get(jobs->store, &job, number, err);
	if (rc != CAH_OK)
		return rc;
	if (jobs->is_json)
		return print_job_json(&job, err);
	print_job(&job);
	return CAH_OK;
}

int jobs_reset(struct jobs_args *jobs, struct cah_error *err)
{
	int64_t number = 0;
	int rc = action_number(&number, "job", jobs->operands[0], err);
	if (rc == CAH_OK)
		rc = store_job_reset(jobs->store, number, err);
	if (rc != CAH_OK)
		return rc;
	if (jobs->is_json) {
		struct buf line;
		struct wire_json json;
		jobs_begin_json(&json, &line);
		wire_json_put_int(&json, "number", number);
		wire_json_put_text(&json, "state", store_state_name(JOB_OPEN));
		wire_json_close(&json, '}');
		return jobs_print_json(&line, err);
	}
	if (!jobs->is_quiet)
		printf("job %lld is open\n", (long long)number);
	return CAH_OK;
}
