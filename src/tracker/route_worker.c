/* The calls of workers. Those of a staged project have a stage in the query, or
 * a token that says whose it is. */
#include "base/fail.h"
#include "tracker/request.h"
#include "tracker/sifter.h"
#include "wire/text.h"

#include <inttypes.h>

static bool is_of_stage(const struct request *request)
{
	struct slice stage;
	return wire_query_get(&request->query, SLICE("stage"), &stage);
}

/* As either dialect says that all is well. */
static void say_done(struct request *request, enum worker_type type)
{
	request_say(request,
		    store_type_stage(type) < 0 ? "success" : STAGE_DONE);
}

/* Only where there is such a service: clients that know nothing of it see what
 * they always saw. */
static void tell_filters(const struct request *request, struct wire_json *json)
{
	const struct sifter *sifter = request->tracker->sifter;
	if (sifter == NULL)
		return;
	wire_json_key(json, "dedup");
	wire_json_open(json, '[');
	for (size_t i = 0; i < sifter_count(sifter); i++)
		wire_json_text(json, slice_of(sifter_name(sifter, i)));
	wire_json_close(json, ']');
}

int route_new(struct request *request, struct cah_error *err)
{
	struct slice nickname;
	enum worker_type type;
	if (!wire_query_get(&request->query, SLICE("nickname"), &nickname))
		return cah_fail(err, CAH_EFORMAT, "nickname: missing");
	int rc = wire_nickname_check(nickname, err);
	if (rc == CAH_OK && is_of_stage(request))
		return stage_new(request, nickname, err);
	if (rc == CAH_OK)
		rc = request_query_type(request, &type, err);
	if (rc != CAH_OK)
		return rc;
	struct worker worker;
	rc = store_worker_new(request->tracker->store, &worker, nickname, type,
			      request->now_s, request->wall_s, err);
	if (rc != CAH_OK)
		return rc;
	struct wire_json json;
	request_greet(request, &json, &worker);
	wire_json_put_text(&json, "upload_address",
			   request->tracker->upload_address[type]);
	tell_filters(request, &json);
	wire_json_close(&json, '}');
	return CAH_OK;
}

int route_job_count(struct request *request, struct cah_error *err)
{
	enum worker_type type;
	int64_t count = 0;
	if (is_of_stage(request))
		return stage_job_count(request, err);
	int rc = request_query_type(request, &type, err);
	if (rc == CAH_OK)
		rc = store_job_count(request->tracker->store, &count, type,
				     err);
	if (rc != CAH_OK)
		return rc;
	buf_printf(&request->out, "%" PRId64, count);
	return CAH_OK;
}

int route_upload_address(struct request *request, struct cah_error *err)
{
	enum worker_type type;
	int rc = request_query_type(request, &type, err);
	if (rc != CAH_OK)
		return rc;
	const char *address = request->tracker->upload_address[type];
	if (address != NULL)
		request_say(request, address);
	return CAH_OK;
}

int route_new_job(struct request *request, struct cah_error *err)
{
	struct slice token;
	enum worker_type type;
	struct job job;
	int rc = request_any_worker(request, &token, &type, err);
	if (rc == CAH_OK && store_type_stage(type) >= 0)
		return stage_new_job(request, token, type, err);
	if (rc == CAH_OK)
		rc = store_job_take(request->tracker->store, &job, token, type,
				    request->now_s, request->wall_s, err);
	if (rc != CAH_OK)
		return rc;
	struct wire_json json;
	wire_json_init(&json, &request->out);
	wire_json_open(&json, '{');
	wire_json_put_text(&json, "url",
			   type == WORKER_GPU ? job.gpu_url : job.url);
	wire_json_put_id(&json, "start_id", job.start_id);
	wire_json_put_id(&json, "end_id", job.end_id);
	wire_json_put_int(&json, "shard", job.piece);
	wire_json_put_int(&json, "number", job.number);
	wire_json_close(&json, '}');
	return CAH_OK;
}

int route_update_progress(struct request *request, struct cah_error *err)
{
	struct slice token;
	struct slice progress;
	enum worker_type type;
	int rc = request_any_worker(request, &token, &type, err);
	if (rc == CAH_OK)
		rc = wire_body_text(&request->body, "progress", &progress, err);
	if (rc != CAH_OK)
		return rc;
	struct buf clean;
	buf_init(&clean, WIRE_PROGRESS_MAX * 4);
	(void)wire_progress_clean(&clean, progress);
	rc = buf_check(&clean, "progress", err);
	if (rc == CAH_OK)
		rc = store_worker_progress(request->tracker->store, token, type,
					   buf_slice(&clean), request->now_s,
					   request->wall_s, err);
	buf_fini(&clean);
	if (rc == CAH_OK)
		say_done(request, type);
	return rc;
}

/* What the worker made: a count of pairs, or where its result lies. */
static int take_result(const struct request *request, enum worker_type type,
		       int64_t *pairs, struct slice *url, struct cah_error *err)
{
	*pairs = 0;
	*url = (struct slice){NULL, 0};
	if (type != WORKER_CPU)
		return wire_body_int(&request->body, "count", 0, INT32_MAX,
				     pairs, err);
	int rc = wire_body_text(&request->body, "url", url, err);
	return rc != CAH_OK
		       ? rc
		       : wire_text_check(*url, 1, WIRE_URL_MAX, "url", err);
}

int route_mark_as_done(struct request *request, struct cah_error *err)
{
	struct slice token;
	struct slice url;
	enum worker_type type;
	int64_t pairs;
	int rc = request_worker(request, &token, &type, err);
	if (rc == CAH_OK)
		rc = take_result(request, type, &pairs, &url, err);
	if (rc == CAH_OK)
		rc = store_job_finish(request->tracker->store, token, type,
				      pairs, url, request->now_s,
				      request->wall_s, err);
	if (rc == CAH_OK)
		request_say(request, "success");
	return rc;
}

int route_gpu_invalid(struct request *request, struct cah_error *err)
{
	struct slice token;
	enum worker_type type;
	int rc = request_worker(request, &token, &type, err);
	if (rc != CAH_OK)
		return rc;
	if (type != WORKER_GPU)
		return cah_fail(err, CAH_EINVALID,
				"type: this call is for GPU workers");
	rc = store_job_invalid(request->tracker->store, token, request->now_s,
			       request->wall_s, err);
	if (rc == CAH_OK)
		request_say(request, "success");
	return rc;
}

int route_validate_worker(struct request *request, struct cah_error *err)
{
	struct slice token;
	enum worker_type type;
	bool is_alive;
	int rc = request_any_worker(request, &token, &type, err);
	if (rc == CAH_OK)
		rc = store_worker_alive(request->tracker->store, &is_alive,
					token, type, request->now_s,
					request->wall_s, err);
	if (rc == CAH_OK)
		request_say(request, is_alive ? "True" : "False");
	return rc;
}

int route_bye(struct request *request, struct cah_error *err)
{
	struct slice token;
	enum worker_type type;
	int rc = request_any_worker(request, &token, &type, err);
	if (rc == CAH_OK)
		rc = store_worker_bye(request->tracker->store, token, type,
				      err);
	if (rc == CAH_OK)
		say_done(request, type);
	return rc;
}
