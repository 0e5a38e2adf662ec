/* Which addresses are public, and that nothing else is connected to. */
#include "fetch/address.h"
#include "fetch/stream.h"
#include "hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static union address parse(const char *text)
{
	union address address;
	assert_true(address_parse(&address, slice_of(text)));
	return address;
}

static void address__tells_public_from_special(void **state)
{
	(void)state;
	static const char *const special[] = {
		"0.0.0.0",
		"0.1.2.3",
		"10.0.0.0",
		"10.255.255.255",
		"100.64.0.1",
		"100.127.255.255",
		"127.0.0.1",
		"127.255.255.255",
		"169.254.169.254",
		"172.16.0.1",
		"172.31.255.255",
		"192.0.0.1",
		"192.0.0.170",
		"192.0.2.1",
		"192.88.99.1",
		"192.168.0.1",
		"192.168.255.255",
		"198.18.0.1",
		"198.19.255.255",
		"198.51.100.1",
		"203.0.113.255",
		"224.0.0.1",
		"239.255.255.255",
		"240.0.0.1",
		"255.255.255.255",
		"[::]",
		"[::1]",
		"[::8.8.8.8]",
		"[::ffff:127.0.0.1]",
		"[::ffff:10.0.0.1]",
		"[64:ff9b::10.0.0.1]",
		"[64:ff9b::169.254.169.254]",
		"[64:ff9b:1::1]",
		"[100::1]",
		"[100:0:0:1::1]",
		"[2001::1]",
		"[2001:2::1]",
		"[2001:10::1]",
		"[2001:1ff::1]",
		"[2001:db8::1]",
		"[2001:db8:ffff::1]",
		"[2002:7f00:1::1]",
		"[2002:a00:1::]",
		"[3fff::1]",
		"[3fff:fff::1]",
		"[4000::1]",
		"[5f00::1]",
		"[fc00::1]",
		"[fdff::1]",
		"[fe80::1]",
		"[febf::1]",
		"[fec0::1]",
		"[ff02::1]",
	};
	static const char *const normal[] = {
		"1.1.1.1",           "8.8.8.8",
		"9.255.255.255",     "11.0.0.0",
		"100.63.255.255",    "100.128.0.0",
		"126.255.255.255",   "128.0.0.0",
		"169.253.255.255",   "169.255.0.0",
		"172.15.255.255",    "172.32.0.0",
		"192.0.1.0",         "192.0.3.0",
		"192.167.255.255",   "192.169.0.0",
		"198.17.255.255",    "198.20.0.0",
		"198.51.101.0",      "203.0.112.255",
		"203.0.114.0",       "223.255.255.255",
		"[2001:200::1]",     "[2001:4860:4860::8888]",
		"[2001:db7::1]",     "[2001:db9::1]",
		"[2606:4700::1111]", "[2a00:1450::1]",
		"[3ffe::1]",         "[3fff:1000::1]",
		"[::ffff:8.8.8.8]",  "[64:ff9b::8.8.8.8]",
		"[2002:808:808::1]",
	};
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		union address address = parse(special[i]);
		if (address_is_public(&address))
			fail_msg("%s is not public", special[i]);
	}
	for (size_t i = 0; i < sizeof(normal) / sizeof(normal[0]); i++) {
		union address address = parse(normal[i]);
		if (!address_is_public(&address))
			fail_msg("%s is public", normal[i]);
	}
	union address other = {.any.sa_family = AF_UNIX};
	assert_false(address_is_public(&other));
}

static void address__reads_what_a_host_can_say(void **state)
{
	(void)state;
	static const char *const none[] = {
		"",         "example.org", "1.2.3", "1.2.3.4.5", "256.1.1.1",
		"::1",      "[::1",        "::1]",  "[]",        "[1.2.3.4]",
		"[::1%lo]", "1.2.3.4 ",    "[::g]",
	};
	union address address;
	char text[ADDRESS_TEXT];
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(address_parse(&address, slice_of(none[i])));
	assert_false(address_parse(&address, SLICE("1.2.3.4\0x")));
	address = parse("[2001:DB8:0:0::1]");
	address_write(text, &address);
	assert_string_equal(text, "[2001:db8::1]");
	assert_false(address_from_bytes(&address, text, 5));
}

static void pins__are_found_by_host_and_port(void **state)
{
	(void)state;
	static const char *const entries[] = {
		"*:80:127.0.0.9",
		"a.example:80:127.0.0.1",
		"b.example:443:[::1]",
		"[2001:db8::1]:80:127.0.0.2",
	};
	struct pins *pins;
	assert_int_equal(pins_new(&pins, entries, 4, NULL), CAH_OK);
	assert_string_equal(pins_find(pins, SLICE("A.Example"), 80),
			    "127.0.0.1");
	assert_null(pins_find(pins, SLICE("a.example"), 81));
	assert_string_equal(pins_find(pins, SLICE("b.example"), 443), "[::1]");
	assert_string_equal(pins_find(pins, SLICE("b.example"), 80),
			    "127.0.0.9");
	assert_string_equal(pins_find(pins, SLICE("[2001:db8::1]"), 80),
			    "127.0.0.2");
	assert_null(pins_find(NULL, SLICE("a.example"), 80));
	pins_free(pins);
}

static void pins__refuse_what_is_malformed(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"a",
		"a:80",
		"a:80:",
		":80:127.0.0.1",
		"a:0:127.0.0.1",
		"a:65536:127.0.0.1",
		"a:+80:127.0.0.1",
		"a:80:name",
		"a:80:::1",
		"a:80:127.0.0.1,127.0.0.2",
		"[::1]80:127.0.0.1",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pins *pins;
		struct cah_error err;
		assert_int_equal(pins_new(&pins, &bad[i], 1, &err),
				 CAH_EINVALID);
		assert_null(pins);
	}
}

static bool answer_ok(const struct hostile_request *request, void *arg)
{
	(void)arg;
	return hostile_printf(request, "HTTP/1.1 200 OK\r\n"
				       "Content-Length: 2\r\n\r\nok");
}

/* Names by which people tried to come by a check of the URL's text. That none
 * of them was connected to is what counts, not by whom it was refused. */
static void stream__is_not_talked_into_private_addresses(void **state)
{
	(void)state;
	static const char *const urls[] = {
		"http://127.1:%d/",
		"http://0177.0.0.1:%d/",
		"http://0x7f.0x0.0x0.0x1:%d/",
		"http://0:%d/",
		"http://127.0.0.1.:%d/",
		"http://localhost.:%d/",
		"http://LOCALHOST:%d/",
		"http://[::ffff:127.0.0.1]:%d/",
		"http://[::ffff:7f00:1]:%d/",
		"http://[0:0:0:0:0:0:0:1]:%d/",
		"http://[::]:%d/",
		"http://[::1%%25lo]:%d/",
		"http://[::127.0.0.1]:%d/",
		"http://[64:ff9b::7f00:1]:%d/",
		"http://example.org@127.0.0.1:%d/",
		"http://example.org:80@127.0.0.1:%d/",
		"http://a@b@127.0.0.1:%d/",
		"http://127.0.0.1:%d#@example.org/",
		"http://127.0.0.1:%d?@example.org/",
		"http://127.0.0.1:%d\\@example.org/",
		"http://%%31%%32%%37.0.0.1:%d/",
		"http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1:%d/",
		"http://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1:%d/",
		"http://127\xe3\x80\x82"
		"0\xe3\x80\x82"
		"0\xe3\x80\x82"
		"1:%d/",
		"http:127.0.0.1:%d/",
		"http:///127.0.0.1:%d/",
		"HTTP://127.0.0.1:%d/",
	};
	struct hostile *server = hostile_start(answer_ok, NULL);
	const struct stream_options options = {.tries = 1};
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		char url[128];
		struct stream *stream;
		(void)snprintf(url, sizeof(url), urls[i], hostile_port(server));
		if (stream_open(&stream, url, &options, NULL) == CAH_OK)
			fail_msg("%s was fetched", url);
	}
	assert_int_equal(hostile_requests(server), 0);
	hostile_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address__tells_public_from_special),
		cmocka_unit_test(address__reads_what_a_host_can_say),
		cmocka_unit_test(pins__are_found_by_host_and_port),
		cmocka_unit_test(pins__refuse_what_is_malformed),
		cmocka_unit_test(stream__is_not_talked_into_private_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
