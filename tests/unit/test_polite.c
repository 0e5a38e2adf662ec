/* How the fetch stage treats the servers that it asks: tries, rests, spacing
 * and places. */
#include "base/clock.h"
#include "fetch/dns.h"
#include "fetch/fetch.h"
#include "hostile.h"
#include "nameserver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	JOBS_MAX = 400,
	URL_MAX = 128,
	ASKED_MAX = 1024, /* requests that are noted */
};

/* What the server noted of a request. */
struct asked {
	int64_t at_ms;
	char host[HOSTILE_VALUE_MAX];
	char path[64];
	char agent[HOSTILE_VALUE_MAX];
};

struct bench {
	struct hostile *server;
	struct fetch_options options;
	struct pins *pins;
	struct queue *in;
	struct queue *out;
	struct fetch_stats stats;
	struct fetch_job jobs[JOBS_MAX];
	char urls[JOBS_MAX][URL_MAX];
	int count;

	pthread_mutex_t lock; /* for what follows */
	struct asked asked[ASKED_MAX];
	int asked_count;
	int at_once;
	int most;
};

static int note(struct bench *bench, const struct hostile_request *request)
{
	int before = 0;
	pthread_mutex_lock(&bench->lock);
	assert_in_range(bench->asked_count, 0, ASKED_MAX - 1);
	struct asked *asked = &bench->asked[bench->asked_count];
	asked->at_ms = clock_now_ms();
	hostile_header(asked->host, request, "Host");
	hostile_header(asked->agent, request, "User-Agent");
	(void)snprintf(asked->path, sizeof(asked->path), "%.60s",
		       request->path);
	for (int i = 0; i < bench->asked_count; i++)
		before += strcmp(bench->asked[i].path, asked->path) == 0;
	bench->asked_count++;
	bench->at_once++;
	if (bench->at_once > bench->most)
		bench->most = bench->at_once;
	pthread_mutex_unlock(&bench->lock);
	return before;
}

static bool send_status(const struct hostile_request *request, int status,
			const char *fields)
{
	return hostile_printf(request,
			      "HTTP/1.1 %d X\r\n%sContent-Length: 1\r\n\r\nx",
			      status, fields);
}

/* The number behind @word, where @step begins with it. */
static bool read_number(long *out, const char *step, const char *word)
{
	size_t len = strlen(word);
	if (strncmp(step, word, len) != 0)
		return false;
	*out = strtol(step + len, NULL, 10);
	return true;
}

/* "/A/B/...": the first request for the path is answered by A, the second by
 * B, the last by whatever is last. */
static bool answer_step(const struct hostile_request *request, const char *step)
{
	long n = 0;
	char fields[64];
	if (read_number(&n, step, "rest")) {
		(void)snprintf(fields, sizeof(fields), "Retry-After: %ld\r\n",
			       n);
		return send_status(request, 429, fields);
	}
	if (read_number(&n, step, "busy")) {
		(void)snprintf(fields, sizeof(fields), "Retry-After: %ld\r\n",
			       n);
		return send_status(request, 503, fields);
	}
	if (strncmp(step, "hang", 4) == 0)
		return false;
	if (strncmp(step, "cut", 3) == 0) {
		(void)hostile_printf(request, "HTTP/1.1 200 OK\r\n"
					      "Content-Length: 9\r\n\r\nx");
		return false;
	}
	n = strtol(step, NULL, 10);
	return send_status(request, n != 0 ? (int)n : 200, "");
}

static bool answer(const struct hostile_request *request, void *arg)
{
	struct bench *bench = arg;
	int before = note(bench, request);
	const char *step = request->path + 1;
	for (int i = 0; i < before && strchr(step, '/') != NULL; i++)
		step = strchr(step, '/') + 1;
	long ms = 0;
	if (read_number(&ms, step, "wait"))
		hostile_sleep(request, (int)ms);
	/* Before the answer, for the next request may come with it. */
	pthread_mutex_lock(&bench->lock);
	bench->at_once--;
	pthread_mutex_unlock(&bench->lock);
	return answer_step(request, step);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_non_null(bench);
	char entry[64];
	const char *all = entry;
	pthread_mutex_init(&bench->lock, NULL);
	bench->server = hostile_start(answer, bench);
	(void)snprintf(entry, sizeof(entry), "*:%d:127.0.0.1",
		       hostile_port(bench->server));
	assert_int_equal(pins_new(&bench->pins, &all, 1, NULL), CAH_OK);
	bench->options = fetch_options_default();
	bench->options.allow_private = true;
	bench->options.pins = bench->pins;
	assert_int_equal(queue_new(&bench->in, JOBS_MAX, NULL), CAH_OK);
	assert_int_equal(queue_new(&bench->out, JOBS_MAX, NULL), CAH_OK);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	for (int i = 0; i < bench->count; i++)
		buf_fini(&bench->jobs[i].body);
	hostile_stop(bench->server);
	queue_free(bench->in);
	queue_free(bench->out);
	pins_free(bench->pins);
	pthread_mutex_destroy(&bench->lock);
	free(bench);
	return 0;
}

/* A job for http://HOST:(the server's)/PATH. */
static struct fetch_job *add(struct bench *bench, const char *host,
			     const char *path)
{
	assert_in_range(bench->count, 0, JOBS_MAX - 1);
	struct fetch_job *job = &bench->jobs[bench->count];
	char *url = bench->urls[bench->count];
	(void)snprintf(url, URL_MAX, "http://%s:%d/%s", host,
		       hostile_port(bench->server), path);
	job->url = url;
	bench->count++;
	assert_true(queue_try_push(bench->in, job));
	return job;
}

static void run(struct bench *bench)
{
	struct fetch *fetch;
	int out = 0;
	queue_close(bench->in);
	assert_int_equal(fetch_new(&fetch, &bench->options, NULL), CAH_OK);
	assert_int_equal(fetch_run(fetch, bench->in, bench->out, NULL, NULL),
			 CAH_OK);
	fetch_get_stats(fetch, &bench->stats);
	fetch_free(fetch);
	while (queue_pop(bench->out) != NULL)
		out++;
	assert_int_equal(out, bench->count);
	assert_int_equal(bench->stats.waiting, 0);
	assert_int_equal(bench->stats.active, 0);
}

static void check(const struct fetch_job *job, enum fate fate, int tries)
{
	if (job->fate != fate || job->tries != tries)
		fail_msg("%s: %s (%s) after %d, not %s after %d", job->url,
			 fate_key(job->fate), job->detail, job->tries,
			 fate_key(fate), tries);
}

/* When the @n-th request for @path came, from 0. */
static int64_t asked_ms(const struct bench *bench, const char *path, int n)
{
	for (int i = 0; i < bench->asked_count; i++)
		if (strcmp(bench->asked[i].path + 1, path) == 0 && n-- == 0)
			return bench->asked[i].at_ms;
	fail_msg("%s was not asked for", path);
	return -1;
}

static void fetch__tries_again_what_may_pass(void **state)
{
	struct bench *bench = *state;
	static const struct {
		const char *path;
		enum fate fate;
		int tries;
	} rows[] = {
		{"200", CAH_FATE_KEPT, 1},
		{"500/200", CAH_FATE_KEPT, 2},
		{"502/503/200", CAH_FATE_KEPT, 3},
		{"504/504/504/200", CAH_FATE_HTTP_SERVER_ERROR, 3},
		{"501/200", CAH_FATE_HTTP_SERVER_ERROR, 1},
		{"404/200", CAH_FATE_HTTP_NOT_FOUND, 1},
		{"403/200", CAH_FATE_HTTP_CLIENT_ERROR, 1},
		{"429/200", CAH_FATE_KEPT, 2},
		{"hang/200", CAH_FATE_KEPT, 2},
		{"cut/200", CAH_FATE_KEPT, 2},
		{"cut/404/200", CAH_FATE_HTTP_NOT_FOUND, 2},
	};
	const int count = sizeof(rows) / sizeof(rows[0]);
	for (int i = 0; i < count; i++)
		(void)add(bench, "a.example", rows[i].path);
	run(bench);
	int64_t retried = 0;
	for (int i = 0; i < count; i++) {
		check(&bench->jobs[i], rows[i].fate, rows[i].tries);
		retried += rows[i].tries - 1;
	}
	assert_int_equal(bench->stats.retried, retried);
	assert_int_equal(bench->jobs[1].body.len, 1);
	assert_string_equal(bench->jobs[3].detail, "status 504 (3 tries)");
	assert_int_equal(bench->jobs[3].http_status, 504);
}

static void fetch__tries_as_often_as_it_is_told(void **state)
{
	struct bench *bench = *state;
	bench->options.retries = 0;
	(void)add(bench, "a.example", "500/200");
	run(bench);
	check(&bench->jobs[0], CAH_FATE_HTTP_SERVER_ERROR, 1);
	assert_string_equal(bench->jobs[0].detail, "status 500");
}

/* One place, and work for longer than the pause before another try. */
static void fetch__tries_again_after_all_others(void **state)
{
	struct bench *bench = *state;
	bench->options.concurrency = 1;
	(void)add(bench, "a.example", "500/200");
	for (int i = 0; i < 3; i++)
		(void)add(bench, "a.example", "wait900");
	run(bench);
	check(&bench->jobs[0], CAH_FATE_KEPT, 2);
	assert_string_equal(bench->asked[0].path, "/500/200");
	assert_string_equal(bench->asked[4].path, "/500/200");
}

static void fetch__asks_for_a_name_again(void **state)
{
	struct bench *bench = *state;
	struct nameserver *names = nameserver_start();
	bench->options.pins = NULL;
	struct dns_options options = dns_options_default();
	options.how = nameserver_address(names);
	assert_int_equal(dns_new(&bench->options.dns, &options, NULL), CAH_OK);
	bench->options.retries = 1;
	(void)add(bench, "fail.example", "200");
	run(bench);
	check(&bench->jobs[0], CAH_FATE_DNS_FAILED, 2);
	dns_free(bench->options.dns);
	nameserver_stop(names);
}

static void fetch__lets_a_host_rest_that_asks_for_it(void **state)
{
	struct bench *bench = *state;
	bench->options.per_host = 1;
	(void)add(bench, "a.example", "rest3/200");
	(void)add(bench, "a.example", "200");
	(void)add(bench, "b.example", "200/200");
	run(bench);
	for (int i = 0; i < 3; i++)
		check(&bench->jobs[i], CAH_FATE_KEPT, i == 0 ? 2 : 1);
	int64_t first_ms = asked_ms(bench, "rest3/200", 0);
	assert_true(asked_ms(bench, "200", 0) - first_ms >= 3000);
	assert_true(asked_ms(bench, "rest3/200", 1) - first_ms >= 3000);
	assert_true(asked_ms(bench, "200/200", 0) < asked_ms(bench, "200", 0));
}

static void fetch__does_not_rest_longer_than_its_limit(void **state)
{
	struct bench *bench = *state;
	bench->options.per_host = 1;
	bench->options.max_rest_ms = 1500;
	(void)add(bench, "a.example", "busy3600");
	for (int i = 0; i < 20; i++)
		(void)add(bench, "a.example", "200");
	(void)add(bench, "b.example", "rest1/rest1/200");
	(void)add(bench, "b.example", "200");
	run(bench);
	for (int i = 0; i < 21; i++)
		check(&bench->jobs[i], CAH_FATE_HTTP_SERVER_ERROR, 1);
	assert_string_equal(bench->jobs[20].detail,
			    "the host asks to wait longer than the limit "
			    "(status 503, Retry-After)");
	/* The second waited for one rest only; the first meets the limit with
	 * its second rest, but may try once more. */
	check(&bench->jobs[21], CAH_FATE_KEPT, 3);
	check(&bench->jobs[22], CAH_FATE_KEPT, 1);
	assert_int_equal(bench->asked_count, 5);
}

static void fetch__spaces_the_requests_to_a_host(void **state)
{
	struct bench *bench = *state;
	bench->options.host_delay_ms = 100;
	for (int i = 0; i < 6; i++)
		(void)add(bench, i % 2 ? "a.example" : "b.example", "200");
	run(bench);
	int64_t last_ms[2] = {0, 0};
	for (int i = 0; i < bench->asked_count; i++) {
		const struct asked *asked = &bench->asked[i];
		int host = asked->host[0] == 'a';
		/* The server's thread may note the first one late. */
		if (last_ms[host] != 0)
			assert_true(asked->at_ms - last_ms[host] >= 50);
		last_ms[host] = asked->at_ms;
	}
	int64_t all_ms = bench->asked[5].at_ms - bench->asked[0].at_ms;
	assert_true(all_ms >= 150);
}

static void fetch__spaces_the_requests_to_an_address(void **state)
{
	struct bench *bench = *state;
	bench->options.address_delay_ms = 50;
	for (int i = 0; i < 6; i++) {
		char host[32];
		(void)snprintf(host, sizeof(host), "h%d.example", i);
		(void)add(bench, host, "200");
	}
	run(bench);
	int64_t all_ms = bench->asked[5].at_ms - bench->asked[0].at_ms;
	assert_true(all_ms >= 200);
}

/* Hundreds of names, one machine. */
static void fetch__spares_a_machine_with_many_names(void **state)
{
	struct bench *bench = *state;
	bench->options.per_address = 5;
	for (int i = 0; i < JOBS_MAX; i++) {
		char host[32];
		(void)snprintf(host, sizeof(host), "h%d.example", i % 300);
		(void)add(bench, host, "wait3");
	}
	run(bench);
	for (int i = 0; i < JOBS_MAX; i++)
		check(&bench->jobs[i], CAH_FATE_KEPT, 1);
	assert_in_range(bench->most, 2, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fetch__tries_again_what_may_pass),
		TEST(fetch__tries_as_often_as_it_is_told),
		TEST(fetch__tries_again_after_all_others),
		TEST(fetch__asks_for_a_name_again),
		TEST(fetch__lets_a_host_rest_that_asks_for_it),
		TEST(fetch__does_not_rest_longer_than_its_limit),
		TEST(fetch__spaces_the_requests_to_a_host),
		TEST(fetch__spaces_the_requests_to_an_address),
		TEST(fetch__spares_a_machine_with_many_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
