#include "wat/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define BASE "http://me@example.org:8080/a/b/c.html?q=1"

struct row {
	const char *base, *input;
	const char *url; /* NULL: refused */
};

static void check(const struct row *rows, size_t count)
{
	struct buf out;
	buf_init(&out, URL_MAX);
	for (size_t i = 0; i < count; i++) {
		int rc = url_resolve(&out, slice_of(rows[i].base),
				     slice_of(rows[i].input));
		if (rows[i].url == NULL) {
			if (rc != CAH_EINVALIDURL)
				fail_msg("%s is not refused", rows[i].input);
			assert_int_equal(out.len, 0);
			continue;
		}
		assert_int_equal(rc, CAH_OK);
		assert_string_equal(out.data, rows[i].url);
	}
	buf_fini(&out);
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof((rows)[0]))

static void url__resolves_references(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{BASE, "d.jpg", "http://me@example.org:8080/a/b/d.jpg"},
		{BASE, "../d.jpg", "http://me@example.org:8080/a/d.jpg"},
		{BASE, "/x/./y/%2E%2e/z", "http://me@example.org:8080/x/z"},
		{BASE, "//h.test/x", "http://h.test/x"},
		{BASE, "\\\\h.test\\x", "http://h.test/x"},
		{BASE, "?r", "http://me@example.org:8080/a/b/c.html?r"},
		{BASE, "", BASE},
		{BASE, "#f", BASE},
		{BASE, "http:d", "http://me@example.org:8080/a/b/d"},
		{BASE, "https:d", "https://d/"},
		{BASE, "../../../..", "http://me@example.org:8080/"},
		{"mailto:me", "x.jpg", NULL},
		{"mailto:me", "#f", "mailto:me"},
		{"", "x.jpg", NULL},
		{"no base", "http://h.test", "http://h.test/"},
	};
	CHECK(rows);
}

static void url__writes_what_browsers_write(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"", " \n HTTP://EXAMPLE.org:80/a b\t.jpg#f ",
		 "http://example.org/a%20b.jpg"},
		{"",
		 "https://h.test/gr\xc3\xb6\xc3\x9f"
		 "e?a'\"\xc3\xa4",
		 "https://h.test/gr%C3%B6%C3%9Fe?a%27%22%C3%A4"},
		{"", "http://h.test/\xff\xe2\x82|%zz{^}",
		 "http://h.test/%EF%BF%BD%EF%BF%BD|%zz%7B%5E%7D"},
		{"", "http://a:b:c@d@h.test/", "http://a:b%3Ac%40d@h.test/"},
		{"", "http://@h.test", "http://h.test/"},
		{"", "https:/\\/h.test:0443", "https://h.test/"},
		{"", "http://user@/x", NULL},
		{"", "http://", NULL},
		{"", "http://h.test:65536/", NULL},
		{"", "http://h.test:8a/", NULL},
	};
	CHECK(rows);
}

static void url__knows_all_forms_of_hosts(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"", "http://m\xc3\xbcller.de", "http://xn--mller-kva.de/"},
		{"", "http://fa\xc3\x9f.de", "http://xn--fa-hia.de/"},
		{"", "http://a.XN--MLLER-KVA.de", "http://a.xn--mller-kva.de/"},
		{"", "http://xn--i-7iq.ws/", "http://xn--i-7iq.ws/"},
		{"", "http://xn--/", NULL},
		{"", "http://a.xn--abc-/", NULL}, /* ASCII after all */
		{"", "http://xn--99999999999/", NULL},
		{"", "http://xn--a\xc3\xbc/", NULL},
		{"", "http://a.b.c.xn--pokxncvks/", NULL}, /* U+3253 is "23" */
		{"", "http://ex%C3%A4mple.ORG", "http://xn--exmple-cua.org/"},
		{"", "http://0x7f.1/", "http://127.0.0.1/"},
		{"", "http://0300.0250.1/", "http://192.168.0.1/"},
		{"", "http://4294967295/", "http://255.255.255.255/"},
		{"", "http://4294967296/", NULL},
		{"", "http://1.2.3.256/", NULL},
		{"", "http://1.2.3.4.5/", NULL},
		{"", "http://[1:0:0:2:0:0:0:3]/", "http://[1:0:0:2::3]/"},
		{"", "http://[::FFFF:1.2.3.4]/", "http://[::ffff:102:304]/"},
		{"", "http://[1:2:3:4:5:6:7::]/", "http://[1:2:3:4:5:6:7:0]/"},
		{"", "http://[::1/", NULL},
		{"", "http://[1::2::3]/", NULL},
		{"", "http://a b/", NULL},
		{"", "http://a%00b/", NULL},
		{"", "http://a%2fb/", NULL},
	};
	CHECK(rows);
}

static void url__tells_other_schemes(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{BASE, "data:image/png;base64,AAAA",
		 "data:image/png;base64,AAAA"},
		{BASE, "FTP://h.test/x", "ftp://h.test/x"},
		{BASE, "javascript:void(0)", "javascript:void(0)"},
		{BASE, "about:blank", "about:blank"},
		{BASE, "file:///C:/x.png", "file:///C:/x.png"},
		{BASE, "x-y:/.//z", "x-y:/.//z"},
	};
	CHECK(rows);
}

static void url__is_no_longer_than_the_limit(void **state)
{
	(void)state;
	enum {
		LONG = 100000
	};
	struct buf out, in;
	buf_init(&out, LONG);
	buf_init(&in, LONG * 2);
	buf_add_text(&in, "http://h.test/");
	while (in.len < URL_MAX)
		buf_add_byte(&in, 'x');
	struct slice none = {NULL, 0};
	assert_int_equal(url_resolve(&out, none, buf_slice(&in)), CAH_OK);
	assert_int_equal(out.len, URL_MAX);
	buf_add_byte(&in, 'x');
	assert_int_equal(url_resolve(&out, none, buf_slice(&in)), CAH_ELIMIT);
	while (in.len < LONG)
		buf_add_text(&in, "x\t");
	assert_int_equal(url_resolve(&out, none, buf_slice(&in)), CAH_ELIMIT);

	/* the scheme of a long one still tells that it is not fetched */
	buf_reset(&in);
	buf_add_text(&in, "data:,");
	while (in.len < LONG)
		buf_add_byte(&in, 'x');
	assert_int_equal(url_resolve(&out, none, buf_slice(&in)), CAH_OK);
	assert_int_equal(out.len, URL_MAX);
	assert_true(slice_starts(buf_slice(&out), SLICE("data:,x")));
	buf_fini(&out);
	buf_fini(&in);
}

static void url__keeps_the_buffers_own_limit(void **state)
{
	(void)state;
	struct buf out;
	struct slice none = {NULL, 0};
	buf_init(&out, 14);
	assert_int_equal(url_resolve(&out, none, SLICE("http://h.test")),
			 CAH_OK);
	assert_int_equal(url_resolve(&out, none, SLICE("http://h.test/x")),
			 CAH_ELIMIT);
	buf_fini(&out);
}

static void url__splits_into_parts(void **state)
{
	(void)state;
	static const struct {
		const char *url, *scheme, *host;
		int port;
		const char *path, *query;
	} rows[] = {
		{"https://h.test/a/b?c?d", "https", "h.test", 443, "/a/b",
		 "c?d"},
		{"http://u:p@h.test:81/", "http", "h.test", 81, "/", ""},
		{"http://[::1]:8080/x?", "http", "::1", 8080, "/x", ""},
		{"foo://h", "foo", "h", 0, "", ""},
	};
	struct url_parts p;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(url_split(slice_of(rows[i].url), &p));
		assert_true(slice_equal(p.scheme, slice_of(rows[i].scheme)));
		assert_true(slice_equal(p.host, slice_of(rows[i].host)));
		assert_int_equal(p.port, rows[i].port);
		assert_true(slice_equal(p.path, slice_of(rows[i].path)));
		assert_true(slice_equal(p.query, slice_of(rows[i].query)));
	}
	static const char *const others[] = {"",      "data:,x",   "/a/b",
					     "http:", "file:///x", "http"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(url_split(slice_of(others[i]), &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(url__resolves_references),
		cmocka_unit_test(url__writes_what_browsers_write),
		cmocka_unit_test(url__knows_all_forms_of_hosts),
		cmocka_unit_test(url__tells_other_schemes),
		cmocka_unit_test(url__is_no_longer_than_the_limit),
		cmocka_unit_test(url__keeps_the_buffers_own_limit),
		cmocka_unit_test(url__splits_into_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
