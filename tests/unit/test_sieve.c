#include "dedup/sieve.h"

#include "dedup/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	CAPACITY = 200000,
	BATCH = 1000,
};

static char dir[64];
static char path[128];
static char journal[160];
static char old[128]; /* what the filter's file was before */

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/cah-sieve-XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/seen", dir);
	(void)snprintf(journal, sizeof(journal), "%s.journal", path);
	(void)snprintf(old, sizeof(old), "%s/old", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)unlink(journal);
	(void)unlink(old);
	return rmdir(dir);
}

/* splitmix64, so that the keys are as an MD5's bytes. */
static void make_keys(unsigned char *keys, uint64_t from, size_t count)
{
	for (size_t i = 0; i < 2 * count; i++) {
		uint64_t x = (2 * from + i + 1) * 0x9e3779b97f4a7c15U;
		x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
		x = (x ^ x >> 27) * 0x94d049bb133111ebU;
		x ^= x >> 31;
		memcpy(keys + 8 * i, &x, 8);
	}
}

static struct sieve *open_sieve(void)
{
	struct cah_error err;
	struct sieve *sieve;
	const struct bloom_size size = {CAPACITY, 1e-6};
	if (sieve_open(&sieve, path, &size, &err) != CAH_OK)
		fail_msg("%s", err.text);
	return sieve;
}

/* How many of a batch are new; with @adds they are staged. */
static int ask(struct sieve *sieve, uint64_t from, bool adds)
{
	static unsigned char keys[BATCH * BLOOM_KEY_LEN];
	static bool is_new[BATCH];
	int count = 0;
	make_keys(keys, from, BATCH);
	if (adds)
		assert_int_equal(sieve_stage(sieve, keys, BATCH, is_new, NULL),
				 CAH_OK);
	else
		sieve_ask(sieve, keys, BATCH, is_new);
	for (int i = 0; i < BATCH; i++)
		count += is_new[i];
	return count;
}

static void add(struct sieve *sieve, uint64_t from)
{
	assert_int_equal(ask(sieve, from, true), BATCH);
	assert_int_equal(sieve_commit(sieve, NULL), CAH_OK);
}

static void copy(const char *to, const char *from)
{
	char command[400];
	(void)snprintf(command, sizeof(command), "cp %s %s", from, to);
	/* NOLINTNEXTLINE(cert-env33-c): names of this test */
	assert_int_equal(system(command), 0);
}

static void sieve__knows_what_was_committed_and_nothing_else(void **state)
{
	(void)state;
	struct sieve *sieve = open_sieve();
	assert_int_equal(ask(sieve, 0, false), BATCH);
	assert_int_equal(ask(sieve, 0, true), BATCH);
	/* It is staged, and not there yet. */
	assert_int_equal(ask(sieve, 0, false), BATCH);
	assert_int_equal(ask(sieve, 0, true), 0);
	/* Half of it is new. */
	assert_int_equal(ask(sieve, BATCH / 2, true), BATCH / 2);
	assert_int_equal(sieve_commit(sieve, NULL), CAH_OK);
	assert_int_equal(ask(sieve, 0, false), 0);
	assert_int_equal(ask(sieve, BATCH / 2, true), 0);
	assert_int_equal(sieve_commit(sieve, NULL), CAH_OK);
	struct sieve_state now;
	sieve_look(sieve, &now);
	assert_int_equal(now.count, BATCH + BATCH / 2);
	assert_int_equal(now.capacity, CAPACITY);
	assert_false(now.is_broken);
	sieve_close(sieve);
}

static void sieve__forgets_what_was_never_committed(void **state)
{
	(void)state;
	struct sieve *sieve = open_sieve();
	assert_int_equal(ask(sieve, 0, true), BATCH);
	sieve_close(sieve);
	sieve = open_sieve();
	assert_int_equal(ask(sieve, 0, false), BATCH);
	sieve_close(sieve);
}

static void sieve__of_twins_the_first_is_new(void **state)
{
	(void)state;
	unsigned char keys[3 * BLOOM_KEY_LEN];
	bool is_new[3];
	make_keys(keys, 1, 1);
	memcpy(keys + BLOOM_KEY_LEN, keys, BLOOM_KEY_LEN);
	make_keys(keys + 2 * (size_t)BLOOM_KEY_LEN, 2, 1);
	struct sieve *sieve = open_sieve();
	assert_int_equal(sieve_stage(sieve, keys, 3, is_new, NULL), CAH_OK);
	assert_true(is_new[0] && !is_new[1] && is_new[2]);
	sieve_close(sieve);
}

/* A power cut: the filter's file is what it was, the journal is not. */
static void sieve__lives_through_a_filter_that_was_not_written(void **state)
{
	(void)state;
	sieve_close(open_sieve());
	copy(old, path);
	struct sieve *sieve = open_sieve();
	for (uint64_t i = 0; i < 20; i++)
		add(sieve, i * BATCH);
	sieve_close(sieve);
	copy(path, old);
	sieve = open_sieve();
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(ask(sieve, i * BATCH, false), 0);
	struct sieve_state now;
	sieve_look(sieve, &now);
	assert_int_equal(now.count, 20 * BATCH);
	sieve_close(sieve);
}

/* Cuts the journal in its third record; the two before it stay. */
static void sieve__leaves_out_a_record_that_is_torn(void **state)
{
	(void)state;
	enum {
		RECORD = 32 + BATCH * BLOOM_KEY_LEN,
	};
	static const char zeros[2048];
	sieve_close(open_sieve());
	copy(old, path);
	struct sieve *sieve = open_sieve();
	for (uint64_t i = 0; i < 4; i++)
		add(sieve, i * BATCH);
	sieve_close(sieve);
	copy(path, old);
	int fd = open(journal, O_WRONLY | O_CLOEXEC);
	assert_int_equal(
		pwrite(fd, zeros, sizeof(zeros), 4096 + 2 * RECORD + 100),
		sizeof(zeros));
	close(fd);
	sieve = open_sieve();
	assert_int_equal(ask(sieve, 0, false), 0);
	assert_int_equal(ask(sieve, BATCH, false), 0);
	assert_int_equal(ask(sieve, 2 * BATCH, false), BATCH);
	assert_int_equal(ask(sieve, 3 * BATCH, false), BATCH);
	sieve_close(sieve);
}

/* What a half held before it was cleared is not added again. */
static void sieve__reads_no_record_of_an_older_generation(void **state)
{
	(void)state;
	sieve_close(open_sieve());
	copy(old, path);
	struct sieve *sieve = open_sieve();
	add(sieve, 0);
	add(sieve, BATCH);
	sieve_close(sieve);
	/* The halves are cleared here, the old records lie behind new ones. */
	sieve = open_sieve();
	add(sieve, 2 * BATCH);
	sieve_close(sieve);
	copy(path, old);
	sieve = open_sieve();
	assert_int_equal(ask(sieve, 0, false), BATCH);
	assert_int_equal(ask(sieve, BATCH, false), BATCH);
	assert_int_equal(ask(sieve, 2 * BATCH, false), 0);
	sieve_close(sieve);
}

static void sieve__is_for_one_process(void **state)
{
	(void)state;
	struct sieve *sieve = open_sieve();
	pid_t child = fork();
	if (child == 0) {
		struct sieve *second;
		const struct bloom_size size = {0};
		_exit(sieve_open(&second, path, &size, NULL) ==
		      CAH_EUNAVAILABLE);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	sieve_close(sieve);
}

static void sieve__keeps_what_was_committed_when_it_is_killed(void **state)
{
	(void)state;
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	pid_t child = fork();
	if (child == 0) {
		struct sieve *sieve = open_sieve();
		for (uint64_t i = 0; i < 50; i++) {
			unsigned char number = (unsigned char)i;
			if (ask(sieve, i * BATCH, true) != BATCH ||
			    sieve_commit(sieve, NULL) != CAH_OK ||
			    write(fds[1], &number, 1) != 1)
				_exit(1);
		}
		(void)pause();
		_exit(1);
	}
	close(fds[1]);
	unsigned char last = 0;
	while (last < 7)
		assert_int_equal(read(fds[0], &last, 1), 1);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	while (read(fds[0], &last, 1) == 1)
		;
	close(fds[0]);
	struct sieve *sieve = open_sieve();
	for (uint64_t i = 0; i <= last; i++)
		assert_int_equal(ask(sieve, i * BATCH, false), 0);
	sieve_close(sieve);
}

static void sieve__takes_no_more_than_it_was_made_for(void **state)
{
	(void)state;
	struct cah_error err;
	static unsigned char keys[BATCH * BLOOM_KEY_LEN];
	static bool is_new[BATCH];
	struct sieve *sieve;
	const struct bloom_size size = {BATCH + BATCH / 2, 1e-6};
	assert_int_equal(sieve_open(&sieve, path, &size, &err), CAH_OK);
	add(sieve, 0);
	make_keys(keys, BATCH, BATCH);
	assert_int_equal(sieve_stage(sieve, keys, BATCH, is_new, &err),
			 CAH_ELIMIT);
	assert_string_equal(err.text,
			    "the filter is full: it was made for 1500 pairs");
	/* Nothing of it is staged; what is there may be told again. */
	assert_int_equal(sieve_stage(sieve, keys, BATCH / 2, is_new, &err),
			 CAH_OK);
	assert_true(is_new[0] && is_new[BATCH / 2 - 1]);
	assert_int_equal(sieve_commit(sieve, &err), CAH_OK);
	assert_int_equal(ask(sieve, 0, true), 0);
	assert_int_equal(ask(sieve, BATCH, false), BATCH / 2);
	sieve_close(sieve);
}

/* More keys than both halves of the journal hold. */
static void sieve__empties_its_journal_while_it_is_used(void **state)
{
	(void)state;
	enum {
		MANY = SIEVE_STAGED_MAX,
		TIMES = 6,
	};
	struct sieve *sieve;
	unsigned char *keys = malloc((size_t)MANY * BLOOM_KEY_LEN);
	bool *is_new = malloc(MANY * sizeof(*is_new));
	assert_true(keys != NULL && is_new != NULL);
	const struct bloom_size size = {(int64_t)MANY * TIMES, 0.01};
	assert_int_equal(sieve_open(&sieve, path, &size, NULL), CAH_OK);
	for (int i = 0; i < TIMES; i++) {
		make_keys(keys, (uint64_t)i * MANY, MANY);
		assert_int_equal(sieve_stage(sieve, keys, MANY, is_new, NULL),
				 CAH_OK);
		assert_int_equal(sieve_commit(sieve, NULL), CAH_OK);
	}
	sieve_close(sieve);
	assert_int_equal(sieve_open(&sieve, path, &size, NULL), CAH_OK);
	for (int i = 0; i < TIMES; i++) {
		make_keys(keys, (uint64_t)i * MANY, 1000);
		sieve_ask(sieve, keys, 1000, is_new);
		for (int k = 0; k < 1000; k++)
			assert_false(is_new[k]);
	}
	sieve_close(sieve);
	free(keys);
	free(is_new);
}

static void refused(int code, const char *text)
{
	struct cah_error err;
	struct sieve *sieve;
	const struct bloom_size size = {CAPACITY, 1e-6};
	assert_int_equal(sieve_open(&sieve, path, &size, &err), code);
	assert_non_null(strstr(err.text, text));
	assert_null(sieve);
}

static void damage(const char *file, off_t at)
{
	unsigned char byte;
	int fd = open(file, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void sieve__refuses_what_is_damaged(void **state)
{
	(void)state;
	sieve_close(open_sieve());
	damage(journal, 17); /* the generation */
	refused(CAH_EFORMAT, "is damaged");
	damage(journal, 17);
	damage(journal, 0);
	refused(CAH_EFORMAT, "is no journal of cah's");
	damage(journal, 0);
	damage(path, 24); /* the capacity */
	refused(CAH_EFORMAT, "its header is damaged");
	damage(path, 24);
	sieve_close(open_sieve());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sieve__knows_what_was_committed_and_nothing_else),
		TEST(sieve__forgets_what_was_never_committed),
		TEST(sieve__of_twins_the_first_is_new),
		TEST(sieve__lives_through_a_filter_that_was_not_written),
		TEST(sieve__leaves_out_a_record_that_is_torn),
		TEST(sieve__reads_no_record_of_an_older_generation),
		TEST(sieve__is_for_one_process),
		TEST(sieve__keeps_what_was_committed_when_it_is_killed),
		TEST(sieve__takes_no_more_than_it_was_made_for),
		TEST(sieve__empties_its_journal_while_it_is_used),
		TEST(sieve__refuses_what_is_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
