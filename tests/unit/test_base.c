#include "base/arena.h"
#include "base/buf.h"
#include "base/cancel.h"
#include "base/fail.h"
#include "base/fate.h"
#include "base/file.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/table.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static void fail__hides_control_characters_and_cuts_long_lines(void **state)
{
	(void)state;
	struct cah_error err;
	assert_int_equal(cah_fail(&err, CAH_EIO, "a\nb\x1b[31m"), CAH_EIO);
	assert_string_equal(err.text, "a?b?[31m");
	cah_fail(&err, CAH_EIO, "%s",
		 "\xc2\x9b"
		 "1m\xc2\xa0\xc2");
	assert_string_equal(err.text, "??1m\xc2\xa0\xc2");
	char text[CAH_ERROR_TEXT * 2];
	memset(text, 'x', sizeof(text));
	memcpy(text + CAH_ERROR_TEXT - 2, "\xc3\xa9", 2);
	text[sizeof(text) - 1] = '\0';
	cah_fail(&err, CAH_EIO, "%s", text);
	assert_int_equal(strlen(err.text), CAH_ERROR_TEXT - 2);
}

static void fail__puts_what_is_learnt_later_in_front(void **state)
{
	(void)state;
	struct cah_error err;
	cah_fail(&err, CAH_EFORMAT, "not gzip");
	assert_int_equal(cah_fail_prefix(&err, CAH_EIO, "file %d", 7),
			 CAH_EFORMAT);
	assert_string_equal(err.text, "file 7: not gzip");
}

static void buf__stops_at_its_maximum_and_remembers(void **state)
{
	(void)state;
	struct buf buf;
	buf_init(&buf, 10);
	assert_int_equal(buf_add_text(&buf, "12345"), CAH_OK);
	assert_int_equal(buf_printf(&buf, "%d", 678901), CAH_ELIMIT);
	assert_int_equal(buf_add_byte(&buf, 'x'), CAH_ELIMIT);
	struct cah_error err;
	assert_int_equal(buf_check(&buf, "answer", &err), CAH_ELIMIT);
	assert_string_equal(err.text, "answer: more than 10 bytes");
	buf_reset(&buf);
	assert_int_equal(buf_add_text(&buf, "1234567890"), CAH_OK);
	assert_string_equal(buf.data, "1234567890");
	buf_consume(&buf, 4);
	assert_string_equal(buf.data, "567890");
	buf_fini(&buf);
}

static void arena__hands_out_no_more_than_its_maximum(void **state)
{
	(void)state;
	struct arena *arena;
	assert_int_equal(arena_new(&arena, 100000, NULL), CAH_OK);
	assert_non_null(arena_alloc(arena, 70000));
	assert_null(arena_alloc(arena, 30001));
	arena_reset(arena);
	assert_non_null(arena_alloc(arena, 100000));
	assert_null(arena_alloc(arena, SIZE_MAX));
	arena_free(arena);
}

static void table__agrees_with_a_plain_array(void **state)
{
	(void)state;
	enum {
		KEYS = 500
	};
	uint64_t model[KEYS] = {0};
	struct table *table;
	assert_int_equal(table_new(&table, KEYS, NULL), CAH_OK);
	srand(1);
	for (int i = 0; i < 20000; i++) {
		int k = rand() % KEYS;
		char key[16];
		int len = snprintf(key, sizeof(key), "key%d", k);
		struct slice s = {key, (size_t)len};
		if (rand() % 3 == 0) {
			assert_int_equal(table_remove(table, s), model[k] != 0);
			model[k] = 0;
		} else {
			bool was_there;
			uint64_t v = (uint64_t)i + 1;
			assert_int_equal(table_set(table, s, v, &was_there),
					 CAH_OK);
			assert_int_equal(was_there, model[k] != 0);
			model[k] = v;
		}
		uint64_t value = 0;
		k = rand() % KEYS;
		s.len = (size_t)snprintf(key, sizeof(key), "key%d", k);
		assert_int_equal(table_get(table, s, &value), model[k] != 0);
		assert_int_equal(value, model[k]);
	}
	table_clear(table);
	assert_int_equal(table_count(table), 0);
	table_free(table);
}

static void table__takes_an_empty_key(void **state)
{
	const struct slice empty = {NULL, 0};
	struct table *table;
	uint64_t value;
	bool was_there;
	(void)state;
	assert_int_equal(table_new(&table, 9, NULL), CAH_OK);
	assert_false(table_get(table, empty, &value));
	assert_int_equal(table_set(table, empty, 5, &was_there), CAH_OK);
	assert_false(was_there);
	assert_int_equal(table_set(table, SLICE(""), 7, &was_there), CAH_OK);
	assert_true(was_there);
	assert_true(table_get(table, empty, &value));
	assert_int_equal(value, 7);
	assert_true(table_remove(table, empty));
	table_free(table);
}

static void table__refuses_more_keys_than_its_maximum(void **state)
{
	(void)state;
	struct table *table;
	assert_int_equal(table_new(&table, 1, NULL), CAH_OK);
	assert_int_equal(table_set(table, SLICE("a"), 1, NULL), CAH_OK);
	assert_int_equal(table_set(table, SLICE("b"), 1, NULL), CAH_ELIMIT);
	assert_int_equal(table_set(table, SLICE("a"), 2, NULL), CAH_OK);
	table_free(table);
}

static void *push_numbers(void *arg)
{
	for (uintptr_t i = 1; i <= 10000; i++)
		if (!queue_push(arg, (void *)i))
			abort();
	return NULL;
}

static void queue__passes_everything_in_order(void **state)
{
	(void)state;
	struct queue *queue;
	pthread_t thread;
	assert_int_equal(queue_new(&queue, 3, NULL), CAH_OK);
	assert_int_equal(pthread_create(&thread, NULL, push_numbers, queue), 0);
	for (uintptr_t i = 1; i <= 10000; i++)
		assert_int_equal((uintptr_t)queue_pop(queue), i);
	pthread_join(thread, NULL);
	struct queue_stats stats;
	queue_stats(queue, &stats);
	assert_int_equal(stats.passed, 10000);
	assert_in_range(stats.most, 1, 3);
	queue_free(queue);
}

static void queue__gives_out_what_is_left_after_close(void **state)
{
	(void)state;
	struct queue *queue;
	int item;
	assert_int_equal(queue_new(&queue, 2, NULL), CAH_OK);
	assert_true(queue_push(queue, &item));
	queue_close(queue);
	assert_false(queue_push(queue, &item));
	assert_false(queue_is_done(queue));
	assert_ptr_equal(queue_pop(queue), &item);
	assert_true(queue_is_done(queue));
	assert_null(queue_pop(queue));
	queue_free(queue);
}

static void queue__waits_no_longer_than_told(void **state)
{
	(void)state;
	struct queue *queue;
	assert_int_equal(queue_new(&queue, 1, NULL), CAH_OK);
	assert_null(queue_pop_wait(queue, 5));
	assert_null(queue_try_pop(queue));
	queue_free(queue);
}

static char *temporary_folder(void)
{
	static char path[64];
	strcpy(path, "/tmp/cah-test-XXXXXX");
	assert_non_null(mkdtemp(path));
	return path;
}

static void file__appears_whole_or_not_at_all(void **state)
{
	(void)state;
	char *folder = temporary_folder();
	char path[128], deep[128];
	snprintf(deep, sizeof(deep), "%s/a/b", folder);
	snprintf(path, sizeof(path), "%s/a/b/file", folder);
	struct cah_error err;
	assert_int_equal(file_make_dirs(deep, &err), CAH_OK);
	struct file *file;
	assert_int_equal(file_create(&file, path, &err), CAH_OK);
	assert_int_equal(file_write(file, "half", 4, &err), CAH_OK);
	assert_int_not_equal(access(path, F_OK), 0);
	file_discard(file);
	assert_int_equal(file_put(path, "whole", 5, &err), CAH_OK);

	struct buf buf;
	buf_init(&buf, 5);
	assert_int_equal(file_read(&buf, path, &err), CAH_OK);
	assert_string_equal(buf.data, "whole");
	buf_fini(&buf);
	buf_init(&buf, 4);
	assert_int_equal(file_read(&buf, path, &err), CAH_ELIMIT);
	buf_fini(&buf);
	unlink(path);
	assert_int_equal(rmdir(deep), 0); /* nothing else was left there */
	snprintf(deep, sizeof(deep), "%s/a", folder);
	rmdir(deep);
	rmdir(folder);
}

static void file__that_cannot_be_written_leaves_nothing(void **state)
{
	(void)state;
	struct cah_error err;
	struct file *file;
	assert_int_equal(file_create(&file, "/nowhere/at/all", &err), CAH_EIO);
	assert_null(file);
	assert_non_null(strstr(err.text, "/nowhere/at/all"));
	char *folder = temporary_folder();
	assert_int_equal(file_create(&file, folder, &err), CAH_EIO);
	char path[128];
	snprintf(path, sizeof(path), "%s/big", folder);
	struct rlimit old, tiny = {10, RLIM_INFINITY};
	getrlimit(RLIMIT_FSIZE, &old);
	tiny.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &tiny);
	int rc = file_put(path, "more than ten bytes", 19, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(rc, CAH_EIO);
	assert_int_equal(rmdir(folder), 0);
}

static void cancel__wakes_who_sleeps(void **state)
{
	(void)state;
	struct cancel *cancel;
	assert_int_equal(cancel_new(&cancel, NULL), CAH_OK);
	assert_false(cancel_sleep(cancel, 1));
	cancel_set(cancel);
	assert_true(cancel_sleep(cancel, 1000000));
	assert_true(cancel_is_set(cancel));
	cancel_free(cancel);
	assert_false(cancel_is_set(NULL));
}

static void log__escapes_what_it_quotes(void **state)
{
	(void)state;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct log *log;
	assert_int_equal(log_new(&log, out, LOG_INFO, false, NULL), CAH_OK);
	log_debug(log, "not shown");
	log_info(log, "a \"b\"\n%s", "c");
	log_free(log);
	fclose(out);
	assert_non_null(
		strstr(text, "level=info msg=\"a \\\"b\\\"\\u000ac\"\n"));
	assert_null(strstr(text, "not shown"));
	free(text);
}

static void log__writes_valid_lines_of_hostile_texts(void **state)
{
	(void)state;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct log *log;
	char snow[3000];
	for (size_t i = 0; i < sizeof(snow); i++)
		snow[i] = "\xe2\x98\x83"[i % 3];
	snow[sizeof(snow) - 1] = '\0';
	assert_int_equal(log_new(&log, out, LOG_INFO, true, NULL), CAH_OK);
	log_info(log, "%s", "\xff|\xc2\x9b|\x7f|\xed\xa0\x80");
	log_info(log, "%s", snow);
	log_info(log, "x%s", snow);
	log_free(log);
	fclose(out);
	assert_non_null(strstr(text, "\"msg\":\"\xef\xbf\xbd|\\u009b|\\u007f|"
				     "\xef\xbf\xbd\xef\xbf\xbd"
				     "\xef\xbf\xbd\"}\n"));
	assert_true(utf8_is_valid((struct slice){text, len}));
	assert_int_equal(len > 0 ? text[len - 1] : 0, '\n');
	free(text);
}

/* As long as a terminal of @columns shows it in one row. */
static void assert_shown(int columns, const char *text, const char *shown)
{
	struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
	int head, tail;
	assert_int_equal(openpty(&head, &tail, NULL, NULL, &size), 0);
	FILE *out = fdopen(tail, "w");
	struct log *log;
	assert_int_equal(log_new(&log, out, LOG_INFO, false, NULL), CAH_OK);
	log_progress(log, text);
	char said[256];
	ssize_t got = read(head, said, sizeof(said) - 1);
	assert_true(got >= 0);
	said[got] = '\0';
	assert_string_equal(said, shown);
	log_free(log);
	fclose(out);
	close(head);
}

static void log__cuts_progress_to_the_terminal(void **state)
{
	(void)state;
	assert_shown(10, "123456789", "123456789");
	assert_shown(10, "1234567890", "123456789");
	assert_shown(6, "ab\xe6\x97\xa5xyz", "ab\xe6\x97\xa5x");
	assert_shown(5, "abc\xe6\x97\xa5", "abc");
	assert_shown(80,
		     "a\tb\xff"
		     "c",
		     "a?b\xef\xbf\xbd"
		     "c");
}

static void fate__sums_to_the_candidates(void **state)
{
	(void)state;
	struct fate_counts a = {{0}}, b = {{0}};
	a.n[CAH_FATE_KEPT] = 3;
	b.n[CAH_FATE_TOO_SMALL] = 4;
	fate_add(&a, &b);
	assert_int_equal(fate_total(&a), 7);
	assert_string_equal(fate_key(CAH_FATE_TOO_SMALL), "too_small");
}

static void utf8__is_as_in_the_rfc(void **state)
{
	static const struct {
		struct slice bytes;
		bool is_good;
	} rows[] = {
		{{NULL, 0}, true},
		{{"\xef\xbf\xbd", 3}, true}, /* U+FFFD itself */
		{{"a\0b", 3}, true},
		{{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9}, true},
		{{"\xf4\x8f\xbf\xbf", 4}, true},
		{{"\xf4\x90\x80\x80", 4}, false}, /* past U+10FFFF */
		{{"\xed\xa0\x80", 3}, false},     /* a surrogate */
		{{"\xc0\x80", 2}, false},         /* overlong */
		{{"\xe0\x80\x80", 3}, false},
		{{"\xf0\x80\x80\x80", 4}, false},
		{{"\x80", 1}, false},
		{{"\xc3", 1}, false}, /* cut */
		{{"\xc3(", 2}, false},
		{{"\xff", 1}, false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(utf8_is_valid(rows[i].bytes), rows[i].is_good);
}

static void utf8__stands_in_for_the_longest_beginning(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		uint32_t cp;
	} rows[] = {
		{"a", 1, 'a'},
		{"\xf0\x9f\x98\x80", 4, 0x1f600},
		{"\xf0\x9f\x98(", 3, UTF8_REPLACEMENT},
		{"\xf0\x9f(", 2, UTF8_REPLACEMENT},
		{"\xf0\x80\x80", 1, UTF8_REPLACEMENT},
		{"\xed\xa0\x80", 1, UTF8_REPLACEMENT},
		{"\xe2\x82", 2, UTF8_REPLACEMENT},
		{"\x80\x80", 1, UTF8_REPLACEMENT},
		{"\xef\xbf\xbd", 3, UTF8_REPLACEMENT},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t cp;
		struct slice s = slice_of(rows[i].bytes);
		assert_int_equal(utf8_read(s, &cp), rows[i].len);
		assert_int_equal(cp, rows[i].cp);
		char bytes[UTF8_MAX];
		size_t len = utf8_write(bytes, cp);
		bool is_same = len <= s.len && memcmp(bytes, s.data, len) == 0;
		assert_int_equal(utf8_read_valid(s, &cp), is_same ? len : 0);
	}
}

static void utf8__is_cut_at_characters(void **state)
{
	struct slice s = SLICE("\xc3\xa9"
			       "e\xf0\x9f\x98\x80");
	static const size_t lens[] = {0, 2, 3, 7, 7};
	(void)state;
	for (size_t max = 0; max < sizeof(lens) / sizeof(lens[0]); max++)
		assert_int_equal(utf8_cut(s, max).len, lens[max]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			fail__hides_control_characters_and_cuts_long_lines),
		cmocka_unit_test(fail__puts_what_is_learnt_later_in_front),
		cmocka_unit_test(buf__stops_at_its_maximum_and_remembers),
		cmocka_unit_test(arena__hands_out_no_more_than_its_maximum),
		cmocka_unit_test(table__agrees_with_a_plain_array),
		cmocka_unit_test(utf8__is_as_in_the_rfc),
		cmocka_unit_test(utf8__stands_in_for_the_longest_beginning),
		cmocka_unit_test(utf8__is_cut_at_characters),
		cmocka_unit_test(table__takes_an_empty_key),
		cmocka_unit_test(table__refuses_more_keys_than_its_maximum),
		cmocka_unit_test(queue__passes_everything_in_order),
		cmocka_unit_test(queue__gives_out_what_is_left_after_close),
		cmocka_unit_test(queue__waits_no_longer_than_told),
		cmocka_unit_test(file__appears_whole_or_not_at_all),
		cmocka_unit_test(file__that_cannot_be_written_leaves_nothing),
		cmocka_unit_test(cancel__wakes_who_sleeps),
		cmocka_unit_test(log__escapes_what_it_quotes),
		cmocka_unit_test(log__writes_valid_lines_of_hostile_texts),
		cmocka_unit_test(log__cuts_progress_to_the_terminal),
		cmocka_unit_test(fate__sums_to_the_candidates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
