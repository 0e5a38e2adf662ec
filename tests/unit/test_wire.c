#include "wire/body.h"
#include "wire/json.h"
#include "wire/query.h"
#include "wire/route.h"
#include "wire/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdlib.h>

static struct slice query_value(struct wire_query *query, const char *raw,
				const char *name)
{
	assert_int_equal(wire_query_parse(query, slice_of(raw), NULL), CAH_OK);
	struct slice value = {NULL, 0};
	if (!wire_query_get(query, slice_of(name), &value))
		return SLICE("(none)");
	return value;
}

static void query__decodes_as_forms_do(void **state)
{
	static const struct {
		const char *raw;
		struct slice want;
	} rows[] = {
		{"a=1", {"1", 1}},
		{"b=2&a=1&a=3", {"1", 1}},
		{"a=x+y%20z%2B", {"x y z+", 6}},
		{"a=%C3%a9", {"\xc3\xa9", 2}},
		{"a=%00", {"", 1}},
		{"a=100%", {"100%", 4}},
		{"a=%zz%4", {"%zz%4", 5}},
		{"a=b=c", {"b=c", 3}},
		{"%61=1", {"1", 1}},
		{"&&a=&", {"", 0}},
		{"a", {"", 0}},
		{"", {"(none)", 6}},
		{"A=1", {"(none)", 6}},
	};
	(void)state;
	struct wire_query query;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice got = query_value(&query, rows[i].raw, "a");
		if (!slice_equal(got, rows[i].want))
			fail_msg("%s gave %.*s", rows[i].raw, SLICE_FMT(got));
	}
}

static void query__has_limits(void **state)
{
	(void)state;
	struct wire_query query;
	char raw[WIRE_QUERY_MAX + 1];
	memset(raw, 'a', sizeof(raw));
	struct slice s = {raw, WIRE_QUERY_MAX};
	assert_int_equal(wire_query_parse(&query, s, NULL), CAH_OK);
	s.len++;
	assert_int_equal(wire_query_parse(&query, s, NULL), CAH_EINVALID);
	memset(raw, '&', sizeof(raw));
	for (size_t i = 0; i < WIRE_QUERY_FIELDS_MAX; i++)
		raw[2 * i] = 'a';
	s.len = WIRE_QUERY_MAX;
	assert_int_equal(wire_query_parse(&query, s, NULL), CAH_OK);
	raw[WIRE_QUERY_MAX - 1] = 'a';
	assert_int_equal(wire_query_parse(&query, s, NULL), CAH_EINVALID);
}

/* The name of what a request is, or the status that refuses it. */
static int route_of(const char *method, const char *raw)
{
	struct wire_path path;
	enum wire_route route;
	struct cah_error err;
	if (wire_path_parse(&path, slice_of(raw), &err) != CAH_OK ||
	    wire_route_find(&route, &path, slice_of(method), &err) != CAH_OK)
		return -wire_status(&err);
	return (int)route;
}

static void route__knows_each_call_by_path_and_method(void **state)
{
	static const struct {
		const char *method;
		const char *path;
		int want;
	} rows[] = {
		{"GET", "/", ROUTE_INDEX},
		{"HEAD", "//", ROUTE_INDEX},
		{"GET", "/api/new", ROUTE_NEW},
		{"GET", "//api///new//", ROUTE_NEW},
		{"GET", "/%61pi/new", ROUTE_NEW},
		{"GET", "/api%2Fnew", -404},
		{"GET", "/API/new", -404},
		{"GET", "/api", -404},
		{"GET", "/api/new/more", -404},
		{"GET", "api/new", -404},
		{"GET", "", -404},
		{"GET", "/1/2/3/4/5/6/7/8/9", -404},
		{"POST", "/api/new", -405},
		{"DELETE", "/api/newJob", -405},
		{"HEAD", "/api/newJob", -405},
		{"POST", "/api/newJob", ROUTE_NEW_JOB},
		{"GET", "/worker/cpu/Red%20Fox", ROUTE_WORKER},
		{"GET", "/worker/cpu/x/data/", ROUTE_WORKER_DATA},
		{"GET", "/worker/cpu", -404},
		{"GET", "/{type}", -404},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int got = route_of(rows[i].method, rows[i].path);
		if (got != rows[i].want)
			fail_msg("%s %s gave %d", rows[i].method, rows[i].path,
				 got);
	}
}

static void route__finds_every_path_of_the_list(void **state)
{
	(void)state;
	for (int i = 0; i < ROUTE_COUNT; i++) {
		enum wire_route route = (enum wire_route)i;
		bool is_get = wire_route_method(route) == WIRE_GET;
		assert_int_equal(route_of(is_get ? "GET" : "POST",
					  wire_route_path(route)),
				 i);
		assert_true(is_get == (wire_route_body_max(route) == 0));
	}
}

static void path__refuses_what_is_too_long(void **state)
{
	(void)state;
	struct wire_path path;
	char raw[WIRE_PATH_MAX + 1];
	memset(raw, 'a', sizeof(raw));
	raw[0] = '/';
	struct slice s = {raw, WIRE_PATH_MAX};
	assert_int_equal(wire_path_parse(&path, s, NULL), CAH_OK);
	assert_int_equal(path.segments[0].len, WIRE_PATH_MAX - 1);
	s.len++;
	assert_int_equal(wire_path_parse(&path, s, NULL), CAH_ENOTFOUND);
}

static void nickname__has_1_to_255_bytes_without_controls(void **state)
{
	(void)state;
	char name[WIRE_NICKNAME_MAX + 1];
	memset(name, 'x', sizeof(name));
	struct cah_error err;
	struct slice s = {name, WIRE_NICKNAME_MAX};
	assert_int_equal(wire_nickname_check(s, &err), CAH_OK);
	s.len++;
	assert_int_equal(wire_nickname_check(s, &err), CAH_EFORMAT);
	assert_int_equal(wire_status(&err), 422);
	assert_string_equal(err.text, "nickname: longer than 255 bytes");
	static const struct slice bad[] = {
		{"", 0},     {"a\0", 2},  {"a\n", 2},      {"\xc2\x85", 2},
		{"\x7f", 1}, {"\xff", 1}, {"\x1b[31m", 5}, {"a\xc3", 2},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(wire_nickname_check(bad[i], NULL),
				 CAH_EFORMAT);
}

static void progress__is_cut_at_characters_and_cleaned(void **state)
{
	(void)state;
	struct buf in;
	struct buf out;
	buf_init(&in, 4096);
	buf_init(&out, 4096);
	for (int i = 0; i < WIRE_PROGRESS_MAX + 5; i++)
		buf_add_text(&in, "\xc3\xa9");
	wire_progress_clean(&out, buf_slice(&in));
	assert_int_equal(out.len, WIRE_PROGRESS_MAX * 2);
	buf_reset(&out);
	wire_progress_clean(&out, (struct slice){"a\nb\0\xff", 5});
	assert_string_equal(out.data, "a b \xef\xbf\xbd");
	buf_fini(&in);
	buf_fini(&out);
}

static void json__is_valid_whatever_is_written(void **state)
{
	(void)state;
	struct buf buf;
	struct wire_json json;
	buf_init(&buf, 4096);
	wire_json_init(&json, &buf);
	wire_json_open(&json, '{');
	wire_json_put_slice(&json, "a\"", (struct slice){"\0\n\"\\\xff", 5});
	wire_json_put_int(&json, "n", INT64_MIN);
	wire_json_put_id(&json, "id", 7000000);
	wire_json_key(&json, "list");
	wire_json_open(&json, '[');
	wire_json_real(&json, 12.5);
	wire_json_real(&json, 5);
	wire_json_open(&json, '[');
	wire_json_close(&json, ']');
	wire_json_close(&json, ']');
	wire_json_put_text(&json, "z", "\xc3\xa9");
	wire_json_close(&json, '}');
	assert_string_equal(buf.data,
			    "{\"a\\\"\":\"\\u0000\\u000a\\\"\\\\\xef\xbf\xbd\","
			    "\"n\":-9223372036854775808,\"id\":\"7000000\","
			    "\"list\":[12.5,5.0,[]],\"z\":\"\xc3\xa9\"}");
	buf_fini(&buf);
}

static void body__says_why_it_cannot_be_read(void **state)
{
	static const struct {
		const char *json;
		int status; /* 200: it can */
	} rows[] = {
		{"{}", 200},
		{" {\"a\": [1, {\"b\": \"\\u0000\"}]} ", 200},
		{"", 415},
		{"{", 415},
		{"{} {}", 415},
		{"token=1", 415},
		{"{\"a\": \"\xff\"}", 415},
		{"{\"a\": \"\\ud800\"}", 415},
		{"{\"a\": NaN}", 415},
		{"[]", 422},
		{"null", 422},
		{"\"x\"", 422},
		{"5", 422},
		{"{\"a\": 1e999}", 400},
		{"{\"a\":[[[[[[[[[[[[[[[\"[[[[\"]]]]]]]]]]]]]]]}", 200},
		{"{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", 422},
		{"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 422},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire_body body;
		struct cah_error err = {0};
		int rc = wire_body_parse(&body, slice_of(rows[i].json), &err);
		int status = rc == CAH_OK ? 200 : wire_status(&err);
		wire_body_fini(&body);
		if (status != rows[i].status)
			fail_msg("%s gave %d", rows[i].json, status);
	}
}

static void open_body(struct wire_body *body, const char *json)
{
	assert_int_equal(wire_body_parse(body, slice_of(json), NULL), CAH_OK);
}

static void body__gives_whole_numbers_within_limits(void **state)
{
	static const struct {
		const char *json;
		int status;
		int64_t want;
	} rows[] = {
		{"{\"count\": 0}", 200, 0},
		{"{\"count\": 5.0}", 200, 5},
		{"{\"count\": 2147483647}", 200, 2147483647},
		{"{\"count\": 2147483648}", 400, 0},
		{"{\"count\": -1}", 400, 0},
		{"{\"count\": 100000000000000000000000000}", 400, 0},
		{"{\"count\": 9223372036854775808}", 400, 0},
		{"{\"count\": -9223372036854775809}", 400, 0},
		{"{\"count\": 1e3}", 200, 1000},
		{"{\"count\": 1E-3}", 422, 0},
		{"{\"count\": 1e300}", 400, 0},
		{"{\"count\": -0}", 200, 0},
		{"{\"count\": -0.0}", 200, 0},
		{"{\"count\": -1e-9}", 422, 0},
		/* As Python reads it. */
		{"{\"count\": 1, \"count\": 2}", 200, 2},
		{"{\"count\": 2, \"count\": true}", 422, 0},
		{"{\"count\": 0.5}", 422, 0},
		{"{\"count\": false}", 422, 0},
		{"{\"count\": {}}", 422, 0},
		{"{\"count\": \"5\"}", 422, 0},
		{"{\"count\": true}", 422, 0},
		{"{\"count\": null}", 422, 0},
		{"{\"count\": []}", 422, 0},
		{"{}", 422, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire_body body;
		struct cah_error err = {0};
		int64_t got = 0;
		open_body(&body, rows[i].json);
		int rc =
			wire_body_int(&body, "count", 0, INT32_MAX, &got, &err);
		int status = rc == CAH_OK ? 200 : wire_status(&err);
		wire_body_fini(&body);
		if (status != rows[i].status || got != rows[i].want)
			fail_msg("%s gave %d", rows[i].json, status);
		if (rc != CAH_OK)
			assert_memory_equal(err.text, "count: ", 7);
	}
}

static void body__gives_texts_lists_and_maps(void **state)
{
	(void)state;
	struct wire_body body;
	open_body(&body,
		  "{\"t\": \"a\\u0000b\", \"n\": null, \"l\": [7, \"x\"],"
		  " \"m\": {\"7\": \"u\", \"8\": 1}}");
	struct slice s;
	size_t count;
	int64_t n;
	struct cah_error err;
	assert_int_equal(wire_body_text(&body, "t", &s, NULL), CAH_OK);
	assert_int_equal(s.len, 3);
	assert_int_equal(wire_body_text(&body, "n", &s, &err), CAH_EFORMAT);
	assert_string_equal(err.text, "n: not a string");
	assert_int_equal(wire_body_text(&body, "z", &s, &err), CAH_EFORMAT);
	assert_string_equal(err.text, "z: missing");
	assert_true(wire_body_has(&body, "n"));
	assert_false(wire_body_has(&body, "z"));
	assert_int_equal(wire_body_list(&body, "l", &count, NULL), CAH_OK);
	assert_int_equal(count, 2);
	assert_int_equal(wire_body_list_int(&body, "l", 0, &n, NULL), CAH_OK);
	assert_int_equal(n, 7);
	assert_int_equal(wire_body_list_int(&body, "l", 1, &n, NULL),
			 CAH_EFORMAT);
	assert_int_equal(wire_body_list_text(&body, "l", 1, &s, NULL), CAH_OK);
	assert_int_equal(wire_body_list_text(&body, "l", 0, &s, NULL),
			 CAH_EFORMAT);
	assert_int_equal(wire_body_list(&body, "m", &count, NULL), CAH_EFORMAT);
	assert_int_equal(wire_body_map_text(&body, "m", "7", &s, NULL), CAH_OK);
	assert_true(slice_equal(s, SLICE("u")));
	assert_int_equal(wire_body_map_text(&body, "m", "8", &s, NULL),
			 CAH_EFORMAT);
	assert_int_equal(wire_body_map_text(&body, "m", "9", &s, &err),
			 CAH_EFORMAT);
	assert_string_equal(err.text, "m: none for 9");
	assert_int_equal(wire_body_map_text(&body, "l", "7", &s, NULL),
			 CAH_EFORMAT);
	wire_body_fini(&body);
}

static void body__refuses_lists_without_end(void **state)
{
	(void)state;
	struct buf json;
	buf_init(&json, WIRE_LIST_BODY_MAX);
	buf_add_text(&json, "{\"l\": [1");
	for (int i = 0; i < WIRE_ITEMS_MAX; i++)
		buf_add_text(&json, ",1");
	buf_add_text(&json, "]}");
	struct wire_body body;
	size_t count;
	open_body(&body, json.data);
	assert_int_equal(wire_body_list(&body, "l", &count, NULL),
			 CAH_EINVALID);
	wire_body_fini(&body);
	buf_fini(&json);
}

static void status__is_never_500(void **state)
{
	(void)state;
	for (int code = -40; code <= 0; code++) {
		struct cah_error err = {.code = code};
		int status = wire_status(&err);
		assert_true((status >= 400 && status < 500) || status == 503);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(query__decodes_as_forms_do),
		cmocka_unit_test(query__has_limits),
		cmocka_unit_test(route__knows_each_call_by_path_and_method),
		cmocka_unit_test(route__finds_every_path_of_the_list),
		cmocka_unit_test(path__refuses_what_is_too_long),
		cmocka_unit_test(nickname__has_1_to_255_bytes_without_controls),
		cmocka_unit_test(progress__is_cut_at_characters_and_cleaned),
		cmocka_unit_test(json__is_valid_whatever_is_written),
		cmocka_unit_test(body__says_why_it_cannot_be_read),
		cmocka_unit_test(body__gives_whole_numbers_within_limits),
		cmocka_unit_test(body__gives_texts_lists_and_maps),
		cmocka_unit_test(body__refuses_lists_without_end),
		cmocka_unit_test(status__is_never_500),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
