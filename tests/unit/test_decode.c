/* Decoders in processes: the same pictures, and what becomes of one that
 * somebody has taken over (evil_decoder.c). */
#include "decode/decoders.h"

#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILE_LIMIT = 1 << 20, /* bytes of a sample */
	EDGE_MAX = 96,        /* pixels of a result */
	PIXELS = EDGE_MAX * EDGE_MAX * 3,
	HANG_MS = 4000,
	LIFE = 4,
	CALLERS = 4,
	CALLS = 30, /* of each caller */
};

struct fixture {
	FILE *out;
	char *said; /* what the log has, after read_log */
	size_t said_len;
	struct log *log;
	struct decoders *decoders;
	struct buf good; /* a file that is a picture */
};

static struct image_limits any_size(void)
{
	struct image_limits limits = image_limits_default();
	limits.min_bytes = 0;
	return limits;
}

static const char *corpus(void)
{
	static char path[4096];
	(void)snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/image",
		       getenv("CAH_TEST_SOURCE"));
	return path;
}

static void read_sample(struct buf *out, const char *name)
{
	char path[8192];
	(void)snprintf(path, sizeof(path), "%s/%s", corpus(), name);
	buf_init(out, FILE_LIMIT);
	assert_int_equal(file_read(out, path, NULL), CAH_OK);
}

static void start(struct fixture *f, struct decoders_options options)
{
	struct cah_error err = {0};
	options.log = f->log;
	options.made_max = PIXELS;
	options.file_max = FILE_LIMIT;
	int rc = decoders_new(&f->decoders, &options, &err);
	assert_string_equal(err.text, "");
	assert_int_equal(rc, CAH_OK);
}

static void start_evil(struct fixture *f, int count)
{
	start(f, (struct decoders_options){.count = count,
					   .program = CAH_EVIL_DECODER,
					   .image_ms = HANG_MS,
					   .life = LIFE});
}

static const char *read_log(struct fixture *f)
{
	(void)fflush(f->out);
	return f->said;
}

/* Under a sanitizer nothing is locked. */
static bool is_locked(struct fixture *f)
{
	return strstr(read_log(f), "sanitizer") == NULL;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->out = open_memstream(&f->said, &f->said_len);
	assert_non_null(f->out);
	assert_int_equal(log_new(&f->log, f->out, LOG_INFO, false, NULL),
			 CAH_OK);
	read_sample(&f->good, "rgb.jpg");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	decoders_free(f->decoders);
	log_free(f->log);
	(void)fclose(f->out);
	free(f->said);
	buf_fini(&f->good);
	free(f);
	return 0;
}

static int try_fit(struct fixture *f, struct slice file,
		   const struct cancel *cancel, struct decoders_fitted *out,
		   struct cah_error *err)
{
	static uint8_t pixels[PIXELS];
	const struct image_limits limits = any_size();
	const struct image_fit fit = {16, 16, 16, IMAGE_BICUBIC};
	const struct decoders_job job = {
		.bytes = file,
		.name = "http://host.test/a picture",
		.limits = &limits,
		.cancel = cancel,
	};
	return decoders_fit(out, pixels, f->decoders, &job, &fit, err);
}

static enum fate fate_of(struct fixture *f, struct slice file)
{
	struct decoders_fitted fitted;
	assert_int_equal(try_fit(f, file, NULL, &fitted, NULL), CAH_OK);
	return fitted.fate;
}

static void check_same(struct fixture *f, struct slice file,
		       const struct image_fit *fit)
{
	static uint8_t there[PIXELS];
	static uint8_t here[PIXELS];
	struct decoders_fitted a;
	struct decoders_fitted b;
	struct image_limits limits = any_size();
	limits.to_srgb = true;
	const struct decoders_job job = {.bytes = file, .limits = &limits};
	memset(there, 1, sizeof(there));
	memset(here, 2, sizeof(here));
	assert_int_equal(decoders_fit(&a, there, f->decoders, &job, fit, NULL),
			 CAH_OK);
	assert_int_equal(decoders_fit(&b, here, NULL, &job, fit, NULL), CAH_OK);
	assert_int_equal(a.fate, b.fate);
	if (a.fate != CAH_FATE_KEPT)
		return;
	assert_int_equal(a.format, b.format);
	assert_int_equal(a.original_width, b.original_width);
	assert_int_equal(a.original_height, b.original_height);
	assert_memory_equal(there, here,
			    (size_t)fit->width * (size_t)fit->height * 3);
}

static void decoders__give_what_this_process_gives(void **state)
{
	static const struct image_fit fits[] = {
		{16, 16, 16, IMAGE_BICUBIC},
		{48, 40, 30, IMAGE_LANCZOS},
		{EDGE_MAX, EDGE_MAX, EDGE_MAX, IMAGE_BILINEAR},
		{5, 7, 3, IMAGE_NEAREST},
	};
	struct fixture *f = *state;
	start(f, (struct decoders_options){.count = 2, .program = CAH_DECODER});
	DIR *dir = opendir(corpus());
	assert_non_null(dir);
	int files = 0;
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		struct buf file;
		read_sample(&file, e->d_name);
		for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++)
			check_same(f, buf_slice(&file), &fits[i]);
		buf_fini(&file);
		files++;
	}
	closedir(dir);
	assert_true(files > 10);
	assert_null(strstr(read_log(f), "crashed"));
}

static void check_same_file(struct fixture *f, struct slice file,
			    const struct image_recipe *recipe)
{
	struct image_made a;
	struct image_made b;
	enum fate there;
	enum fate here;
	struct image_limits limits = any_size();
	limits.keep_truncated = true;
	limits.to_srgb = true;
	const struct decoders_job job = {.bytes = file, .limits = &limits};
	assert_int_equal(
		decoders_make(&a, &there, f->decoders, &job, recipe, NULL),
		CAH_OK);
	assert_int_equal(decoders_make(&b, &here, NULL, &job, recipe, NULL),
			 CAH_OK);
	assert_int_equal(there, here);
	assert_int_equal(a.len, b.len);
	assert_int_equal(a.exif_len, b.exif_len);
	if (b.len != 0)
		assert_memory_equal(a.data, b.data, b.len);
	if (b.exif_len != 0)
		assert_string_equal(a.exif, b.exif);
	assert_int_equal(a.format, b.format);
	assert_int_equal(a.width, b.width);
	assert_int_equal(a.height, b.height);
	assert_int_equal(a.original_width, b.original_width);
	assert_int_equal(a.original_height, b.original_height);
	assert_int_equal(a.is_truncated, b.is_truncated);
	assert_int_equal(a.has_phash, b.has_phash);
	assert_int_equal(a.phash, b.phash);
	image_made_fini(&a);
	image_made_fini(&b);
}

static void check_recipes(struct fixture *f, struct slice file)
{
	struct image_recipe recipe = image_recipe_default();
	recipe.size = 20;
	recipe.quality = 9;
	recipe.wants_exif = true;
	recipe.wants_phash = true;
	for (int format = IMAGE_JPEG; format <= IMAGE_WEBP; format++) {
		recipe.format = (enum image_format)format;
		for (int resize = 0; resize < IMAGE_RESIZE_COUNT; resize++) {
			recipe.resize = (enum image_resize)resize;
			check_same_file(f, file, &recipe);
		}
	}
	recipe.keep_file = true;
	check_same_file(f, file, &recipe);
}

static void decoders__make_what_this_process_makes(void **state)
{
	struct fixture *f = *state;
	start(f, (struct decoders_options){.count = 1, .program = CAH_DECODER});
	DIR *dir = opendir(corpus());
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		struct buf file;
		read_sample(&file, e->d_name);
		check_recipes(f, buf_slice(&file));
		buf_fini(&file);
	}
	closedir(dir);
	assert_null(strstr(read_log(f), "crashed"));
}

/* More than there is room for, which is address space only. */
static void decoders__make_nothing_that_is_too_large(void **state)
{
	struct fixture *f = *state;
	const struct image_limits limits = any_size();
	struct image_recipe recipe = image_recipe_default();
	start(f, (struct decoders_options){.count = 1, .program = CAH_DECODER});
	const struct decoders_job job = {.bytes = buf_slice(&f->good),
					 .limits = &limits};
	struct image_made made;
	enum fate fate;
	recipe.format = IMAGE_PNG;
	recipe.quality = 0;
	assert_int_equal(
		decoders_make(&made, &fate, f->decoders, &job, &recipe, NULL),
		CAH_OK);
	assert_int_equal(fate, CAH_FATE_INTERNAL);
	assert_null(made.data);
}

static void decoders__say_what_is_on_when_they_have_work(void **state)
{
	struct fixture *f = *state;
	start(f, (struct decoders_options){.count = 2, .program = CAH_DECODER});
	assert_null(strstr(read_log(f), "decoders: 2 processes"));
	(void)fate_of(f, SLICE("no picture"));
	assert_non_null(strstr(read_log(f), "decoders: 2 processes"));
	if (is_locked(f))
		assert_non_null(strstr(read_log(f), "seccomp"));
}

static void decoders__refuse_a_file_that_is_too_large(void **state)
{
	struct fixture *f = *state;
	start(f, (struct decoders_options){.count = 1, .program = CAH_DECODER});
	char *large = calloc(FILE_LIMIT + 1, 1);
	assert_non_null(large);
	assert_int_equal(
		fate_of(f, (struct slice){large, (size_t)FILE_LIMIT + 1}),
		CAH_FATE_TOO_LARGE);
	assert_int_equal(fate_of(f, (struct slice){large, FILE_LIMIT}),
			 CAH_FATE_NOT_AN_IMAGE);
	assert_int_equal(fate_of(f, (struct slice){NULL, 0}),
			 CAH_FATE_NOT_AN_IMAGE);
	free(large);
}

/* The second column is what the log says of its end. Bad system call is what
 * seccomp does. */
static const struct {
	const char *deed;
	const char *why;
	bool needs_lock;
} deeds[] = {
	{"open", "signal 31", true},
	{"create", "signal 31", true},
	{"socket", "signal 31", true},
	{"exec", "signal 31", true},
	{"fork", "signal 31", true},
	{"kill", "signal 31", true},
	{"code", "signal 31", true},
	{"stay", "signal 31", true},
	{"memory", "exit status 1", true},
	{"hang", "not done in 4 s", false},
	{"signal", "", false},
	{"crash", "", false},
	{"end", "exit status 0", false},
	{"fate", "answer that is none", false},
	{"less", "answer that is none", false},
	{"format", "answer that is none", false},
	{"size", "answer that is none", false},
	{"nothing", "answer that is none", false},
	{"length", "answer that is none", false},
	{"cut", "answer that is none", false},
	{"before", "answer that is none", false},
	{"short", "answer that is none", false},
	{"long", "answer that is none", false},
};

static void check_deed(struct fixture *f, const char *deed, const char *why)
{
	char file[64];
	size_t before = strlen(read_log(f));
	(void)snprintf(file, sizeof(file), "evil:%s", deed);
	enum fate fate = fate_of(f, slice_of(file));
	if (fate != CAH_FATE_DECODER_CRASHED)
		fail_msg("%s: %s", deed, fate_key(fate));
	const char *said = read_log(f) + before;
	if (strstr(said, "a decoder crashed") == NULL ||
	    strstr(said, why) == NULL ||
	    strstr(said, "http://host.test/") == NULL)
		fail_msg("%s: %s", deed, said);
	assert_int_equal(fate_of(f, buf_slice(&f->good)), CAH_FATE_KEPT);
}

/* The same where a file is to be made. */
static const char *const make_deeds[] = {"length", "exif", "much exif",
					 "exif lines"};

static void check_make_deed(struct fixture *f, const char *deed)
{
	char file[64];
	const struct image_limits limits = any_size();
	const struct image_recipe recipe = image_recipe_default();
	(void)snprintf(file, sizeof(file), "evil:%s", deed);
	struct decoders_job job = {.bytes = slice_of(file), .limits = &limits};
	struct image_made made;
	enum fate fate;
	assert_int_equal(
		decoders_make(&made, &fate, f->decoders, &job, &recipe, NULL),
		CAH_OK);
	assert_null(made.data);
	if (fate != CAH_FATE_DECODER_CRASHED ||
	    strstr(read_log(f), "answer that is none") == NULL)
		fail_msg("%s: %s", deed, fate_key(fate));
	job.bytes = buf_slice(&f->good);
	assert_int_equal(
		decoders_make(&made, &fate, f->decoders, &job, &recipe, NULL),
		CAH_OK);
	assert_int_equal(fate, CAH_FATE_KEPT);
	image_made_fini(&made);
}

/* Each has decoders of its own: of a burst of lines some are left out. */
static void decoders__contain_what_a_picture_may_do(void **state)
{
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		start_evil(f, 1);
		/* With it the log tells whether anything is locked. */
		(void)fate_of(f, buf_slice(&f->good));
		if (!deeds[i].needs_lock || is_locked(f))
			check_deed(f, deeds[i].deed, deeds[i].why);
		decoders_free(f->decoders);
		f->decoders = NULL;
	}
	start_evil(f, 1);
	for (size_t i = 0; i < sizeof(make_deeds) / sizeof(make_deeds[0]); i++)
		check_make_deed(f, make_deeds[i]);
}

/* Of two answers the first may be anything; the second is not what comes out of
 * the next picture. */
static void decoders__take_no_answer_for_the_next_picture(void **state)
{
	struct fixture *f = *state;
	start_evil(f, 1);
	assert_int_equal(fate_of(f, SLICE("evil:twice")), CAH_FATE_KEPT);
	assert_int_equal(fate_of(f, SLICE("no picture")),
			 CAH_FATE_DECODER_CRASHED);
	assert_int_equal(fate_of(f, SLICE("no picture")),
			 CAH_FATE_NOT_AN_IMAGE);
}

static void decoders__are_not_waited_for_when_cancelled(void **state)
{
	struct fixture *f = *state;
	struct decoders_fitted fitted;
	struct cancel *cancel;
	assert_int_equal(cancel_new(&cancel, NULL), CAH_OK);
	start(f, (struct decoders_options){.count = 1,
					   .program = CAH_EVIL_DECODER});
	cancel_set(cancel);
	assert_int_equal(try_fit(f, SLICE("evil:hang"), cancel, &fitted, NULL),
			 CAH_OK);
	assert_int_equal(fitted.fate, CAH_FATE_INTERNAL);
	assert_int_equal(fate_of(f, buf_slice(&f->good)), CAH_FATE_KEPT);
	assert_null(strstr(read_log(f), "crashed"));
	cancel_free(cancel);
}

/* "evil:old" crashes where LIFE pictures came before it. */
static void decoders__live_for_so_many_pictures(void **state)
{
	struct fixture *f = *state;
	start_evil(f, 1);
	for (int i = 0; i < LIFE; i++)
		assert_int_equal(fate_of(f, SLICE("evil:old")),
				 CAH_FATE_NOT_AN_IMAGE);
	for (int i = 0; i < LIFE; i++)
		assert_int_equal(fate_of(f, SLICE("evil:old")),
				 CAH_FATE_NOT_AN_IMAGE);
	assert_null(strstr(read_log(f), "crashed"));
}

struct caller {
	struct fixture *f;
	pthread_t thread;
	int kept;
	int crashed;
};

static void *call(void *arg)
{
	struct caller *c = arg;
	uint8_t pixels[16 * 16 * 3];
	const struct image_limits limits = any_size();
	const struct image_fit fit = {16, 16, 16, IMAGE_BICUBIC};
	for (int i = 0; i < CALLS; i++) {
		struct decoders_fitted fitted;
		struct decoders_job job = {.bytes = buf_slice(&c->f->good),
					   .limits = &limits};
		if (i % 5 == 0)
			job.bytes = SLICE("evil:end");
		if (decoders_fit(&fitted, pixels, c->f->decoders, &job, &fit,
				 NULL) != CAH_OK)
			break;
		c->kept += fitted.fate == CAH_FATE_KEPT;
		c->crashed += fitted.fate == CAH_FATE_DECODER_CRASHED;
	}
	return NULL;
}

/* More callers than decoders. */
static void decoders__serve_many_threads_through_crashes(void **state)
{
	struct fixture *f = *state;
	struct caller callers[CALLERS];
	start_evil(f, 2);
	for (int i = 0; i < CALLERS; i++) {
		callers[i] = (struct caller){.f = f};
		assert_int_equal(pthread_create(&callers[i].thread, NULL, call,
						&callers[i]),
				 0);
	}
	for (int i = 0; i < CALLERS; i++) {
		(void)pthread_join(callers[i].thread, NULL);
		assert_int_equal(callers[i].kept, CALLS - CALLS / 5);
		assert_int_equal(callers[i].crashed, CALLS / 5);
	}
}

static void decoders__do_not_start_without_their_program(void **state)
{
	static const struct {
		const char *program;
		const char *text;
	} rows[] = {
		{"/nowhere/cah-decoder", "/nowhere/cah-decoder: No such file"},
		{"/bin/true", "ended before it began: exit status 0"},
		/* This program has none beside it. */
		{NULL, "--no-sandbox"},
	};
	struct fixture *f = *state;
	(void)f;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct decoders_options options = {
			.count = 1,
			.program = rows[i].program,
			.file_max = FILE_LIMIT,
			.made_max = PIXELS};
		struct decoders *decoders;
		struct cah_error err;
		assert_int_equal(decoders_new(&decoders, &options, &err),
				 CAH_EIO);
		assert_null(decoders);
		assert_non_null(strstr(err.text, rows[i].text));
	}
}

/* Not an endless loop of starts. */
static void decoders__give_up_when_none_can_be_started(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/cah-test-XXXXXX";
	struct buf program;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	buf_init(&program, 256 * FILE_LIMIT);
	assert_int_equal(file_read(&program, CAH_EVIL_DECODER, NULL), CAH_OK);
	assert_int_equal(write(fd, program.data, program.len),
			 (ssize_t)program.len);
	assert_int_equal(fchmod(fd, 0700), 0);
	assert_int_equal(close(fd), 0);
	buf_fini(&program);
	start(f, (struct decoders_options){.count = 1, .program = path});
	assert_int_equal(unlink(path), 0);

	struct decoders_fitted fitted;
	struct cah_error err;
	assert_int_equal(fate_of(f, buf_slice(&f->good)), CAH_FATE_KEPT);
	assert_int_equal(fate_of(f, SLICE("evil:end")),
			 CAH_FATE_DECODER_CRASHED);
	assert_int_equal(try_fit(f, buf_slice(&f->good), NULL, &fitted, &err),
			 CAH_EIO);
	assert_non_null(strstr(err.text, path));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(decoders__give_what_this_process_gives),
		TEST(decoders__make_what_this_process_makes),
		TEST(decoders__make_nothing_that_is_too_large),
		TEST(decoders__say_what_is_on_when_they_have_work),
		TEST(decoders__refuse_a_file_that_is_too_large),
		TEST(decoders__contain_what_a_picture_may_do),
		TEST(decoders__take_no_answer_for_the_next_picture),
		TEST(decoders__are_not_waited_for_when_cancelled),
		TEST(decoders__live_for_so_many_pictures),
		TEST(decoders__serve_many_threads_through_crashes),
		TEST(decoders__do_not_start_without_their_program),
		TEST(decoders__give_up_when_none_can_be_started),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
