/* The client of a staged project against a tracker that says what the test
 * wants. */
#include <cah/stage.h>

#include "script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define NEW                                                       \
	OK("{\"token\":\"t-1\",\"display_name\":\"quiet-otter\"," \
	   "\"project\":\"Big\",\"stage_name\":\"Scraper\"}")
#define JOB OK("{\"data\":\"a\\u0000\\u00e9\",\"number\":4}")
#define DONE OK("200 OK")

static struct cah_client_options options_of(const struct script *script)
{
	return (struct cah_client_options){
		.url = script->url, .nickname = "me & you", .retry_s = 60};
}

static struct cah_stage *start(struct script *script)
{
	struct cah_error err = {0};
	struct cah_stage *stage;
	script_start(script);
	struct cah_client_options options = options_of(script);
	if (cah_stage_init(&stage, 'b', &options, &err) != CAH_OK)
		fail_msg("%s", err.text);
	return stage;
}

static void stop(struct script *script, struct cah_stage *stage)
{
	cah_stage_free(stage);
	script_stop(script);
}

static void stage__says_hello_with_its_letter(void **state)
{
	struct script script = {.answers = {NEW, OK("17")}};
	struct cah_stage *stage = start(&script);
	int64_t count;
	(void)state;
	assert_string_equal(script_path(&script, 0),
			    "/api/new?nickname=me%20%26%20you&stage=b");
	assert_int_equal(cah_stage_letter(stage), 'b');
	assert_string_equal(cah_stage_token(stage), "t-1");
	assert_string_equal(cah_stage_display_name(stage), "quiet-otter");
	assert_string_equal(cah_stage_project(stage), "Big");
	assert_string_equal(cah_stage_name(stage), "Scraper");
	assert_string_equal(cah_stage_nickname(stage), "me & you");
	assert_string_equal(cah_stage_url(stage), script.url);
	assert_int_equal(cah_stage_job_count(stage, &count, NULL), CAH_OK);
	assert_int_equal(count, 17);
	assert_string_equal(script_path(&script, 1), "/api/jobCount?stage=b");
	stop(&script, stage);
}

static void stage__refuses_other_letters(void **state)
{
	struct cah_client_options options = {.nickname = "me"};
	(void)state;
	for (const char *c = "f`Az0"; *c != '\0'; c++) {
		struct cah_stage *stage;
		assert_int_equal(cah_stage_init(&stage, *c, &options, NULL),
				 CAH_EINVALID);
		assert_null(stage);
	}
}

static void stage__takes_data_with_nul_and_completes(void **state)
{
	struct script script = {.answers = {NEW, JOB, DONE, DONE, DONE}};
	struct cah_stage *stage = start(&script);
	size_t len = 1;
	(void)state;
	assert_null(cah_stage_data(stage, &len));
	assert_int_equal(len, 0);
	assert_int_equal(cah_stage_number(stage), 0);
	assert_int_equal(cah_stage_complete(stage, "x", 1, NULL), CAH_ENOJOB);
	assert_int_equal(cah_stage_flag_invalid(stage, NULL), CAH_ENOJOB);

	assert_int_equal(cah_stage_new_job(stage, NULL), CAH_OK);
	assert_string_equal(script_body(&script, 1), "{\"token\":\"t-1\"}");
	assert_int_equal(cah_stage_number(stage), 4);
	const char *data = cah_stage_data(stage, &len);
	assert_int_equal(len, 4);
	assert_memory_equal(data, "a\0\xc3\xa9", 5);

	assert_int_equal(cah_stage_complete(stage, "\xff", 1, NULL),
			 CAH_EINVALID);
	assert_int_equal(
		cah_stage_complete(stage, data, CAH_STAGE_DATA_MAX + 1, NULL),
		CAH_ELIMIT);
	assert_int_equal(cah_stage_complete(stage, data, len, NULL), CAH_OK);
	assert_string_equal(script_path(&script, 2), "/api/completeJob");
	assert_string_equal(
		script_body(&script, 2),
		"{\"token\":\"t-1\",\"data\":\"a\\u0000\xc3\xa9\"}");
	assert_null(cah_stage_data(stage, NULL));
	assert_int_equal(cah_stage_log(stage, "half", NULL), CAH_OK);
	assert_string_equal(script_body(&script, 3),
			    "{\"token\":\"t-1\",\"progress\":\"half\"}");
	assert_int_equal(cah_stage_bye(stage, NULL), CAH_OK);
	stop(&script, stage);
}

static void stage__flags_what_is_of_no_use(void **state)
{
	struct script script = {
		.answers = {NEW, JOB, DONE, OK("True"), OK("False")}};
	struct cah_stage *stage = start(&script);
	bool is_alive;
	(void)state;
	assert_int_equal(cah_stage_new_job(stage, NULL), CAH_OK);
	assert_int_equal(cah_stage_flag_invalid(stage, NULL), CAH_OK);
	assert_string_equal(script_path(&script, 2), "/api/flagInvalidData");
	assert_null(cah_stage_data(stage, NULL));
	assert_int_equal(cah_stage_is_alive(stage, &is_alive, NULL), CAH_OK);
	assert_true(is_alive);
	assert_int_equal(cah_stage_is_alive(stage, &is_alive, NULL), CAH_OK);
	assert_false(is_alive);
	stop(&script, stage);
}

static void
stage__takes_no_job_held_after_a_lost_answer_for_success(void **state)
{
	struct script script = {
		.answers = {NEW, JOB, HANG_UP, STATUS("403 No", "none held")}};
	struct cah_stage *stage = start(&script);
	(void)state;
	assert_int_equal(cah_stage_new_job(stage, NULL), CAH_OK);
	assert_int_equal(cah_stage_complete(stage, "x", 1, NULL), CAH_OK);
	assert_int_equal(hostile_requests(script.server), 4);
	stop(&script, stage);
}

static void stage__tells_errors_apart(void **state)
{
	struct script script = {.answers = {NEW, STATUS("403 No", "no job"),
					    STATUS("404 No", "who?"),
					    OK("{\"data\":5,\"number\":1}"),
					    OK("{\"data\":\"\"}"), OK("[")}};
	struct cah_stage *stage = start(&script);
	static const int codes[] = {CAH_ENOJOB, CAH_ETIMEDOUT, CAH_ESERVER,
				    CAH_ESERVER, CAH_ESERVER};
	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		assert_int_equal(cah_stage_new_job(stage, NULL), codes[i]);
		assert_null(cah_stage_data(stage, NULL));
	}
	stop(&script, stage);
}

static void stage__needs_a_whole_hello(void **state)
{
	struct script script = {
		.answers = {STATUS("400 No", "stage: unknown or off"),
			    OK("{\"token\":\"t\",\"display_name\":\"d\"}")}};
	struct cah_stage *stage;
	struct cah_error err = {0};
	(void)state;
	script_start(&script);
	struct cah_client_options options = options_of(&script);
	assert_int_equal(cah_stage_init(&stage, 'a', &options, &err),
			 CAH_EINVALID);
	assert_string_equal(err.text, "stage: unknown or off (status 400)");
	assert_int_equal(cah_stage_init(&stage, 'a', &options, &err),
			 CAH_ESERVER);
	assert_null(stage);
	script_stop(&script);
}

static void stage__ends_a_call_when_cancelled(void **state)
{
	struct script script = {.answers = {NEW}};
	struct cah_stage *stage = start(&script);
	(void)state;
	cah_stage_cancel(stage, true);
	assert_int_equal(cah_stage_new_job(stage, NULL), CAH_ECANCELLED);
	cah_stage_cancel(stage, false);
	assert_int_equal(cah_stage_new_job(stage, NULL), CAH_ESERVER);
	stop(&script, stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stage__says_hello_with_its_letter),
		cmocka_unit_test(stage__refuses_other_letters),
		cmocka_unit_test(stage__takes_data_with_nul_and_completes),
		cmocka_unit_test(stage__flags_what_is_of_no_use),
		cmocka_unit_test(
			stage__takes_no_job_held_after_a_lost_answer_for_success),
		cmocka_unit_test(stage__tells_errors_apart),
		cmocka_unit_test(stage__needs_a_whole_hello),
		cmocka_unit_test(stage__ends_a_call_when_cancelled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
