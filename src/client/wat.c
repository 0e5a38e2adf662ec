/* Both pieces of a WAT at once, for CPU workers (/custom/...-cpu). */
#include "client/call.h"

#include "base/fail.h"

#include <stdlib.h>

static int find_wat(struct cah_client *client, char **url,
		    struct cah_error *err)
{
	struct call call = {
		"/custom/get-cpu-wat", false, NULL, CALL_JOB, 0, NULL};
	struct buf body;

	*url = NULL;
	buf_init(&body, TALK_BODY_MAX);
	int rc = call_run(client, &body, &call, err);
	if (rc == CAH_OK)
		rc = answer_parse_line(url, buf_slice(&body), ANSWER_URL_MAX,
				       err);
	buf_fini(&body);
	return rc;
}

static int look_up(struct cah_client *client, const char *url,
		   struct cah_error *err)
{
	struct call call = {"/custom/lookup-wat",
			    true,
			    json_pack("{s:s}", "url", url),
			    0,
			    0,
			    NULL};
	struct buf body;

	buf_init(&body, TALK_BODY_MAX);
	int rc = call_run(client, &body, &call, err);
	if (rc == CAH_OK)
		rc = answer_parse_wat(&client->jobs, buf_slice(&body), err);
	buf_fini(&body);
	return rc;
}

int cah_client_new_wat(struct cah_client *client, struct cah_error *err)
{
	char *url;
	if (client->type != CAH_CPU)
		return cah_fail(err, CAH_EINVALID,
				"only CPU workers take whole WATs");
	jobs_clear(&client->jobs);
	int rc = find_wat(client, &url, err);
	if (rc == CAH_OK)
		rc = look_up(client, url, err);
	free(url);
	return call_blame("/custom/get-cpu-wat", rc, err);
}

/* NULL for lack of memory. */
static json_t *result_of(const struct cah_client *client,
			 const char *const *urls)
{
	json_t *numbers = json_array();
	json_t *by_number = json_object();
	bool is_whole = true;
	for (size_t i = 0; i < client->jobs.count; i++) {
		char key[24];
		int64_t number = client->jobs.list[i].number;
		(void)snprintf(key, sizeof(key), "%lld", (long long)number);
		if (json_array_append_new(numbers, json_integer(number)) != 0 ||
		    json_object_set_new(by_number, key, json_string(urls[i])) !=
			    0)
			is_whole = false;
	}
	if (!is_whole) {
		json_decref(numbers);
		json_decref(by_number);
		return NULL;
	}
	return json_pack("{s:s, s:s, s:o, s:o}", "token", client->token,
			 "nickname", client->nickname, "shards", numbers,
			 "urls", by_number);
}

int cah_client_complete_wat(struct cah_client *client, const char *const *urls,
			    size_t count, struct cah_error *err)
{
	struct buf body;
	if (!client->jobs.is_wat)
		return cah_fail(err, CAH_ENOJOB, "no WAT is held");
	if (count != client->jobs.count)
		return cah_fail(err, CAH_EINVALID,
				"%zu urls for %zu pieces of the WAT", count,
				client->jobs.count);
	for (size_t i = 0; i < count; i++) {
		int rc = call_check_result_url(urls[i], err);
		if (rc != CAH_OK)
			return rc;
	}
	struct call call = {"/custom/markasdone-cpu",
			    true,
			    result_of(client, urls),
			    CALL_JOB,
			    0,
			    NULL};
	buf_init(&body, TALK_BODY_MAX);
	int rc = call_run(client, &body, &call, err);
	if (rc == CAH_OK)
		rc = call_blame(call.path,
				answer_parse_status(buf_slice(&body), err),
				err);
	buf_fini(&body);
	if (rc == CAH_OK || rc == CAH_ENOJOB || rc == CAH_ETIMEDOUT)
		jobs_clear(&client->jobs);
	return rc;
}
