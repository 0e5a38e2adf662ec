/* The pipeline from end to end with the demo model and a WAT of the test's own,
 * whose images nobody serves; that everything is fetched and kept is for the
 * system tests. */
#include "worker/pipeline.h"

#include "base/file.h"
#include "worker/item.h"
#include "worker/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	LINKS = 40,
	WAT_MAX = 1 << 20, /* bytes */
};

struct fixture {
	char folder[64];
	char wat[128];
	char out[128];
	struct clip *clip;
	struct pipeline_options options;
	struct pipeline_work work;
};

static void write_wat(const char *path, int links)
{
	struct buf json, wat;
	buf_init(&json, WAT_MAX);
	buf_init(&wat, WAT_MAX);
	buf_add_text(&json, "{\"Envelope\":{\"WARC-Header-Metadata\":{"
			    "\"WARC-Target-URI\":\"http://127.0.0.1:1/\"},"
			    "\"Payload-Metadata\":{\"HTTP-Response-Metadata\":"
			    "{\"HTML-Metadata\":{\"Links\":[");
	for (int i = 0; i < links; i++)
		buf_printf(&json,
			   "%s{\"path\":\"IMG@/src\",\"url\":\"/%d.jpg\","
			   "\"alt\":\"a photo of the old house number %d\"}",
			   i != 0 ? "," : "", i, i);
	buf_add_text(&json, "]}}}}}");
	buf_printf(&wat,
		   "WARC/1.0\r\nWARC-Type: metadata\r\nWARC-Target-URI: "
		   "http://127.0.0.1:1/\r\nContent-Type: application/json\r\n"
		   "Content-Length: %zu\r\n\r\n%s\r\n\r\n",
		   json.len, json.data);
	assert_int_equal(buf_check(&wat, "wat", NULL), CAH_OK);
	assert_int_equal(file_put(path, wat.data, wat.len, NULL), CAH_OK);
	buf_fini(&json);
	buf_fini(&wat);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	char model[512];
	(void)snprintf(model, sizeof(model), "%s/models/demo",
		       getenv("CAH_TEST_SOURCE"));
	(void)snprintf(f->folder, sizeof(f->folder), "/tmp/cah-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	(void)snprintf(f->wat, sizeof(f->wat), "%s/x.wat", f->folder);
	(void)snprintf(f->out, sizeof(f->out), "%s/out", f->folder);
	assert_int_equal(file_make_dirs(f->out, NULL), CAH_OK);
	write_wat(f->wat, LINKS);

	const struct clip_options clip = {.threads = 1};
	assert_int_equal(clip_open(&f->clip, model, &clip, NULL), CAH_OK);
	f->options = (struct pipeline_options){
		.clip = f->clip,
		.model = "demo",
		.folder = f->out,
		.threads = 2,
		.threshold = 0.3,
		.save_images = true,
		.save_embeddings = true,
		.scan = scan_options_default(),
		.fetch = fetch_options_default(),
		.image = image_limits_default(),
		.stream = {.allow_files = true},
	};
	f->options.fetch.allow_private = true;
	f->work = (struct pipeline_work){
		.name = "00000001", .wat = f->wat, .piece = -1};
	*state = f;
	return 0;
}

static int count_files(const char *folder, bool is_removing)
{
	DIR *dir = opendir(folder);
	assert_non_null(dir);
	int count = 0;
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		count++;
		if (is_removing)
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	}
	closedir(dir);
	return count;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	clip_close(f->clip);
	(void)count_files(f->out, true);
	(void)rmdir(f->out);
	(void)unlink(f->wat);
	(void)rmdir(f->folder);
	free(f);
	return 0;
}

static void pipeline__accounts_for_every_candidate(void **state)
{
	struct fixture *f = *state;
	struct pipeline_result result;
	struct cah_error err = {0};
	int rc = pipeline_run(&f->options, &f->work, &result, &err);
	assert_string_equal(err.text, "");
	assert_int_equal(rc, CAH_OK);
	assert_int_equal(fate_total(&result.fates), LINKS);
	assert_int_equal(result.fates.n[CAH_FATE_CONNECT_FAILED], LINKS);
	assert_int_equal(result.kept, 0);
	assert_int_equal(count_files(f->out, false), 5);
}

/* Otherwise a machine without a network would call every job done. */
static void pipeline__is_not_done_where_no_server_was_reached(void **state)
{
	struct fixture *f = *state;
	struct pipeline_result result;
	struct cah_error err;
	write_wat(f->wat, PIPELINE_REACH_MIN);
	assert_int_equal(pipeline_run(&f->options, &f->work, &result, &err),
			 CAH_EUNAVAILABLE);
	assert_non_null(strstr(err.text, "network"));
	assert_int_equal(count_files(f->out, false), 0);
}

static void pipeline__refuses_private_addresses_unless_told(void **state)
{
	struct fixture *f = *state;
	struct pipeline_result result;
	f->options.fetch.allow_private = false;
	assert_int_equal(pipeline_run(&f->options, &f->work, &result, NULL),
			 CAH_OK);
	assert_int_equal(result.fates.n[CAH_FATE_PRIVATE_ADDRESS], LINKS);
}

static void pipeline__leaves_nothing_where_the_wat_is_missing(void **state)
{
	struct fixture *f = *state;
	struct pipeline_result result;
	struct cah_error err;
	f->work.wat = "/nowhere/x.wat";
	assert_int_equal(pipeline_run(&f->options, &f->work, &result, &err),
			 CAH_ENOTFOUND);
	assert_non_null(strstr(err.text, "/nowhere/x.wat"));
	assert_int_equal(count_files(f->out, false), 0);
}

static void pipeline__leaves_nothing_where_it_is_cancelled(void **state)
{
	struct fixture *f = *state;
	struct pipeline_result result;
	struct cancel *cancel;
	assert_int_equal(cancel_new(&cancel, NULL), CAH_OK);
	cancel_set(cancel);
	f->work.cancel = cancel;
	int rc = pipeline_run(&f->options, &f->work, &result, NULL);
	/* It may be done before it looks. */
	assert_true(rc == CAH_ECANCELLED || rc == CAH_OK);
	assert_int_equal(count_files(f->out, false), rc == CAH_OK ? 5 : 0);
	cancel_free(cancel);
}

static int give_up(void *arg, const struct pipeline_progress *progress)
{
	int *ticks = arg;
	(void)progress;
	*ticks += 1;
	return 1;
}

/* A host that takes connections and never answers. */
static void pipeline__is_given_up_by_its_tick(void **state)
{
	struct fixture *f = *state;
	struct pipeline_result result;
	int ticks = 0;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	struct buf file;
	buf_init(&file, WAT_MAX);
	assert_int_equal(file_read(&file, f->wat, NULL), CAH_OK);
	char port[8];
	(void)snprintf(port, sizeof(port), "%05d", ntohs(a.sin_port));
	/* "127.0.0.1:1/" becomes a number of the same length: "127.1:PORT/" */
	for (char *p; (p = strstr(file.data, "127.0.0.1:1/")) != NULL;) {
		memcpy(p, "127.1:", 6);
		memcpy(p + 6, port, 5);
		p[11] = '/';
	}
	assert_int_equal(file_put(f->wat, file.data, file.len, NULL), CAH_OK);
	buf_fini(&file);
	f->work.tick = give_up;
	f->work.tick_arg = &ticks;
	assert_int_equal(pipeline_run(&f->options, &f->work, &result, NULL),
			 CAH_ECANCELLED);
	assert_int_not_equal(ticks, 0);
	assert_int_equal(count_files(f->out, false), 0);
	close(fd);
}

static void pipeline__says_where_it_cannot_write(void **state)
{
	struct fixture *f = *state;
	struct pipeline_result result;
	struct cah_error err;
	f->options.folder = "/dev/null/out";
	assert_int_equal(pipeline_run(&f->options, &f->work, &result, &err),
			 CAH_EIO);
	assert_non_null(strstr(err.text, "/dev/null"));
}

static void item__keeps_what_the_candidate_lent(void **state)
{
	(void)state;
	char url[] = "http://a.test/1.jpg";
	struct candidate c = {
		.url = slice_of(url),
		.text = SLICE("a b"),
		.page_url = SLICE("http://a.test/"),
		.licence = SLICE("?"),
		.language = SLICE("en"),
		.md5 = "0123456789abcdef0123456789abcdef",
	};
	struct item *item = item_new(&c, 7);
	assert_non_null(item);
	memset(url, 'x', sizeof(url) - 1);
	assert_string_equal(item->url, "http://a.test/1.jpg");
	assert_ptr_equal(item->fetch.url, item->url);
	assert_true(slice_equal(item->language, SLICE("en")));
	assert_true(slice_equal(item->licence, SLICE("?")));
	assert_string_equal(item->md5, c.md5);
	assert_int_equal(item->sample_id, 7);
	assert_ptr_equal(item_of(&item->fetch), item);
	item_free(item);
}

static void progress__estimates_from_what_is_read_and_done(void **state)
{
	(void)state;
	struct pipeline_progress p = {
		.wat_bytes = 50,
		.wat_total = 100,
		.candidates = 1000,
		.ended = 500,
		.seconds = 30,
	};
	/* a quarter is done */
	assert_float_equal(progress_seconds_left(&p), 90, 1e-9);
	p.wat_total = -1;
	assert_true(progress_seconds_left(&p) < 0);
	char line[256];
	progress_line(line, sizeof(line), "00000001", &p);
	assert_non_null(strstr(line, "-:--:-- left"));
	progress_for_tracker(line, sizeof(line), &p);
	assert_string_equal(line, "Completed 500 / 1000 images, 0 pairs kept");
}

static void progress__fits_a_terminal_of_80_columns(void **state)
{
	(void)state;
	struct pipeline_progress p = {
		.wat_bytes = 50,
		.wat_total = 100,
		.candidates = 200000,
		.fetched = 100000,
		.scored = 100000,
		.kept = 1234,
		.ended = 100000,
		.seconds = 1000,
	};
	char line[256];
	progress_line(line, sizeof(line), "00000001", &p);
	const char *end = strstr(line, "fetched 100000/200000");
	assert_non_null(end);
	assert_true(end + strlen("fetched 100000/200000") - line < 80);
	assert_non_null(strstr(line, "00000001: 0:50:00 left, 100/s"));
}

int main(void)
{
#define WITH_FIXTURE(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(pipeline__accounts_for_every_candidate),
		WITH_FIXTURE(pipeline__is_not_done_where_no_server_was_reached),
		WITH_FIXTURE(pipeline__refuses_private_addresses_unless_told),
		WITH_FIXTURE(pipeline__leaves_nothing_where_the_wat_is_missing),
		WITH_FIXTURE(pipeline__leaves_nothing_where_it_is_cancelled),
		WITH_FIXTURE(pipeline__is_given_up_by_its_tick),
		WITH_FIXTURE(pipeline__says_where_it_cannot_write),
		cmocka_unit_test(item__keeps_what_the_candidate_lent),
		cmocka_unit_test(
			progress__estimates_from_what_is_read_and_done),
		cmocka_unit_test(progress__fits_a_terminal_of_80_columns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
