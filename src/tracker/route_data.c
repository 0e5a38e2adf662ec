/* The state in numbers, for programs. */
#include "tracker/request.h"
#include "tracker/state.h"

static void put_counts(struct wire_json *json, const struct state *state)
{
	const struct store_counts *counts = &state->counts;
	wire_json_key(json, "jobs");
	wire_json_open(json, '{');
	for (int i = 0; i < JOB_STATE_COUNT; i++)
		wire_json_put_int(json, store_state_name((enum job_state)i),
				  counts->jobs[i]);
	wire_json_put_int(json, "total", state->jobs);
	wire_json_close(json, '}');
	wire_json_key(json, "workers");
	wire_json_open(json, '{');
	for (int i = 0; i < WORKER_TYPE_COUNT; i++)
		wire_json_put_int(json, store_type_name((enum worker_type)i),
				  counts->workers[i]);
	wire_json_close(json, '}');
	wire_json_put_int(json, "finished_last_hour",
			  counts->finished_last_hour);
}

static void put_stage(struct wire_json *json, const struct request *request,
		      const struct store_counts *counts, int stage)
{
	const char letter[2] = {store_stage_letter(stage), '\0'};
	wire_json_open(json, '{');
	wire_json_put_text(json, "stage", letter);
	wire_json_put_text(json, "name", request->tracker->stages.names[stage]);
	wire_json_put_int(json, "open", counts->tasks_open[stage]);
	wire_json_put_int(json, "leased", counts->tasks_leased[stage]);
	wire_json_put_int(json, "workers", counts->stage_workers[stage]);
	wire_json_close(json, '}');
}

static void put_stages(struct wire_json *json, const struct request *request,
		       const struct state *state)
{
	const struct stages *stages = &request->tracker->stages;
	if (stages->count == 0)
		return;
	wire_json_put_text(json, "project", stages->project);
	wire_json_key(json, "stages");
	wire_json_open(json, '[');
	for (int i = 0; i < stages->count; i++)
		put_stage(json, request, &state->counts, i);
	wire_json_close(json, ']');
	wire_json_key(json, "tasks");
	wire_json_open(json, '{');
	wire_json_put_int(json, "done", state->counts.tasks_done);
	wire_json_put_int(json, "total", state->tasks);
	wire_json_close(json, '}');
}

/* open_jobs, pending_jobs and closed_jobs are what older deployed servers had
 * in here. */
int route_data(struct request *request, struct cah_error *err)
{
	struct state state;
	int rc = state_get(&state, request->tracker->store, request->wall_s,
			   err);
	if (rc != CAH_OK)
		return rc;
	char done[STATE_TEXT_MAX];
	char total[STATE_TEXT_MAX];
	char completion[2 * STATE_TEXT_MAX + 4];
	state_group(done, state.done);
	state_group(total, state.total);
	(void)snprintf(completion, sizeof(completion), "%s / %s", done, total);
	const int64_t *jobs = state.counts.jobs;
	struct wire_json json;
	wire_json_init(&json, &request->out);
	wire_json_open(&json, '{');
	wire_json_put_text(&json, "completion_str", completion);
	wire_json_key(&json, "completion_float");
	wire_json_real(&json, state.percent);
	wire_json_put_int(&json, "total_connected_workers", state.workers);
	wire_json_put_int(&json, "total_pairs_scraped", state.counts.pairs);
	wire_json_put_text(&json, "eta", state.eta);
	wire_json_put_int(&json, "open_jobs",
			  jobs[JOB_OPEN] + jobs[JOB_GPU_OPEN]);
	wire_json_put_int(&json, "pending_jobs",
			  jobs[JOB_LEASED] + jobs[JOB_GPU_LEASED]);
	wire_json_put_int(&json, "closed_jobs", state.done);
	put_counts(&json, &state);
	put_stages(&json, request, &state);
	wire_json_close(&json, '}');
	return CAH_OK;
}

/* "N/A" for a worker without a job is what deployed servers answer. */
int route_worker_data(struct request *request, struct cah_error *err)
{
	struct worker worker;
	int rc = request_path_worker(request, &worker, err);
	if (rc != CAH_OK)
		return rc;
	struct wire_json json;
	wire_json_init(&json, &request->out);
	wire_json_open(&json, '{');
	wire_json_put_text(&json, "display_name", worker.display_name);
	if (worker.job_number > 0)
		wire_json_put_int(&json, "shard_number", worker.job_number);
	else
		wire_json_put_text(&json, "shard_number", "N/A");
	wire_json_put_text(&json, "progress", worker.progress);
	wire_json_put_int(&json, "jobs_completed", worker.jobs_completed);
	wire_json_put_int(&json, "first_seen", worker.first_seen_s);
	wire_json_put_int(&json, "last_seen", worker.last_seen_s);
	wire_json_put_text(&json, "user_nickname", worker.nickname);
	wire_json_put_text(&json, "type", store_type_name(worker.type));
	if (store_type_stage(worker.type) >= 0)
		wire_json_put_text(&json, "stage_name",
				   stages_type_name(&request->tracker->stages,
						    worker.type));
	wire_json_close(&json, '}');
	return CAH_OK;
}
