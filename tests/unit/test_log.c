/* Lines of the log: both formats, hostile texts, readers that do not read. */
#include "base/log.h"
#include "base/utf8.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct said {
	FILE *out;
	char *text;
	size_t len;
	struct log *log;
};

static void begin(struct said *said, enum log_level level, bool is_json)
{
	said->text = NULL;
	said->out = open_memstream(&said->text, &said->len);
	assert_non_null(said->out);
	assert_int_equal(log_new(&said->log, said->out, level, is_json, NULL),
			 CAH_OK);
}

/* What was said behind the time of the first line; freed with said->text. */
static const char *end(struct said *said)
{
	log_free(said->log);
	fclose(said->out);
	const char *behind = strstr(said->text, "level");
	return behind != NULL ? behind : "";
}

static void log__writes_fields_in_logfmt(void **state)
{
	(void)state;
	struct said said;
	begin(&said, LOG_INFO, false);
	const struct log_field fields[] = {
		log_text("route", SLICE("/api/newJob")),
		log_text("said", SLICE("two words")),
		log_text("sum", SLICE("a=b")),
		log_text("nothing", SLICE("")),
		log_int("status", -503),
		log_ms("ms", 1234567),
	};
	log_fields(said.log, LOG_WARN, "request", fields, 6);
	assert_string_equal(end(&said),
			    "level=warn msg=\"request\" route=/api/newJob "
			    "said=\"two words\" sum=\"a=b\" nothing=\"\" "
			    "status=-503 ms=1.235\n");
	free(said.text);
}

static void log__writes_fields_as_json(void **state)
{
	(void)state;
	struct said said;
	begin(&said, LOG_DEBUG, true);
	const struct log_field fields[] = {
		log_text("route", SLICE("/")),
		log_int("status", 200),
		log_ms("ms", 500),
	};
	log_fields(said.log, LOG_DEBUG, "request", fields, 3);
	assert_string_equal(end(&said),
			    "level\":\"debug\",\"msg\":\"request\","
			    "\"route\":\"/\",\"status\":200,\"ms\":0.001}\n");
	assert_memory_equal(said.text, "{\"time\":\"2", 10);
	free(said.text);
}

static void log__escapes_what_changes_a_line(void **state)
{
	static const struct {
		const char *text;
		const char *written;
	} rows[] = {
		{"a\nb", "a\\u000ab"},
		{"\033[2J", "\\u001b[2J"},
		{"\xc2\x9b", "\\u009b"},
		{"\"\\", "\\\"\\\\"},
		{"\xe2\x80\xae", "\\u202e"},
		{"\xe2\x80\xa8", "\\u2028"},
		{"\xe2\x80\x8b", "\\u200b"},
		{"\xef\xbb\xbf", "\\ufeff"},
		{"\xff", "\xef\xbf\xbd"},
		{"\xe6\x97", "\xef\xbf\xbd"},
		{"\xe6\x97\xa5", "\xe6\x97\xa5"},
	};
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct said said;
		char want[64];
		bool is_json = i % 2 == 1;
		begin(&said, LOG_INFO, is_json);
		struct log_field field =
			log_text("k", slice_of(rows[i / 2].text));
		log_fields(said.log, LOG_INFO, "m", &field, 1);
		(void)snprintf(want, sizeof(want),
			       is_json ? "\"k\":\"%s\"}\n" : "k=\"%s\"\n",
			       rows[i / 2].written);
		assert_non_null(strstr(end(&said), want));
		free(said.text);
	}
}

static void log__keeps_its_longest_line(void **state)
{
	(void)state;
	char text[LOG_LINE_MAX];
	memset(text, '\x01', sizeof(text));
	struct log_field fields[20];
	for (size_t i = 0; i < 20; i++)
		fields[i] = log_text("k", (struct slice){text, sizeof(text)});
	text[sizeof(text) - 1] = '\0';
	for (int is_json = 0; is_json < 2; is_json++) {
		struct said said;
		begin(&said, LOG_INFO, is_json);
		log_fields(said.log, LOG_INFO, text, fields, 20);
		(void)end(&said);
		assert_true(said.len <= LOG_LINE_MAX);
		assert_true(said.len > LOG_MSG_MAX);
		const char *last = is_json ? "\"}\n" : "\"\n";
		assert_string_equal(said.text + said.len - strlen(last), last);
		free(said.text);
	}
}

static void log__shows_its_levels(void **state)
{
	(void)state;
	struct said said;
	begin(&said, LOG_WARN, false);
	assert_false(log_shows(said.log, LOG_INFO));
	assert_true(log_shows(said.log, LOG_WARN));
	assert_false(log_shows(NULL, LOG_ERROR));
	log_info(said.log, "not this");
	assert_string_equal(end(&said), "");
	free(said.text);
	log_fields(NULL, LOG_ERROR, "to nobody", NULL, 0);
}

/* All that is in a pipe. */
static size_t drain(int fd, char *out, size_t cap)
{
	size_t len = 0;
	ssize_t got;
	while ((got = read(fd, out + len, cap - 1 - len)) > 0)
		len += (size_t)got;
	out[len] = '\0';
	return len;
}

static void log__loses_lines_that_nobody_reads_and_counts_them(void **state)
{
	enum {
		PIPE_MAX = 1 << 20,
		LINES = 2000
	};
	(void)state;
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	FILE *out = fdopen(fds[1], "w");
	char *said = malloc(PIPE_MAX);
	assert_non_null(said);
	struct log *log;
	assert_int_equal(log_new(&log, out, LOG_INFO, true, NULL), CAH_OK);
	log_set_wait(log, 1);
	/* More than a pipe takes: without the limit it would never end. */
	for (int i = 0; i < LINES; i++)
		log_info(log, "line %d %100s", i, "");
	size_t len = drain(fds[0], said, PIPE_MAX);
	assert_int_equal(said[len - 1], '\n');
	int lines = 0;
	for (size_t i = 0; i < len; i++)
		lines += said[i] == '\n';
	assert_true(lines < LINES);

	log_info(log, "read again");
	(void)drain(fds[0], said, PIPE_MAX);
	char want[64];
	(void)snprintf(want, sizeof(want), "\"lines\":%d}\n", LINES - lines);
	char *told = strstr(said, want);
	assert_non_null(told);
	assert_non_null(strstr(told, "\"read again\"}\n"));
	log_info(log, "and again");
	(void)drain(fds[0], said, PIPE_MAX);
	assert_null(strstr(said, "lost"));
	log_free(log);
	fclose(out);
	close(fds[0]);
	free(said);
}

static void log__lets_a_burst_pass_and_counts_the_rest(void **state)
{
	(void)state;
	struct said said;
	struct log_burst burst = {0};
	begin(&said, LOG_INFO, false);
	int passed = 0;
	for (int i = 0; i < 1000; i++)
		passed += log_burst_passes(&burst, 100);
	assert_int_equal(passed, LOG_BURST_LINES);
	log_burst_tell(said.log, LOG_WARN, &burst, "it", 100 + LOG_BURST_S - 1);
	assert_true(log_burst_passes(&burst, 100 + LOG_BURST_S));
	log_burst_tell(said.log, LOG_WARN, &burst, "it", 100 + 2 * LOG_BURST_S);
	log_burst_tell(said.log, LOG_WARN, &burst, "it", 100 + 4 * LOG_BURST_S);
	assert_string_equal(end(&said),
			    "level=warn msg=\"990 more lines about it\"\n");
	free(said.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log__writes_fields_in_logfmt),
		cmocka_unit_test(log__writes_fields_as_json),
		cmocka_unit_test(log__escapes_what_changes_a_line),
		cmocka_unit_test(log__keeps_its_longest_line),
		cmocka_unit_test(log__shows_its_levels),
		cmocka_unit_test(
			log__loses_lines_that_nobody_reads_and_counts_them),
		cmocka_unit_test(log__lets_a_burst_pass_and_counts_the_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
