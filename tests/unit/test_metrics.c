/* What /metrics is made of, the health behind it, and the lines of requests. */
#include "base/metrics.h"
#include "tracker/access.h"
#include "tracker/health.h"
#include "tracker/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	POLL_US = 1000,
	POLLS_MAX = 20000,
};

static void assert_has(const struct buf *text, const char *part)
{
	assert_non_null(text->data);
	if (strstr(text->data, part) == NULL)
		fail_msg("no '%s' in:\n%s", part, text->data);
}

/* ---- the format ---- */

static void metrics__escapes_labels_and_help(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 4096);
	const struct metrics_label labels[] = {
		{"a", SLICE("q\" b\\ n\n")},
		{"b", SLICE("\xff \xc3\xa4")},
	};
	const struct metrics_series series = {"x_total", labels, 2};
	metrics_head(&out, "x_total", METRICS_COUNTER, "say \"hi\"\\\nto all");
	metrics_int(&out, &series, 7);
	assert_string_equal(out.data, "# HELP x_total say \"hi\"\\\\\\nto all\n"
				      "# TYPE x_total counter\n"
				      "x_total{a=\"q\\\" b\\\\ n\\n\","
				      "b=\"\xef\xbf\xbd \xc3\xa4\"} 7\n");
	buf_fini(&out);
}

static void metrics__writes_every_number(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 4096);
	const struct metrics_series series = {"x", NULL, 0};
	const double values[] = {0.25, 1e300 * 1e300, -1e300 * 1e300, 1447123.5,
				 0.0 / 0.0};
	for (size_t i = 0; i < 5; i++)
		metrics_real(&out, &series, values[i]);
	metrics_int(&out, &series, INT64_MIN);
	assert_string_equal(out.data, "x 0.25\nx +Inf\nx -Inf\nx 1447123.5\n"
				      "x NaN\nx -9223372036854775808\n");
	buf_fini(&out);
}

static void metrics__adds_up_the_buckets_of_a_histogram(void **state)
{
	(void)state;
	static const struct metrics_scale scale = {
		.unit = METRICS_NANO, .count = 2, .bounds = {1000000, 2500000}};
	struct histogram histogram = {0};
	const int64_t values[] = {
		-5, 0, 1000000, 1000001, 2500000, 2500001, INT64_C(7000000000)};
	for (size_t i = 0; i < 7; i++)
		histogram_add(&histogram, &scale, values[i]);
	struct buf out;
	buf_init(&out, 4096);
	const struct metrics_label label = {"r", SLICE("/")};
	const struct metrics_series series = {"x", &label, 1};
	metrics_histogram(&out, &series, &scale, &histogram);
	assert_string_equal(out.data, "x_bucket{r=\"/\",le=\"0.001\"} 3\n"
				      "x_bucket{r=\"/\",le=\"0.0025\"} 5\n"
				      "x_bucket{r=\"/\",le=\"+Inf\"} 7\n"
				      "x_sum{r=\"/\"} 7.007000002\n"
				      "x_count{r=\"/\"} 7\n");
	buf_fini(&out);
}

static void metrics__tells_of_the_process(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 65536);
	metrics_process(&out);
	assert_int_equal(buf_check(&out, "metrics", NULL), CAH_OK);
	assert_has(&out, "\nprocess_resident_memory_bytes ");
	assert_has(&out, "\nprocess_cpu_seconds_total ");
	assert_has(&out, "\nprocess_start_time_seconds ");
	const char *files = strstr(out.data, "\nprocess_open_fds ");
	assert_non_null(files);
	long count = strtol(strchr(files + 1, ' '), NULL, 10);
	assert_in_range(count, 3, 1000);
	buf_fini(&out);
}

/* ---- the tracker's ---- */

static struct buf tell(const struct tally *tally,
		       const struct store_counts *counts)
{
	struct buf out;
	const struct tally_now now = {.counts = counts, .connections = 3};
	buf_init(&out, TALLY_TEXT_MAX);
	tally_write(&out, tally, &now);
	assert_int_equal(buf_check(&out, "metrics", NULL), CAH_OK);
	return out;
}

static void tally__tells_what_it_counted(void **state)
{
	(void)state;
	struct tally *tally = calloc(1, sizeof(*tally));
	assert_non_null(tally);
	tally_request(tally, ROUTE_NEW_JOB, 200, 300000);
	tally_request(tally, ROUTE_NEW_JOB, 200, 300000);
	tally_request(tally, ROUTE_NEW_JOB, 503, 300000);
	tally_request(tally, TALLY_UNKNOWN, 404, 1);
	tally_request(tally, TALLY_UNKNOWN, 418, 1);
	tally_group(tally, 3, 2000000);
	tally_flush(tally, 3000000);
	tally_sweep(tally, 4);
	tally_store_error(tally);
	tally_refused(tally, REFUSAL_RATE, 1);
	const struct store_counts counts = {
		.jobs = {[JOB_DONE] = 12},
		.workers = {[WORKER_GPU] = 5},
		.pairs = 99,
	};
	struct buf out = tell(tally, &counts);
	static const char *const parts[] = {
		"cah_http_requests_total{route=\"/api/newJob\",status=\"200\"} "
		"2\n",
		"cah_http_requests_total{route=\"/api/newJob\",status=\"503\"} "
		"1\n",
		"cah_http_requests_total{route=\"unknown\",status=\"404\"} 1\n",
		"cah_http_requests_total{route=\"unknown\",status=\"other\"} "
		"1\n",
		"cah_http_request_seconds_bucket{route=\"/api/newJob\","
		"le=\"0.00025\"} 0\n",
		"cah_http_request_seconds_bucket{route=\"/api/newJob\","
		"le=\"0.0005\"} 3\n",
		"cah_http_request_seconds_count{route=\"unknown\"} 2\n",
		"cah_group_size_bucket{le=\"4\"} 1\n",
		"cah_group_size_sum 3\n",
		"cah_commit_seconds_sum 0.002000000\n",
		"cah_flush_seconds_sum 0.003000000\n",
		"\ncah_commits_total 1\n",
		"\ncah_sweeps_total 1\n",
		"\ncah_workers_timed_out_total 4\n",
		"\ncah_store_errors_total 1\n",
		"cah_refused_total{reason=\"rate\"} 1\n",
		"cah_refused_total{reason=\"full\"} 0\n",
		"cah_jobs{state=\"done\"} 12\n",
		"cah_workers{type=\"GPU\"} 5\n",
		"\ncah_pairs_total 99\n",
		"\ncah_store_up 1\n",
		"\ncah_connections 3\n",
	};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		assert_has(&out, parts[i]);
	buf_fini(&out);
	free(tally);
}

static void tally__has_no_numbers_of_a_store_that_is_away(void **state)
{
	(void)state;
	struct tally *tally = calloc(1, sizeof(*tally));
	assert_non_null(tally);
	struct buf out = tell(tally, NULL);
	assert_has(&out, "\ncah_store_up 0\n");
	assert_null(strstr(out.data, "cah_jobs"));
	assert_null(strstr(out.data, "cah_workers{"));
	assert_null(strstr(out.data, "cah_pairs"));
	buf_fini(&out);
	free(tally);
}

/* Every series there can be: the answer has a limit, and keeps to it. */
static void tally__has_room_for_all(void **state)
{
	(void)state;
	struct tally *tally = calloc(1, sizeof(*tally));
	assert_non_null(tally);
	for (int route = 0; route <= TALLY_UNKNOWN; route++)
		for (int status = 100; status < 600; status++)
			tally_request(tally, route, status, INT64_MAX / 1000);
	const struct store_counts counts = {.pairs = INT64_MAX};
	struct buf out = tell(tally, &counts);
	assert_true(out.len < TALLY_TEXT_MAX / 2);
	buf_fini(&out);
	free(tally);
}

/* ---- the health ---- */

/* A store in which the test says what happens. */
struct fake {
	atomic_bool is_away;
	atomic_bool hangs;
	atomic_int asked;
	atomic_int asked_to_write;
};

static int ask_fake(void *arg, bool is_write, struct store_counts *out,
		    struct cah_error *err)
{
	struct fake *fake = arg;
	fake->asked++;
	fake->asked_to_write += is_write;
	while (fake->hangs)
		usleep(POLL_US);
	out->pairs = 42;
	if (!fake->is_away)
		return CAH_OK;
	err->code = CAH_EUNAVAILABLE;
	(void)snprintf(err->text, sizeof(err->text), "/secret/file: gone");
	return CAH_EUNAVAILABLE;
}

static struct health *start_health(struct fake *fake, int64_t limit_ms,
				   int64_t failed_ms)
{
	struct health *health;
	const struct health_options options = {
		.ask = ask_fake,
		.arg = fake,
		.period_ms = 1,
		.limit_ms = limit_ms,
		.failed_ms = failed_ms,
	};
	assert_int_equal(health_new(&health, &options, NULL), CAH_OK);
	return health;
}

static void wait_ready(struct health *health, bool is_ready,
		       char why[HEALTH_WHY_MAX])
{
	for (int i = 0; i < POLLS_MAX; i++) {
		if (health_is_ready(health, why) == is_ready)
			return;
		usleep(POLL_US);
	}
	fail_msg("not ready %d: %s", is_ready, why);
}

static void health__follows_the_store(void **state)
{
	(void)state;
	struct fake fake = {0};
	char why[HEALTH_WHY_MAX] = "";
	struct store_counts counts;
	struct health *health = start_health(&fake, 60000, 60000);
	assert_true(health_is_ready(health, why));
	assert_true(health_counts(health, &counts));
	assert_int_equal(counts.pairs, 42);
	fake.is_away = true;
	wait_ready(health, false, why);
	assert_string_equal(why, "the store is away");
	assert_false(health_counts(health, &counts));
	fake.is_away = false;
	wait_ready(health, true, why);
	assert_true(health_counts(health, &counts));
	assert_int_equal(fake.asked_to_write, 0);
	health_free(health);
}

static void health__starts_with_a_store_that_is_away(void **state)
{
	(void)state;
	struct fake fake = {.is_away = true};
	char why[HEALTH_WHY_MAX] = "";
	struct health *health = start_health(&fake, 60000, 60000);
	assert_false(health_is_ready(health, why));
	health_free(health);
}

static void health__does_not_wait_for_a_store_that_hangs(void **state)
{
	(void)state;
	struct fake fake = {0};
	char why[HEALTH_WHY_MAX] = "";
	struct store_counts counts;
	struct health *health = start_health(&fake, 5, 60000);
	fake.hangs = true;
	wait_ready(health, false, why);
	assert_string_equal(why, "the store has not answered for 0 s");
	assert_false(health_counts(health, &counts));
	fake.hangs = false;
	health_free(health);
}

static void health__remembers_a_change_that_failed(void **state)
{
	(void)state;
	struct fake fake = {0};
	char why[HEALTH_WHY_MAX] = "";
	struct health *health = start_health(&fake, 60000, 60000);
	health_failed(health);
	assert_false(health_is_ready(health, why));
	assert_non_null(strstr(why, "a change could not be written"));
	health_wrote(health);
	assert_true(health_is_ready(health, why));
	health_free(health);
}

static void health__finds_by_itself_that_the_store_can_be_changed(void **state)
{
	(void)state;
	struct fake fake = {0};
	char why[HEALTH_WHY_MAX] = "";
	struct health *health = start_health(&fake, 60000, 1);
	health_failed(health);
	wait_ready(health, true, why);
	assert_true(fake.asked_to_write > 0);
	health_free(health);
}

/* ---- requests ---- */

static void access__makes_ids_that_differ(void **state)
{
	(void)state;
	struct access access;
	char first[ACCESS_ID_MAX + 1];
	char second[ACCESS_ID_MAX + 1];
	access_init(&access, NULL);
	access_make_id(&access, first);
	access_make_id(&access, second);
	assert_int_equal(strlen(first), 21);
	assert_string_equal(first + 8, "-000000000001");
	assert_string_equal(second + 8, "-000000000002");
	assert_memory_equal(first, second, 8);
}

static void access__takes_no_hostile_id(void **state)
{
	static const char *const bad[] = {
		"", " ", "a b", "a\nb", "a\"", "a=b", "\xc3\xa4", "a;b", "a/b"};
	(void)state;
	char id[ACCESS_ID_MAX + 1];
	char longest[ACCESS_ID_MAX + 2];
	memset(longest, 'x', sizeof(longest));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(access_take_id(id, slice_of(bad[i])));
	assert_false(
		access_take_id(id, (struct slice){longest, ACCESS_ID_MAX + 1}));
	assert_true(access_take_id(id, (struct slice){longest, ACCESS_ID_MAX}));
	assert_int_equal(strlen(id), ACCESS_ID_MAX);
	assert_true(access_take_id(id, SLICE("Ab-1_2.z")));
	assert_string_equal(id, "Ab-1_2.z");
}

/* What the log says of @entry; the caller frees it. */
static char *say(enum log_level level, const struct access_entry *entry,
		 int times)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct log *log;
	struct access access;
	assert_int_equal(log_new(&log, out, level, false, NULL), CAH_OK);
	access_init(&access, log);
	for (int i = 0; i < times; i++)
		access_write(&access, entry, 1000);
	access_tell(&access, 1000 + LOG_BURST_S);
	log_free(log);
	fclose(out);
	return text;
}

static int count_lines(const char *text)
{
	int count = 0;
	for (; *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

static void access__tells_what_failed_and_what_was_slow(void **state)
{
	(void)state;
	struct access_entry entry = {
		.id = "id-1",
		.address = "192.0.2.1",
		.method = "GET",
		.route = "/data",
		.status = 200,
		.bytes = 12,
		.ns = 1500000,
	};
	char *said = say(LOG_INFO, &entry, 1);
	assert_string_equal(said, "");
	free(said);

	said = say(LOG_DEBUG, &entry, 1);
	assert_non_null(strstr(said, "level=debug msg=\"request\" id=id-1 "
				     "client=192.0.2.1 method=GET route=/data "
				     "status=200 bytes=12 ms=1.500\n"));
	free(said);

	entry.ns = (int64_t)ACCESS_SLOW_MS * 1000000;
	said = say(LOG_INFO, &entry, 1);
	assert_non_null(strstr(said, "level=warn msg=\"slow request\""));
	free(said);

	entry.status = 503;
	entry.error = "the store is away";
	said = say(LOG_ERROR, &entry, 1);
	assert_non_null(strstr(said, "level=error msg=\"request failed\""));
	assert_non_null(strstr(said, "error=\"the store is away\"\n"));
	free(said);

	entry.is_unremarked = true;
	said = say(LOG_INFO, &entry, 1);
	assert_string_equal(said, "");
	free(said);
}

static void access__does_not_flood_the_log(void **state)
{
	(void)state;
	const struct access_entry entry = {
		.id = "x",
		.address = "192.0.2.1",
		.method = "POST",
		.route = "/api/newJob",
		.status = 503,
	};
	char *said = say(LOG_INFO, &entry, 45000);
	assert_int_equal(count_lines(said), LOG_BURST_LINES + 1);
	assert_non_null(strstr(said, "44990 more lines about failed requests"));
	free(said);
}

static void access__escapes_and_cuts_unknown_paths(void **state)
{
	(void)state;
	char path[1000];
	memset(path, '\n', sizeof(path));
	const struct access_entry entry = {
		.id = "x",
		.address = "192.0.2.1",
		.method = "GE\"T",
		.path = {path, sizeof(path)},
		.status = 404,
	};
	char *said = say(LOG_DEBUG, &entry, 1);
	assert_int_equal(count_lines(said), 1);
	assert_non_null(strstr(said, "method=\"GE\\\"T\" route=unknown "
				     "path=\"\\u000a\\u000a"));
	assert_true(strlen(said) < 1000);
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metrics__escapes_labels_and_help),
		cmocka_unit_test(metrics__writes_every_number),
		cmocka_unit_test(metrics__adds_up_the_buckets_of_a_histogram),
		cmocka_unit_test(metrics__tells_of_the_process),
		cmocka_unit_test(tally__tells_what_it_counted),
		cmocka_unit_test(tally__has_no_numbers_of_a_store_that_is_away),
		cmocka_unit_test(tally__has_room_for_all),
		cmocka_unit_test(health__follows_the_store),
		cmocka_unit_test(health__starts_with_a_store_that_is_away),
		cmocka_unit_test(health__does_not_wait_for_a_store_that_hangs),
		cmocka_unit_test(health__remembers_a_change_that_failed),
		cmocka_unit_test(
			health__finds_by_itself_that_the_store_can_be_changed),
		cmocka_unit_test(access__makes_ids_that_differ),
		cmocka_unit_test(access__takes_no_hostile_id),
		cmocka_unit_test(access__tells_what_failed_and_what_was_slow),
		cmocka_unit_test(access__does_not_flood_the_log),
		cmocka_unit_test(access__escapes_and_cuts_unknown_paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
