/* A worker of a staged project: the calls of the DistCompute dialect over the
 * connection, the patience and the switches of a struct cah_client. */
#include <cah/stage.h>

#include "base/fail.h"
#include "base/utf8.h"
#include "client/call.h"

#include <curl/curl.h>
#include <stdlib.h>

struct cah_stage {
	struct cah_client *client; /* its type and its jobs are not used */
	char letter;
	char *project;
	char *name;
	struct answer_task task;
};

/* What most calls send: the token, by which the tracker knows the stage. */
static json_t *who(const struct cah_stage *stage)
{
	return json_pack("{s:s}", "token", stage->client->token);
}

static int say_hello(struct cah_stage *stage, struct cah_error *err)
{
	struct cah_client *client = stage->client;
	struct answer_stage answer;
	struct buf body;
	char *path = NULL;
	char *nickname = curl_easy_escape(NULL, client->nickname, 0);

	if (nickname == NULL || asprintf(&path, "/api/new?nickname=%s&stage=%c",
					 nickname, stage->letter) < 0)
		path = NULL;
	curl_free(nickname);
	if (path == NULL)
		return cah_fail(err, CAH_ENOMEM, "new: out of memory");

	struct call call = {path, false, NULL, CALL_NEW, 0, NULL};
	buf_init(&body, TALK_BODY_MAX);
	int rc = call_run(client, &body, &call, err);
	free(path);
	if (rc == CAH_OK)
		rc = call_blame(
			"/api/new",
			answer_parse_stage(&answer, buf_slice(&body), err),
			err);
	buf_fini(&body);
	if (rc != CAH_OK)
		return rc;
	free(client->token);
	free(client->display_name);
	client->token = answer.token;
	client->display_name = answer.display_name;
	stage->project = answer.project;
	stage->name = answer.stage_name;
	return CAH_OK;
}

int cah_stage_init(struct cah_stage **out, char letter,
		   const struct cah_client_options *options,
		   struct cah_error *err)
{
	*out = NULL;
	if (letter < 'a' || letter > 'e')
		return cah_fail(err, CAH_EINVALID, "stage: not one of a to e");
	struct cah_stage *stage = calloc(1, sizeof(*stage));
	if (stage == NULL)
		return cah_fail(err, CAH_ENOMEM, "stage: out of memory");
	stage->letter = letter;
	struct cah_client_options own = *options;
	own.type = CAH_HYBRID;
	int rc = client_new(&stage->client, &own, err);
	if (rc == CAH_OK) {
		stage->client->backoff_max_ms = CAH_STAGE_RETRY_MS;
		rc = say_hello(stage, err);
	}
	if (rc == CAH_OK)
		*out = stage;
	else
		cah_stage_free(stage);
	return rc;
}

void cah_stage_free(struct cah_stage *stage)
{
	if (stage == NULL)
		return;
	answer_task_fini(&stage->task);
	cah_client_free(stage->client);
	free(stage->project);
	free(stage->name);
	free(stage);
}

void cah_stage_cancel(struct cah_stage *stage, bool is_cancelled)
{
	cah_client_cancel(stage->client, is_cancelled);
}

char cah_stage_letter(const struct cah_stage *stage)
{
	return stage->letter;
}

const char *cah_stage_name(const struct cah_stage *stage)
{
	return stage->name;
}

const char *cah_stage_project(const struct cah_stage *stage)
{
	return stage->project;
}

const char *cah_stage_url(const struct cah_stage *stage)
{
	return cah_client_url(stage->client);
}

const char *cah_stage_token(const struct cah_stage *stage)
{
	return cah_client_token(stage->client);
}

const char *cah_stage_nickname(const struct cah_stage *stage)
{
	return cah_client_nickname(stage->client);
}

const char *cah_stage_display_name(const struct cah_stage *stage)
{
	return cah_client_display_name(stage->client);
}

const char *cah_stage_data(const struct cah_stage *stage, size_t *len)
{
	if (len != NULL)
		*len = stage->task.len;
	return stage->task.data;
}

int64_t cah_stage_number(const struct cah_stage *stage)
{
	return stage->task.number;
}

int cah_stage_job_count(struct cah_stage *stage, int64_t *count,
			struct cah_error *err)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/api/jobCount?stage=%c",
		       stage->letter);
	return call_count(stage->client, path, count, err);
}

int cah_stage_new_job(struct cah_stage *stage, struct cah_error *err)
{
	struct call call = {"/api/newJob", true, who(stage), CALL_JOB, 0, NULL};
	struct buf body;

	answer_task_fini(&stage->task);
	buf_init(&body, TALK_BODY_MAX);
	int rc = call_run(stage->client, &body, &call, err);
	if (rc == CAH_OK)
		rc = call_blame(
			call.path,
			answer_parse_task(&stage->task, buf_slice(&body), err),
			err);
	buf_fini(&body);
	return rc;
}

static int check_job(const struct cah_stage *stage, struct cah_error *err)
{
	if (stage->task.data != NULL)
		return CAH_OK;
	return cah_fail(err, CAH_ENOJOB, "no job is held");
}

/* As with a cah_client: where the call failed otherwise, the caller may try
 * again. */
static void drop_job_after(struct cah_stage *stage, int rc)
{
	if (rc == CAH_OK || rc == CAH_ENOJOB || rc == CAH_ETIMEDOUT)
		answer_task_fini(&stage->task);
}

int cah_stage_complete(struct cah_stage *stage, const char *data, size_t len,
		       struct cah_error *err)
{
	int rc = check_job(stage, err);
	if (rc != CAH_OK)
		return rc;
	if (len > CAH_STAGE_DATA_MAX)
		return cah_fail(err, CAH_ELIMIT, "data: more than %d bytes",
				CAH_STAGE_DATA_MAX);
	if (!utf8_is_valid((struct slice){data, len}))
		return cah_fail(err, CAH_EINVALID, "data: not UTF-8");
	json_t *body = who(stage);
	json_t *text = json_stringn(len > 0 ? data : "", len);
	if (json_object_set_new(body, "data", text) != 0) {
		json_decref(body);
		return cah_fail(err, CAH_ENOMEM, "complete: out of memory");
	}
	rc = call_post(stage->client, "/api/completeJob", body, 403, err);
	drop_job_after(stage, rc);
	return rc;
}

int cah_stage_flag_invalid(struct cah_stage *stage, struct cah_error *err)
{
	int rc = check_job(stage, err);
	if (rc != CAH_OK)
		return rc;
	rc = call_post(stage->client, "/api/flagInvalidData", who(stage), 403,
		       err);
	drop_job_after(stage, rc);
	return rc;
}

int cah_stage_log(struct cah_stage *stage, const char *progress,
		  struct cah_error *err)
{
	return call_log(stage->client, who(stage), progress, err);
}

int cah_stage_is_alive(struct cah_stage *stage, bool *is_alive,
		       struct cah_error *err)
{
	return call_is_alive(stage->client, who(stage), 0, is_alive, err);
}

int cah_stage_bye(struct cah_stage *stage, struct cah_error *err)
{
	int rc = call_post(stage->client, "/api/bye", who(stage), 404, err);
	drop_job_after(stage, rc);
	return rc;
}
