/* Names and their addresses, asked of a server inside the test. */
#include "fetch/dns.h"

#include "base/clock.h"
#include "fetch/dns_race.h"
#include "nameserver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	NAME_BYTES = 70000,
	ROUNDS = 100000, /* of the loop; a test ends long before */
};

struct fixture {
	struct nameserver *server;
	struct dns_options options;
	struct dns *dns;
	struct dns_answer answer; /* the last */
	int answers;
	int wanted;       /* that must come before turn() returns */
	const char *next; /* asked for by the next answer's callback */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->server = nameserver_start();
	f->options = dns_options_default();
	f->options.how = nameserver_address(f->server);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	dns_free(f->dns);
	nameserver_stop(f->server);
	free(f);
	return 0;
}

static void begin(struct fixture *f)
{
	struct cah_error err;
	if (dns_new(&f->dns, &f->options, &err) != CAH_OK)
		fail_msg("%s", err.text);
}

static void on_answer(const struct dns_answer *answer, void *arg)
{
	struct fixture *f = arg;
	const char *next = f->next;
	f->answer = *answer;
	f->answers++;
	f->next = NULL;
	if (next != NULL)
		assert_int_equal(dns_ask(f->dns, next, clock_now_ms(),
					 on_answer, f, NULL),
				 CAH_OK);
}

static void ask(struct fixture *f, const char *name)
{
	assert_int_equal(
		dns_ask(f->dns, name, clock_now_ms(), on_answer, f, NULL),
		CAH_OK);
	f->wanted++;
}

static void turn(struct fixture *f)
{
	for (int i = 0; f->answers < f->wanted && i < ROUNDS; i++) {
		struct pollfd polled = {.fd = dns_fd(f->dns), .events = POLLIN};
		int64_t left_ms = dns_deadline_ms(f->dns) - clock_now_ms();
		assert_true(dns_deadline_ms(f->dns) >= 0);
		(void)poll(&polled, 1, left_ms > 0 ? (int)left_ms : 0);
		assert_int_equal(dns_step(f->dns, clock_now_ms(), NULL),
				 CAH_OK);
	}
	assert_int_equal(f->answers, f->wanted);
}

static enum fate look_up(struct fixture *f, const char *name)
{
	ask(f, name);
	turn(f);
	return f->answer.fate;
}

static void dns__finds_addresses(void **state)
{
	struct fixture *f = *state;
	char text[ADDRESS_TEXT];
	begin(f);
	assert_int_equal(look_up(f, "ok.example"), CAH_FATE_KEPT);
	assert_int_equal(f->answer.count, 1);
	address_write(text, &f->answer.addresses[0]);
	assert_string_equal(text, "127.0.0.1");
	assert_int_equal(look_up(f, "mixed.example"), CAH_FATE_KEPT);
	assert_int_equal(f->answer.count, 2);
	assert_int_equal(look_up(f, "six.example"), CAH_FATE_KEPT);
	address_write(text, &f->answer.addresses[0]);
	assert_string_equal(text, "[::1]");
}

static void dns__tells_failures_apart(void **state)
{
	static const struct {
		const char *name;
		enum fate fate;
		const char *detail;
	} rows[] = {
		{"nx.example", CAH_FATE_NO_SUCH_HOST,
		 "nx.example: no such name"},
		{"none.example", CAH_FATE_NO_SUCH_HOST,
		 "none.example: the name has no address"},
		{"fail.example", CAH_FATE_DNS_FAILED,
		 "fail.example: the name servers failed"},
		{"silent.example", CAH_FATE_DNS_TIMEOUT,
		 "silent.example: no answer in time"},
		{"garbage.example", CAH_FATE_DNS_FAILED,
		 "garbage.example: the name servers failed"},
	};
	struct fixture *f = *state;
	f->options.timeout_ms = 600;
	begin(f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum fate fate = look_up(f, rows[i].name);
		if (fate != rows[i].fate)
			fail_msg("%s: %s", rows[i].name, f->answer.detail);
		assert_string_equal(f->answer.detail, rows[i].detail);
	}
}

static void dns__asks_once_for_a_name_that_many_want(void **state)
{
	struct fixture *f = *state;
	begin(f);
	for (int i = 0; i < 100; i++)
		ask(f, "ok.example");
	turn(f);
	assert_int_equal(nameserver_queries(f->server), 1);
	/* From the cache. */
	assert_int_equal(look_up(f, "ok.example"), CAH_FATE_KEPT);
	assert_int_equal(nameserver_queries(f->server), 1);
}

static void dns__is_asked_from_within_an_answer(void **state)
{
	struct fixture *f = *state;
	begin(f);
	f->next = "ok.two.example";
	f->wanted = 1;
	assert_int_equal(look_up(f, "ok.one.example"), CAH_FATE_KEPT);
	f->next = "ok.one.example";
	f->wanted++;
	assert_int_equal(look_up(f, "ok.one.example"), CAH_FATE_KEPT);
	assert_int_equal(nameserver_queries(f->server), 2);
}

static void dns__refuses_what_cannot_be_a_name(void **state)
{
	struct fixture *f = *state;
	char *name = calloc(1, NAME_BYTES);
	begin(f);
	assert_non_null(name);
	/* A label has 63 bytes at most, a name 253 as text: RFC 1035, 2.3.4. */
	memset(name, 'a', 64);
	memcpy(name + 64, ".example", sizeof(".example"));
	assert_int_equal(look_up(f, name), CAH_FATE_NO_SUCH_HOST);
	for (int i = 0; i < 300; i += 2)
		memcpy(name + i, "a.", 3);
	assert_int_equal(look_up(f, name), CAH_FATE_NO_SUCH_HOST);
	memset(name, 'a', NAME_BYTES - 1);
	assert_int_equal(look_up(f, name), CAH_FATE_NO_SUCH_HOST);
	assert_int_equal(look_up(f, "a..example"), CAH_FATE_NO_SUCH_HOST);
	assert_int_equal(look_up(f, ""), CAH_FATE_NO_SUCH_HOST);
	/* The longest there is. */
	for (int i = 0; i < 253; i++)
		name[i] = i % 64 == 63 ? '.' : 'a';
	memcpy(name, "ok", 2);
	name[253] = '\0';
	assert_int_equal(look_up(f, name), CAH_FATE_KEPT);
	free(name);
}

static void dns__forgets_what_it_was_asked(void **state)
{
	struct fixture *f = *state;
	begin(f);
	for (int i = 0; i < 10; i++)
		ask(f, i % 2 ? "ok.example" : "silent.example");
	dns_forget(f->dns);
	f->wanted = 0;
	assert_int_equal(dns_deadline_ms(f->dns), -1);
	assert_int_equal(look_up(f, "ok.two.example"), CAH_FATE_KEPT);
	assert_int_equal(f->answers, 1);
}

static void dns__tries_the_next_server_of_a_list(void **state)
{
	struct fixture *f = *state;
	char list[128];
	/* Nobody is at port 1. */
	(void)snprintf(list, sizeof(list), "127.0.0.1@1,%s",
		       nameserver_address(f->server));
	f->options.how = list;
	begin(f);
	for (int i = 0; i < 20; i++) {
		char name[64];
		(void)snprintf(name, sizeof(name), "ok.%d.example", i);
		assert_int_equal(look_up(f, name), CAH_FATE_KEPT);
	}
}

static void dns__refuses_servers_that_are_none(void **state)
{
	static const char *const hows[] = {
		"",
		"nonsense",
		"127.0.0.1@",
		"127.0.0.1,",
		",127.0.0.1",
		"127.0.0.1@99999",
		"Recursive",
		"127.0.0.1:53",
		"1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7",
		"[::1]",
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++) {
		struct cah_error err;
		f->options.how = hows[i];
		if (dns_new(&f->dns, &f->options, &err) != CAH_EINVALID)
			fail_msg("\"%s\" is taken", hows[i]);
		assert_null(f->dns);
	}
}

/* Recursion gets nowhere here: the root has a private address. */
static void dns__takes_the_way_that_works(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/cah-dns-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_true(dprintf(fd, ". NS a.\na. A 127.0.0.1\n") > 0);
	close(fd);
	f->options.system = f->options.how;
	f->options.how = "auto";
	f->options.root_hints = path;
	begin(f);
	for (int i = 0; i < 3 * RACE_NAMES; i++) {
		char name[64];
		(void)snprintf(name, sizeof(name), "ok.%d.example", i);
		ask(f, name);
	}
	turn(f);
	assert_int_equal(f->answer.fate, CAH_FATE_KEPT);
	assert_int_equal(nameserver_queries(f->server), 3 * RACE_NAMES);
	assert_int_equal(look_up(f, "fail.example"), CAH_FATE_DNS_FAILED);
	(void)unlink(path);
}

/* ---- the race alone ---- */

static void note(struct race *race, int lane, int count, int64_t took_ms)
{
	for (int i = 0; i < count; i++)
		race_note(race, lane, took_ms >= 0, took_ms);
}

static void race__is_won_by_the_quicker(void **state)
{
	struct race race = race_start(5000);
	(void)state;
	for (int i = 0; i < RACE_NAMES; i++)
		assert_true(race_takes(&race, 1000));
	assert_false(race_takes(&race, 1000));
	assert_int_equal(race_leader(&race), 0);
	assert_false(race_has_leader(&race));
	note(&race, 1, RACE_NAMES, 20);
	assert_true(race_has_leader(&race));
	assert_int_equal(race_leader(&race), 1);
	note(&race, 0, RACE_NAMES - 1, 10);
	assert_false(race_is_over(&race, 1001));
	note(&race, 0, 1, 10);
	assert_true(race_is_over(&race, 1001));
	assert_int_equal(race_leader(&race), 0);
}

static void race__counts_a_failure_as_a_time_out(void **state)
{
	struct race race = race_start(5000);
	(void)state;
	(void)race_takes(&race, 0);
	note(&race, 0, RACE_WARM_UP, 10);
	note(&race, 1, RACE_WARM_UP, 10);
	note(&race, 0, 95, 10);
	note(&race, 0, 5, -1);
	note(&race, 1, 100, 200);
	/* 95 of 10 ms and 5 of 5 s are 259 ms each. */
	struct race_sum sum = race_sum(&race, 0);
	assert_int_equal(race_mean_ms(&sum), 259);
	assert_int_equal(race_leader(&race), 1);
}

static void race__prefers_the_first_where_it_is_close(void **state)
{
	struct race race = race_start(5000);
	(void)state;
	(void)race_takes(&race, 0);
	note(&race, 0, RACE_NAMES, 105);
	note(&race, 1, RACE_NAMES, 100);
	assert_int_equal(race_leader(&race), 0);
}

static void race__forgives_a_cold_cache(void **state)
{
	struct race race = race_start(5000);
	(void)state;
	(void)race_takes(&race, 0);
	note(&race, 0, RACE_NAMES, 50);
	note(&race, 1, RACE_WARM_UP, 900);
	assert_int_equal(race_leader(&race), 0);
	note(&race, 1, 10, 20);
	assert_int_equal(race_leader(&race), 1);
}

static void race__ends_in_time_where_somebody_answers(void **state)
{
	struct race race = race_start(5000);
	(void)state;
	assert_false(race_is_over(&race, 1000000));
	(void)race_takes(&race, 0);
	note(&race, 0, 10, -1);
	note(&race, 1, 10, -1);
	assert_false(race_is_over(&race, 1000000));
	note(&race, 1, 1, 4000);
	assert_false(race_is_over(&race, RACE_MS - 1));
	assert_true(race_is_over(&race, RACE_MS));
	assert_int_equal(race_leader(&race), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(dns__finds_addresses),
		TEST(dns__tells_failures_apart),
		TEST(dns__asks_once_for_a_name_that_many_want),
		TEST(dns__is_asked_from_within_an_answer),
		TEST(dns__refuses_what_cannot_be_a_name),
		TEST(dns__forgets_what_it_was_asked),
		TEST(dns__tries_the_next_server_of_a_list),
		TEST(dns__refuses_servers_that_are_none),
		TEST(dns__takes_the_way_that_works),
		cmocka_unit_test(race__is_won_by_the_quicker),
		cmocka_unit_test(race__counts_a_failure_as_a_time_out),
		cmocka_unit_test(race__prefers_the_first_where_it_is_close),
		cmocka_unit_test(race__forgives_a_cold_cache),
		cmocka_unit_test(race__ends_in_time_where_somebody_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
