#include "fetch/address.h"
#include "fetch/header.h"
#include "fetch/stream.h"
#include "hostile.h"

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
	RESOURCE_BYTES = 1500000,
	READ_BYTES = 50000,
};

static char resource[RESOURCE_BYTES];

static void retry_after__is_seconds_or_a_date(void **state)
{
	(void)state;
	static const int64_t now = 784111777; /* 06 Nov 1994 08:49:37 */
	int64_t s = -1;
	assert_true(header_parse_retry_after(&s, SLICE(" 120 "), now));
	assert_int_equal(s, 120);
	assert_true(header_parse_retry_after(
		&s, SLICE("Sun, 06 Nov 1994 08:50:37 GMT"), now));
	assert_int_equal(s, 60);
	assert_true(header_parse_retry_after(
		&s, SLICE("Sunday, 06-Nov-94 08:49:47 GMT"), now));
	assert_int_equal(s, 10);
	assert_true(header_parse_retry_after(
		&s, SLICE("Sun, 06 Nov 1994 08:00:00 GMT"), now));
	assert_int_equal(s, 0);
	static const char *const bad[] = {
		"",
		"-1",
		"soon",
		"99999999999999999999",
		"Sun, 06 Nov 1994 08:50:37 GMT and something that never ends..",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(
			header_parse_retry_after(&s, slice_of(bad[i]), now));
}

static void content_range__must_not_contradict_itself(void **state)
{
	(void)state;
	struct content_range r;
	assert_true(header_parse_content_range(&r, SLICE("bytes 5-9/100")));
	assert_true(r.first == 5 && r.last == 9 && r.total == 100);
	assert_true(header_parse_content_range(&r, SLICE("bytes 5-9/*")));
	assert_true(r.first == 5 && r.last == 9 && r.total == -1);
	assert_true(header_parse_content_range(&r, SLICE("bytes */100")));
	assert_true(r.first == -1 && r.total == 100);
	static const char *const bad[] = {
		"",
		"bytes",
		"bytes 5-9",
		"bytes */*",
		"bytes 9-5/10",
		"bytes 5-10/10",
		"lines 1-2/3",
		"bytes -5-9/100",
		"bytes 1-99999999999999999999/*",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(header_parse_content_range(&r, slice_of(bad[i])));
}

static void robots_tag__forbids_by_word_and_by_agent(void **state)
{
	(void)state;
	static const struct {
		const char *value;
		bool forbids;
	} rows[] = {
		{"noai", true},
		{"NoImageAI", true},
		{"nofollow, noindex", true},
		{"noimageindex", true},
		{"none", true},
		{"all", false},
		{"", false},
		{"nofollow", false},
		{"noaix", false},
		{"otherbot: noindex", false},
		{"otherbot: nofollow, noai", false},
		{"CrawlingAtHome: noai", true},
		{"otherbot: noai, crawlingathome: noindex", true},
		{"crawlingathome: nofollow, otherbot: noindex", false},
		{"*: noindex", true},
		{"max-snippet: 5, noai", true},
		{"unavailable_after: 25 Jun 2030 15:00:00 PST", false},
		{"unavailable_after: 25 Jun 2030 15:00:00 PST, noai", true},
		{"noai, otherbot: nofollow", true},
		{",,,:,noai", false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (header_forbids_use(slice_of(rows[i].value),
				       SLICE("crawlingathome")) !=
		    rows[i].forbids)
			fail_msg("%s", rows[i].value);
}

/* How the server of one test behaves; the test reads what it saw after. */
struct script {
	bool ignores_range;
	bool changes_etag; /* with each request */
	bool has_etag;
	bool has_date;
	bool hides_size;
	bool wrong_range;
	size_t cut_after; /* bytes of each answer; 0: never */
	int refusals;     /* first answers that are @status */
	int status;
	const char *retry_after;
	char last_range[HOSTILE_VALUE_MAX];
	char last_condition[HOSTILE_VALUE_MAX];
	char last_agent[HOSTILE_VALUE_MAX];
	char last_encoding[HOSTILE_VALUE_MAX];
};

static void send_validators(const struct hostile_request *request,
			    const struct script *script)
{
	if (script->has_etag || script->changes_etag)
		hostile_printf(request, "ETag: \"v%d\"\r\n",
			       script->changes_etag ? request->number : 1);
	if (script->has_date)
		hostile_printf(request, "Last-Modified: Sun, 06 Nov 1994 "
					"08:49:37 GMT\r\n");
}

static bool send_resource(const struct hostile_request *request,
			  struct script *script)
{
	size_t first = 0;
	size_t len = RESOURCE_BYTES;
	bool is_range = sscanf(script->last_range, "bytes=%zu-", &first) == 1 &&
			!script->ignores_range;
	if (!is_range)
		first = 0;
	if (first >= len) {
		hostile_printf(request,
			       "HTTP/1.1 416 No\r\nContent-Length: 0\r\n"
			       "Content-Range: bytes */%zu\r\n\r\n",
			       len);
		return true;
	}
	if (is_range)
		hostile_printf(request,
			       "HTTP/1.1 206 Part\r\nContent-Range: bytes "
			       "%zu-%zu/%zu\r\n",
			       first + script->wrong_range, len - 1, len);
	else
		hostile_printf(request, "HTTP/1.1 200 OK\r\n");
	send_validators(request, script);
	if (!script->hides_size)
		hostile_printf(request, "Content-Length: %zu\r\n", len - first);
	hostile_printf(request, "\r\n");
	len -= first;
	bool is_cut = script->cut_after != 0 && script->cut_after < len;
	hostile_send(request, resource + first,
		     is_cut ? script->cut_after : len);
	return !is_cut && !script->hides_size;
}

static bool answer_by_script(const struct hostile_request *request, void *arg)
{
	struct script *script = arg;
	hostile_header(script->last_range, request, "Range");
	hostile_header(script->last_condition, request, "If-Range");
	hostile_header(script->last_agent, request, "User-Agent");
	hostile_header(script->last_encoding, request, "Accept-Encoding");
	if (request->number > script->refusals)
		return send_resource(request, script);
	hostile_printf(request, "HTTP/1.1 %d X\r\nContent-Length: 2\r\n",
		       script->status);
	if (script->retry_after != NULL)
		hostile_printf(request, "Retry-After: %s\r\n",
			       script->retry_after);
	return hostile_printf(request, "\r\nno");
}

static const struct stream_options on_loopback = {.allow_private = true};

/* Reads all from a server that runs @script; the bytes must be right as far as
 * they come. Returns what the last call did; *total is what was read. */
static int read_all(struct script *script, const struct stream_options *options,
		    size_t *total, struct cah_error *err)
{
	static char data[READ_BYTES];
	char url[64];
	struct stream *stream;
	struct hostile *server = hostile_start(answer_by_script, script);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/a",
		       hostile_port(server));
	size_t start = (size_t)options->start;
	size_t len = 1;
	*total = 0;
	int rc = stream_open(&stream, url, options, err);
	while (rc == CAH_OK && len > 0) {
		rc = stream_read(stream, data, sizeof(data), &len, err);
		assert_true(start + *total + len <= RESOURCE_BYTES);
		assert_memory_equal(data, resource + start + *total, len);
		*total += len;
	}
	if (rc == CAH_OK) {
		assert_int_equal(stream_size(stream), RESOURCE_BYTES);
		assert_string_equal(stream_validator(stream),
				    script->has_etag   ? "\"v1\""
				    : script->has_date ? "Sun, 06 Nov 1994 "
							 "08:49:37 GMT"
						       : "");
	}
	stream_close(stream);
	hostile_stop(server);
	return rc;
}

static void stream__reads_a_resource_whole(void **state)
{
	(void)state;
	struct script script = {0};
	size_t total;
	assert_int_equal(read_all(&script, &on_loopback, &total, NULL), CAH_OK);
	assert_int_equal(total, RESOURCE_BYTES);
	assert_string_equal(script.last_range, "");
	assert_string_equal(script.last_encoding, "identity");
	assert_string_equal(script.last_agent, "crawlingathome/" CAH_VERSION);
	script = (struct script){.hides_size = true};
	assert_int_equal(read_all(&script, &on_loopback, &total, NULL), CAH_OK);
	assert_int_equal(total, RESOURCE_BYTES);
}

static void stream__begins_in_the_middle(void **state)
{
	(void)state;
	struct stream_options options = on_loopback;
	size_t total;
	for (int ignores = 0; ignores <= 1; ignores++) {
		struct script script = {.ignores_range = ignores};
		options.start = 1000003;
		assert_int_equal(read_all(&script, &options, &total, NULL),
				 CAH_OK);
		assert_int_equal(total, RESOURCE_BYTES - 1000003);
		assert_string_equal(script.last_range, "bytes=1000003-");
		options.start = RESOURCE_BYTES;
		assert_int_equal(read_all(&script, &options, &total, NULL),
				 CAH_OK);
		assert_int_equal(total, 0);
	}
	struct script script = {0};
	struct cah_error err;
	options.start = RESOURCE_BYTES + 1;
	assert_int_equal(read_all(&script, &options, &total, &err),
			 CAH_ESERVER);
	assert_int_equal(err.http_status, 416);
}

static void stream__resumes_what_breaks(void **state)
{
	(void)state;
	struct script script = {.cut_after = 800000, .has_etag = true};
	size_t total;
	assert_int_equal(read_all(&script, &on_loopback, &total, NULL), CAH_OK);
	assert_int_equal(total, RESOURCE_BYTES);
	assert_string_equal(script.last_range, "bytes=800000-");
	assert_string_equal(script.last_condition, "\"v1\"");
	script = (struct script){.cut_after = 800000, .has_date = true};
	assert_int_equal(read_all(&script, &on_loopback, &total, NULL), CAH_OK);
	assert_string_equal(script.last_condition,
			    "Sun, 06 Nov 1994 08:49:37 GMT");
}

static void stream__does_not_mix_two_resources(void **state)
{
	(void)state;
	struct script script = {.cut_after = 800000, .changes_etag = true};
	size_t total;
	assert_int_equal(read_all(&script, &on_loopback, &total, NULL),
			 CAH_EFORMAT);
	assert_int_equal(total, 800000);
	script = (struct script){.cut_after = 800000,
				 .changes_etag = true,
				 .ignores_range = true};
	assert_int_equal(read_all(&script, &on_loopback, &total, NULL),
			 CAH_EFORMAT);
	script = (struct script){.cut_after = 800000, .wrong_range = true};
	assert_int_equal(read_all(&script, &on_loopback, &total, NULL),
			 CAH_EFORMAT);
}

/* The server that ignores Range and always cuts never gets further. */
static void stream__gives_up_without_new_bytes(void **state)
{
	(void)state;
	struct script script = {.cut_after = 800000, .ignores_range = true};
	struct stream_options options = on_loopback;
	struct cah_error err;
	size_t total;
	options.tries = 2;
	assert_int_equal(read_all(&script, &options, &total, &err),
			 CAH_EUNAVAILABLE);
	assert_int_equal(total, 800000);
}

static void stream__waits_out_refusals(void **state)
{
	(void)state;
	static const int statuses[] = {403, 429, 503, 500};
	struct stream_options options = on_loopback;
	struct cah_error err;
	size_t total;
	for (size_t i = 0; i < 4; i++) {
		struct script script = {.refusals = 3,
					.status = statuses[i],
					.retry_after = "0"};
		assert_int_equal(read_all(&script, &options, &total, NULL),
				 CAH_OK);
		assert_int_equal(total, RESOURCE_BYTES);
		options.tries = 3;
		assert_int_equal(read_all(&script, &options, &total, &err),
				 CAH_EUNAVAILABLE);
		assert_int_equal(err.http_status, statuses[i]);
		options.tries = 0;
	}
	struct script dated = {.refusals = 1,
			       .status = 503,
			       .retry_after = "Sun, 06 Nov 1994 08:49:37 GMT"};
	assert_int_equal(read_all(&dated, &options, &total, NULL), CAH_OK);
}

static void stream__says_what_cannot_be_had(void **state)
{
	(void)state;
	struct script script = {.refusals = 1000, .status = 404};
	struct cah_error err;
	size_t total;
	assert_int_equal(read_all(&script, &on_loopback, &total, &err),
			 CAH_ENOTFOUND);
	script.status = 401;
	assert_int_equal(read_all(&script, &on_loopback, &total, &err),
			 CAH_ESERVER);
	assert_int_equal(err.http_status, 401);
}

static void stream__refuses_private_addresses(void **state)
{
	(void)state;
	static const char *const entries[] = {"a.example:80:10.0.0.1"};
	static const char *const urls[] = {
		"http://127.0.0.1:9/", "http://[::1]:9/",
		"http://2130706433/",  "http://0x7f.1/",
		"http://a.example/",   "http://localhost:9/",
	};
	struct stream *stream;
	struct stream_options options = {.tries = 1};
	struct pins *pins;
	assert_int_equal(pins_new(&pins, entries, 1, NULL), CAH_OK);
	options.pins = pins;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		assert_int_equal(stream_open(&stream, urls[i], &options, NULL),
				 CAH_EDENIED);
		assert_null(stream);
	}
	pins_free(pins);
}

static bool redirect_for_ever(const struct hostile_request *request, void *arg)
{
	const char *to = arg;
	if (strcmp(request->path, "/there") == 0)
		return hostile_printf(request, "HTTP/1.1 200 OK\r\n"
					       "Content-Length: 2\r\n\r\nok");
	return hostile_printf(request,
			      "HTTP/1.1 302 X\r\nLocation: %s\r\n"
			      "Content-Length: 4\r\n\r\nhere",
			      to);
}

static void stream__follows_redirects_to_http_only(void **state)
{
	(void)state;
	static const struct {
		const char *to;
		int rc;
	} rows[] = {
		{"/there", CAH_OK},
		{"there", CAH_OK},
		{"/again", CAH_ESERVER},
		{"file:///etc/passwd", CAH_EINVALIDURL},
		{"ftp://127.0.0.1/", CAH_EINVALIDURL},
		{"http://", CAH_EINVALIDURL},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char url[64];
		char to[64];
		(void)snprintf(to, sizeof(to), "%s", rows[i].to);
		struct stream *stream;
		struct hostile *server = hostile_start(redirect_for_ever, to);
		(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/a",
			       hostile_port(server));
		struct stream_options options = on_loopback;
		options.allow_files = true;
		assert_int_equal(stream_open(&stream, url, &options, NULL),
				 rows[i].rc);
		stream_close(stream);
		hostile_stop(server);
	}
}

static bool never_answer(const struct hostile_request *request, void *arg)
{
	(void)arg;
	hostile_sleep(request, 60000);
	return false;
}

static void *cancel_soon(void *arg)
{
	struct timespec t = {.tv_nsec = 50000000};
	nanosleep(&t, NULL);
	cancel_set(arg);
	return NULL;
}

static void stream__ends_when_cancelled(void **state)
{
	(void)state;
	char url[64];
	struct stream *stream;
	struct hostile *server = hostile_start(never_answer, NULL);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/a",
		       hostile_port(server));
	struct stream_options options = on_loopback;
	pthread_t thread;
	assert_int_equal(cancel_new(&options.cancel, NULL), CAH_OK);
	pthread_create(&thread, NULL, cancel_soon, options.cancel);
	assert_int_equal(stream_open(&stream, url, &options, NULL),
			 CAH_ECANCELLED);
	pthread_join(thread, NULL);
	cancel_free(options.cancel);
	hostile_stop(server);
}

static int tick_thrice(void *arg)
{
	int *ticks = arg;
	return ++*ticks >= 3;
}

static void stream__ends_when_the_tick_says_so(void **state)
{
	(void)state;
	struct script script = {
		.refusals = 1000, .status = 503, .retry_after = "60"};
	struct stream_options options = on_loopback;
	int ticks = 0;
	size_t total;
	options.tick = tick_thrice;
	options.tick_arg = &ticks;
	assert_int_equal(read_all(&script, &options, &total, NULL),
			 CAH_ECANCELLED);
	assert_int_equal(ticks, 3);
}

static void stream__goes_on_with_the_same_version_only(void **state)
{
	(void)state;
	struct script script = {.has_etag = true};
	struct stream_options options = on_loopback;
	size_t total;
	options.start = 10;
	options.validator = "\"v1\"";
	assert_int_equal(read_all(&script, &options, &total, NULL), CAH_OK);
	assert_string_equal(script.last_condition, "\"v1\"");
	assert_int_equal(total, RESOURCE_BYTES - 10);
	options.validator = "\"v0\"";
	assert_int_equal(read_all(&script, &options, &total, NULL),
			 CAH_EFORMAT);
	script = (struct script){.has_date = true, .ignores_range = true};
	options.validator = "Sun, 06 Nov 1994 08:49:38 GMT";
	assert_int_equal(read_all(&script, &options, &total, NULL),
			 CAH_EFORMAT);
	options.validator = "Sun, 06 Nov 1994 08:49:37 GMT";
	assert_int_equal(read_all(&script, &options, &total, NULL), CAH_OK);
}

static bool answer_garbage(const struct hostile_request *request, void *arg)
{
	size_t *kind = arg;
	static const char *const heads[] = {
		"SSH-2.0-OpenSSH_9.2\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 206 OK\r\nContent-Length: 1\r\n\r\nx",
		"\r\n\r\n\r\n",
		"",
		"HTTP/1.1 200 OK\r\nContent-",
	};
	if (*kind < 6) {
		hostile_printf(request, "%s", heads[*kind]);
		return false;
	}
	hostile_printf(request, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 100000; i++)
		if (!hostile_printf(request, "X-%d: filler\r\n", i))
			break;
	return false;
}

static void stream__survives_garbage(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < 7; kind++) {
		char url[64];
		struct stream *stream;
		struct hostile *server = hostile_start(answer_garbage, &kind);
		(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/a",
			       hostile_port(server));
		struct stream_options options = on_loopback;
		options.tries = 1;
		struct cah_error err = {0};
		assert_int_not_equal(stream_open(&stream, url, &options, &err),
				     CAH_OK);
		assert_null(stream);
		assert_true(err.text[0] != '\0');
		hostile_stop(server);
	}
}

static void stream__reads_files_where_allowed(void **state)
{
	(void)state;
	char path[] = "/tmp/test_stream_XXXXXX";
	char url[64];
	char data[16];
	int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, "0123456789", 10) == 10);
	close(fd);
	(void)snprintf(url, sizeof(url), "file://%s", path);
	struct stream *stream;
	struct stream_options options = {.start = 4, .allow_files = true};
	const char *names[] = {path, url};
	for (int i = 0; i < 2; i++) {
		size_t len;
		assert_int_equal(stream_open(&stream, names[i], &options, NULL),
				 CAH_OK);
		assert_int_equal(stream_size(stream), 10);
		assert_int_equal(
			stream_read(stream, data, sizeof(data), &len, NULL),
			CAH_OK);
		assert_int_equal(len, 6);
		assert_memory_equal(data, "456789", 6);
		assert_int_equal(
			stream_read(stream, data, sizeof(data), &len, NULL),
			CAH_OK);
		assert_int_equal(len, 0);
		stream_close(stream);
	}
	(void)unlink(path);
	assert_int_equal(stream_open(&stream, path, &options, NULL),
			 CAH_ENOTFOUND);
	assert_int_equal(stream_open(&stream, "file://elsewhere/etc/passwd",
				     &options, NULL),
			 CAH_EINVALIDURL);
	options.allow_files = false;
	assert_int_equal(stream_open(&stream, path, &options, NULL),
			 CAH_EDENIED);
	assert_int_equal(stream_open(&stream, url, &options, NULL),
			 CAH_EDENIED);
	assert_int_equal(
		stream_open(&stream, "ftp://a.example/", &options, NULL),
		CAH_EINVALIDURL);
}

int main(void)
{
	for (size_t i = 0; i < RESOURCE_BYTES; i++)
		resource[i] = (char)(i * 2654435761u >> 13);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retry_after__is_seconds_or_a_date),
		cmocka_unit_test(content_range__must_not_contradict_itself),
		cmocka_unit_test(robots_tag__forbids_by_word_and_by_agent),
		cmocka_unit_test(stream__reads_a_resource_whole),
		cmocka_unit_test(stream__begins_in_the_middle),
		cmocka_unit_test(stream__resumes_what_breaks),
		cmocka_unit_test(stream__does_not_mix_two_resources),
		cmocka_unit_test(stream__gives_up_without_new_bytes),
		cmocka_unit_test(stream__waits_out_refusals),
		cmocka_unit_test(stream__says_what_cannot_be_had),
		cmocka_unit_test(stream__refuses_private_addresses),
		cmocka_unit_test(stream__follows_redirects_to_http_only),
		cmocka_unit_test(stream__ends_when_cancelled),
		cmocka_unit_test(stream__ends_when_the_tick_says_so),
		cmocka_unit_test(stream__goes_on_with_the_same_version_only),
		cmocka_unit_test(stream__survives_garbage),
		cmocka_unit_test(stream__reads_files_where_allowed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
