#include "cli/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define JOBS(open, leased, done, total)                                       \
	"\"jobs\":{\"open\":" #open ",\"leased\":" #leased ",\"done\":" #done \
	",\"total\":" #total "}"
#define REST                                                       \
	",\"workers\":{\"HYBRID\":20000,\"CPU\":1,\"GPU\":0},"     \
	"\"total_pairs_scraped\":1234567,\"finished_last_hour\":3" \
	"600"
#define DATA(jobs) "{" jobs REST "}"

static struct status parse(const char *data)
{
	struct status s;
	assert_int_equal(status_parse(&s, slice_of(data), NULL), CAH_OK);
	return s;
}

/* Until the next call. */
static const char *written(const struct status_view *view)
{
	static struct buf out;
	buf_fini(&out);
	buf_init(&out, 1 << 16);
	status_write(&out, view);
	assert_int_equal(buf_check(&out, "view", NULL), CAH_OK);
	return out.data;
}

static void parse__takes_the_numbers_of_data(void **state)
{
	(void)state;
	struct status s = parse(DATA(JOBS(6, 1, 3, 10)));
	assert_int_equal(s.jobs[JOB_OPEN], 6);
	assert_int_equal(s.jobs[JOB_LEASED], 1);
	assert_int_equal(s.jobs[JOB_DONE], 3);
	assert_int_equal(s.jobs[JOB_GPU_OPEN], 0);
	assert_int_equal(s.total, 10);
	assert_int_equal(s.workers[WORKER_HYBRID], 20000);
	assert_int_equal(s.pairs, 1234567);
	assert_int_equal(s.finished_last_hour, 3600);
	assert_false(s.has_counters);
}

#define STAGES                                                                 \
	",\"stages\":[{\"stage\":\"a\",\"name\":\"\\u001b[2J\",\"open\":1500," \
	"\"leased\":2,\"workers\":3},{\"open\":4,\"leased\":0,\"workers\":0}]"
#define STAGED(stages, tasks) "{" JOBS(0, 0, 0, 0) REST stages tasks "}"
#define TASKS ",\"tasks\":{\"done\":502,\"total\":2008}"

static void view__tells_of_the_stages(void **state)
{
	(void)state;
	struct status s = parse(STAGED(STAGES, TASKS));
	const struct status_view view = {
		.url = "http://x", .columns = 80, .now = &s};
	const char *text = written(&view);
	assert_int_equal(s.stage_count, 2);
	assert_non_null(strstr(text, " 25.00 %\n"));
	assert_non_null(strstr(text, "[################......"));
	assert_non_null(strstr(text,
			       "stage a              1,500 open, 2 in work, 3 "
			       "workers\n"));
	assert_non_null(strstr(text, "stage b                  4 open, 0 in"));
	assert_non_null(strstr(text, "all stages             502 of 2,008\n"));
	assert_non_null(strstr(text, "left         unknown\n"));
	assert_null(strchr(text, '\x1b'));
}

static void parse__refuses_what_is_no_state(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"<html>",
		"{\"jobs\":7}",
		"{" JOBS(6, 1, 3, 10) "}",
		DATA(JOBS(-1, 1, 3, 10)),
		DATA(JOBS("6", 1, 3, 10)),
		DATA(JOBS(6.0, 1, 3, 10)),
		DATA(JOBS(11, 1, 3, 10)),
		STAGED(STAGES, ""),
		STAGED(STAGES, ",\"tasks\":{\"done\":3,\"total\":2}"),
		STAGED(",\"stages\":[{}]", TASKS),
		STAGED(",\"stages\":[0,0,0,0,0,0]", TASKS),
		DATA(JOBS(6, 1, 3, 9007199254740993)),
		DATA(JOBS(6, 1, 3, 99999999999999999999)),
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct status s;
		assert_int_equal(status_parse(&s, slice_of(bad[i]), NULL),
				 CAH_EFORMAT);
	}
}

static void metrics__are_summed_over_their_labels(void **state)
{
	(void)state;
	struct status s = parse(DATA(JOBS(6, 1, 3, 10)));
	status_parse_metrics(
		&s, SLICE("# HELP cah_commits_total x\n"
			  "# TYPE cah_commits_total counter\n"
			  "cah_commits_total 42\n"
			  "cah_commits_total_of_others 7\n"
			  "cah_http_requests_total{route=\"/\",status=\"200\"} "
			  "5\n"
			  "cah_http_requests_total{route=\"/a} "
			  "9\",status=\"404\"} 1e3\n"
			  "cah_connections 3\n"
			  "cah_refused_total{reason=\"rate\"} NaN\n"
			  "cah_refused_total{reason=\"rate\"} -1\n"
			  "cah_refused_total{reason=\"rate\"} 1e300\n"
			  "cah_refused_total{reason=\"rate\" 1\n"
			  "cah_refused_total\n"
			  "cah_refused_total \n"
			  "cah_store_errors_total 2"));
	assert_true(s.has_counters);
	assert_int_equal(s.counters.commits, 42);
	assert_int_equal(s.counters.requests, 1005);
	assert_int_equal(s.counters.connections, 3);
	assert_int_equal(s.counters.refused, 0);
	assert_int_equal(s.counters.store_errors, 2);
}

static void view__shows_shares_speed_and_time_left(void **state)
{
	(void)state;
	struct status before = parse(DATA(JOBS(6000, 1000, 3000, 10000)));
	struct status now = parse(DATA(JOBS(5000, 0, 5000, 10000)));
	now.at_ms = before.at_ms + 10000;
	const struct status_view view = {.url = "http://x",
					 .columns = 34,
					 .now = &now,
					 .before = &before};
	assert_string_equal(written(&view),
			    "http://x\n"
			    "\n"
			    "[##########..........]  50.00 %\n"
			    "\n"
			    "# done                 5,000  50.0\n"
			    "= leased                   0   0.0\n"
			    ". open                 5,000  50.0\n"
			    "  jobs                10,000\n"
			    "  pairs            1,234,567\n"
			    "  finished     3,600 in the last h\n"
			    "  left         1 hour, 23 minutes\n"
			    "  workers      20,001: 20,000 HYBR\n");
	struct status_view wide = view;
	wide.columns = 80;
	assert_non_null(strstr(written(&wide), ", 200.0 a second now\n"));
}

static void view__of_a_tracker_that_began_anew_has_no_speed(void **state)
{
	(void)state;
	struct status before = parse(DATA(JOBS(5000, 0, 5000, 10000)));
	struct status now = parse(DATA(JOBS(6000, 1000, 3000, 10000)));
	status_parse_metrics(&before, SLICE("cah_commits_total 42\n"));
	status_parse_metrics(&now, SLICE("cah_commits_total 1\n"));
	now.at_ms = before.at_ms + 10000;
	const struct status_view view = {.url = "http://x",
					 .columns = 80,
					 .now = &now,
					 .before = &before};
	assert_null(strstr(written(&view), "a second"));
	assert_non_null(strstr(written(&view), "requests refused"));
}

static void view__has_nothing_that_a_terminal_could_obey(void **state)
{
	(void)state;
	const struct status_view view = {
		.url = "http://\x1b[2Jx\xc2\x9b",
		.trouble = "\x1b]0;title\x07\r\n\x7f\xff \xe2\x80\xae",
		.columns = 80};
	assert_string_equal(written(&view), "http://?[2Jx?\n"
					    "no answer: ?]0;title????? ?\n");
}

static void view__fits_every_width(void **state)
{
	(void)state;
	struct status now = parse(DATA(JOBS(6, 1, 3, 10)));
	for (int columns = -1; columns < 1000; columns++) {
		const struct status_view view = {
			.url = "http://x", .columns = columns, .now = &now};
		int most = columns > 20 ? columns : 20;
		const char *line = written(&view);
		while (*line != '\0') {
			const char *end = strchr(line, '\n');
			assert_true(end - line <= most);
			line = end + 1;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__takes_the_numbers_of_data),
		cmocka_unit_test(parse__refuses_what_is_no_state),
		cmocka_unit_test(view__tells_of_the_stages),
		cmocka_unit_test(metrics__are_summed_over_their_labels),
		cmocka_unit_test(view__shows_shares_speed_and_time_left),
		cmocka_unit_test(
			view__of_a_tracker_that_began_anew_has_no_speed),
		cmocka_unit_test(view__has_nothing_that_a_terminal_could_obey),
		cmocka_unit_test(view__fits_every_width),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
