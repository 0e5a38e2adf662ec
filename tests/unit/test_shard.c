#include "base/file.h"
#include "dataset/npy.h"
#include "dataset/row.h"
#include "dataset/shard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	DIMENSION = 4,
	PATH_LEN = 512, /* bytes */
};

static int make_folder(void **state)
{
	char *folder = strdup("/tmp/test_shard.XXXXXX");
	*state = folder;
	return folder != NULL && mkdtemp(folder) != NULL ? 0 : -1;
}

/* Removes what is in @folder; returns how many entries there were. */
static int empty_folder(const char *folder)
{
	int count = 0;
	DIR *dir = opendir(folder);
	assert_non_null(dir);
	for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), e->d_name, 0) != 0)
			(void)unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR);
		count++;
	}
	closedir(dir);
	return count;
}

static int remove_folder(void **state)
{
	(void)empty_folder(*state);
	int rc = rmdir(*state);
	free(*state);
	return rc;
}

static struct shard *new_shard(const char *folder)
{
	struct shard_options options = {.folder = folder,
					.name = "s",
					.dimension = DIMENSION,
					.save_images = true};
	struct cah_error err = {0};
	struct shard *shard;
	if (shard_create(&shard, &options, &err) != CAH_OK)
		fail_msg("%s", err.text);
	return shard;
}

static struct pair a_pair(void)
{
	static const float embedding[DIMENSION] = {1, 0, -0.5F, 0.25F};
	return (struct pair){.sample_id = 500001,
			     .url = SLICE("http://a.test/1.png"),
			     .text = SLICE("a \"cat\""),
			     .page_url = SLICE("http://a.test/"),
			     .license = SLICE("?"),
			     .language = SLICE("en"),
			     .nsfw = SLICE("UNSURE"),
			     .md5 = SLICE("0123456789abcdef"),
			     .width = 640,
			     .height = 480,
			     .similarity = 0.5,
			     .image_embedding = embedding,
			     .text_embedding = embedding,
			     .image = SLICE("image"),
			     .extension = "png"};
}

static void shard__appears_whole_at_commit(void **state)
{
	struct shard *shard = new_shard(*state);
	struct pair pair = a_pair();
	assert_int_equal(shard_add(shard, &pair, NULL), CAH_OK);
	char path[PATH_LEN];
	(void)snprintf(path, sizeof(path), "%s/s.stats.json", (char *)*state);
	assert_int_not_equal(access(path, F_OK), 0);
	struct shard_stats stats = {0};
	assert_int_equal(shard_commit(shard, &stats, NULL), CAH_OK);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(empty_folder(*state), 5);
}

static void shard__is_found_by_what_it_was_made_from(void **state)
{
	struct shard_wanted wanted = {*state, "s", "http://a.test/1.wat", 1};
	struct fate_counts fates;
	bool is_there = true;
	struct cah_error err;
	assert_int_equal(shard_find(&is_there, &fates, &wanted, NULL), CAH_OK);
	assert_false(is_there);

	struct shard *shard = new_shard(*state);
	struct shard_stats stats = {.wat_url = wanted.wat_url, .piece = 1};
	stats.fates.n[CAH_FATE_DUPLICATE] = 3;
	assert_int_equal(shard_commit(shard, &stats, NULL), CAH_OK);
	assert_int_equal(shard_find(&is_there, &fates, &wanted, NULL), CAH_OK);
	assert_true(is_there);
	assert_int_equal(fates.n[CAH_FATE_DUPLICATE], 3);

	wanted.piece = 0;
	assert_int_equal(shard_find(&is_there, &fates, &wanted, &err), CAH_EIO);
	assert_false(is_there);
	assert_non_null(strstr(err.text, "s.stats.json"));

	/* What is damaged is made again. */
	char path[PATH_LEN];
	(void)snprintf(path, sizeof(path), "%s/s.stats.json", (char *)*state);
	assert_int_equal(file_put(path, "{", 1, NULL), CAH_OK);
	assert_int_equal(shard_find(&is_there, &fates, &wanted, NULL), CAH_OK);
	assert_false(is_there);

	assert_int_equal(shard_remove(*state, "s", NULL), CAH_OK);
	assert_int_equal(empty_folder(*state), 0);
}

static void shard__that_is_discarded_leaves_nothing(void **state)
{
	struct shard *shard = new_shard(*state);
	struct pair pair = a_pair();
	assert_int_equal(shard_add(shard, &pair, NULL), CAH_OK);
	shard_discard(shard);
	shard_discard(NULL);
	assert_int_equal(empty_folder(*state), 0);
}

/* A folder stands where the file of text embeddings should go, which is the
 * last but one: what was placed before it must go again. */
static void shard__that_cannot_take_its_places_leaves_nothing(void **state)
{
	struct shard *shard = new_shard(*state);
	char path[PATH_LEN];
	(void)snprintf(path, sizeof(path), "%s/text_emb_s.npy", (char *)*state);
	assert_int_equal(mkdir(path, 0777), 0);
	struct shard_stats stats = {0};
	struct cah_error err;
	assert_int_equal(shard_commit(shard, &stats, &err), CAH_EIO);
	assert_non_null(strstr(err.text, "shard s: cannot write "));
	assert_int_equal(empty_folder(*state), 1);
}

/* Past a limit on the size of files writing fails as on a full disk. */
static void shard__on_a_full_disk_leaves_nothing(void **state)
{
	struct rlimit before, small;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 1000;
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	struct shard *shard = new_shard(*state);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	struct pair pair = a_pair();
	struct cah_error err;
	int rc = CAH_OK;
	for (int i = 0; i < 1000 && rc == CAH_OK; i++)
		rc = shard_add(shard, &pair, &err);
	shard_discard(shard);
	(void)setrlimit(RLIMIT_FSIZE, &before);
	(void)signal(SIGXFSZ, handler);
	assert_int_equal(rc, CAH_EIO);
	assert_non_null(strstr(err.text, "s.tar: File too large"));
	assert_int_equal(empty_folder(*state), 0);
}

static void shard__refuses_names_that_lead_elsewhere(void **state)
{
	static const char *const names[] = {"",     ".",  "..",  "a/b",
					    "../a", ".a", "a b", "a\n"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct shard_options options = {.folder = *state,
						.name = names[i]};
		struct shard *shard;
		assert_int_equal(shard_create(&shard, &options, NULL),
				 CAH_EINVALID);
		assert_null(shard);
	}
	assert_int_equal(empty_folder(*state), 0);
}

static void row__mends_what_is_no_text(void **state)
{
	(void)state;
	const struct {
		struct slice bytes;
		struct slice text;
	} rows[] = {
		{{NULL, 0}, SLICE("")},
		{SLICE("caf\xc3\xa9"), SLICE("caf\xc3\xa9")},
		{SLICE("caf\xe9"), SLICE("caf\xef\xbf\xbd")},
		{SLICE("\xff\xfe"), SLICE("\xef\xbf\xbd\xef\xbf\xbd")},
		{SLICE("\xf0\x9f\x90\x88\xc0"),
		 SLICE("\xf0\x9f\x90\x88\xef\xbf\xbd")},
	};
	struct arena *arena;
	assert_int_equal(arena_new(&arena, 4096, NULL), CAH_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pair pair = a_pair();
		pair.text = rows[i].bytes;
		struct row row;
		assert_int_equal(row_of_pair(&row, &pair, arena, NULL), CAH_OK);
		struct slice text = {row.values[ROW_TEXT].text,
				     row.values[ROW_TEXT].text_len};
		assert_true(slice_equal(text, rows[i].text));
		struct buf json;
		buf_init(&json, 4096);
		assert_int_equal(row_write_json(&json, &row, "k", NULL),
				 CAH_OK);
		buf_fini(&json);
	}
	arena_free(arena);
}

static void row__becomes_json_with_the_columns_of_parquet(void **state)
{
	(void)state;
	struct pair pair = a_pair();
	pair.similarity = NAN;
	struct row row;
	assert_int_equal(row_of_pair(&row, &pair, NULL, NULL), CAH_OK);
	struct buf json;
	buf_init(&json, 4096);
	assert_int_equal(row_write_json(&json, &row, "0000000500001", NULL),
			 CAH_OK);
	assert_string_equal(
		json.data,
		"{\"key\":\"0000000500001\",\"SAMPLE_ID\":500001,"
		"\"URL\":\"http://a.test/1.png\",\"TEXT\":\"a \\\"cat\\\"\","
		"\"HEIGHT\":480,\"WIDTH\":640,\"LICENSE\":\"?\","
		"\"NSFW\":\"UNSURE\",\"similarity\":null,\"language\":\"en\","
		"\"md5\":\"0123456789abcdef\",\"page_url\":\"http://a.test/"
		"\"}");
	buf_fini(&json);
}

static void npy__rounds_to_the_nearest_half(void **state)
{
	(void)state;
	static const struct {
		float value;
		uint16_t half;
	} rows[] = {
		{0, 0},
		{-0.0F, 0x8000},
		{1, 0x3c00},
		{-2, 0xc000},
		{65504, 0x7bff},
		{65519, 0x7bff},
		{65520, 0x7c00},
		{-INFINITY, 0xfc00},
		{NAN, 0x7e00},
		{0x1p-14F, 0x0400},
		{0x1p-24F, 0x0001},
		{0x1p-25F, 0x0000}, /* a tie, to even */
		{0x1.000002p-25F, 0x0001},
		{0x1.ffep-15F, 0x0400}, /* up to the least normal one */
		{0x1.002p0F, 0x3c00},   /* ties, to even */
		{0x1.006p0F, 0x3c02},
		{1e-45F, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(npy_half(rows[i].value), rows[i].half);
}

int main(void)
{
#define WITH_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(shard__appears_whole_at_commit),
		WITH_FOLDER(shard__is_found_by_what_it_was_made_from),
		WITH_FOLDER(shard__that_is_discarded_leaves_nothing),
		WITH_FOLDER(shard__that_cannot_take_its_places_leaves_nothing),
		WITH_FOLDER(shard__on_a_full_disk_leaves_nothing),
		WITH_FOLDER(shard__refuses_names_that_lead_elsewhere),
		cmocka_unit_test(row__mends_what_is_no_text),
		cmocka_unit_test(row__becomes_json_with_the_columns_of_parquet),
		cmocka_unit_test(npy__rounds_to_the_nearest_half),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
