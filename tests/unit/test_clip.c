#include "base/file.h"
#include "clip/clip.h"
#include "clip/plan.h"
#include "clip/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	START = 1086, /* of the demo model */
	END = 1087,
	CONTEXT = 32,
	SIDE = 64,
	PIXELS = SIDE * SIDE * 3, /* bytes */
	FILE_BYTES_MAX = 16 * 1024 * 1024,
};

static char demo[4096];
static char folder[256]; /* a copy of the demo model to break */

static const char *const model_files[] = {
	"tokenizer.json",
	"tokenizer_config.json",
	"vocab.json",
	"merges.txt",
	"preprocessor_config.json",
	"config.json",
	"onnx/vision_model.onnx",
	"onnx/text_model.onnx",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void put(const char *name, const char *text)
{
	char path[512];
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(file_put(path, text, strlen(text), NULL), CAH_OK);
}

static void drop(const char *name)
{
	char path[512];
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(unlink(path), 0);
}

static int make_folder(void **state)
{
	(void)state;
	(void)snprintf(demo, sizeof(demo), "%s/models/demo",
		       getenv("CAH_TEST_SOURCE"));
	(void)snprintf(folder, sizeof(folder), "/tmp/cah-test-clip-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	char path[4200];
	(void)snprintf(path, sizeof(path), "%s/onnx", folder);
	int rc = file_make_dirs(path, NULL);
	for (size_t i = 0; rc == CAH_OK && i < COUNT(model_files); i++) {
		struct buf bytes;
		buf_init(&bytes, FILE_BYTES_MAX);
		(void)snprintf(path, sizeof(path), "%s/%s", demo,
			       model_files[i]);
		rc = file_read(&bytes, path, NULL);
		(void)snprintf(path, sizeof(path), "%s/%s", folder,
			       model_files[i]);
		if (rc == CAH_OK)
			rc = file_put(path, bytes.data, bytes.len, NULL);
		buf_fini(&bytes);
	}
	return rc;
}

static int remove_folder(void **state)
{
	(void)state;
	char command[512];
	(void)snprintf(command, sizeof(command), "rm -r '%s'", folder);
	return system(command);
}

static void assert_tokens(struct tokenizer *t, struct slice text,
			  const char *expected)
{
	int64_t ids[CONTEXT];
	size_t used;
	assert_int_equal(tokenizer_encode(t, ids, &used, text, NULL), CAH_OK);
	char line[512] = "";
	size_t len = 0;
	for (size_t i = 0; i < used; i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len,
					i > 0 ? " %lld" : "%lld",
					(long long)ids[i]);
	assert_string_equal(line, expected);
	for (size_t i = used; i < CONTEXT; i++)
		assert_int_equal(ids[i], END);
}

/* What the `tokenizers` library makes of them. */
static const struct {
	const char *text;
	const char *tokens;
} token_rows[] = {
	{"", "1086 1087"},
	{"   ", "1086 1087"},
	{"a red circle", "1086 320 550 622 1087"},
	{"A Red  CIRCLE", "1086 320 550 622 1087"},
	{"it's", "1086 731 6 338 1087"},
	{"''s don't we'll", "1086 6 262 338 67 546 6 339 86 324 6 75 331 1087"},
	{"'street", "1086 6 338 83 519 68 339 1087"},
	{"10 circles", "1086 272 271 690 1087"},
	{"\303\211tude", "1086 127 102 83 84 67 324 1087"},
	{"E\314\201tude", "1086 127 102 83 84 67 324 1087"},
	{"\304\260", "1086 328 136 485 1087"},
	{"\346\227\245\346\234\254", "1086 162 245 98 162 250 361 1087"},
	{"x\302\240y\343\200\200z", "1086 343 344 345 1087"},
	{"!?!'s", "1086 0 30 0 262 338 1087"},
	{"<|endoftext|>", "1086 27 347 68 637 78 69 870 91 285 1087"},
	{"\360\237\230\200", "1086 172 253 246 478 1087"},
	{"a\342\200\213b", "1086 320 158 222 489 321 1087"},
};

static void tokenizer__agrees_with_the_reference_on_a_table(void **state)
{
	(void)state;
	struct tokenizer *t;
	assert_int_equal(tokenizer_open(&t, demo, NULL), CAH_OK);
	assert_int_equal(tokenizer_context(t), CONTEXT);
	assert_int_equal(tokenizer_size(t), 1088);
	for (size_t i = 0; i < COUNT(token_rows); i++)
		assert_tokens(t, slice_of(token_rows[i].text),
			      token_rows[i].tokens);
	tokenizer_free(t);
}

static void tokenizer__cuts_long_texts_and_keeps_the_end(void **state)
{
	(void)state;
	struct tokenizer *t;
	size_t used;
	int64_t ids[CONTEXT];
	size_t len = 300 * 1000;
	char *text = malloc(len);
	assert_non_null(text);
	assert_int_equal(tokenizer_open(&t, demo, NULL), CAH_OK);
	for (int kind = 0; kind < 3; kind++) {
		/* One endless word, many short ones, bytes that are no UTF-8.
		 */
		for (size_t i = 0; i < len; i++)
			text[i] = kind == 0   ? (char)('a' + i % 7)
				  : kind == 1 ? "ab "[i % 3]
					      : (char)(0x80 + i % 0x70);
		struct slice all = {text, len};
		assert_int_equal(tokenizer_encode(t, ids, &used, all, NULL),
				 CAH_OK);
		assert_int_equal(used, CONTEXT);
		assert_int_equal(ids[0], START);
		assert_int_equal(ids[CONTEXT - 1], END);
		assert_int_not_equal(ids[CONTEXT - 2], END);
	}
	free(text);
	tokenizer_free(t);
}

static void tokenizer__reads_the_original_files_alike(void **state)
{
	(void)state;
	struct tokenizer *t;
	drop("tokenizer.json");
	assert_int_equal(tokenizer_open(&t, folder, NULL), CAH_OK);
	for (size_t i = 0; i < COUNT(token_rows); i++)
		assert_tokens(t, slice_of(token_rows[i].text),
			      token_rows[i].tokens);
	tokenizer_free(t);
}

#define TOKENIZER(vocab, merges)                                               \
	"{\"model\": {\"type\": \"BPE\", \"end_of_word_suffix\": \"</w>\", "   \
	"\"vocab\": " vocab ", \"merges\": " merges "}, \"normalizer\": "      \
	"{\"type\": \"Lowercase\"}, \"pre_tokenizer\": {\"type\": \"Split\", " \
	"\"pattern\": {\"Regex\": \"'s|'t|'re|'ve|'m|'ll|'d|[\\\\p{L}]+|"      \
	"[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+\"}}}"
#define SPECIALS "\"<|startoftext|>\": 3, \"<|endoftext|>\": 4"

static void tokenizer__merges_by_rank_and_knows_the_unknown(void **state)
{
	(void)state;
	struct tokenizer *t;
	put("tokenizer.json",
	    TOKENIZER("{\"a\": 0, \"a</w>\": 1, \"aa</w>\": 2, " SPECIALS "}",
		      "[[\"a\", \"a</w>\"]]"));
	put("tokenizer_config.json", "{\"model_max_length\": 8}");
	assert_int_equal(tokenizer_open(&t, folder, NULL), CAH_OK);
	int64_t ids[8];
	size_t used;
	/* No token for b, and none to stand in for it. */
	assert_int_equal(tokenizer_encode(t, ids, &used, SLICE("AAA b"), NULL),
			 CAH_OK);
	const int64_t expected[8] = {3, 0, 2, 4, 4, 4, 4, 4};
	assert_memory_equal(ids, expected, sizeof(expected));
	assert_int_equal(used, 4);
	tokenizer_free(t);
}

static void tokenizer__refuses_broken_files(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		const char *error;
	} rows[] = {
		{"", "tokenizer.json: line 1: "},
		{"[1]", "tokenizer.json: not a JSON object"},
		{"{}", "tokenizer.json: not CLIP's tokenizer: no BPE"},
		{"{\"model\": {\"end_of_word_suffix\": \"</w>\"}}",
		 "tokenizer.json: not CLIP's tokenizer: no lower case"},
		{"{\"model\": {\"end_of_word_suffix\": \"</w>\"}, "
		 "\"normalizer\": {\"type\": \"Lowercase\"}}",
		 "tokenizer.json: not CLIP's tokenizer: another pattern"},
		{TOKENIZER("{}", "[]"), "tokenizer.json: no vocabulary"},
		{TOKENIZER("{\"a\": \"b\"}", "[]"),
		 "tokenizer.json: a token's id is no integer"},
		{TOKENIZER("{\"a\": -1}", "[]"),
		 "tokenizer.json: id -1 is not within"},
		{TOKENIZER("{\"a\": 99999999}", "[]"),
		 "tokenizer.json: id 99999999 is not within"},
		{TOKENIZER("{\"a\": 1}", "7"), "tokenizer.json: no list of"},
		{TOKENIZER("{\"a\": 1}", "[\"a\"]"),
		 "tokenizer.json: merge 1 is not of two tokens"},
		{TOKENIZER("{\"a\": 1}", "[\"a a\"]"),
		 "tokenizer.json: merge 1 is of tokens that are not"},
		{TOKENIZER("{\"a\": 1}", "[]"), folder},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct tokenizer *t;
		struct cah_error err;
		put("tokenizer.json", rows[i].json);
		assert_int_equal(tokenizer_open(&t, folder, &err), CAH_EFORMAT);
		assert_null(t);
		if (strncmp(err.text, rows[i].error, strlen(rows[i].error)) !=
		    0)
			fail_msg("row %zu: %s", i, err.text);
	}
}

static void plan__reads_every_form(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		int edge;
		int width;
		int height;
		float mean;
		float std;
	} rows[] = {
		{"{}", 224, 224, 224, 0.48145466F, 0.26862954F},
		{"{\"size\": 336, \"crop_size\": 300}", 336, 300, 300,
		 0.48145466F, 0.26862954F},
		{"{\"size\": {\"shortest_edge\": 64}, \"crop_size\": "
		 "{\"height\": 32, \"width\": 48}, \"image_mean\": [0.5,1,1], "
		 "\"image_std\": [0.25,1,1]}",
		 64, 48, 32, 0.5F, 0.25F},
		{"{\"size\": {\"height\": 64, \"width\": 64}, "
		 "\"do_center_crop\": false, \"do_normalize\": false}",
		 64, 64, 64, 0, 1},
		{"{\"do_rescale\": false, \"image_mean\": [127.5,1,1], "
		 "\"image_std\": [51,1,1]}",
		 224, 224, 224, 0.5F, 0.2F},
		{"{\"rescale_factor\": 0.00784313725490196, \"image_mean\": "
		 "[1,1,1], \"image_std\": [1,1,1], \"resample\": 2}",
		 224, 224, 224, 0.5F, 0.5F},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct clip_plan plan;
		assert_int_equal(
			plan_parse(&plan, slice_of(rows[i].json), "x", NULL),
			CAH_OK);
		assert_int_equal(plan.shortest_edge, rows[i].edge);
		assert_int_equal(plan.crop_width, rows[i].width);
		assert_int_equal(plan.crop_height, rows[i].height);
		assert_float_equal(plan.mean[0], rows[i].mean, 1e-6);
		assert_float_equal(plan.std[0], rows[i].std, 1e-6);
		assert_int_equal(plan.resample, i == 5 ? 2 : CLIP_BICUBIC);
	}
}

static void plan__says_what_is_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		const char *error;
	} rows[] = {
		{"nothing", "x: line 1: "},
		{"{\"size\": 0}", "x: size is not within 1..4096 pixels"},
		{"{\"size\": \"big\"}", "x: size is not within"},
		{"{\"size\": {}}", "x: size is not within"},
		{"{\"size\": {\"height\": 2, \"width\": 3}}",
		 "x: size is not a square: 3 x 2"},
		{"{\"size\": 64, \"crop_size\": 65}",
		 "x: crop_size is larger than size"},
		{"{\"crop_size\": [224, 224]}", "x: crop_size is not within"},
		{"{\"do_resize\": false}", "x: do_resize is off"},
		{"{\"do_center_crop\": false}", "x: do_center_crop is off"},
		{"{\"resample\": 4}", "x: resample is not within 0..3"},
		{"{\"resample\": \"bicubic\"}", "x: resample is not within"},
		{"{\"image_mean\": [1, 2]}", "x: image_mean is not three"},
		{"{\"image_std\": [1, 2, \"3\"]}", "x: image_std is not three"},
		{"{\"image_std\": [1, 0, 1]}", "x: image_mean or image_std"},
		{"{\"rescale_factor\": -1}", "x: rescale_factor is no"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct clip_plan plan;
		struct cah_error err;
		assert_int_equal(
			plan_parse(&plan, slice_of(rows[i].json), "x", &err),
			CAH_EFORMAT);
		if (strncmp(err.text, rows[i].error, strlen(rows[i].error)) !=
		    0)
			fail_msg("row %zu: %s", i, err.text);
	}
}

static const struct clip_options one_thread = {1, false};

static void paint(uint8_t *pixels, size_t count)
{
	for (size_t i = 0; i < count * PIXELS; i++)
		pixels[i] =
			(uint8_t)((i / 3 % SIDE) * (i / PIXELS + 1) + i % 3);
}

static void assert_unit(const float *rows, size_t count, int dimension)
{
	for (size_t i = 0; i < count; i++) {
		const float *row = rows + i * (size_t)dimension;
		assert_float_equal(clip_similarity(row, row, dimension), 1,
				   1e-5);
	}
}

static void clip__embeds_a_batch_as_it_embeds_each(void **state)
{
	(void)state;
	enum {
		N = 67
	}; /* no chunk is full */
	struct clip *clip;
	struct cah_error err;
	assert_int_equal(clip_open(&clip, demo, &one_thread, &err), CAH_OK);
	int d = clip_dimension(clip);
	assert_int_equal(d, 256);
	uint8_t *pixels = malloc(N * PIXELS);
	float *rows = calloc(3 * N, (size_t)d * sizeof(*rows));
	assert_non_null(pixels);
	assert_non_null(rows);
	paint(pixels, N);
	float *again = rows + (size_t)N * (size_t)d;
	float *single = again + (size_t)N * (size_t)d;
	assert_int_equal(clip_embed_images(clip, pixels, N, rows, &err),
			 CAH_OK);
	assert_int_equal(clip_embed_images(clip, pixels, N, again, &err),
			 CAH_OK);
	assert_memory_equal(rows, again, N * (size_t)d * sizeof(*rows));
	assert_unit(rows, N, d);
	for (size_t i = 0; i < N; i += 13) {
		assert_int_equal(clip_embed_images(clip, pixels + i * PIXELS, 1,
						   single, &err),
				 CAH_OK);
		float cosine = clip_similarity(single, rows + i * (size_t)d, d);
		assert_true(cosine > 0.999F);
	}
	free(pixels);
	free(rows);
	clip_close(clip);
}

/* Short and long texts in one call come back in the order they went in, and
 * padding changes nothing. */
static void clip__embeds_texts_of_any_length_in_their_order(void **state)
{
	(void)state;
	static const char *const texts[] = {
		("a red circle and two blue stars left of a green square on a "
		 "dark background with stripes and dots"),
		"a",
		"",
		"two small yellow triangles",
		"a red circle",
		"\xff\xfe\x80",
		"A RED circle",
	};
	struct clip *clip;
	struct cah_error err;
	struct slice slices[COUNT(texts)];
	float rows[COUNT(texts)][256];
	float single[256];
	assert_int_equal(clip_open(&clip, demo, &one_thread, &err), CAH_OK);
	for (size_t i = 0; i < COUNT(texts); i++)
		slices[i] = slice_of(texts[i]);
	assert_int_equal(
		clip_embed_texts(clip, slices, COUNT(texts), rows[0], &err),
		CAH_OK);
	assert_unit(rows[0], COUNT(texts), 256);
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_int_equal(
			clip_embed_texts(clip, &slices[i], 1, single, &err),
			CAH_OK);
		assert_true(clip_similarity(single, rows[i], 256) > 0.999F);
	}
	assert_true(clip_similarity(rows[4], rows[6], 256) > 0.999F);
	assert_true(clip_similarity(rows[3], rows[4], 256) < 0.9F);
	clip_close(clip);
}

struct job {
	struct clip *clip;
	int rc;
};

static void *embed_texts_in_a_thread(void *arg)
{
	struct job *job = arg;
	struct slice texts[8];
	float rows[8 * 256];
	for (size_t i = 0; i < 8; i++)
		texts[i] = SLICE("a green star on a blue background");
	for (int i = 0; i < 10 && job->rc == CAH_OK; i++)
		job->rc = clip_embed_texts(job->clip, texts, 8, rows, NULL);
	return NULL;
}

static void clip__does_images_and_texts_at_the_same_time(void **state)
{
	(void)state;
	struct job job = {NULL, CAH_OK};
	assert_int_equal(clip_open(&job.clip, demo, &one_thread, NULL), CAH_OK);
	uint8_t *pixels = malloc(8 * PIXELS);
	float rows[8 * 256];
	pthread_t thread;
	assert_non_null(pixels);
	paint(pixels, 8);
	assert_int_equal(
		pthread_create(&thread, NULL, embed_texts_in_a_thread, &job),
		0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(
			clip_embed_images(job.clip, pixels, 8, rows, NULL),
			CAH_OK);
	pthread_join(thread, NULL);
	assert_int_equal(job.rc, CAH_OK);
	free(pixels);
	clip_close(job.clip);
}

static void clip__names_what_is_missing_or_broken(void **state)
{
	(void)state;
	static const struct {
		const char *file;
		const char *text; /* NULL: the file is removed */
		int code;
	} rows[] = {
		{"tokenizer_config.json", "{\"model_max_length\": 1}",
		 CAH_EFORMAT},
		{"tokenizer.json", "{\"model\": 1}", CAH_EFORMAT},
		{"config.json", "{\"text_config\": {\"vocab_size\": 1087}}",
		 CAH_EFORMAT},
		{"preprocessor_config.json", NULL, CAH_ENOTFOUND},
		{"preprocessor_config.json", "{\"size\": 32}", CAH_EFORMAT},
		{"preprocessor_config.json", "{\"size\": -1}", CAH_EFORMAT},
		{"onnx/vision_model.onnx", NULL, CAH_ENOTFOUND},
		{"onnx/vision_model.onnx", "", CAH_EFORMAT},
		{"onnx/vision_model.onnx", "<html>not found</html>",
		 CAH_EFORMAT},
		{"onnx/vision_model.onnx", "\x08\x07\x3a\x02zz\x42\x02\x10\x11",
		 CAH_EFORMAT},
		{"onnx/vision_model.onnx",
		 "\x08\x07\x3a\x04\x0a\x02zz\x42\x02\x10\x11", CAH_EFORMAT},
		{"onnx/text_model.onnx", NULL, CAH_ENOTFOUND},
		{"onnx/text_model.onnx", "\x08\x07\x12\x01", CAH_EFORMAT},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct clip *clip;
		struct cah_error err;
		assert_int_equal(remove_folder(NULL), 0);
		assert_int_equal(make_folder(NULL), 0);
		if (rows[i].text != NULL)
			put(rows[i].file, rows[i].text);
		else
			drop(rows[i].file);
		int rc = clip_open(&clip, folder, &one_thread, &err);
		if (rc != rows[i].code)
			fail_msg("row %zu: %d %s", i, rc, err.text);
		assert_null(clip);
		if (strstr(err.text, folder) == NULL)
			fail_msg("row %zu names no folder: %s", i, err.text);
	}
}

static void clip__opens_graphs_beside_the_configuration(void **state)
{
	(void)state;
	char from[512];
	char to[512];
	static const char *const names[] = {"vision_model.onnx",
					    "text_model.onnx"};
	for (size_t i = 0; i < COUNT(names); i++) {
		(void)snprintf(from, sizeof(from), "%s/onnx/%s", folder,
			       names[i]);
		(void)snprintf(to, sizeof(to), "%s/%s", folder, names[i]);
		assert_int_equal(rename(from, to), 0);
	}
	struct clip *clip;
	assert_int_equal(clip_open(&clip, folder, NULL, NULL), CAH_OK);
	assert_int_equal(clip_plan(clip)->crop_width, SIDE);
	assert_int_equal(clip_facts(clip).context, CONTEXT);
	assert_false(clip_facts(clip).is_padded);
	clip_close(clip);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tokenizer__agrees_with_the_reference_on_a_table),
		TEST(tokenizer__cuts_long_texts_and_keeps_the_end),
		TEST(tokenizer__reads_the_original_files_alike),
		TEST(tokenizer__merges_by_rank_and_knows_the_unknown),
		TEST(tokenizer__refuses_broken_files),
		TEST(plan__reads_every_form),
		TEST(plan__says_what_is_wrong),
		TEST(clip__embeds_a_batch_as_it_embeds_each),
		TEST(clip__embeds_texts_of_any_length_in_their_order),
		TEST(clip__does_images_and_texts_at_the_same_time),
		TEST(clip__names_what_is_missing_or_broken),
		TEST(clip__opens_graphs_beside_the_configuration),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
