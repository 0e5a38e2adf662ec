#include "client/answer.h"

#include "base/buf.h"
#include "base/fail.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

void jobs_clear(struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->count; i++)
		free((char *)jobs->list[i].url);
	memset(jobs, 0, sizeof(*jobs));
}

static struct slice trim(struct slice s)
{
	while (s.len > 0 && isspace((unsigned char)s.data[0]))
		s = slice_from(s, 1);
	while (s.len > 0 && isspace((unsigned char)s.data[s.len - 1]))
		s.len--;
	return s;
}

/* Digits only: strtoll alone would take signs and white space. */
static int parse_id(int64_t *out, const char *text)
{
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0)
		return CAH_EFORMAT;
	*out = value;
	return CAH_OK;
}

/* Trackers write numbers as strings or as numbers; @key may be missing where
 * @is_optional, then it is 0. */
static int get_id(int64_t *out, const json_t *object, const char *key,
		  bool is_optional, struct cah_error *err)
{
	const json_t *value = json_object_get(object, key);
	*out = 0;
	if (is_optional && (value == NULL || json_is_null(value)))
		return CAH_OK;
	bool is_number = true;
	if (json_is_integer(value))
		*out = json_integer_value(value);
	else
		is_number = json_is_string(value) &&
			    strlen(json_string_value(value)) ==
				    json_string_length(value) &&
			    parse_id(out, json_string_value(value)) == CAH_OK;
	if (!is_number || *out < 0 || *out > ANSWER_ID_MAX)
		return cah_fail(err, CAH_EFORMAT,
				"%s is not a number from 0 to 2^62 - 1", key);
	return CAH_OK;
}

int answer_text(const char **out, const json_t *object, const char *key,
		size_t max, struct cah_error *err)
{
	const json_t *value = json_object_get(object, key);
	*out = "";
	if (!json_is_string(value))
		return cah_fail(err, CAH_EFORMAT, "%s is not a string", key);
	if (json_string_length(value) > max)
		return cah_fail(err, CAH_EFORMAT, "%s has more than %zu bytes",
				key, max);
	if (strlen(json_string_value(value)) != json_string_length(value))
		return cah_fail(err, CAH_EFORMAT, "%s holds a NUL", key);
	*out = json_string_value(value);
	return CAH_OK;
}

int jobs_add(struct jobs *jobs, const json_t *object, const char *url_key,
	     struct cah_error *err)
{
	struct cah_job job = {0};
	const char *url;
	int64_t piece = 0;

	if (jobs->count == ANSWER_JOBS_MAX)
		return cah_fail(err, CAH_ELIMIT, "more than %d pieces",
				ANSWER_JOBS_MAX);
	int rc = answer_text(&url, object, url_key, ANSWER_URL_MAX, err);
	if (rc == CAH_OK && url[0] == '\0')
		rc = cah_fail(err, CAH_EFORMAT, "%s is empty", url_key);
	if (rc == CAH_OK)
		rc = get_id(&job.start_id, object, "start_id", false, err);
	if (rc == CAH_OK)
		rc = get_id(&job.end_id, object, "end_id", false, err);
	if (rc == CAH_OK && job.end_id < job.start_id)
		rc = cah_fail(err, CAH_EFORMAT, "end_id is before start_id");
	if (rc == CAH_OK)
		rc = get_id(&piece, object,
			    json_object_get(object, "shard_piece") != NULL
				    ? "shard_piece"
				    : "shard",
			    false, err);
	if (rc == CAH_OK && piece > 1)
		rc = cah_fail(err, CAH_EFORMAT, "the piece is not 0 or 1");
	if (rc == CAH_OK)
		rc = get_id(&job.number, object, "number", true, err);
	if (rc != CAH_OK)
		return rc;
	job.piece = (int)piece;
	job.url = strdup(url);
	if (job.url == NULL)
		return cah_fail(err, CAH_ENOMEM, "job: out of memory");
	jobs->list[jobs->count++] = job;
	return CAH_OK;
}

static int load(json_t **out, struct slice body, struct cah_error *err)
{
	json_error_t why;
	/* answer_text looks for a NUL where none may be. */
	*out = json_loadb(body.len > 0 ? body.data : "", body.len,
			  JSON_ALLOW_NUL, &why);
	if (*out == NULL)
		return cah_fail(err, CAH_EFORMAT, "not JSON: %s", why.text);
	if (json_is_object(*out))
		return CAH_OK;
	json_decref(*out);
	*out = NULL;
	return cah_fail(err, CAH_EFORMAT, "not a JSON object");
}

static int copy_text(char **out, const json_t *object, const char *key,
		     size_t max, struct cah_error *err)
{
	const char *text;
	int rc = answer_text(&text, object, key, max, err);
	if (rc != CAH_OK)
		return rc;
	*out = strdup(text);
	if (*out == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", key);
	return CAH_OK;
}

/* Who we are from now on: every dialect says it alike. */
static int copy_worker(char **token, char **display_name, const json_t *object,
		       struct cah_error *err)
{
	const char *text = "";
	int rc = answer_text(&text, object, "token", ANSWER_TOKEN_MAX, err);
	if (rc == CAH_OK && text[0] == '\0')
		rc = cah_fail(err, CAH_EFORMAT, "token is empty");
	if (rc == CAH_OK)
		rc = copy_text(token, object, "token", ANSWER_TOKEN_MAX, err);
	if (rc == CAH_OK)
		rc = copy_text(display_name, object, "display_name",
			       ANSWER_TOKEN_MAX, err);
	return rc;
}

void answer_new_fini(struct answer_new *answer)
{
	free(answer->token);
	free(answer->display_name);
	free(answer->upload_address);
	free(answer->filters);
	memset(answer, 0, sizeof(*answer));
}

/* Names that are none are left out: a tracker that has other things to say
 * under that name has no filter. */
static int copy_filters(char **out, const json_t *root, struct cah_error *err)
{
	const json_t *list = json_object_get(root, "dedup");
	struct buf names;
	size_t i;
	json_t *name;
	buf_init(&names, ANSWER_FILTERS_MAX);
	json_array_foreach(list, i, name)
	{
		const char *text = json_string_value(name);
		if (text == NULL || text[0] == '\0' ||
		    strchr(text, '\n') != NULL)
			continue;
		buf_add_text(&names, text);
		buf_add_byte(&names, '\n');
	}
	*out = names.is_failed || names.len == 0 ? strdup("")
						 : buf_take(&names, NULL);
	buf_fini(&names);
	return *out != NULL ? CAH_OK
			    : cah_fail(err, CAH_ENOMEM, "out of memory");
}

int answer_parse_new(struct answer_new *out, struct slice body,
		     struct cah_error *err)
{
	json_t *root;
	memset(out, 0, sizeof(*out));
	int rc = load(&root, body, err);
	if (rc != CAH_OK)
		return rc;
	rc = copy_worker(&out->token, &out->display_name, root, err);
	/* Some trackers have no place for results to say: null, or nothing. */
	const json_t *address = json_object_get(root, "upload_address");
	if (rc == CAH_OK && (address == NULL || json_is_null(address))) {
		out->upload_address = strdup("");
		if (out->upload_address == NULL)
			rc = cah_fail(err, CAH_ENOMEM, "out of memory");
	} else if (rc == CAH_OK) {
		rc = copy_text(&out->upload_address, root, "upload_address",
			       ANSWER_ADDRESS_MAX, err);
	}
	if (rc == CAH_OK)
		rc = copy_filters(&out->filters, root, err);
	json_decref(root);
	if (rc != CAH_OK)
		answer_new_fini(out);
	return rc;
}

int answer_parse_job(struct jobs *jobs, struct slice body,
		     struct cah_error *err)
{
	json_t *root;
	int rc = load(&root, body, err);
	if (rc != CAH_OK)
		return rc;
	rc = jobs_add(jobs, root, "url", err);
	json_decref(root);
	return rc;
}

void answer_stage_fini(struct answer_stage *answer)
{
	free(answer->token);
	free(answer->display_name);
	free(answer->project);
	free(answer->stage_name);
	memset(answer, 0, sizeof(*answer));
}

int answer_parse_stage(struct answer_stage *out, struct slice body,
		       struct cah_error *err)
{
	json_t *root;
	memset(out, 0, sizeof(*out));
	int rc = load(&root, body, err);
	if (rc != CAH_OK)
		return rc;
	rc = copy_worker(&out->token, &out->display_name, root, err);
	if (rc == CAH_OK)
		rc = copy_text(&out->project, root, "project",
			       ANSWER_ADDRESS_MAX, err);
	if (rc == CAH_OK)
		rc = copy_text(&out->stage_name, root, "stage_name",
			       ANSWER_ADDRESS_MAX, err);
	json_decref(root);
	if (rc != CAH_OK)
		answer_stage_fini(out);
	return rc;
}

void answer_task_fini(struct answer_task *task)
{
	free(task->data);
	memset(task, 0, sizeof(*task));
}

int answer_parse_task(struct answer_task *out, struct slice body,
		      struct cah_error *err)
{
	json_t *root;
	memset(out, 0, sizeof(*out));
	int rc = load(&root, body, err);
	if (rc != CAH_OK)
		return rc;
	const json_t *data = json_object_get(root, "data");
	if (!json_is_string(data))
		rc = cah_fail(err, CAH_EFORMAT, "data is not a string");
	if (rc == CAH_OK)
		rc = get_id(&out->number, root, "number", false, err);
	if (rc == CAH_OK) {
		out->len = json_string_length(data);
		out->data = malloc(out->len + 1);
		if (out->data == NULL)
			rc = cah_fail(err, CAH_ENOMEM, "job: out of memory");
		else
			memcpy(out->data, json_string_value(data),
			       out->len + 1);
	}
	json_decref(root);
	if (rc != CAH_OK)
		answer_task_fini(out);
	return rc;
}

static int check_status(const json_t *root, struct cah_error *err)
{
	const char *status, *detail;
	int rc = answer_text(&status, root, "status", ANSWER_TEXT_MAX, err);
	if (rc != CAH_OK)
		return rc;
	if (strcmp(status, "success") == 0)
		return CAH_OK;
	if (answer_text(&detail, root, "detail", ANSWER_ADDRESS_MAX, NULL) !=
	    CAH_OK)
		detail = "the tracker gave no reason";
	return cah_fail(err, CAH_ENOJOB, "%s", detail);
}

/* [number, {...}]: the number stands outside of the rest. */
static int add_piece(struct jobs *jobs, const json_t *pair,
		     struct cah_error *err)
{
	const json_t *number = json_array_get(pair, 0);
	const json_t *object = json_array_get(pair, 1);
	if (!json_is_integer(number) || json_integer_value(number) < 0 ||
	    !json_is_object(object))
		return cah_fail(err, CAH_EFORMAT,
				"shards holds what is not [number, {...}]");
	int rc = jobs_add(jobs, object, "url", err);
	if (rc == CAH_OK)
		jobs->list[jobs->count - 1].number = json_integer_value(number);
	return rc;
}

int answer_parse_wat(struct jobs *jobs, struct slice body,
		     struct cah_error *err)
{
	json_t *root;
	int rc = load(&root, body, err);
	if (rc != CAH_OK)
		return rc;
	rc = check_status(root, err);
	const json_t *shards = json_object_get(root, "shards");
	if (rc == CAH_OK && !json_is_array(shards))
		rc = cah_fail(err, CAH_EFORMAT, "shards is not a list");
	else if (rc == CAH_OK && json_array_size(shards) == 0)
		rc = cah_fail(err, CAH_ENOJOB, "the WAT has no pieces");
	size_t count = rc == CAH_OK ? json_array_size(shards) : 0;
	for (size_t i = 0; rc == CAH_OK && i < count; i++)
		rc = add_piece(jobs, json_array_get(shards, i), err);
	json_decref(root);
	if (rc != CAH_OK)
		jobs_clear(jobs);
	else
		jobs->is_wat = true;
	return rc;
}

int answer_parse_status(struct slice body, struct cah_error *err)
{
	json_t *root;
	int rc = load(&root, body, err);
	if (rc != CAH_OK)
		return rc;
	rc = check_status(root, err);
	json_decref(root);
	return rc;
}

int answer_parse_count(int64_t *out, struct slice body, struct cah_error *err)
{
	char text[24];
	struct slice number = trim(body);
	*out = 0;
	if (number.len == 0 || number.len >= sizeof(text) ||
	    memchr(number.data, '\0', number.len) != NULL)
		return cah_fail(err, CAH_EFORMAT, "not a number");
	memcpy(text, number.data, number.len);
	text[number.len] = '\0';
	if (parse_id(out, text) != CAH_OK)
		return cah_fail(err, CAH_EFORMAT, "not a number >= 0: %s",
				text);
	return CAH_OK;
}

int answer_parse_bool(bool *out, struct slice body, struct cah_error *err)
{
	struct slice word = trim(body);
	*out = slice_equal_nocase(word, SLICE("true"));
	if (*out || slice_equal_nocase(word, SLICE("false")))
		return CAH_OK;
	return cah_fail(err, CAH_EFORMAT, "neither True nor False");
}

int answer_parse_line(char **out, struct slice body, size_t max,
		      struct cah_error *err)
{
	struct slice line = trim(body);
	*out = NULL;
	/* The same text as a JSON string, as some servers send all text. */
	if (line.len >= 2 && line.data[0] == '"' &&
	    line.data[line.len - 1] == '"') {
		line = slice_from(line, 1);
		line.len--;
	}
	if (line.len > max)
		return cah_fail(err, CAH_EFORMAT, "more than %zu bytes", max);
	for (size_t i = 0; i < line.len; i++)
		if (iscntrl((unsigned char)line.data[i]))
			return cah_fail(err, CAH_EFORMAT,
					"more than one line of text");
	*out = line.len > 0 ? strndup(line.data, line.len) : strdup("");
	if (*out == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	return CAH_OK;
}

static void copy_line(char out[ANSWER_TEXT_MAX], struct slice text)
{
	const char *end =
		text.len > 0 ? memchr(text.data, '\n', text.len) : NULL;
	if (end != NULL)
		text.len = (size_t)(end - text.data);
	text = trim(text);
	if (text.len >= ANSWER_TEXT_MAX)
		text.len = ANSWER_TEXT_MAX - 1;
	if (text.len > 0)
		memcpy(out, text.data, text.len);
	out[text.len] = '\0';
}

void answer_error_text(char out[ANSWER_TEXT_MAX], struct slice body)
{
	const char *detail;
	json_t *root;
	struct slice text = trim(body);

	out[0] = '\0';
	if (text.len == 0 || text.data[0] == '<')
		return;
	if (text.data[0] == '{' && load(&root, text, NULL) == CAH_OK) {
		if (answer_text(&detail, root, "detail", text.len, NULL) ==
		    CAH_OK)
			copy_line(out, slice_of(detail));
		json_decref(root);
		return;
	}
	copy_line(out, text);
}
