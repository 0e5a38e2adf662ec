/* The calls of those who take whole WATs, and of the organiser. */
#include "base/fail.h"
#include "tracker/request.h"
#include "wire/text.h"

#include <inttypes.h>
#include <stdlib.h>

struct addresses {
	struct slice *items;
	bool *done;
	size_t count;
};

static void addresses_fini(struct addresses *addresses)
{
	free(addresses->items);
	free(addresses->done);
}

/* The caller ends @out with addresses_fini whatever comes. */
static int take_addresses(const struct request *request, struct addresses *out,
			  struct cah_error *err)
{
	*out = (struct addresses){NULL, NULL, 0};
	int rc = wire_body_list(&request->body, "addresses", &out->count, err);
	if (rc != CAH_OK)
		return rc;
	/* One more: an empty list is no lack of memory. */
	out->items = calloc(out->count + 1, sizeof(*out->items));
	out->done = calloc(out->count + 1, sizeof(*out->done));
	if (out->items == NULL || out->done == NULL)
		return cah_fail(err, CAH_ENOMEM, "addresses");
	for (size_t i = 0; rc == CAH_OK && i < out->count; i++)
		rc = wire_body_list_text(&request->body, "addresses", i,
					 &out->items[i], err);
	return rc;
}

int route_is_completed(struct request *request, struct cah_error *err)
{
	struct addresses addresses;
	int rc = take_addresses(request, &addresses, err);
	if (rc == CAH_OK)
		rc = store_completed(request->tracker->store, addresses.items,
				     addresses.count, addresses.done, err);
	struct wire_json json;
	wire_json_init(&json, &request->out);
	wire_json_open(&json, '[');
	for (size_t i = 0; rc == CAH_OK && i < addresses.count; i++)
		if (addresses.done[i])
			wire_json_text(&json, addresses.items[i]);
	wire_json_close(&json, ']');
	addresses_fini(&addresses);
	return rc;
}

int route_get_cpu_wat(struct request *request, struct cah_error *err)
{
	char url[STORE_URL_MAX + 1];
	int rc = store_open_wat(request->tracker->store, url, err);
	if (rc == CAH_OK)
		request_say(request, url);
	return rc;
}

static void say_failed(struct request *request, const char *detail)
{
	struct wire_json json;
	wire_json_init(&json, &request->out);
	wire_json_open(&json, '{');
	wire_json_put_text(&json, "status", "failed");
	wire_json_put_text(&json, "detail", detail);
	wire_json_close(&json, '}');
}

static void write_shard(struct wire_json *json, const struct job *job)
{
	wire_json_open(json, '[');
	wire_json_int(json, job->number);
	wire_json_open(json, '{');
	wire_json_put_text(json, "url", job->url);
	wire_json_put_id(json, "start_id", job->start_id);
	wire_json_put_id(json, "end_id", job->end_id);
	wire_json_put_int(json, "shard", job->piece);
	wire_json_close(json, '}');
	wire_json_close(json, ']');
}

/* Only what can still be worked on, as deployed servers answer it. */
int route_lookup_wat(struct request *request, struct cah_error *err)
{
	struct slice url;
	struct job jobs[2];
	int count = 0;
	int rc = wire_body_text(&request->body, "url", &url, err);
	if (rc == CAH_OK)
		rc = store_jobs_of(request->tracker->store, jobs, &count, url,
				   err);
	if (rc != CAH_OK)
		return rc;
	if (count == 0) {
		say_failed(request, "there is no such WAT");
		return CAH_OK;
	}
	struct wire_json json;
	wire_json_init(&json, &request->out);
	wire_json_open(&json, '{');
	wire_json_put_text(&json, "status", "success");
	wire_json_key(&json, "shards");
	wire_json_open(&json, '[');
	int open = 0;
	for (int i = 0; i < count; i++) {
		if (jobs[i].state != JOB_OPEN)
			continue;
		write_shard(&json, &jobs[i]);
		open++;
	}
	wire_json_close(&json, ']');
	wire_json_close(&json, '}');
	if (open > 0)
		return CAH_OK;
	buf_reset(&request->out);
	say_failed(request, "no shard of this WAT is open");
	return CAH_OK;
}

struct marks {
	int64_t *numbers;
	struct slice *urls;
	size_t count;
};

static void marks_fini(struct marks *marks)
{
	free(marks->numbers);
	free(marks->urls);
}

/* The list "shards". The caller ends @out with marks_fini whatever comes. */
static int take_numbers(const struct request *request, struct marks *out,
			struct cah_error *err)
{
	*out = (struct marks){NULL, NULL, 0};
	int rc = wire_body_list(&request->body, "shards", &out->count, err);
	if (rc != CAH_OK)
		return rc;
	if (out->count == 0)
		return cah_fail(err, CAH_EINVALID, "shards: empty");
	out->numbers = calloc(out->count, sizeof(*out->numbers));
	out->urls = calloc(out->count, sizeof(*out->urls));
	if (out->numbers == NULL || out->urls == NULL)
		return cah_fail(err, CAH_ENOMEM, "shards");
	for (size_t i = 0; rc == CAH_OK && i < out->count; i++)
		rc = wire_body_list_int(&request->body, "shards", i,
					&out->numbers[i], err);
	return rc;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Sorts them, for a number must not come twice. */
static int sort_numbers(struct marks *marks, struct cah_error *err)
{
	qsort(marks->numbers, marks->count, sizeof(*marks->numbers), compare);
	for (size_t i = 1; i < marks->count; i++)
		if (marks->numbers[i] == marks->numbers[i - 1])
			return cah_fail(err, CAH_EINVALID,
					"shards: %" PRId64 " is there twice",
					marks->numbers[i]);
	return CAH_OK;
}

/* The url of each number in the object "urls". */
static int take_urls(const struct request *request, struct marks *marks,
		     struct cah_error *err)
{
	int rc = CAH_OK;
	for (size_t i = 0; rc == CAH_OK && i < marks->count; i++) {
		char key[24];
		(void)snprintf(key, sizeof(key), "%" PRId64, marks->numbers[i]);
		rc = wire_body_map_text(&request->body, "urls", key,
					&marks->urls[i], err);
		if (rc == CAH_OK)
			rc = wire_text_check(marks->urls[i], 1, WIRE_URL_MAX,
					     "urls", err);
	}
	return rc;
}

static int take_nickname(const struct request *request, struct slice *nickname,
			 struct cah_error *err)
{
	int rc = wire_body_text(&request->body, "nickname", nickname, err);
	return rc != CAH_OK ? rc : wire_nickname_check(*nickname, err);
}

/* Numbers that are unknown or not open are the state of the books, no fault of
 * the request: deployed clients expect "failed" with status 200. */
static int mark_cpu(struct request *request, const struct marks *marks,
		    struct slice token, struct slice nickname,
		    struct cah_error *err)
{
	const struct store_results results = {marks->numbers, marks->urls,
					      marks->count};
	int rc = store_jobs_to_gpu(request->tracker->store, token, nickname,
				   &results, request->now_s, request->wall_s,
				   err);
	if (rc == CAH_ENOTFOUND || rc == CAH_EINVALID) {
		say_failed(request, err->text);
		return CAH_OK;
	}
	if (rc != CAH_OK)
		return rc;
	struct wire_json json;
	wire_json_init(&json, &request->out);
	wire_json_open(&json, '{');
	wire_json_put_text(&json, "status", "success");
	wire_json_put_int(&json, "completed", (int64_t)marks->count);
	wire_json_close(&json, '}');
	return CAH_OK;
}

int route_mark_cpu(struct request *request, struct cah_error *err)
{
	struct slice token;
	struct slice nickname;
	struct marks marks = {NULL, NULL, 0};
	int rc = wire_body_text(&request->body, "token", &token, err);
	if (rc == CAH_OK)
		rc = take_nickname(request, &nickname, err);
	if (rc == CAH_OK)
		rc = take_numbers(request, &marks, err);
	if (rc == CAH_OK)
		rc = sort_numbers(&marks, err);
	if (rc == CAH_OK)
		rc = take_urls(request, &marks, err);
	if (rc == CAH_OK)
		rc = mark_cpu(request, &marks, token, nickname, err);
	marks_fini(&marks);
	return rc;
}

static int deny(int status, struct cah_error *err)
{
	int rc = cah_fail(err, CAH_EDENIED,
			  "the organiser's secret is missing or wrong");
	err->http_status = status;
	return rc;
}

int route_mark_admin(struct request *request, struct cah_error *err)
{
	if (!request_is_admin(request))
		return deny(403, err);
	struct slice nickname;
	struct marks marks = {NULL, NULL, 0};
	int64_t pairs;
	int rc = take_nickname(request, &nickname, err);
	if (rc == CAH_OK)
		rc = wire_body_int(&request->body, "count", 0, INT32_MAX,
				   &pairs, err);
	if (rc == CAH_OK)
		rc = take_numbers(request, &marks, err);
	if (rc == CAH_OK)
		rc = sort_numbers(&marks, err);
	if (rc == CAH_OK)
		rc = store_jobs_close(request->tracker->store, marks.numbers,
				      marks.count, pairs, nickname,
				      request->wall_s, err);
	marks_fini(&marks);
	if (rc == CAH_OK)
		request_succeed(request);
	/* 404 would tell a client that its worker timed out. */
	if (rc == CAH_ENOTFOUND)
		err->http_status = 400;
	return rc;
}

int route_set_banner(struct request *request, struct cah_error *err)
{
	if (!request_is_admin(request))
		return deny(401, err);
	struct slice text;
	int rc = wire_body_text(&request->body, "text", &text, err);
	if (rc == CAH_OK)
		rc = wire_text_check(text, 0, WIRE_BANNER_MAX, "text", err);
	if (rc == CAH_OK)
		rc = store_banner_set(request->tracker->store, text, err);
	if (rc == CAH_OK)
		request_succeed(request);
	return rc;
}
