#include "client/answer.h"
#include "client/base_url.h"
#include "client/call.h"

#include "script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NEW                                                       \
	OK("{\"token\":\"t-1\",\"display_name\":\"Quiet Otter\"," \
	   "\"upload_address\":\"rsync://up\"}")
#define JOB                                                       \
	OK("{\"url\":\"http://w/1.gz\",\"start_id\":\"1000000\"," \
	   "\"end_id\":\"2000000\",\"shard\":1,\"number\":4}")

static struct cah_client_options options_of(const struct script *script,
					    enum cah_worker_type type)
{
	return (struct cah_client_options){
		.url = script->url,
		.nickname = "me & you",
		.type = type,
		.retry_s = 60,
	};
}

static struct cah_client *start(struct script *script,
				enum cah_worker_type type)
{
	struct cah_error err = {0};
	struct cah_client *client;
	script_start(script);
	struct cah_client_options options = options_of(script, type);
	if (cah_client_init(&client, &options, &err) != CAH_OK)
		fail_msg("%s", err.text);
	return client;
}

static void stop(struct script *script, struct cah_client *client)
{
	cah_client_free(client);
	script_stop(script);
}

static void base_url__takes_addresses_as_people_type_them(void **state)
{
	static const struct {
		const char *url, *base;
	} rows[] = {
		{"http://h", "http://h"},
		{"http://h/", "http://h"},
		{"HTTP://h:80//", "HTTP://h:80"},
		{"https://h/a/b/", "https://h/a/b"},
		{"http://[::1]:8080", "http://[::1]:8080"},
		{"h:8080", NULL},
		{"ftp://h/", NULL},
		{"file:///etc/passwd", NULL},
		{"http://", NULL},
		{"http:///x", NULL},
		{"http://h/?a=b", NULL},
		{"http://h/#x", NULL},
		{"http://h /", NULL},
		{"http://h:99999/", NULL},
		{"", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *base;
		int rc = base_url_parse(&base, rows[i].url, NULL);
		if (rows[i].base == NULL) {
			assert_int_equal(rc, CAH_EINVALID);
			assert_null(base);
			continue;
		}
		assert_int_equal(rc, CAH_OK);
		assert_string_equal(base, rows[i].base);
		free(base);
	}
}

static void base_url__knows_private_hosts(void **state)
{
	(void)state;
	assert_true(base_url_is_private("http://127.0.0.1:8080/"));
	assert_true(base_url_is_private("http://10.1.2.3"));
	assert_true(base_url_is_private("http://localhost/x"));
	assert_true(base_url_is_private("http://[::1]:80/"));
	assert_false(base_url_is_private("http://8.8.8.8/"));
	assert_false(base_url_is_private("http://[2606:4700::1111]/"));
	assert_false(base_url_is_private("http://tracker.example/"));
	assert_false(base_url_is_private("http://localhost.example/"));
}

static void call__waits_at_random_below_a_bound_that_doubles(void **state)
{
	(void)state;
	for (uint32_t random = 0; random < 200000; random += 777) {
		assert_in_range(call_backoff_ms(0, random), 0, CALL_BACKOFF_MS);
		assert_in_range(call_backoff_ms(3, random), 0,
				8 * CALL_BACKOFF_MS);
		assert_in_range(call_backoff_ms(1000, random), 0,
				CALL_BACKOFF_MAX_MS);
	}
	assert_int_equal(call_backoff_ms(0, CALL_BACKOFF_MS), CALL_BACKOFF_MS);
	assert_int_equal(call_backoff_ms(1, 2 * CALL_BACKOFF_MS),
			 2 * CALL_BACKOFF_MS);
	assert_int_equal(call_backoff_ms(99, CALL_BACKOFF_MAX_MS),
			 CALL_BACKOFF_MAX_MS);
}

static void call__turns_statuses_into_codes(void **state)
{
	(void)state;
	assert_int_equal(call_judge(200, 0), CAH_OK);
	assert_int_equal(call_judge(400, 0), CAH_EINVALID);
	assert_int_equal(call_judge(422, 0), CAH_EINVALID);
	assert_int_equal(call_judge(403, CALL_JOB), CAH_ENOJOB);
	assert_int_equal(call_judge(403, 0), CAH_ESERVER);
	assert_int_equal(call_judge(404, CALL_JOB), CAH_ETIMEDOUT);
	assert_int_equal(call_judge(404, CALL_NEW), CAH_ESERVER);
	assert_int_equal(call_judge(429, 0), CAH_EUNAVAILABLE);
	assert_int_equal(call_judge(503, 0), CAH_EUNAVAILABLE);
	assert_int_equal(call_judge(301, 0), CAH_ESERVER);
	assert_int_equal(call_judge(500, 0), CAH_ESERVER);
}

static void client__says_hello_under_a_path(void **state)
{
	struct script script = {.answers = {NEW, OK("17")}};
	struct cah_client *client;
	int64_t count;
	char url[128];
	(void)state;
	script_start(&script);
	(void)snprintf(url, sizeof(url), "%spre/fix/", script.url);
	struct cah_client_options options = options_of(&script, CAH_CPU);
	options.url = url;
	assert_int_equal(cah_client_init(&client, &options, NULL), CAH_OK);
	assert_string_equal(
		script_path(&script, 0),
		"/pre/fix/api/new?nickname=me%20%26%20you&type=CPU");
	assert_string_equal(cah_client_token(client), "t-1");
	assert_string_equal(cah_client_display_name(client), "Quiet Otter");
	assert_string_equal(cah_client_upload_address(client), "rsync://up");
	assert_string_equal(cah_client_url(client), url);
	assert_int_equal(cah_client_job_count(client, &count, NULL), CAH_OK);
	assert_int_equal(count, 17);
	assert_string_equal(script_path(&script, 1),
			    "/pre/fix/api/jobCount?type=CPU");
	stop(&script, client);
}

static void client__takes_a_job_and_completes_it(void **state)
{
	struct script script = {.answers = {NEW, JOB, OK("success")}};
	struct cah_client *client = start(&script, CAH_HYBRID);
	(void)state;
	assert_null(cah_client_job(client));
	assert_int_equal(cah_client_complete(client, 1, NULL, NULL),
			 CAH_ENOJOB);
	assert_int_equal(cah_client_new_job(client, NULL), CAH_OK);
	const struct cah_job *job = cah_client_job(client);
	assert_string_equal(job->url, "http://w/1.gz");
	assert_int_equal(job->start_id, 1000000);
	assert_int_equal(job->end_id, 2000000);
	assert_int_equal(job->piece, 1);
	assert_int_equal(job->number, 4);
	assert_int_equal(cah_client_complete(client, -1, NULL, NULL),
			 CAH_EINVALID);
	assert_int_equal(cah_client_complete(client, 1, "http://x", NULL),
			 CAH_EINVALID);
	assert_int_equal(cah_client_complete(client, 123, NULL, NULL), CAH_OK);
	assert_string_equal(
		script_body(&script, 2),
		"{\"token\":\"t-1\",\"type\":\"HYBRID\",\"count\":123}");
	assert_null(cah_client_job(client));
	stop(&script, client);
}

static void client__tries_again_what_may_pass(void **state)
{
	struct script script = {
		.answers = {NEW, STATUS("503 Away", "later"), HANG_UP,
			    STATUS("429 Slow\r\nRetry-After: 1", "slow"),
			    OK("5")}};
	struct cah_client *client = start(&script, CAH_HYBRID);
	int64_t count;
	(void)state;
	assert_int_equal(cah_client_job_count(client, &count, NULL), CAH_OK);
	assert_int_equal(count, 5);
	stop(&script, client);
}

static void client__gives_up_when_told_to_come_back_too_late(void **state)
{
	struct script script = {
		.answers = {NEW, STATUS("503 Away\r\nRetry-After: 3000",
					"the store is away")}};
	struct cah_client *client = start(&script, CAH_HYBRID);
	struct cah_error err = {0};
	int64_t count;
	(void)state;
	assert_int_equal(cah_client_job_count(client, &count, &err),
			 CAH_EUNAVAILABLE);
	assert_int_equal(err.http_status, 503);
	assert_string_equal(err.text, "the store is away (status 503)");
	assert_int_equal(hostile_requests(script.server), 2);
	stop(&script, client);
}

static void
client__takes_no_job_held_after_a_lost_answer_for_success(void **state)
{
	struct script script = {
		.answers = {NEW, JOB, HANG_UP, STATUS("403 No", "none held")}};
	struct cah_client *client = start(&script, CAH_HYBRID);
	(void)state;
	assert_int_equal(cah_client_new_job(client, NULL), CAH_OK);
	assert_int_equal(cah_client_complete(client, 7, NULL, NULL), CAH_OK);
	assert_string_equal(script_body(&script, 2), script_body(&script, 3));
	assert_int_equal(hostile_requests(script.server), 4);
	stop(&script, client);
}

static void client__takes_no_job_held_at_once_for_an_error(void **state)
{
	struct script script = {.answers = {NEW, JOB, STATUS("503 Away", ""),
					    STATUS("403 No", "none held")}};
	struct cah_client *client = start(&script, CAH_HYBRID);
	struct cah_error err;
	(void)state;
	assert_int_equal(cah_client_new_job(client, NULL), CAH_OK);
	assert_int_equal(cah_client_complete(client, 7, NULL, &err),
			 CAH_ENOJOB);
	assert_string_equal(err.text, "none held (status 403)");
	assert_null(cah_client_job(client));
	stop(&script, client);
}

static void client__holds_no_job_when_taking_one_failed(void **state)
{
	struct script script = {
		.answers = {NEW, JOB, STATUS("404 Gone", "who are you")}};
	struct cah_client *client = start(&script, CAH_HYBRID);
	(void)state;
	assert_int_equal(cah_client_new_job(client, NULL), CAH_OK);
	assert_int_equal(cah_client_new_job(client, NULL), CAH_ETIMEDOUT);
	assert_null(cah_client_job(client));
	stop(&script, client);
}

static void client__shows_the_line_of_an_error_that_helps(void **state)
{
	static const struct {
		const char *answer, *text;
	} rows[] = {
		{STATUS("400 Bad", "type: 'X' is unknown\nmore"),
		 "type: 'X' is unknown (status 400)"},
		{STATUS("400 Bad", "{\"detail\": \"no such type\"}"),
		 "no such type (status 400)"},
		{STATUS("400 Bad", "<html><body>oh"), NULL},
		{STATUS("400 Bad", "\x1b[31mred"), "?[31mred (status 400)"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct script script = {.answers = {NEW, rows[i].answer}};
		struct cah_client *client = start(&script, CAH_HYBRID);
		struct cah_error err;
		int64_t count;
		assert_int_equal(cah_client_job_count(client, &count, &err),
				 CAH_EINVALID);
		assert_int_equal(err.http_status, 400);
		if (rows[i].text != NULL)
			assert_string_equal(err.text, rows[i].text);
		else
			assert_non_null(strstr(err.text, "(status 400)"));
		stop(&script, client);
	}
}

static void client__refuses_answers_that_make_no_sense(void **state)
{
	static const char *const jobs[] = {
		"",
		"null",
		"[]",
		"{",
		"{}",
		"{\"url\":1,\"start_id\":\"0\",\"end_id\":\"1\",\"shard\":0}",
		"{\"url\":\"\",\"start_id\":\"0\",\"end_id\":\"1\",\"shard\":"
		"0}",
		"{\"url\":\"u\",\"start_id\":\"x\",\"end_id\":\"1\",\"shard\":"
		"0}",
		"{\"url\":\"u\",\"start_id\":\" "
		"1\",\"end_id\":\"1\",\"shard\":0}",
		"{\"url\":\"u\",\"start_id\":\"-1\",\"end_id\":\"1\",\"shard\":"
		"0}",
		"{\"url\":\"u\",\"start_id\":-1,\"end_id\":\"1\",\"shard\":0}",
		"{\"url\":\"u\",\"start_id\":\"2\",\"end_id\":\"1\",\"shard\":"
		"0}",
		"{\"url\":\"u\",\"start_id\":\"0\",\"end_id\":\"1\",\"shard\":"
		"2}",
		"{\"url\":\"u\",\"start_id\":\"0\",\"end_id\":\"1\"}",
		"{\"url\":\"u\",\"start_id\":\"0\","
		"\"end_id\":\"99999999999999999999\",\"shard\":0}",
		"{\"url\":\"u\",\"start_id\":\"0\","
		"\"end_id\":\"4611686018427387904\",\"shard\":0}",
		"{\"url\":\"u\",\"start_id\":1e99,\"end_id\":\"1\",\"shard\":"
		"0}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
		struct jobs held = {0};
		assert_int_equal(
			answer_parse_job(&held, slice_of(jobs[i]), NULL),
			CAH_EFORMAT);
		assert_int_equal(held.count, 0);
	}
	int64_t count;
	bool is_true;
	assert_int_equal(answer_parse_count(&count, SLICE("-1"), NULL),
			 CAH_EFORMAT);
	assert_int_equal(answer_parse_count(&count, SLICE("1.5"), NULL),
			 CAH_EFORMAT);
	assert_int_equal(answer_parse_count(&count, SLICE("1\0002"), NULL),
			 CAH_EFORMAT);
	assert_int_equal(answer_parse_count(&count, SLICE(" 12\n"), NULL),
			 CAH_OK);
	assert_int_equal(count, 12);
	assert_int_equal(answer_parse_bool(&is_true, SLICE("yes"), NULL),
			 CAH_EFORMAT);
	assert_int_equal(answer_parse_bool(&is_true, SLICE("true"), NULL),
			 CAH_OK);
	assert_true(is_true);
}

static void client__blames_the_tracker_for_them(void **state)
{
	struct script script = {.answers = {NEW, OK("<html>welcome")}};
	struct cah_client *client = start(&script, CAH_HYBRID);
	struct cah_error err;
	(void)state;
	assert_int_equal(cah_client_new_job(client, &err), CAH_ESERVER);
	assert_int_equal(err.http_status, 200);
	assert_non_null(strstr(err.text, "/api/newJob"));
	bool is_alive;
	assert_int_equal(cah_client_is_alive(client, &is_alive, &err),
			 CAH_ESERVER);
	stop(&script, client);
}

static bool pour(const struct hostile_request *request, void *arg)
{
	static const char zeros[4096];
	bool *is_done = arg;
	bool stays = hostile_printf(request, "HTTP/1.1 200 OK\r\n\r\n");
	while (stays)
		stays = hostile_send(request, zeros, sizeof(zeros));
	*is_done = true;
	return false;
}

static void client__stops_reading_an_answer_without_end(void **state)
{
	bool is_done = false;
	struct cah_client *client;
	struct cah_error err;
	char url[64];
	(void)state;
	struct hostile *server = hostile_start(pour, &is_done);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d",
		       hostile_port(server));
	struct cah_client_options options = {.url = url, .nickname = "me"};
	assert_int_equal(cah_client_init(&client, &options, &err), CAH_ESERVER);
	assert_null(client);
	hostile_stop(server);
	assert_true(is_done);
}

static void *cancel_soon(void *arg)
{
	usleep(50 * 1000);
	cah_client_cancel(arg, true);
	return NULL;
}

static void client__is_cancelled_from_another_thread(void **state)
{
	struct script script = {.answers = {NEW, SAY_NOTHING, OK("3")}};
	struct cah_client *client = start(&script, CAH_HYBRID);
	pthread_t thread;
	int64_t count;
	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, client), 0);
	assert_int_equal(cah_client_job_count(client, &count, NULL),
			 CAH_ECANCELLED);
	pthread_join(thread, NULL);
	assert_int_equal(cah_client_job_count(client, &count, NULL),
			 CAH_ECANCELLED);
	cah_client_cancel(client, false);
	assert_int_equal(cah_client_job_count(client, &count, NULL), CAH_OK);
	assert_int_equal(count, 3);
	stop(&script, client);
}

static int interrupt_third(void *arg)
{
	int *asked = arg;
	return ++*asked >= 3;
}

static void client__asks_the_callers_switch_while_it_waits(void **state)
{
	static const int64_t for_ever[] = {-1, INT64_MAX};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int asked = 0;
		struct cah_client *client;
		/* Nobody listens there: the discard port of a machine of
		 * today. */
		struct cah_client_options options = {
			.url = "http://127.0.0.1:9",
			.nickname = "me",
			.retry_s = for_ever[i],
			.interrupt = interrupt_third,
			.interrupt_arg = &asked,
		};
		assert_int_equal(cah_client_init(&client, &options, NULL),
				 CAH_ECANCELLED);
		assert_null(client);
		assert_int_equal(asked, 3);
	}
}

static void client__refuses_nicknames_that_no_tracker_takes(void **state)
{
	char longest[257];
	struct cah_client *client;
	const char *const names[] = {NULL, "", "a\nb", "\xff\xfe", longest};
	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct cah_client_options options = {
			.url = "http://127.0.0.1:9", .nickname = names[i]};
		assert_int_equal(cah_client_init(&client, &options, NULL),
				 CAH_EINVALID);
	}
}

static void client__cuts_progress_between_characters(void **state)
{
	struct script script = {.answers = {NEW, OK("success")}};
	struct cah_client *client = start(&script, CAH_GPU);
	char text[1024] = "";
	char expected[600];
	(void)state;
	for (int i = 0; i < 300; i++)
		memcpy(text + 2 * i, "\xc3\xa4", 3);
	assert_int_equal(cah_client_log(client, "\xff", NULL), CAH_EINVALID);
	assert_int_equal(cah_client_log(client, text, NULL), CAH_OK);
	(void)snprintf(expected, sizeof(expected), "\"progress\":\"%.510s\"}",
		       text);
	assert_non_null(strstr(script_body(&script, 1), expected));
	stop(&script, client);
}

static void expect_same(const struct cah_client *a, const struct cah_client *b)
{
	char *one, *two;
	assert_int_equal(cah_client_dump(a, &one, NULL), CAH_OK);
	assert_int_equal(cah_client_dump(b, &two, NULL), CAH_OK);
	assert_string_equal(one, two);
	free(one);
	free(two);
}

static void dump__comes_back_as_it_was(void **state)
{
	struct script script = {.answers = {NEW, JOB, OK("success")}};
	struct cah_client *client = start(&script, CAH_HYBRID);
	struct cah_client *loaded;
	char *json;
	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(cah_client_dump(client, &json, NULL), CAH_OK);
		assert_int_equal(cah_client_load(&loaded, json, NULL, NULL),
				 CAH_OK);
		expect_same(client, loaded);
		free(json);
		cah_client_free(loaded);
		if (i == 0)
			assert_int_equal(cah_client_new_job(client, NULL),
					 CAH_OK);
	}
	assert_int_equal(cah_client_dump(client, &json, NULL), CAH_OK);
	assert_int_equal(cah_client_load(&loaded, json, NULL, NULL), CAH_OK);
	free(json);
	assert_int_equal(cah_client_complete(loaded, 9, NULL, NULL), CAH_OK);
	assert_non_null(strstr(script_body(&script, 2), "\"token\":\"t-1\""));
	cah_client_free(loaded);
	stop(&script, client);
}

static void dump__refuses_what_is_no_client(void **state)
{
#define HEAD                                                       \
	"\"url\":\"http://h\",\"token\":\"t\",\"nickname\":\"n\"," \
	"\"display_name\":\"d\","
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{" HEAD "\"type\":\"TPU\"}",
		"{" HEAD "\"type\":3}",
		"{" HEAD "\"type\":\"GPU\",\"shard\":\"u\"}",
		"{" HEAD "\"type\":\"CPU\",\"wat\":{}}",
		"{" HEAD "\"type\":\"CPU\",\"wat\":[]}",
		"{" HEAD "\"type\":\"CPU\",\"wat\":[1]}",
		"{\"url\":\"gopher://h\",\"token\":\"t\",\"nickname\":\"n\","
		"\"display_name\":\"d\",\"type\":\"GPU\"}",
		"{\"url\":\"http://h\",\"token\":\"t\",\"nickname\":\"\","
		"\"display_name\":\"d\",\"type\":\"GPU\"}",
		"{\"url\":\"http://h\",\"nickname\":\"n\","
		"\"display_name\":\"d\",\"type\":\"GPU\"}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct cah_client *client;
		struct cah_error err = {0};
		assert_int_equal(cah_client_load(&client, texts[i], NULL, &err),
				 CAH_EDUMP);
		assert_int_equal(err.code, CAH_EDUMP);
		assert_null(client);
	}
	struct cah_client *client;
	assert_int_equal(cah_client_load(&client, "{" HEAD "\"type\":\"gpu\"}",
					 NULL, NULL),
			 CAH_OK);
	cah_client_free(client);
}

static void wat__is_taken_and_completed_whole(void **state)
{
	struct script script = {
		.answers = {
			NEW, OK("http://w/1.gz"),
			OK("{\"status\":\"success\",\"shards\":["
			   "[1,{\"url\":\"http://w/1.gz\",\"start_id\":\"0\","
			   "\"end_id\":\"5\",\"shard\":0}],"
			   "[2,{\"url\":\"http://w/1.gz\",\"start_id\":\"0\","
			   "\"end_id\":\"5\",\"shard\":1}]]}"),
			OK("{\"status\":\"success\",\"completed\":2}")}};
	const char *const urls[] = {"http://r/1", "http://r/2"};
	struct cah_client *client = start(&script, CAH_CPU);
	size_t count;
	char *json;
	struct cah_client *loaded;
	(void)state;
	assert_int_equal(cah_client_new_wat(client, NULL), CAH_OK);
	const struct cah_job *jobs = cah_client_wat_jobs(client, &count);
	assert_int_equal(count, 2);
	assert_int_equal(jobs[1].number, 2);
	assert_int_equal(jobs[1].piece, 1);
	assert_int_equal(cah_client_dump(client, &json, NULL), CAH_OK);
	assert_int_equal(cah_client_load(&loaded, json, NULL, NULL), CAH_OK);
	expect_same(client, loaded);
	cah_client_free(loaded);
	free(json);
	assert_int_equal(cah_client_complete(client, 0, "http://r/1", NULL),
			 CAH_ENOJOB);
	assert_int_equal(cah_client_complete_wat(client, urls, 1, NULL),
			 CAH_EINVALID);
	assert_int_equal(cah_client_complete_wat(client, urls, 2, NULL),
			 CAH_OK);
	assert_string_equal(
		script_body(&script, 3),
		"{\"token\":\"t-1\",\"nickname\":\"me & you\",\"shards\":[1,2],"
		"\"urls\":{\"1\":\"http://r/1\",\"2\":\"http://r/2\"}}");
	stop(&script, client);
}

static void wat__is_lost_when_others_were_faster(void **state)
{
	struct script script = {
		.answers = {
			NEW, OK("http://w/1.gz"),
			OK("{\"status\":\"failed\",\"detail\":\"taken\"}")}};
	struct cah_client *client = start(&script, CAH_CPU);
	struct cah_error err;
	(void)state;
	assert_int_equal(cah_client_new_wat(client, &err), CAH_ENOJOB);
	assert_string_equal(err.text, "taken");
	assert_null(cah_client_job(client));
	stop(&script, client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_url__takes_addresses_as_people_type_them),
		cmocka_unit_test(base_url__knows_private_hosts),
		cmocka_unit_test(
			call__waits_at_random_below_a_bound_that_doubles),
		cmocka_unit_test(call__turns_statuses_into_codes),
		cmocka_unit_test(client__says_hello_under_a_path),
		cmocka_unit_test(client__takes_a_job_and_completes_it),
		cmocka_unit_test(client__tries_again_what_may_pass),
		cmocka_unit_test(
			client__gives_up_when_told_to_come_back_too_late),
		cmocka_unit_test(
			client__takes_no_job_held_after_a_lost_answer_for_success),
		cmocka_unit_test(
			client__takes_no_job_held_at_once_for_an_error),
		cmocka_unit_test(client__holds_no_job_when_taking_one_failed),
		cmocka_unit_test(client__shows_the_line_of_an_error_that_helps),
		cmocka_unit_test(client__refuses_answers_that_make_no_sense),
		cmocka_unit_test(client__blames_the_tracker_for_them),
		cmocka_unit_test(client__stops_reading_an_answer_without_end),
		cmocka_unit_test(client__is_cancelled_from_another_thread),
		cmocka_unit_test(
			client__asks_the_callers_switch_while_it_waits),
		cmocka_unit_test(
			client__refuses_nicknames_that_no_tracker_takes),
		cmocka_unit_test(client__cuts_progress_between_characters),
		cmocka_unit_test(dump__comes_back_as_it_was),
		cmocka_unit_test(dump__refuses_what_is_no_client),
		cmocka_unit_test(wat__is_taken_and_completed_whole),
		cmocka_unit_test(wat__is_lost_when_others_were_faster),
	};
	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
