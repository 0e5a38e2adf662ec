/* Who is counted as one client, how many calls, workers and connections one
 * may have, and for how long; all with the time handed in. */
#include "tracker/buckets.h"
#include "tracker/guard.h"
#include "tracker/live.h"
#include "tracker/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const int64_t second_ns = 1000000000;

static struct peer peer(const char *text)
{
	struct peer out;
	assert_true(peer_parse(&out, slice_of(text)));
	return out;
}

static void assert_peer(const struct peer *got, const char *want)
{
	char text[PEER_TEXT];
	peer_write(text, got);
	assert_string_equal(text, want);
}

static void peer__is_read_with_and_without_a_port(void **state)
{
	(void)state;
	static const char *const good[][2] = {
		{"192.0.2.1", "192.0.2.1"},
		{"192.0.2.1:80", "192.0.2.1"},
		{"2001:db8::1", "2001:db8::1"},
		{"[2001:db8::1]", "2001:db8::1"},
		{"[2001:db8::1]:65535", "2001:db8::1"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"[::ffff:c000:201]", "192.0.2.1"},
		{"2001:db8::", "2001:db8::/64"},
	};
	static const char *const bad[] = {
		"",
		"unknown",
		"_hidden",
		"192.0.2",
		"192.0.2.1.",
		"192.0.2.256",
		"192.0.2.1:",
		"192.0.2.1:123456",
		"192.0.2.1:x",
		"[192.0.2.1]",
		"[2001:db8::1",
		"[]",
		"[::1]x",
		"[::1]:",
		"::1%lo",
		" 192.0.2.1",
		"2001:db8:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:1",
	};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct peer got = peer(good[i][0]);
		assert_peer(&got, good[i][1]);
	}
	struct peer out;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (peer_parse(&out, slice_of(bad[i])))
			fail_msg("'%s' was taken", bad[i]);
	assert_false(peer_parse(&out, (struct slice){"1.2.3.4\0", 8}));
}

static void peer__is_the_sockets_other_end(void **state)
{
	(void)state;
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_addr = {htonl(0xc0000201)}};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
				  .sin6_addr = in6addr_loopback};
	struct sockaddr local = {.sa_family = AF_UNIX};
	struct peer got;
	peer_of_socket(&got, (struct sockaddr *)&v4);
	assert_peer(&got, "192.0.2.1");
	peer_of_socket(&got, (struct sockaddr *)&v6);
	assert_peer(&got, "::1");
	peer_of_socket(&got, &local);
	assert_peer(&got, "127.0.0.1");
	peer_of_socket(&got, NULL);
	assert_peer(&got, "127.0.0.1");
}

static void peer__counts_a_slash_64_as_one(void **state)
{
	(void)state;
	struct peer a = peer("2001:db8:1:2::1");
	struct peer b = peer("2001:db8:1:2:ffff::");
	struct peer c = peer("2001:db8:1:3::1");
	struct peer v4 = peer("::ffff:192.0.2.7");
	a = peer_class(&a);
	b = peer_class(&b);
	c = peer_class(&c);
	v4 = peer_class(&v4);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_memory_not_equal(&a, &c, sizeof(a));
	assert_peer(&a, "2001:db8:1:2::/64");
	assert_peer(&v4, "192.0.2.7");
}

static void peer__is_in_a_network_by_its_first_bits(void **state)
{
	(void)state;
	static const struct {
		const char *net;
		const char *peer;
		bool is_in;
	} cases[] = {
		{"10.0.0.0/8", "10.255.0.1", true},
		{"10.0.0.0/8", "11.0.0.1", false},
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.128/25", "192.0.2.200", true},
		{"192.0.2.128/25", "192.0.2.100", false},
		{"0.0.0.0/0", "8.8.8.8", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "2001:db8::1", true},
		{"2001:db8::/33", "2001:db8:7fff::1", true},
		{"2001:db8::/33", "2001:db8:8000::1", false},
		{"::1", "::1", true},
		{"::ffff:10.0.0.0/104", "10.1.2.3", true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peer_net net;
		struct peer who = peer(cases[i].peer);
		assert_int_equal(peer_net_parse(&net, cases[i].net, NULL),
				 CAH_OK);
		if (peer_is_in(&who, &net, 1) != cases[i].is_in)
			fail_msg("%s in %s", cases[i].peer, cases[i].net);
	}
	static const char *const bad[] = {
		"",      "x",        "10.0.0.0/33", "10.0.0.0/", "::/129",
		"::/-1", "10.0.0/8", "::1/64/64",   "/8"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct peer_net net;
		assert_int_equal(peer_net_parse(&net, bad[i], NULL),
				 CAH_EINVALID);
	}
}

static void peer__behind_proxies_is_the_last_that_is_no_proxy(void **state)
{
	(void)state;
	static const struct {
		const char *socket;
		const char *forwarded;
		const char *want;
	} cases[] = {
		/* who is no proxy is not asked */
		{"192.0.2.9", "198.51.100.1", "192.0.2.9"},
		{"10.0.0.1", "", "10.0.0.1"},
		{"10.0.0.1", "198.51.100.1", "198.51.100.1"},
		{"::ffff:10.0.0.1", "198.51.100.1:4711", "198.51.100.1"},
		{"10.0.0.1", "2001:db8::5", "2001:db8::5"},
		/* what the client wrote itself stands before its address */
		{"10.0.0.1", "8.8.8.8, 198.51.100.1", "198.51.100.1"},
		{"10.0.0.1", "127.0.0.1, 10.1.1.1,198.51.100.1 , 10.0.0.2",
		 "198.51.100.1"},
		{"10.0.0.1", "rubbish, 198.51.100.1", "198.51.100.1"},
		/* what cannot be read is not believed */
		{"10.0.0.1", "rubbish", "10.0.0.1"},
		{"10.0.0.1", "198.51.100.1, unknown, 10.0.0.2", "10.0.0.1"},
		{"10.0.0.1", "198.51.100.1,", "10.0.0.1"},
		{"10.0.0.1", ",", "10.0.0.1"},
		{"10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"},
	};
	struct peer_net net;
	assert_int_equal(peer_net_parse(&net, "10.0.0.0/8", NULL), CAH_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peer socket = peer(cases[i].socket);
		struct peer got = peer_client(
			&socket, slice_of(cases[i].forwarded), &net, 1);
		assert_peer(&got, cases[i].want);
	}
}

static void peer__behind_too_many_proxies_is_not_believed(void **state)
{
	(void)state;
	char list[1024] = "198.51.100.1";
	size_t len = strlen(list);
	for (int i = 0; i < PEER_HOPS_MAX; i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len,
					",10.0.0.2");
	struct peer_net net;
	assert_int_equal(peer_net_parse(&net, "10.0.0.0/8", NULL), CAH_OK);
	struct peer socket = peer("10.0.0.1");
	struct peer got = peer_client(&socket, slice_of(list), &net, 1);
	assert_peer(&got, "10.0.0.1");
}

static struct buckets *make_buckets(size_t places, int64_t api, int64_t page)
{
	const int64_t per_min[BUCKET_KIND_COUNT] = {
		[BUCKET_API] = api, [BUCKET_PAGE] = page};
	struct buckets *buckets;
	assert_int_equal(buckets_new(&buckets, places, per_min, NULL), CAH_OK);
	return buckets;
}

static int64_t take_many(struct buckets *buckets, const char *who, int max,
			 int64_t now_ns)
{
	struct peer from = peer(who);
	int64_t taken = 0;
	while (taken < max &&
	       buckets_take(buckets, &from, BUCKET_API, now_ns) == 0)
		taken++;
	return taken;
}

static void buckets__hold_a_minutes_worth_and_fill_evenly(void **state)
{
	(void)state;
	struct buckets *b = make_buckets(8, 120, 0);
	struct peer who = peer("192.0.2.1");
	int64_t now_ns = 5 * second_ns;
	assert_int_equal(take_many(b, "192.0.2.1", 1000, now_ns), 120);
	assert_int_equal(buckets_take(b, &who, BUCKET_API, now_ns), 1);
	assert_int_equal(
		take_many(b, "192.0.2.1", 1000, now_ns + 10 * second_ns), 20);
	assert_int_equal(
		take_many(b, "192.0.2.1", 1000, now_ns + 3600 * second_ns),
		120);
	buckets_free(b);
}

static void buckets__say_when_the_next_token_comes(void **state)
{
	(void)state;
	struct buckets *b = make_buckets(8, 2, 0);
	struct peer who = peer("192.0.2.1");
	assert_int_equal(take_many(b, "192.0.2.1", 9, second_ns), 2);
	assert_int_equal(buckets_take(b, &who, BUCKET_API, second_ns), 30);
	assert_int_equal(buckets_take(b, &who, BUCKET_API, 30 * second_ns), 1);
	assert_int_equal(buckets_take(b, &who, BUCKET_API, 31 * second_ns), 0);
	buckets_free(b);
}

static void buckets__are_apart_by_address_and_by_kind(void **state)
{
	(void)state;
	struct buckets *b = make_buckets(64, 3, 4);
	struct peer who = peer("2001:db8::1");
	assert_int_equal(take_many(b, "2001:db8::1", 9, second_ns), 3);
	assert_int_equal(take_many(b, "2001:db8::2", 9, second_ns), 0);
	assert_int_equal(take_many(b, "2001:db8:0:1::1", 9, second_ns), 3);
	assert_int_equal(take_many(b, "192.0.2.1", 9, second_ns), 3);
	assert_int_equal(buckets_take(b, &who, BUCKET_PAGE, second_ns), 0);
	/* no limit was set for this kind */
	for (int i = 0; i < 100; i++)
		assert_int_equal(buckets_take(b, &who, BUCKET_NEW, second_ns),
				 0);
	buckets_free(b);
}

static void buckets__take_back_what_was_not_used(void **state)
{
	(void)state;
	struct buckets *b = make_buckets(8, 2, 0);
	struct peer who = peer("192.0.2.1");
	for (int i = 0; i < 10; i++) {
		assert_int_equal(buckets_take(b, &who, BUCKET_API, second_ns),
				 0);
		buckets_put(b, &who, BUCKET_API);
	}
	assert_int_equal(take_many(b, "192.0.2.1", 9, second_ns), 2);
	buckets_free(b);
}

static void buckets__are_not_refilled_by_a_flood_of_addresses(void **state)
{
	(void)state;
	struct buckets *b = make_buckets(64, 100, 0);
	int64_t together = 0;
	assert_int_equal(take_many(b, "192.0.2.1", 1000, second_ns), 100);
	for (int i = 0; i < 5000; i++) {
		char text[32];
		(void)snprintf(text, sizeof(text), "10.9.%d.%d", i / 250,
			       i % 250);
		together += take_many(b, text, 1, second_ns);
	}
	/* 64 places with 100 tokens, one of them empty from the start */
	assert_in_range(together, 4000, 5000);
	assert_int_equal(take_many(b, "192.0.2.1", 1000, second_ns), 0);
	for (int i = 0; i < 5000; i++) {
		char text[32];
		(void)snprintf(text, sizeof(text), "10.8.%d.%d", i / 250,
			       i % 250);
		together += take_many(b, text, 100, second_ns);
	}
	assert_int_equal(together, 6300);
	buckets_free(b);
}

static void live__counts_the_workers_of_an_address(void **state)
{
	(void)state;
	struct live *live;
	struct peer a = peer("2001:db8::1");
	struct peer same = peer("2001:db8::2");
	struct peer b = peer("192.0.2.1");
	assert_int_equal(live_new(&live, 2, 100, NULL), CAH_OK);
	live_add(live, SLICE("one"), &a, 1);
	live_add(live, SLICE("one"), &a, 2);
	live_add(live, SLICE("two"), &same, 2);
	live_add(live, SLICE("three"), &b, 2);
	assert_int_equal(live_count(live, &a, 2), 2);
	assert_int_equal(live_count(live, &b, 2), 1);
	assert_false(live_reserve(live, &a, 2));
	/* one that moves is counted where it is */
	live_add(live, SLICE("two"), &b, 3);
	assert_int_equal(live_count(live, &a, 3), 1);
	assert_int_equal(live_count(live, &b, 3), 2);
	live_remove(live, SLICE("two"));
	live_remove(live, SLICE("unknown"));
	assert_int_equal(live_count(live, &b, 3), 1);
	live_free(live);
}

static void live__forgets_who_is_not_heard_of(void **state)
{
	(void)state;
	struct live *live;
	struct peer a = peer("192.0.2.1");
	assert_int_equal(live_new(&live, 2, 100, NULL), CAH_OK);
	live_add(live, SLICE("one"), &a, 0);
	live_add(live, SLICE("two"), &a, 10);
	live_touch(live, SLICE("one"), 50);
	live_touch(live, SLICE("unknown"), 50);
	assert_int_equal(live_count(live, &a, 110), 2);
	assert_int_equal(live_count(live, &a, 111), 1);
	assert_int_equal(live_count(live, &a, 150), 1);
	assert_int_equal(live_count(live, &a, 151), 0);
	assert_true(live_reserve(live, &a, 151));
	live_free(live);
}

static void live__keeps_a_place_for_each_who_registers(void **state)
{
	(void)state;
	struct live *live;
	struct peer a = peer("192.0.2.1");
	assert_int_equal(live_new(&live, 2, 100, NULL), CAH_OK);
	assert_true(live_reserve(live, &a, 1));
	assert_true(live_reserve(live, &a, 1));
	assert_false(live_reserve(live, &a, 1));
	live_add(live, SLICE("one"), &a, 1);
	live_release(live, &a);
	assert_false(live_reserve(live, &a, 1));
	live_release(live, &a);
	assert_int_equal(live_count(live, &a, 1), 1);
	assert_true(live_reserve(live, &a, 1));
	live_free(live);
}

static void live__bears_many_workers_and_bad_tokens(void **state)
{
	(void)state;
	struct live *live;
	struct peer a = peer("192.0.2.1");
	char token[LIVE_TOKEN_MAX + 2];
	assert_int_equal(live_new(&live, 100000, 100, NULL), CAH_OK);
	memset(token, 'x', sizeof(token));
	live_add(live, (struct slice){token, LIVE_TOKEN_MAX + 1}, &a, 1);
	live_add(live, SLICE(""), &a, 1);
	assert_int_equal(live_count(live, &a, 1), 0);
	for (int i = 0; i < 10000; i++) {
		int len = snprintf(token, sizeof(token), "token-%d", i);
		live_add(live, (struct slice){token, (size_t)len}, &a, i / 50);
	}
	assert_int_equal(live_count(live, &a, 199), 5050);
	assert_int_equal(live_count(live, &a, 1000), 0);
	live_add(live, SLICE("again"), &a, 1000);
	assert_int_equal(live_count(live, &a, 1000), 1);
	live_free(live);
}

static int hung_up[16];
static int hung_up_count;

static void note_hang_up(int fd)
{
	assert_in_range(hung_up_count, 0, 15);
	hung_up[hung_up_count++] = fd;
}

static struct guard *make_guard(int64_t max, int64_t per_address)
{
	const struct guard_limits limits = {.max = max,
					    .max_per_address = per_address,
					    .step_ms = 10000,
					    .idle_ms = 60000};
	struct guard *guard;
	hung_up_count = 0;
	assert_int_equal(guard_new(&guard, &limits, note_hang_up, NULL),
			 CAH_OK);
	return guard;
}

static struct guard_conn *open_conn(struct guard *guard, int fd, int64_t now_ms)
{
	struct peer from = peer("192.0.2.1");
	struct guard_conn *conn = guard_open(guard, fd, &from, false, now_ms);
	assert_non_null(conn);
	return conn;
}

static void guard__gives_each_step_its_time(void **state)
{
	(void)state;
	struct guard *guard = make_guard(10, 0);
	struct guard_conn *head = open_conn(guard, 1, 0);
	struct guard_conn *body = open_conn(guard, 2, 0);
	struct guard_conn *idle = open_conn(guard, 3, 0);
	struct guard_conn *work = open_conn(guard, 4, 0);
	struct guard_conn *answer = open_conn(guard, 5, 0);
	guard_enter(guard, body, GUARD_BODY, 0, 0);
	guard_received(body, 2 * GUARD_RATE);
	guard_enter(guard, idle, GUARD_IDLE, 0, 0);
	guard_enter(guard, work, GUARD_WORK, 0, 0);
	guard_enter(guard, answer, GUARD_ANSWER, 20 * GUARD_RATE, 0);
	assert_int_equal(guard_look(guard, 10000), 0);
	assert_int_equal(guard_look(guard, 10001), 1);
	assert_int_equal(guard_look(guard, 12000), 0);
	assert_int_equal(guard_look(guard, 12001), 1);
	assert_int_equal(guard_look(guard, 30001), 1);
	assert_int_equal(guard_look(guard, 60000), 0);
	assert_int_equal(guard_look(guard, 60001), 1);
	assert_int_equal(guard_look(guard, 9999999), 0);
	static const int order[] = {1, 2, 5, 3};
	assert_memory_equal(hung_up, order, sizeof(order));
	guard_close(guard, head);
	guard_close(guard, body);
	guard_close(guard, idle);
	guard_close(guard, work);
	guard_close(guard, answer);
	guard_free(guard);
}

static void guard__begins_a_steps_time_anew(void **state)
{
	(void)state;
	struct guard *guard = make_guard(10, 0);
	struct guard_conn *a = open_conn(guard, 1, 0);
	struct guard_conn *b = open_conn(guard, 2, 0);
	guard_enter(guard, a, GUARD_IDLE, 0, 9000);
	guard_enter(guard, a, GUARD_HEAD, 0, 9500);
	assert_int_equal(guard_look(guard, 19500), 1);
	assert_int_equal(hung_up[0], 2);
	/* one that is hung up on takes no other step */
	guard_enter(guard, b, GUARD_HEAD, 0, 19500);
	assert_int_equal(guard_look(guard, 19501), 1);
	assert_int_equal(hung_up[1], 1);
	assert_int_equal(guard_look(guard, 99999), 0);
	guard_close(guard, a);
	guard_close(guard, b);
	guard_free(guard);
}

static void guard__lets_the_longest_idle_go_for_a_new_one(void **state)
{
	(void)state;
	struct guard *guard = make_guard(2, 0);
	struct guard_conn *a = open_conn(guard, 1, 0);
	struct guard_conn *b = open_conn(guard, 2, 0);
	guard_enter(guard, b, GUARD_IDLE, 0, 10);
	guard_enter(guard, a, GUARD_IDLE, 0, 20);
	struct guard_conn *c = open_conn(guard, 3, 30);
	assert_int_equal(guard_welcome(c), GUARD_WELCOME);
	assert_int_equal(hung_up_count, 1);
	assert_int_equal(hung_up[0], 2);
	guard_close(guard, a);
	guard_close(guard, b);
	guard_close(guard, c);
	guard_free(guard);
}

static void guard__lets_the_silent_go_but_not_the_busy(void **state)
{
	(void)state;
	struct guard *guard = make_guard(2, 0);
	struct guard_conn *busy = open_conn(guard, 1, 0);
	guard_enter(guard, busy, GUARD_WORK, 0, 0);
	struct guard_conn *silent = open_conn(guard, 2, 0);
	struct guard_conn *told = open_conn(guard, 3, GUARD_GRACE_MS);
	assert_int_equal(guard_welcome(told), GUARD_FULL);
	assert_int_equal(hung_up_count, 0);
	struct guard_conn *late = open_conn(guard, 4, GUARD_GRACE_MS + 1);
	assert_int_equal(guard_welcome(late), GUARD_WELCOME);
	assert_int_equal(hung_up_count, 1);
	assert_int_equal(hung_up[0], 2);
	guard_close(guard, busy);
	guard_close(guard, silent);
	guard_close(guard, told);
	guard_close(guard, late);
	guard_free(guard);
}

static void guard__has_less_patience_when_it_is_full(void **state)
{
	(void)state;
	struct guard *guard = make_guard(3, 0);
	struct guard_conn *body = open_conn(guard, 1, 0);
	struct guard_conn *head = open_conn(guard, 2, 0);
	guard_enter(guard, body, GUARD_BODY, 0, 0);
	guard_received(body, GUARD_RATE);
	assert_int_equal(guard_look(guard, GUARD_GRACE_MS + 1), 0);
	struct guard_conn *third = open_conn(guard, 3, GUARD_GRACE_MS);
	assert_int_equal(guard_look(guard, GUARD_GRACE_MS), 0);
	assert_int_equal(guard_look(guard, GUARD_GRACE_MS + 1), 1);
	assert_int_equal(hung_up[0], 2);
	/* there is place again */
	assert_int_equal(guard_look(guard, GUARD_GRACE_MS + 1001), 0);
	struct guard_conn *fourth = open_conn(guard, 4, GUARD_GRACE_MS + 1001);
	assert_int_equal(guard_look(guard, GUARD_GRACE_MS + 1001), 1);
	assert_int_equal(hung_up[1], 1);
	guard_close(guard, body);
	guard_close(guard, head);
	guard_close(guard, third);
	guard_close(guard, fourth);
	guard_free(guard);
}

static void guard__bounds_the_connections_of_an_address(void **state)
{
	(void)state;
	struct guard *guard = make_guard(100, 2);
	struct peer who = peer("192.0.2.1");
	struct peer other = peer("192.0.2.2");
	struct guard_conn *conns[2 + GUARD_TOLD_PER_ADDRESS];
	size_t count = sizeof(conns) / sizeof(conns[0]);
	for (size_t i = 0; i < count; i++) {
		assert_true(guard_admits(guard, &who, false));
		conns[i] = open_conn(guard, (int)i, 0);
		assert_int_equal(guard_welcome(conns[i]),
				 i < 2 ? GUARD_WELCOME : GUARD_CROWDED);
	}
	assert_false(guard_admits(guard, &who, false));
	assert_true(guard_admits(guard, &other, false));
	/* all come through a proxy */
	assert_true(guard_admits(guard, &who, true));
	struct guard_conn *proxy = guard_open(guard, 99, &who, true, 0);
	assert_int_equal(guard_welcome(proxy), GUARD_WELCOME);
	guard_close(guard, proxy);
	for (size_t i = 0; i < count; i++)
		guard_close(guard, conns[i]);
	struct guard_conn *again = open_conn(guard, 1, 0);
	assert_int_equal(guard_welcome(again), GUARD_WELCOME);
	guard_close(guard, again);
	guard_free(guard);
}

static void secret__is_known_by_all_of_its_bytes(void **state)
{
	(void)state;
	struct secret secret = {0};
	assert_false(secret_is(&secret, SLICE("")));
	assert_int_equal(secret_set(&secret, SLICE("fifteen bytes.."), NULL),
			 CAH_EINVALID);
	assert_false(secret_is(&secret, SLICE("fifteen bytes..")));
	assert_int_equal(secret_set(&secret, SLICE("these are sixteen"), NULL),
			 CAH_OK);
	assert_true(secret_is(&secret, SLICE("these are sixteen")));
	assert_false(secret_is(&secret, SLICE("these are sixteem")));
	assert_false(secret_is(&secret, SLICE("these are sixteen ")));
	assert_false(secret_is(&secret, SLICE("these are sixteen\0")));
	assert_false(secret_is(&secret, SLICE("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peer__is_read_with_and_without_a_port),
		cmocka_unit_test(peer__is_the_sockets_other_end),
		cmocka_unit_test(peer__counts_a_slash_64_as_one),
		cmocka_unit_test(peer__is_in_a_network_by_its_first_bits),
		cmocka_unit_test(
			peer__behind_proxies_is_the_last_that_is_no_proxy),
		cmocka_unit_test(peer__behind_too_many_proxies_is_not_believed),
		cmocka_unit_test(buckets__hold_a_minutes_worth_and_fill_evenly),
		cmocka_unit_test(buckets__say_when_the_next_token_comes),
		cmocka_unit_test(buckets__are_apart_by_address_and_by_kind),
		cmocka_unit_test(buckets__take_back_what_was_not_used),
		cmocka_unit_test(
			buckets__are_not_refilled_by_a_flood_of_addresses),
		cmocka_unit_test(live__counts_the_workers_of_an_address),
		cmocka_unit_test(live__forgets_who_is_not_heard_of),
		cmocka_unit_test(live__keeps_a_place_for_each_who_registers),
		cmocka_unit_test(live__bears_many_workers_and_bad_tokens),
		cmocka_unit_test(guard__gives_each_step_its_time),
		cmocka_unit_test(guard__begins_a_steps_time_anew),
		cmocka_unit_test(guard__lets_the_longest_idle_go_for_a_new_one),
		cmocka_unit_test(guard__lets_the_silent_go_but_not_the_busy),
		cmocka_unit_test(guard__has_less_patience_when_it_is_full),
		cmocka_unit_test(guard__bounds_the_connections_of_an_address),
		cmocka_unit_test(secret__is_known_by_all_of_its_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
