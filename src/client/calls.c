/* The calls of the protocol, one function each (docs/protocol.md). */
#include "client/call.h"

#include "base/fail.h"
#include "base/utf8.h"

#include <curl/curl.h>
#include <stdlib.h>

/* POST of @body to @path; of the answer only its status counts. */
int call_post(struct cah_client *client, const char *path, json_t *body,
	      int repeat_status, struct cah_error *err)
{
	struct call call = {path, true, body, CALL_JOB, repeat_status, NULL};
	struct buf answer;
	buf_init(&answer, TALK_BODY_MAX);
	int rc = call_run(client, &answer, &call, err);
	buf_fini(&answer);
	return rc;
}

static int get(struct cah_client *client, struct buf *answer, const char *path,
	       int flags, struct cah_error *err)
{
	struct call call = {path, false, NULL, flags, 0, NULL};
	return call_run(client, answer, &call, err);
}

/* What most calls send: who speaks. */
static json_t *who(const struct cah_client *client)
{
	return json_pack("{s:s, s:s}", "token", client->token, "type",
			 cah_worker_type_name(client->type));
}

/* An answer 200 that cannot be understood is the tracker's fault. */
int call_blame(const char *path, int rc, struct cah_error *err)
{
	if (rc != CAH_EFORMAT && rc != CAH_ELIMIT)
		return rc;
	cah_fail_prefix(err, rc, "the tracker's answer to %s", path);
	if (err != NULL) {
		err->code = CAH_ESERVER;
		err->http_status = 200;
	}
	return CAH_ESERVER;
}

static int say_hello(struct cah_client *client, struct cah_error *err)
{
	struct answer_new answer;
	struct buf body;
	char *path = NULL;
	char *nickname = curl_easy_escape(NULL, client->nickname, 0);

	if (nickname == NULL ||
	    asprintf(&path, "/api/new?nickname=%s&type=%s", nickname,
		     cah_worker_type_name(client->type)) < 0)
		path = NULL;
	curl_free(nickname);
	if (path == NULL)
		return cah_fail(err, CAH_ENOMEM, "new: out of memory");

	buf_init(&body, TALK_BODY_MAX);
	int rc = get(client, &body, path, CALL_NEW, err);
	free(path);
	if (rc == CAH_OK)
		rc = call_blame(
			"/api/new",
			answer_parse_new(&answer, buf_slice(&body), err), err);
	buf_fini(&body);
	if (rc != CAH_OK)
		return rc;
	free(client->token);
	free(client->display_name);
	free(client->upload_address);
	free(client->filters);
	client->filters = answer.filters;
	client->token = answer.token;
	client->display_name = answer.display_name;
	client->upload_address = answer.upload_address;
	jobs_clear(&client->jobs);
	return CAH_OK;
}

int cah_client_init(struct cah_client **out,
		    const struct cah_client_options *options,
		    struct cah_error *err)
{
	int rc = client_new(out, options, err);
	if (rc == CAH_OK)
		rc = say_hello(*out, err);
	if (rc != CAH_OK) {
		cah_client_free(*out);
		*out = NULL;
	}
	return rc;
}

int cah_client_recreate(struct cah_client *client, struct cah_error *err)
{
	return say_hello(client, err);
}

int call_count(struct cah_client *client, const char *path, int64_t *count,
	       struct cah_error *err)
{
	struct buf body;

	*count = 0;
	buf_init(&body, TALK_BODY_MAX);
	int rc = get(client, &body, path, 0, err);
	if (rc == CAH_OK)
		rc = call_blame(
			"/api/jobCount",
			answer_parse_count(count, buf_slice(&body), err), err);
	buf_fini(&body);
	return rc;
}

int cah_client_job_count(struct cah_client *client, int64_t *count,
			 struct cah_error *err)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/api/jobCount?type=%s",
		       cah_worker_type_name(client->type));
	return call_count(client, path, count, err);
}

int cah_client_new_job(struct cah_client *client, struct cah_error *err)
{
	struct call call = {"/api/newJob", true, who(client),
			    CALL_JOB,      0,    NULL};
	struct buf body;

	/* Before the call: where its answer is lost, the tracker has given the
	 * old job back, and completing it would complete the new one. */
	jobs_clear(&client->jobs);
	buf_init(&body, TALK_BODY_MAX);
	int rc = call_run(client, &body, &call, err);
	if (rc == CAH_OK)
		rc = call_blame(
			call.path,
			answer_parse_job(&client->jobs, buf_slice(&body), err),
			err);
	buf_fini(&body);
	return rc;
}

static int check_job(const struct cah_client *client, bool is_wat,
		     struct cah_error *err)
{
	if (client->jobs.count > 0 && client->jobs.is_wat == is_wat)
		return CAH_OK;
	return cah_fail(err, CAH_ENOJOB, "no job is held");
}

int call_check_result_url(const char *url, struct cah_error *err)
{
	if (url == NULL || url[0] == '\0')
		return cah_fail(err, CAH_EINVALID, "url of the result: empty");
	if (strlen(url) > RESULT_URL_MAX)
		return cah_fail(err, CAH_EINVALID,
				"url of the result: more than %d bytes",
				RESULT_URL_MAX);
	if (!utf8_is_valid(slice_of(url)))
		return cah_fail(err, CAH_EINVALID,
				"url of the result: not UTF-8");
	return CAH_OK;
}

static int check_result(const struct cah_client *client, int64_t pairs,
			const char *result_url, struct cah_error *err)
{
	if (client->type == CAH_CPU && pairs != 0)
		return cah_fail(err, CAH_EINVALID,
				"a CPU worker completes with a url");
	if (client->type == CAH_CPU)
		return call_check_result_url(result_url, err);
	if (result_url != NULL)
		return cah_fail(err, CAH_EINVALID,
				"a %s worker completes with a count",
				cah_worker_type_name(client->type));
	if (pairs < 0)
		return cah_fail(err, CAH_EINVALID, "count: %lld is negative",
				(long long)pairs);
	return CAH_OK;
}

/* Where the tracker knows of no job, none is held; where the call failed
 * otherwise, the caller may try again. */
static void drop_jobs_after(struct cah_client *client, int rc)
{
	if (rc == CAH_OK || rc == CAH_ENOJOB || rc == CAH_ETIMEDOUT)
		jobs_clear(&client->jobs);
}

int cah_client_complete(struct cah_client *client, int64_t pairs,
			const char *result_url, struct cah_error *err)
{
	int rc = check_result(client, pairs, result_url, err);
	if (rc == CAH_OK)
		rc = check_job(client, false, err);
	if (rc != CAH_OK)
		return rc;
	json_t *body = who(client);
	if (client->type == CAH_CPU)
		rc = json_object_set_new(body, "url", json_string(result_url));
	else
		rc = json_object_set_new(body, "count", json_integer(pairs));
	if (rc != 0) {
		json_decref(body);
		return cah_fail(err, CAH_ENOMEM, "complete: out of memory");
	}
	rc = call_post(client, "/api/markAsDone", body, 403, err);
	drop_jobs_after(client, rc);
	return rc;
}

int cah_client_invalid_url(struct cah_client *client, struct cah_error *err)
{
	if (client->type != CAH_GPU)
		return cah_fail(err, CAH_EINVALID,
				"only GPU workers get urls of other workers");
	int rc = check_job(client, false, err);
	if (rc != CAH_OK)
		return rc;
	rc = call_post(client, "/api/gpuInvalidDownload", who(client), 403,
		       err);
	drop_jobs_after(client, rc);
	return rc;
}

int call_log(struct cah_client *client, json_t *who, const char *progress,
	     struct cah_error *err)
{
	if (progress == NULL || !utf8_is_valid(slice_of(progress))) {
		json_decref(who);
		return cah_fail(err, CAH_EINVALID, "progress: not UTF-8");
	}
	struct slice cut = utf8_cut(slice_of(progress), PROGRESS_MAX);
	json_t *text = json_stringn(cut.data, cut.len);
	if (json_object_set_new(who, "progress", text) != 0) {
		json_decref(who);
		return cah_fail(err, CAH_ENOMEM, "log: out of memory");
	}
	return call_post(client, "/api/updateProgress", who, 0, err);
}

int cah_client_log(struct cah_client *client, const char *progress,
		   struct cah_error *err)
{
	return call_log(client, who(client), progress, err);
}

int call_is_alive(struct cah_client *client, json_t *who, int flags,
		  bool *is_alive, struct cah_error *err)
{
	struct call call = {"/api/validateWorker", true, who, flags, 0, NULL};
	struct buf body;

	*is_alive = false;
	buf_init(&body, TALK_BODY_MAX);
	int rc = call_run(client, &body, &call, err);
	if (rc == CAH_OK)
		rc = call_blame(
			call.path,
			answer_parse_bool(is_alive, buf_slice(&body), err),
			err);
	buf_fini(&body);
	return rc;
}

int cah_client_is_alive(struct cah_client *client, bool *is_alive,
			struct cah_error *err)
{
	return call_is_alive(client, who(client), 0, is_alive, err);
}

int call_find_peer(struct cah_client *client, struct cah_error *err)
{
	bool is_alive;
	if (client->peer != PEER_UNKNOWN)
		return CAH_OK;
	int rc = call_is_alive(client, who(client), CALL_IMPATIENT, &is_alive,
			       err);
	return rc == CAH_ECANCELLED || rc == CAH_ENOMEM ? rc : CAH_OK;
}

int cah_client_update_upload_server(struct cah_client *client,
				    struct cah_error *err)
{
	struct buf body;
	char path[64];
	char *address = NULL;

	(void)snprintf(path, sizeof(path), "/api/getUploadAddress?type=%s",
		       cah_worker_type_name(client->type));
	buf_init(&body, TALK_BODY_MAX);
	int rc = get(client, &body, path, 0, err);
	if (rc == CAH_OK)
		rc = call_blame("/api/getUploadAddress",
				answer_parse_line(&address, buf_slice(&body),
						  ANSWER_ADDRESS_MAX, err),
				err);
	buf_fini(&body);
	if (rc != CAH_OK)
		return rc;
	free(client->upload_address);
	client->upload_address = address;
	return CAH_OK;
}

int cah_client_bye(struct cah_client *client, struct cah_error *err)
{
	int rc = call_post(client, "/api/bye", who(client), 404, err);
	drop_jobs_after(client, rc);
	return rc;
}
