/* A client as JSON and back. What is loaded may have been written by anybody,
 * so it is checked like a tracker's answer. */
#include "client/state.h"

#include "base/fail.h"

#include <stdlib.h>

enum {
	DUMP_MAX = 256 * 1024, /* bytes */
};

static int set_job(json_t *object, const struct cah_job *job)
{
	json_t *fields = json_pack(
		"{s:s, s:I, s:I, s:i, s:I}", "shard", job->url, "start_id",
		(json_int_t)job->start_id, "end_id", (json_int_t)job->end_id,
		"shard_piece", job->piece, "number", (json_int_t)job->number);
	return json_object_update_new(object, fields);
}

static int set_wat(json_t *root, const struct jobs *jobs)
{
	json_t *list = json_array();
	int rc = json_object_set_new(root, "wat", list);
	for (size_t i = 0; rc == 0 && i < jobs->count; i++) {
		json_t *object = json_object();
		rc = json_array_append_new(list, object);
		if (rc == 0)
			rc = set_job(object, &jobs->list[i]);
	}
	return rc;
}

int cah_client_dump(const struct cah_client *client, char **json,
		    struct cah_error *err)
{
	*json = NULL;
	json_t *root =
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "url", client->url,
			  "token", client->token, "nickname", client->nickname,
			  "display_name", client->display_name, "type",
			  cah_worker_type_name(client->type), "upload_address",
			  client->upload_address);
	int rc = root != NULL ? 0 : -1;
	if (rc == 0 && client->jobs.count > 0)
		rc = set_job(root, &client->jobs.list[0]);
	if (rc == 0 && client->jobs.is_wat)
		rc = set_wat(root, &client->jobs);
	if (rc == 0)
		*json = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	if (*json == NULL)
		return cah_fail(err, CAH_ENOMEM, "dump: out of memory");
	return CAH_OK;
}

static int read_type(enum cah_worker_type *out, const json_t *root,
		     struct cah_error *err)
{
	const char *name;
	int rc = answer_text(&name, root, "type", ANSWER_TEXT_MAX, err);
	if (rc != CAH_OK)
		return rc;
	int type = cah_worker_type_parse(name);
	if (type < 0)
		return cah_fail(err, CAH_EDUMP, "type %s is unknown", name);
	*out = (enum cah_worker_type)type;
	return CAH_OK;
}

static int read_string(char **to, const json_t *root, const char *key,
		       size_t max, struct cah_error *err)
{
	const char *text;
	int rc = answer_text(&text, root, key, max, err);
	if (rc != CAH_OK)
		return rc;
	char *copy = strdup(text);
	if (copy == NULL)
		return cah_fail(err, CAH_ENOMEM, "load: out of memory");
	free(*to);
	*to = copy;
	return CAH_OK;
}

static bool is_set(const json_t *root, const char *key)
{
	const json_t *value = json_object_get(root, key);
	return value != NULL && !json_is_null(value);
}

static int read_jobs(struct jobs *jobs, const json_t *root,
		     struct cah_error *err)
{
	const json_t *wat = json_object_get(root, "wat");
	if (!is_set(root, "wat"))
		return is_set(root, "shard")
			       ? jobs_add(jobs, root, "shard", err)
			       : CAH_OK;
	if (!json_is_array(wat) || json_array_size(wat) == 0)
		return cah_fail(err, CAH_EDUMP, "wat is not a list of pieces");
	for (size_t i = 0; i < json_array_size(wat); i++) {
		int rc = jobs_add(jobs, json_array_get(wat, i), "shard", err);
		if (rc != CAH_OK)
			return rc;
	}
	jobs->is_wat = true;
	return CAH_OK;
}

static int read_all(struct cah_client **out, const json_t *root,
		    const struct cah_client_options *options,
		    struct cah_error *err)
{
	struct cah_client_options o = {0};
	if (options != NULL)
		o = *options;
	int rc = answer_text(&o.url, root, "url", DUMP_MAX, err);
	if (rc == CAH_OK)
		rc = answer_text(&o.nickname, root, "nickname", NICKNAME_MAX,
				 err);
	if (rc == CAH_OK)
		rc = read_type(&o.type, root, err);
	if (rc == CAH_OK)
		rc = client_new(out, &o, err);
	if (rc != CAH_OK)
		return rc;
	struct cah_client *client = *out;
	rc = read_string(&client->token, root, "token", ANSWER_TOKEN_MAX, err);
	if (rc == CAH_OK)
		rc = read_string(&client->display_name, root, "display_name",
				 ANSWER_TOKEN_MAX, err);
	if (rc == CAH_OK && is_set(root, "upload_address"))
		rc = read_string(&client->upload_address, root,
				 "upload_address", ANSWER_ADDRESS_MAX, err);
	if (rc == CAH_OK)
		rc = read_jobs(&client->jobs, root, err);
	return rc;
}

int cah_client_load(struct cah_client **out, const char *json,
		    const struct cah_client_options *options,
		    struct cah_error *err)
{
	json_error_t why;
	*out = NULL;
	if (strlen(json) > DUMP_MAX)
		return cah_fail(err, CAH_EDUMP, "load: more than %d bytes",
				DUMP_MAX);
	json_t *root = json_loads(json, 0, &why);
	if (root == NULL)
		return cah_fail(err, CAH_EDUMP, "load: not JSON: %s", why.text);
	int rc = read_all(out, root, options, err);
	json_decref(root);
	if (rc == CAH_OK)
		return rc;
	cah_client_free(*out);
	*out = NULL;
	if (rc == CAH_ENOMEM)
		return rc;
	cah_fail_prefix(err, rc, "load");
	if (err != NULL)
		err->code = CAH_EDUMP;
	return CAH_EDUMP;
}
