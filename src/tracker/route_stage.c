/* The calls of workers of a staged project (the DistCompute dialect). The paths
 * are mostly those of route_worker.c, which finds out whose dialect a request
 * is. */
#include "base/fail.h"
#include "tracker/request.h"

#include <inttypes.h>

static int find_stage(const struct request *request, int *stage,
		      struct cah_error *err)
{
	struct slice name = {NULL, 0};
	(void)wire_query_get(&request->query, SLICE("stage"), &name);
	*stage = stages_of_letter(&request->tracker->stages, name);
	if (*stage < 0)
		return cah_fail(err, CAH_EINVALID, "stage: unknown or off");
	return CAH_OK;
}

int stage_new(struct request *request, struct slice nickname,
	      struct cah_error *err)
{
	const struct stages *stages = &request->tracker->stages;
	struct worker worker;
	int stage;
	int rc = find_stage(request, &stage, err);
	if (rc == CAH_OK)
		rc = store_worker_new(request->tracker->store, &worker,
				      nickname, store_stage_type(stage),
				      request->now_s, request->wall_s, err);
	if (rc != CAH_OK)
		return rc;
	struct wire_json json;
	request_greet(request, &json, &worker);
	wire_json_put_text(&json, "project", stages->project);
	wire_json_put_text(&json, "stage_name", stages->names[stage]);
	wire_json_close(&json, '}');
	return CAH_OK;
}

int stage_job_count(struct request *request, struct cah_error *err)
{
	int64_t count = 0;
	int stage;
	int rc = find_stage(request, &stage, err);
	if (rc == CAH_OK)
		rc = store_task_count(request->tracker->store, &count, stage,
				      err);
	if (rc == CAH_OK)
		buf_printf(&request->out, "%" PRId64, count);
	return rc;
}

int stage_new_job(struct request *request, struct slice token,
		  enum worker_type type, struct cah_error *err)
{
	int64_t number;
	struct buf data;
	/* One that was on when the worker came. */
	if (store_type_stage(type) >= request->tracker->stages.count)
		return cah_fail(err, CAH_ENOJOB, "the stage is off");
	buf_init(&data, STORE_DATA_MAX);
	int rc = store_task_take(request->tracker->store, &number, &data, token,
				 request->now_s, request->wall_s, err);
	if (rc == CAH_OK) {
		struct wire_json json;
		wire_json_init(&json, &request->out);
		wire_json_open(&json, '{');
		wire_json_put_slice(&json, "data", buf_slice(&data));
		wire_json_put_int(&json, "number", number);
		wire_json_close(&json, '}');
	}
	buf_fini(&data);
	return rc;
}

int route_complete_job(struct request *request, struct cah_error *err)
{
	struct slice token;
	struct slice data;
	int rc = wire_body_text(&request->body, "token", &token, err);
	if (rc == CAH_OK)
		rc = wire_body_text(&request->body, "data", &data, err);
	if (rc == CAH_OK && data.len > STORE_DATA_MAX)
		rc = cah_fail(err, CAH_ELIMIT, "data: longer than %d bytes",
			      STORE_DATA_MAX);
	if (rc == CAH_OK)
		rc = store_task_finish(request->tracker->store, token, data,
				       request->tracker->stages.count,
				       request->now_s, request->wall_s, err);
	if (rc == CAH_OK)
		request_say(request, STAGE_DONE);
	return rc;
}

int route_flag_invalid(struct request *request, struct cah_error *err)
{
	struct slice token;
	int rc = wire_body_text(&request->body, "token", &token, err);
	if (rc == CAH_OK)
		rc = store_task_flag(request->tracker->store, token,
				     request->now_s, request->wall_s, err);
	if (rc == CAH_OK)
		request_say(request, STAGE_DONE);
	return rc;
}
