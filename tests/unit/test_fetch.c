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
#include <time.h>
#include <unistd.h>

enum {
	JOBS_MAX = 2000,
	URL_MAX = 128,
	HOSTS = 5,
	BODY_MAX = 100000,
	HEADER_MAX = 8192,
};

/* The linker puts this before the real one (--wrap): no test can have a public
 * address, so one of loopback plays it. */
static atomic_bool loopback_is_public;
bool __real_address_is_public(const union address *address);
bool __wrap_address_is_public(const union address *address);

bool __wrap_address_is_public(const union address *address)
{
	if (atomic_load(&loopback_is_public) &&
	    address->any.sa_family == AF_INET &&
	    address->v4.sin_addr.s_addr == htonl(INADDR_LOOPBACK))
		return true;
	return __real_address_is_public(address);
}

/* The site: what it does is in the path. */
struct site_state {
	atomic_int at_once[HOSTS]; /* requests in hand, a host */
	atomic_int most[HOSTS];
	atomic_int at_once_all;
	atomic_int most_all;
	atomic_bool is_open; /* lets those at /gate pass */
};

static void note_most(atomic_int *most, int n)
{
	int seen = atomic_load(most);
	while (n > seen && !atomic_compare_exchange_weak(most, &seen, n))
		continue;
}

static bool send_body(const struct hostile_request *request, const char *field,
		      size_t len)
{
	static const char zeros[BODY_MAX + 1];
	return hostile_printf(request,
			      "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n"
			      "\r\n",
			      field, len) &&
	       hostile_send(request, zeros, len);
}

/* Some work for each, counted by the host h0 to h4. */
static bool send_counted(const struct hostile_request *request,
			 struct site_state *state)
{
	char host[HOSTILE_VALUE_MAX];
	int n = 0;
	int number = 0;
	hostile_header(host, request, "Host");
	(void)sscanf(host, "h%d.", &n);
	(void)sscanf(request->path, "/counted/%d", &number);
	assert_in_range(n, 0, HOSTS - 1);
	note_most(&state->most[n], atomic_fetch_add(&state->at_once[n], 1) + 1);
	note_most(&state->most_all,
		  atomic_fetch_add(&state->at_once_all, 1) + 1);
	hostile_sleep(request, 1);
	atomic_fetch_sub(&state->at_once[n], 1);
	atomic_fetch_sub(&state->at_once_all, 1);
	return send_body(request, "", (size_t)number % 1000);
}

static bool wait_at_gate(const struct hostile_request *request,
			 struct site_state *state)
{
	for (int i = 0; i < 20000 && !atomic_load(&state->is_open); i++)
		hostile_sleep(request, 1);
	return send_body(request, "", 1);
}

static bool send_slowly(const struct hostile_request *request)
{
	hostile_printf(request, "HTTP/1.1 200 OK\r\n"
				"Content-Length: 100000\r\n\r\n");
	for (int i = 0; i < 300; i++) {
		hostile_sleep(request, 100);
		if (!hostile_send(request, "x", 1))
			return false;
	}
	return false;
}

static bool send_for_ever(const struct hostile_request *request,
			  const char *head, const char *part)
{
	bool is_heard = hostile_printf(request, "%s", head);
	for (int i = 0; i < 200000 && is_heard; i++)
		is_heard = hostile_printf(request, "%s", part);
	return false;
}

struct fixed {
	const char *path;
	const char *answer;
	bool stays;
};

static const struct fixed fixed[] = {
	{"/204", "HTTP/1.1 204 No\r\n\r\n", true},
	{"/206", "HTTP/1.1 206 P\r\nContent-Length: 1\r\n\r\nx", true},
	{"/300", "HTTP/1.1 300 X\r\nContent-Length: 1\r\n\r\nx", true},
	{"/304", "HTTP/1.1 304 X\r\n\r\n", true},
	{"/403", "HTTP/1.1 403 X\r\nContent-Length: 1\r\n\r\nx", true},
	{"/404", "HTTP/1.1 404 X\r\nContent-Length: 1\r\n\r\nx", true},
	{"/410", "HTTP/1.1 410 X\r\nContent-Length: 1\r\n\r\nx", true},
	{"/503", "HTTP/1.1 503 X\r\nContent-Length: 1\r\n\r\nx", true},
	{"/404-noai", "HTTP/1.1 404 X\r\nX-Robots-Tag: noai\r\n\r\n", false},
	{"/cut", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", false},
	{"/cut-head", "HTTP/1.1 200 OK\r\nContent-", false},
	{"/cut-chunk",
	 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
	 false},
	{"/bad-chunk",
	 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false},
	{"/negative", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", false},
	{"/nothing", "", false},
	{"/ssh", "SSH-2.0-OpenSSH_9.2\r\n", false},
	{"/http09", "<html>hello</html>", false},
	{"/loop", "HTTP/1.1 302 X\r\nLocation: /loop\r\n\r\n", false},
	{"/nowhere", "HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n", true},
	{"/to-ftp", "HTTP/1.1 302 X\r\nLocation: ftp://a.example/\r\n\r\n",
	 false},
	{"/to-file", "HTTP/1.1 302 X\r\nLocation: file:///etc/passwd\r\n\r\n",
	 false},
	{"/to-private", "HTTP/1.1 302 X\r\nLocation: http://10.0.0.1/\r\n\r\n",
	 false},
	{"/to-local", "HTTP/1.1 302 X\r\nLocation: http://[::1]:9/\r\n\r\n",
	 false},
	{"/to-404",
	 "HTTP/1.1 301 X\r\nLocation: /404\r\nContent-Length: 0\r\n\r\n", true},
	{"/to-space",
	 "HTTP/1.1 308 X\r\nLocation: a b\r\nContent-Length: 0\r\n\r\n", true},
	{"/a%20b", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", true},
	{"/lie", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabcdefgh", false},
	{"/terabyte",
	 "HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\nx", false},
	{"/404-terabyte",
	 "HTTP/1.1 404 X\r\nContent-Length: 1099511627776\r\n\r\nx", false},
	{"/gzip",
	 "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
	 "Content-Length: 4\r\n\r\n\x1f\x8b\x08!",
	 true},
	{"/continue",
	 "HTTP/1.1 100 C\r\nX-Robots-Tag: noai\r\n\r\n"
	 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
	 true},
	{"/noai",
	 "HTTP/1.1 200 OK\r\nX-Robots-Tag: noai\r\nContent-Length: 1\r\n\r\nx",
	 true},
	{"/other-bot",
	 "HTTP/1.1 200 OK\r\nX-Robots-Tag: otherbot: noindex\r\n"
	 "Content-Length: 1\r\n\r\nx",
	 true},
	{"/our-bot",
	 "HTTP/1.1 200 OK\r\nX-Robots-Tag: crawlingathome: noindex\r\n"
	 "Content-Length: 1\r\n\r\nx",
	 true},
};

static bool starts(const char *path, const char *prefix)
{
	return strncmp(path, prefix, strlen(prefix)) == 0;
}

static bool answer(const struct hostile_request *request, void *arg)
{
	const char *path = request->path;
	size_t size = 0;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (strcmp(path, fixed[i].path) == 0)
			return hostile_printf(request, "%s", fixed[i].answer) &&
			       fixed[i].stays;
	if (sscanf(path, "/size/%zu", &size) == 1)
		return send_body(request, "", size);
	if (starts(path, "/counted/"))
		return send_counted(request, arg);
	if (starts(path, "/gate"))
		return wait_at_gate(request, arg);
	if (starts(path, "/slow"))
		return send_slowly(request);
	if (starts(path, "/many-fields"))
		return send_for_ever(request, "HTTP/1.1 200 OK\r\n",
				     "X-Filler: filler\r\n");
	if (starts(path, "/long-field"))
		return send_for_ever(
			request, "HTTP/1.1 200 OK\r\nX: ", "xxxxxxxxxxxxxxxx");
	if (starts(path, "/long-status"))
		return send_for_ever(request, "HTTP/1.1 200 ",
				     "xxxxxxxxxxxxxxxx");
	if (starts(path, "/endless"))
		return send_for_ever(request, "HTTP/1.1 200 OK\r\n\r\n",
				     "xxxxxxxxxxxxxxxx");
	if (starts(path, "/error-endless"))
		return send_for_ever(request, "HTTP/1.1 404 X\r\n\r\n",
				     "xxxxxxxxxxxxxxxx");
	if (starts(path, "/redirect-endless"))
		return send_for_ever(request,
				     "HTTP/1.1 302 X\r\nLocation: /404\r\n\r\n",
				     "xxxxxxxxxxxxxxxx");
	hostile_sleep(request, 60000);
	return false;
}

/* One run of the stage over the jobs. */
struct bench {
	struct hostile *server;
	struct nameserver *names; /* where a test asks one */
	struct site_state state;
	struct fetch_options options;
	struct queue *in;
	struct queue *out;
	struct cancel *cancel;
	struct fetch_job jobs[JOBS_MAX];
	char urls[JOBS_MAX][URL_MAX];
	atomic_int seen[JOBS_MAX]; /* times that each came out */
	int count;
};

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_non_null(bench);
	atomic_store(&loopback_is_public, false);
	bench->server = hostile_start(answer, &bench->state);
	bench->options = fetch_options_default();
	bench->options.allow_private = true;
	/* Tries are test_polite's. */
	bench->options.retries = 0;
	bench->options.max_bytes = BODY_MAX;
	bench->options.max_header_bytes = HEADER_MAX;
	assert_int_equal(queue_new(&bench->in, JOBS_MAX, NULL), CAH_OK);
	assert_int_equal(queue_new(&bench->out, JOBS_MAX, NULL), CAH_OK);
	assert_int_equal(cancel_new(&bench->cancel, NULL), CAH_OK);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	for (int i = 0; i < bench->count; i++)
		buf_fini(&bench->jobs[i].body);
	dns_free(bench->options.dns);
	if (bench->names != NULL)
		nameserver_stop(bench->names);
	hostile_stop(bench->server);
	queue_free(bench->in);
	queue_free(bench->out);
	cancel_free(bench->cancel);
	free(bench);
	return 0;
}

/* Names are asked of a server of the test. */
static void ask_names(struct bench *bench)
{
	struct dns_options options = dns_options_default();
	bench->names = nameserver_start();
	options.how = nameserver_address(bench->names);
	options.timeout_ms = 1500;
	assert_int_equal(dns_new(&bench->options.dns, &options, NULL), CAH_OK);
}

/* @fmt with the server's port where it has a %d. */
static struct fetch_job *add(struct bench *bench, const char *fmt)
{
	struct fetch_job *job = &bench->jobs[bench->count];
	char *url = bench->urls[bench->count];
	assert_true(bench->count < JOBS_MAX);
	const char *at = strstr(fmt, "%d");
	if (at != NULL)
		(void)snprintf(url, URL_MAX, "%.*s%d%s", (int)(at - fmt), fmt,
			       hostile_port(bench->server), at + 2);
	else
		(void)snprintf(url, URL_MAX, "%s", fmt);
	job->url = url;
	bench->count++;
	assert_true(queue_try_push(bench->in, job));
	return job;
}

static void collect(struct bench *bench, const struct fetch_job *job)
{
	atomic_fetch_add(&bench->seen[job - bench->jobs], 1);
}

/* Runs to the end and checks that each job came out once. */
static void run(struct bench *bench)
{
	struct fetch *fetch;
	struct fetch_stats stats;
	queue_close(bench->in);
	assert_int_equal(fetch_new(&fetch, &bench->options, NULL), CAH_OK);
	assert_int_equal(
		fetch_run(fetch, bench->in, bench->out, bench->cancel, NULL),
		CAH_OK);
	fetch_get_stats(fetch, &stats);
	fetch_free(fetch);
	for (struct fetch_job *job = queue_pop(bench->out); job != NULL;
	     job = queue_pop(bench->out))
		collect(bench, job);
	for (int i = 0; i < bench->count; i++)
		assert_int_equal(atomic_load(&bench->seen[i]), 1);
	assert_int_equal(stats.started, bench->count);
	assert_int_equal(stats.done, bench->count);
	assert_int_equal(stats.active, 0);
	assert_int_equal(stats.waiting, 0);
}

static void check(const struct fetch_job *job, enum fate fate)
{
	if (job->fate != fate)
		fail_msg("%s: %s (%s), not %s", job->url, fate_key(job->fate),
			 job->detail, fate_key(fate));
	assert_true((fate == CAH_FATE_KEPT) == (job->detail[0] == '\0'));
}

struct row {
	const char *url;
	enum fate fate;
	int status;
	size_t len;
};

static void run_rows(struct bench *bench, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)add(bench, rows[i].url);
	run(bench);
	for (size_t i = 0; i < count; i++) {
		check(&bench->jobs[i], rows[i].fate);
		if (bench->jobs[i].http_status != rows[i].status)
			fail_msg("%s: status %d", rows[i].url,
				 bench->jobs[i].http_status);
		assert_int_equal(bench->jobs[i].body.len, rows[i].len);
	}
}

#define RUN_ROWS(bench, rows) \
	run_rows((bench), (rows), sizeof(rows) / sizeof((rows)[0]))
#define HERE "http://127.0.0.1:%d"

static void fetch__gives_each_answer_its_fate(void **state)
{
	static const struct row rows[] = {
		{HERE "/size/0", CAH_FATE_KEPT, 200, 0},
		{HERE "/size/5000", CAH_FATE_KEPT, 200, 5000},
		{HERE "/size/100000", CAH_FATE_KEPT, 200, BODY_MAX},
		{HERE "/size/100001", CAH_FATE_TOO_LARGE, 200, 0},
		{HERE "/204", CAH_FATE_KEPT, 204, 0},
		{HERE "/206", CAH_FATE_HTTP_BROKEN, 206, 0},
		{HERE "/300", CAH_FATE_HTTP_BROKEN, 300, 0},
		{HERE "/304", CAH_FATE_HTTP_BROKEN, 304, 0},
		{HERE "/403", CAH_FATE_HTTP_CLIENT_ERROR, 403, 0},
		{HERE "/404", CAH_FATE_HTTP_NOT_FOUND, 404, 0},
		{HERE "/404-noai", CAH_FATE_HTTP_NOT_FOUND, 404, 0},
		{HERE "/410", CAH_FATE_HTTP_NOT_FOUND, 410, 0},
		{HERE "/503", CAH_FATE_HTTP_SERVER_ERROR, 503, 0},
		{HERE "/gzip", CAH_FATE_KEPT, 200, 4},
		{HERE "/continue", CAH_FATE_KEPT, 200, 1},
		{HERE "/lie", CAH_FATE_KEPT, 200, 2},
		{HERE "/noai", CAH_FATE_OPTED_OUT, 200, 0},
		{HERE "/our-bot", CAH_FATE_OPTED_OUT, 200, 0},
		{HERE "/other-bot", CAH_FATE_KEPT, 200, 1},
		{HERE "/size/7#fragment", CAH_FATE_KEPT, 200, 7},
	};
	RUN_ROWS(*state, rows);
}

static void fetch__survives_hostile_servers(void **state)
{
	static const struct row rows[] = {
		{HERE "/cut", CAH_FATE_HTTP_BROKEN, 200, 0},
		{HERE "/cut-head", CAH_FATE_HTTP_BROKEN, 200, 0},
		{HERE "/cut-chunk", CAH_FATE_HTTP_BROKEN, 200, 0},
		{HERE "/bad-chunk", CAH_FATE_HTTP_BROKEN, 200, 0},
		{HERE "/nothing", CAH_FATE_HTTP_BROKEN, 0, 0},
		{HERE "/ssh", CAH_FATE_HTTP_BROKEN, 0, 0},
		{HERE "/http09", CAH_FATE_HTTP_BROKEN, 0, 0},
		{HERE "/many-fields", CAH_FATE_HTTP_BROKEN, 200, 0},
		{HERE "/long-field", CAH_FATE_HTTP_BROKEN, 200, 0},
		{HERE "/long-status", CAH_FATE_HTTP_BROKEN, 0, 0},
		{HERE "/endless", CAH_FATE_TOO_LARGE, 200, 0},
		{HERE "/error-endless", CAH_FATE_HTTP_NOT_FOUND, 404, 0},
		{HERE "/terabyte", CAH_FATE_TOO_LARGE, 200, 0},
		{HERE "/404-terabyte", CAH_FATE_HTTP_NOT_FOUND, 404, 0},
		{"https://127.0.0.1:%d/size/1", CAH_FATE_TLS_FAILED, 0, 0},
		{"http://127.0.0.1:1/", CAH_FATE_CONNECT_FAILED, 0, 0},
		{"ftp://127.0.0.1/", CAH_FATE_BAD_URL, 0, 0},
		{"http://", CAH_FATE_BAD_URL, 0, 0},
		{"http://a b/", CAH_FATE_BAD_URL, 0, 0},
		{"http://a:99999/", CAH_FATE_BAD_URL, 0, 0},
		{"nonsense", CAH_FATE_BAD_URL, 0, 0},
	};
	RUN_ROWS(*state, rows);
}

static void fetch__follows_redirects_up_to_a_limit(void **state)
{
	static const struct row rows[] = {
		{HERE "/to-404", CAH_FATE_HTTP_NOT_FOUND, 404, 0},
		{HERE "/to-space", CAH_FATE_KEPT, 200, 3},
		{HERE "/loop", CAH_FATE_TOO_MANY_REDIRECTS, 302, 0},
		{HERE "/nowhere", CAH_FATE_HTTP_BROKEN, 302, 0},
		{HERE "/to-ftp", CAH_FATE_HTTP_BROKEN, 302, 0},
		{HERE "/to-file", CAH_FATE_HTTP_BROKEN, 302, 0},
		{HERE "/redirect-endless", CAH_FATE_HTTP_BROKEN, 302, 0},
	};
	RUN_ROWS(*state, rows);
}

static void fetch__connects_to_public_addresses_only(void **state)
{
	static const struct row rows[] = {
		{HERE "/size/1", CAH_FATE_KEPT, 200, 1},
		{HERE "/to-private", CAH_FATE_PRIVATE_ADDRESS, 302, 0},
		{HERE "/to-local", CAH_FATE_PRIVATE_ADDRESS, 302, 0},
		{"http://127.0.0.2:%d/size/1", CAH_FATE_PRIVATE_ADDRESS, 0, 0},
		{"http://[::1]:%d/size/1", CAH_FATE_PRIVATE_ADDRESS, 0, 0},
		{"http://0x7f000002/", CAH_FATE_PRIVATE_ADDRESS, 0, 0},
		{"http://2130706434:%d/", CAH_FATE_PRIVATE_ADDRESS, 0, 0},
		{"http://0/", CAH_FATE_PRIVATE_ADDRESS, 0, 0},
		{"http://127.2/", CAH_FATE_PRIVATE_ADDRESS, 0, 0},
		{"http://0177.0.0.2/", CAH_FATE_PRIVATE_ADDRESS, 0, 0},
		{"http://[::ffff:127.0.0.2]/", CAH_FATE_PRIVATE_ADDRESS, 0, 0},
		{"http://[::]:%d/", CAH_FATE_PRIVATE_ADDRESS, 0, 0},
		{"http://a.org:80@127.0.0.2/", CAH_FATE_PRIVATE_ADDRESS, 0, 0},
		{"http://%31%32%37.0.0.2/", CAH_FATE_PRIVATE_ADDRESS, 0, 0},
		{"http://pinned.example/", CAH_FATE_PRIVATE_ADDRESS, 0, 0},
	};
	static const char *const entries[] = {"pinned.example:80:192.168.0.1"};
	struct bench *bench = *state;
	struct pins *pins;
	atomic_store(&loopback_is_public, true);
	assert_int_equal(pins_new(&pins, entries, 1, NULL), CAH_OK);
	bench->options.pins = pins;
	bench->options.allow_private = false;
	RUN_ROWS(bench, rows);
	pins_free(pins);
}

static void fetch__can_ignore_the_robots_tag(void **state)
{
	static const struct row rows[] = {
		{HERE "/noai", CAH_FATE_KEPT, 200, 1},
		{HERE "/our-bot", CAH_FATE_KEPT, 200, 1},
	};
	struct bench *bench = *state;
	bench->options.ignore_robots_tag = true;
	RUN_ROWS(bench, rows);
}

static void fetch__ends_what_takes_too_long(void **state)
{
	static const struct row rows[] = {
		{HERE "/never", CAH_FATE_TIMEOUT, 0, 0},
		{HERE "/slow", CAH_FATE_TIMEOUT, 200, 0},
		{HERE "/size/1", CAH_FATE_KEPT, 200, 1},
	};
	struct bench *bench = *state;
	bench->options.total_timeout_ms = 400;
	RUN_ROWS(bench, rows);
}

static void fetch__ends_what_is_too_slow(void **state)
{
	static const struct row rows[] = {
		{HERE "/slow", CAH_FATE_TOO_SLOW, 200, 0},
	};
	RUN_ROWS(*state, rows);
}

/* Linux drops the SYN where the queue of connections is full. */
static void fetch__does_not_wait_for_a_connection_for_ever(void **state)
{
	struct bench *bench = *state;
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int fds[8];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 0), 0);
	(void)getsockname(fd, (struct sockaddr *)&address, &len);
	for (int i = 0; i < 8; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fds[i], (struct sockaddr *)&address, len);
	}
	char url[URL_MAX];
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/",
		       ntohs(address.sin_port));
	bench->options.connect_timeout_ms = 200;
	struct fetch_job *job = add(bench, url);
	run(bench);
	check(job, CAH_FATE_CONNECT_FAILED);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	close(fd);
}

static struct pins *pin_hosts(const struct bench *bench)
{
	char texts[HOSTS][URL_MAX];
	const char *entries[HOSTS];
	struct pins *pins;
	for (int i = 0; i < HOSTS; i++) {
		(void)snprintf(texts[i], URL_MAX, "h%d.example:%d:127.0.0.1", i,
			       hostile_port(bench->server));
		entries[i] = texts[i];
	}
	assert_int_equal(pins_new(&pins, entries, HOSTS, NULL), CAH_OK);
	return pins;
}

static void fetch__keeps_to_its_limits_with_many_jobs(void **state)
{
	struct bench *bench = *state;
	struct pins *pins = pin_hosts(bench);
	bench->options.pins = pins;
	bench->options.concurrency = 24;
	bench->options.per_host = 7;
	for (int i = 0; i < JOBS_MAX; i++) {
		char url[URL_MAX];
		(void)snprintf(url, sizeof(url),
			       "http://h%d.example:%%d/counted/%d",
			       i % 3 == 0 ? 0 : i % HOSTS, i);
		(void)add(bench, url);
	}
	run(bench);
	for (int i = 0; i < JOBS_MAX; i++) {
		check(&bench->jobs[i], CAH_FATE_KEPT);
		assert_int_equal(bench->jobs[i].body.len, i % 1000);
	}
	for (int i = 0; i < HOSTS; i++)
		assert_in_range(atomic_load(&bench->state.most[i]), 1, 7);
	assert_in_range(atomic_load(&bench->state.most_all), 8, 24);
	pins_free(pins);
}

/* Opens the gate only when all quick jobs are out. */
static void *open_gate_when_quick_are_out(void *arg)
{
	struct bench *bench = arg;
	int quick = 0;
	for (struct fetch_job *job = queue_pop(bench->out); job != NULL;
	     job = queue_pop(bench->out)) {
		collect(bench, job);
		quick += strstr(job->url, "/size/") != NULL;
		if (quick == 200)
			atomic_store(&bench->state.is_open, true);
	}
	return NULL;
}

static void fetch__lets_no_host_keep_the_others_out(void **state)
{
	struct bench *bench = *state;
	struct pins *pins = pin_hosts(bench);
	pthread_t thread;
	bench->options.pins = pins;
	bench->options.concurrency = 32;
	bench->options.per_host = 4;
	for (int i = 0; i < 200; i++)
		(void)add(bench, "http://h0.example:%d/gate");
	for (int i = 0; i < 200; i++)
		(void)add(bench, "http://h1.example:%d/size/9");
	pthread_create(&thread, NULL, open_gate_when_quick_are_out, bench);
	run(bench);
	pthread_join(thread, NULL);
	for (int i = 0; i < bench->count; i++)
		check(&bench->jobs[i], CAH_FATE_KEPT);
	pins_free(pins);
}

static void *pop_lazily(void *arg)
{
	struct bench *bench = arg;
	struct timespec t = {.tv_nsec = 200000};
	for (struct fetch_job *job = queue_pop(bench->out); job != NULL;
	     job = queue_pop(bench->out)) {
		nanosleep(&t, NULL);
		collect(bench, job);
	}
	return NULL;
}

static void fetch__waits_for_room_at_its_exit(void **state)
{
	struct bench *bench = *state;
	pthread_t thread;
	queue_free(bench->out);
	assert_int_equal(queue_new(&bench->out, 1, NULL), CAH_OK);
	for (int i = 0; i < 300; i++)
		(void)add(bench, i % 2 ? HERE "/size/10" : "nonsense");
	pthread_create(&thread, NULL, pop_lazily, bench);
	/* What is left for run() to pop is nothing: the thread has it all. */
	struct fetch *fetch;
	queue_close(bench->in);
	assert_int_equal(fetch_new(&fetch, &bench->options, NULL), CAH_OK);
	assert_int_equal(fetch_run(fetch, bench->in, bench->out, NULL, NULL),
			 CAH_OK);
	fetch_free(fetch);
	pthread_join(thread, NULL);
	for (int i = 0; i < bench->count; i++) {
		assert_int_equal(atomic_load(&bench->seen[i]), 1);
		check(&bench->jobs[i],
		      i % 2 ? CAH_FATE_KEPT : CAH_FATE_BAD_URL);
	}
}

/* Cancels once requests are under way, then comes with more. */
static void *cancel_and_push(void *arg)
{
	struct bench *bench = arg;
	struct timespec t = {.tv_nsec = 1000000};
	while (hostile_requests(bench->server) < 4)
		nanosleep(&t, NULL);
	cancel_set(bench->cancel);
	for (int i = 0; i < 20; i++)
		(void)add(bench, HERE "/size/1");
	queue_close(bench->in);
	return NULL;
}

static void fetch__gives_all_back_when_cancelled(void **state)
{
	struct bench *bench = *state;
	pthread_t thread;
	struct fetch *fetch;
	bench->options.concurrency = 8;
	ask_names(bench);
	for (int i = 0; i < 100; i++)
		(void)add(bench,
			  i % 10 ? HERE "/never" : "http://silent.example/");
	pthread_create(&thread, NULL, cancel_and_push, bench);
	assert_int_equal(fetch_new(&fetch, &bench->options, NULL), CAH_OK);
	assert_int_equal(
		fetch_run(fetch, bench->in, bench->out, bench->cancel, NULL),
		CAH_OK);
	pthread_join(thread, NULL);
	fetch_free(fetch);
	int count = 0;
	for (struct fetch_job *job = queue_pop(bench->out); job != NULL;
	     job = queue_pop(bench->out)) {
		/* Some of the late ones may have been quicker. */
		if (strstr(job->url, "/size/") == NULL)
			check(job, CAH_FATE_INTERNAL);
		collect(bench, job);
		count++;
	}
	assert_int_equal(count, 120);
	for (int i = 0; i < 120; i++)
		assert_int_equal(atomic_load(&bench->seen[i]), 1);
}

static void fetch__tells_failures_of_names_apart(void **state)
{
	static const struct row rows[] = {
		{"http://ok.example:%d/size/1", CAH_FATE_KEPT, 200, 1},
		{"http://OK.Example:%d/size/2", CAH_FATE_KEPT, 200, 2},
		{"http://nx.example:%d/", CAH_FATE_NO_SUCH_HOST, 0, 0},
		{"http://none.example:%d/", CAH_FATE_NO_SUCH_HOST, 0, 0},
		{"http://fail.example:%d/", CAH_FATE_DNS_FAILED, 0, 0},
		{"http://silent.example:%d/", CAH_FATE_DNS_TIMEOUT, 0, 0},
		{"http://name.invalid/", CAH_FATE_NO_SUCH_HOST, 0, 0},
		{"http://mixed.example:%d/size/3", CAH_FATE_KEPT, 200, 3},
		{"http://private.example:%d/", CAH_FATE_PRIVATE_ADDRESS, 0, 0},
		{"http://six.example:%d/", CAH_FATE_PRIVATE_ADDRESS, 0, 0},
	};
	struct bench *bench = *state;
	atomic_store(&loopback_is_public, true);
	bench->options.allow_private = false;
	ask_names(bench);
	RUN_ROWS(bench, rows);
}

static void fetch__knows_names_beyond_ascii(void **state)
{
	struct bench *bench = *state;
	char entry[URL_MAX];
	const char *entries[] = {entry};
	struct pins *pins;
	(void)snprintf(entry, sizeof(entry),
		       "xn--bcher-kva.example:%d:127.0.0.1",
		       hostile_port(bench->server));
	assert_int_equal(pins_new(&pins, entries, 1, NULL), CAH_OK);
	bench->options.pins = pins;
	(void)add(bench, "http://B\xc3\xbc"
			 "cher.example:%d/size/1");
	(void)add(bench, "http://\xff.example:%d/");
	run(bench);
	check(&bench->jobs[0], CAH_FATE_KEPT);
	check(&bench->jobs[1], CAH_FATE_BAD_URL);
	pins_free(pins);
}

static void fetch__asks_once_for_a_name(void **state)
{
	struct bench *bench = *state;
	ask_names(bench);
	for (int i = 0; i < 100; i++)
		(void)add(bench, "http://ok.images.example:%d/size/1");
	run(bench);
	for (int i = 0; i < bench->count; i++)
		check(&bench->jobs[i], CAH_FATE_KEPT);
	assert_int_equal(nameserver_queries(bench->names), 1);
}

static void fetch__refuses_limits_that_make_no_sense(void **state)
{
	struct bench *bench = *state;
	struct fetch *fetch;
	bench->options.concurrency = -1;
	assert_int_equal(fetch_new(&fetch, &bench->options, NULL),
			 CAH_EINVALID);
	bench->options.concurrency = 1;
	bench->options.max_redirects = -1;
	assert_int_equal(fetch_new(&fetch, &bench->options, NULL),
			 CAH_EINVALID);
	assert_null(fetch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fetch__gives_each_answer_its_fate),
		TEST(fetch__survives_hostile_servers),
		TEST(fetch__follows_redirects_up_to_a_limit),
		TEST(fetch__connects_to_public_addresses_only),
		TEST(fetch__can_ignore_the_robots_tag),
		TEST(fetch__ends_what_takes_too_long),
		TEST(fetch__ends_what_is_too_slow),
		TEST(fetch__does_not_wait_for_a_connection_for_ever),
		TEST(fetch__keeps_to_its_limits_with_many_jobs),
		TEST(fetch__lets_no_host_keep_the_others_out),
		TEST(fetch__waits_for_room_at_its_exit),
		TEST(fetch__gives_all_back_when_cancelled),
		TEST(fetch__tells_failures_of_names_apart),
		TEST(fetch__knows_names_beyond_ascii),
		TEST(fetch__asks_once_for_a_name),
		TEST(fetch__refuses_limits_that_make_no_sense),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
