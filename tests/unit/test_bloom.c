#include "dedup/bloom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/cah-bloom-XXXXXX";
static char path[64];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/cah-bloom-XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/seen", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

/* splitmix64, so that the keys are as an MD5's bytes. */
static const unsigned char *key_of(unsigned char key[BLOOM_KEY_LEN], uint64_t n)
{
	for (int i = 0; i < 2; i++) {
		uint64_t x = (2 * n + (uint64_t)i + 1) * 0x9e3779b97f4a7c15U;
		x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
		x = (x ^ x >> 27) * 0x94d049bb133111ebU;
		x ^= x >> 31;
		memcpy(key + 8 * i, &x, 8);
	}
	return key;
}

static struct bloom *open_for(int64_t capacity, double rate)
{
	struct cah_error err;
	struct bloom *bloom;
	const struct bloom_size size = {capacity, rate};
	if (bloom_open(&bloom, path, &size, &err) != CAH_OK)
		fail_msg("%s", err.text);
	return bloom;
}

static void bloom__knows_what_was_added_and_little_else(void **state)
{
	(void)state;
	enum {
		KEYS = 200000
	};
	static const double rates[] = {0.1, 0.01, 0.001};
	for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
		unsigned char key[BLOOM_KEY_LEN];
		struct bloom *bloom = open_for(KEYS, rates[r]);
		int wrong = 0;
		for (int i = 0; i < KEYS; i++)
			wrong += !bloom_add(bloom, key_of(key, i));
		/* While it fills, fewer are wrong than at its end. */
		assert_in_range(wrong, 0, (int)(KEYS * rates[r]));
		assert_int_equal(bloom_count(bloom), KEYS - wrong);
		for (int i = 0; i < KEYS; i++)
			assert_true(bloom_has(bloom, key_of(key, i)));
		wrong = 0;
		for (int i = KEYS; i < 2 * KEYS; i++)
			wrong += bloom_has(bloom, key_of(key, i));
		/* The file is as small as the rate lets it be. */
		double expected = KEYS * bloom_error_rate(bloom, KEYS);
		assert_true(expected <= KEYS * rates[r]);
		assert_true(expected > 0.99 * KEYS * rates[r]);
		assert_true(wrong < 1.5 * expected + 10);
		assert_true(wrong > expected / 1.5 - 10);
		bloom_close(bloom);
		assert_int_equal(unlink(path), 0);
	}
}

static void bloom__answers_many_as_one_by_one(void **state)
{
	(void)state;
	enum {
		KEYS = 1003
	};
	static unsigned char keys[KEYS][BLOOM_KEY_LEN];
	bool has[KEYS + 1];
	struct bloom *bloom = open_for(10, 0.3);
	for (int i = 0; i < KEYS; i++)
		(void)key_of(keys[i], i);
	for (int i = 0; i < 20; i++)
		(void)bloom_add(bloom, keys[50 * i]);
	for (int count = 0; count <= KEYS; count += 17) {
		has[count] = true;
		bloom_has_many(bloom, keys[0], (size_t)count, has);
		for (int i = 0; i < count; i++)
			assert_int_equal(has[i], bloom_has(bloom, keys[i]));
		assert_true(has[count]);
	}
	bloom_close(bloom);
}

static void bloom__is_the_same_when_opened_again(void **state)
{
	(void)state;
	unsigned char key[BLOOM_KEY_LEN];
	struct cah_error err;
	struct bloom *bloom = open_for(1000, 0.01);
	struct bloom *other = open_for(5, 0.5);
	assert_int_equal(bloom_capacity(other), 1000);
	assert_true(bloom_add(bloom, key_of(key, 1)));
	assert_true(bloom_has(other, key));
	assert_int_equal(bloom_sync(bloom, &err), CAH_OK);
	bloom_close(bloom);
	bloom_close(other);
	bloom = open_for(0, 0);
	assert_int_equal(bloom_capacity(bloom), 1000);
	assert_int_equal(bloom_count(bloom), 1);
	assert_true(bloom_has(bloom, key_of(key, 1)));
	assert_false(bloom_has(bloom, key_of(key, 2)));
	bloom_close(bloom);
}

struct adder {
	struct bloom *bloom;
	int from, to;
};

static void *add_all(void *arg)
{
	const struct adder *adder = arg;
	unsigned char key[BLOOM_KEY_LEN];
	for (int i = adder->from; i < adder->to; i++)
		(void)bloom_add(adder->bloom, key_of(key, i));
	return NULL;
}

static void bloom__loses_nothing_to_other_threads_and_processes(void **state)
{
	(void)state;
	enum {
		EACH = 20000,
		ADDERS = 3
	};
	pid_t child = fork();
	assert_true(child >= 0);
	struct bloom *bloom = open_for(4 * EACH, 0.001);
	if (child == 0) {
		struct adder adder = {bloom, 0, EACH};
		(void)add_all(&adder);
		bloom_close(bloom);
		_exit(0);
	}
	pthread_t threads[ADDERS];
	struct adder adders[ADDERS];
	for (int i = 0; i < ADDERS; i++) {
		adders[i] = (struct adder){bloom, i * EACH, (i + 2) * EACH};
		assert_int_equal(
			pthread_create(&threads[i], NULL, add_all, &adders[i]),
			0);
	}
	for (int i = 0; i < ADDERS; i++)
		pthread_join(threads[i], NULL);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	unsigned char key[BLOOM_KEY_LEN];
	for (int i = 0; i < 4 * EACH; i++)
		assert_true(bloom_has(bloom, key_of(key, i)));
	bloom_close(bloom);
}

static void put(const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void refuses(const struct bloom_size *size, int code, const char *text)
{
	struct cah_error err;
	struct bloom *bloom;
	assert_int_equal(bloom_open(&bloom, path, size, &err), code);
	assert_null(bloom);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, text));
}

static void bloom__refuses_what_is_no_filter(void **state)
{
	(void)state;
	const struct bloom_size any = {0, 0};
	put("hello", 5);
	refuses(&any, CAH_EFORMAT, "no filter");
	assert_int_equal(unlink(path), 0);
	bloom_close(open_for(1000, 0.01));
	assert_int_equal(truncate(path, 4096 + 32), 0);
	refuses(&any, CAH_EFORMAT, "length");
	assert_int_equal(unlink(path), 0);
	static const struct bloom_size sizes[] = {
		{-1, 0.1}, {BLOOM_CAPACITY_MAX + 1, 0.1}, {10, 0.6}, {10, -1}};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		refuses(&sizes[i], CAH_EINVALID, "must be");
	assert_int_not_equal(access(path, F_OK), 0);
}

/* As after a crash between the room and the header. */
static void bloom__begins_an_unfinished_file_anew(void **state)
{
	(void)state;
	static const char zeros[5000];
	unsigned char key[BLOOM_KEY_LEN];
	put(zeros, sizeof(zeros));
	struct bloom *bloom = open_for(1000, 0.01);
	assert_int_equal(bloom_count(bloom), 0);
	assert_true(bloom_add(bloom, key_of(key, 1)));
	bloom_close(bloom);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(bloom__knows_what_was_added_and_little_else),
		TEST(bloom__answers_many_as_one_by_one),
		TEST(bloom__is_the_same_when_opened_again),
		TEST(bloom__loses_nothing_to_other_threads_and_processes),
		TEST(bloom__refuses_what_is_no_filter),
		TEST(bloom__begins_an_unfinished_file_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
