#include "wat/blocklist.h"

#include "base/fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static struct blocklist *list;

static int set_up(void **state)
{
	(void)state;
	return blocklist_new(&list, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	blocklist_free(list);
	return 0;
}

static int add_host(const char *name)
{
	return blocklist_add_host(list, slice_of(name), NULL);
}

static int add_hash(const char *hash)
{
	return blocklist_add_hash(list, slice_of(hash), NULL);
}

static bool has_host(const char *url)
{
	return blocklist_has_host(list, slice_of(url));
}

static bool has_url(const char *url)
{
	return blocklist_has_url(list, slice_of(url));
}

static void blocklist__has_hosts_and_those_below(void **state)
{
	(void)state;
	assert_false(has_host("http://a.test/"));
	assert_int_equal(add_host("A.Test."), CAH_OK);
	assert_int_equal(add_host("127.1"), CAH_OK);
	assert_int_equal(add_host("b\xc3\xbc"
				  "cher.test"),
			 CAH_OK);
	assert_true(has_host("http://a.test/x"));
	assert_true(has_host("https://a.test.:8443/x"));
	assert_true(has_host("http://x.y.a.test/"));
	assert_true(has_host("http://127.0.0.1/"));
	assert_true(has_host("http://xn--bcher-kva.test/"));
	assert_false(has_host("http://ba.test/"));
	assert_false(has_host("http://a.test.b/"));
	assert_false(has_host("http://test/"));
	assert_false(has_host("no URL"));
	assert_false(has_host("http://b/?a.test"));
}

static void blocklist__refuses_what_is_no_host(void **state)
{
	static const char *const names[] = {"",    ".",   "a b",  "a/",
					    "a:1", "a@b", "a?b",  "a#b",
					    "%",   "a<b", "[::1", "\xff"};
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(add_host(names[i]), CAH_EFORMAT);
	/* A NUL is a character like others. */
	struct slice nul = {"a\0b", 3};
	assert_int_equal(blocklist_add_host(list, nul, NULL), CAH_EFORMAT);
	assert_false(has_host("http://a/"));
}

static void blocklist__has_urls_by_both_hashes(void **state)
{
	(void)state;
	assert_false(has_url("abc"));
	/* of "abc": RFC 1321, A.5; FIPS 180-2, B.1 */
	assert_int_equal(add_hash("900150983CD24FB0d6963f7d28e17f72"), CAH_OK);
	assert_true(has_url("abc"));
	assert_false(has_url("abd"));
	tear_down(NULL);
	assert_int_equal(set_up(NULL), 0);
	assert_int_equal(add_hash("ba7816bf8f01cfea414140de5dae2223"
				  "b00361a396177a9cb410ff61f20015ad"),
			 CAH_OK);
	assert_true(has_url("abc"));
	assert_false(has_url(""));
}

static void blocklist__refuses_what_is_no_hash(void **state)
{
	(void)state;
	assert_int_equal(add_hash(""), CAH_EFORMAT);
	assert_int_equal(add_hash("900150983cd24fb0d6963f7d28e17f7"),
			 CAH_EFORMAT);
	assert_int_equal(add_hash("900150983cd24fb0d6963f7d28e17f7g"),
			 CAH_EFORMAT);
	assert_int_equal(add_hash("900150983cd24fb0d6963f7d28e17f72 "),
			 CAH_EFORMAT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(blocklist__has_hosts_and_those_below),
		TEST(blocklist__refuses_what_is_no_host),
		TEST(blocklist__has_urls_by_both_hashes),
		TEST(blocklist__refuses_what_is_no_hash),
	};
	return cmocka_run_group_tests_name("blocklist", tests, NULL, NULL);
}
