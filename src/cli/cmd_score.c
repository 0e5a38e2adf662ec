/* cah score: how well texts fit images, by CLIP. */
#include "base/cancel.h"
#include "base/fail.h"
#include "base/file.h"
#include "cli/cmd.h"
#include "cli/opt.h"
#include "cli/pairs.h"
#include "clip/clip.h"
#include "decode/decoders.h"
#include "worker/fit.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

enum {
	BATCH = 64, /* pairs that are embedded together */
	IMAGE_BYTES_MAX = 256 * 1024 * 1024,
	THREADS_MAX = 1024,
	OUTPUT_MAX = 1024 * 1024 * 1024, /* bytes, kept until it is whole */
	DIGITS = 6,                      /* of a similarity behind the point */
};

struct options {
	const char *model;
	const char *format;
	const char *output;
	const char *base;
	int64_t threads;
	bool full_precision;
	bool is_quiet;
	bool has_embeddings;
	bool no_sandbox;
	bool is_json; /* of @format */
};

struct row {
	struct pair pair;
	const char *reason; /* why it has no similarity; NULL: it has; static */
	size_t at;          /* among those that have one */
	float similarity;
};

struct score {
	struct options options;
	struct clip *clip;
	struct decoders *decoders; /* one; NULL: in this process */
	struct pairs pairs;
	char base[PATH_MAX]; /* ends with a slash, or empty */
	struct row rows[BATCH];
	size_t count;
	uint8_t *pixels;
	float *images;
	float *texts;
	struct buf out;
	size_t scored; /* pairs, of all batches */
	size_t failed;
};

/* Relative to the list, as lists travel with their images. */
static int set_base(struct score *s, const char *pairs, struct cah_error *err)
{
	const char *slash = strrchr(pairs, '/');
	int n;
	if (s->options.base != NULL)
		n = snprintf(s->base, sizeof(s->base), "%s/", s->options.base);
	else
		n = snprintf(s->base, sizeof(s->base), "%.*s",
			     slash != NULL ? (int)(slash - pairs) + 1 : 0,
			     pairs);
	if (n >= (int)sizeof(s->base))
		return cah_fail(err, CAH_ELIMIT,
				"the folder's name is too long");
	return CAH_OK;
}

/* Sets *reason: NULL, or why the image has no pixels. Errors: no decoder. */
static int fit_image(const struct score *s, const char *name, uint8_t *pixels,
		     const char **reason, struct cah_error *err)
{
	const struct image_fit fit = fit_make(clip_plan(s->clip));
	char path[PATH_MAX];
	struct buf bytes;
	*reason = "no_such_file";
	if (snprintf(path, sizeof(path), "%s%s", name[0] == '/' ? "" : s->base,
		     name) >= (int)sizeof(path))
		return CAH_OK;
	buf_init(&bytes, IMAGE_BYTES_MAX);
	int rc = file_read(&bytes, path, NULL);
	if (rc != CAH_OK) {
		if (rc != CAH_ENOTFOUND)
			*reason = "unreadable";
		buf_fini(&bytes);
		return CAH_OK;
	}
	struct image_limits limits = image_limits_default();
	limits.min_bytes = 0; /* whoever asks has chosen the file */
	const struct decoders_job job = {
		.bytes = buf_slice(&bytes), .name = path, .limits = &limits};
	struct decoders_fitted fitted;
	rc = decoders_fit(&fitted, pixels, s->decoders, &job, &fit, err);
	*reason = fitted.fate != CAH_FATE_KEPT ? fate_key(fitted.fate) : NULL;
	buf_fini(&bytes);
	return rc;
}

static json_t *numbers(const float *values, int count)
{
	json_t *list = json_pack("[]");
	for (int i = 0; i < count; i++)
		(void)json_array_append_new(list, json_real((double)values[i]));
	return list;
}

static int print_json_row(struct score *s, const struct row *row)
{
	int d = clip_dimension(s->clip);
	size_t at = row->at * (size_t)d;
	json_t *root =
		json_pack("{s:s, s:o}", "image", row->pair.image, "text",
			  json_stringn(row->pair.text, row->pair.text_len));
	if (row->reason != NULL)
		(void)json_object_set_new(root, "error",
					  json_pack("s", row->reason));
	else
		(void)json_object_set_new(root, "similarity",
					  json_real((double)row->similarity));
	if (row->reason == NULL && s->options.has_embeddings) {
		(void)json_object_set_new(root, "image_embedding",
					  numbers(s->images + at, d));
		(void)json_object_set_new(root, "text_embedding",
					  numbers(s->texts + at, d));
	}
	char *line =
		root != NULL
			? json_dumps(root,
				     JSON_COMPACT | JSON_REAL_PRECISION(DIGITS))
			: NULL;
	json_decref(root);
	if (line == NULL)
		return CAH_EFORMAT;
	(void)buf_add_text(&s->out, line);
	free(line);
	return buf_add_byte(&s->out, '\n');
}

static void print_tsv_row(struct buf *out, const struct row *row)
{
	(void)buf_add_text(out, row->pair.image);
	(void)buf_add_byte(out, '\t');
	/* A text from JSON may hold what separates columns and rows. */
	for (size_t i = 0; i < row->pair.text_len; i++) {
		char c = row->pair.text[i];
		(void)buf_add_byte(out, c >= 0 && c < ' ' ? ' ' : c);
	}
	if (row->reason != NULL)
		(void)buf_printf(out, "\t\t%s\n", row->reason);
	else
		(void)buf_printf(out, "\t%.*f\n", DIGITS,
				 (double)row->similarity);
}

static int print_rows(struct score *s, struct cah_error *err)
{
	for (size_t i = 0; i < s->count; i++) {
		struct row *row = &s->rows[i];
		if (!s->options.is_json)
			print_tsv_row(&s->out, row);
		else if (print_json_row(s, row) == CAH_EFORMAT)
			return cah_fail(err, CAH_EFORMAT,
					"%s: line %zu or before: not UTF-8",
					s->pairs.lines.name,
					s->pairs.lines.number);
		*(row->reason != NULL ? &s->failed : &s->scored) += 1;
	}
	int rc = buf_check(&s->out, "output", err);
	if (rc != CAH_OK || s->options.output != NULL)
		return rc;
	if (fwrite(s->out.data, 1, s->out.len, stdout) != s->out.len ||
	    fflush(stdout) != 0)
		return cah_fail(err, CAH_EIO, "cannot write standard output");
	buf_reset(&s->out);
	return CAH_OK;
}

/* Embeds the images that could be read, and their texts. */
static int score_rows(struct score *s, struct cah_error *err)
{
	const struct clip_plan *plan = clip_plan(s->clip);
	size_t size = 3 * (size_t)plan->crop_width * (size_t)plan->crop_height;
	size_t dimension = (size_t)clip_dimension(s->clip);
	struct slice texts[BATCH];
	size_t n = 0;
	int rc = CAH_OK;
	for (size_t i = 0; i < s->count && rc == CAH_OK; i++) {
		struct row *row = &s->rows[i];
		rc = fit_image(s, row->pair.image, s->pixels + n * size,
			       &row->reason, err);
		if (rc != CAH_OK || row->reason != NULL)
			continue;
		texts[n] = (struct slice){row->pair.text, row->pair.text_len};
		row->at = n++;
	}
	if (rc == CAH_OK)
		rc = clip_embed_images(s->clip, s->pixels, n, s->images, err);
	if (rc == CAH_OK)
		rc = clip_embed_texts(s->clip, texts, n, s->texts, err);
	for (size_t i = 0; rc == CAH_OK && i < s->count; i++) {
		struct row *row = &s->rows[i];
		size_t at = row->at * dimension;
		if (row->reason == NULL)
			row->similarity = clip_similarity(
				s->images + at, s->texts + at, (int)dimension);
	}
	return rc;
}

static void forget_rows(struct score *s)
{
	for (size_t i = 0; i < s->count; i++)
		pair_fini(&s->rows[i].pair);
	s->count = 0;
}

/* Scores one batch; 0 at the end of the list, 1 before. */
static int score_batch(struct score *s, struct cah_error *err)
{
	int more = 1;
	while (s->count < BATCH) {
		s->rows[s->count] = (struct row){0};
		more = pairs_next(&s->pairs, &s->rows[s->count].pair, err);
		if (more <= 0)
			break;
		s->count++;
	}
	int rc = more < 0 ? more : CAH_OK;
	if (rc == CAH_OK)
		rc = score_rows(s, err);
	if (rc == CAH_OK)
		rc = print_rows(s, err);
	forget_rows(s);
	return rc == CAH_OK ? more : rc;
}

static int prepare(struct score *s, const char *pairs, struct cah_error *err)
{
	const struct options *o = &s->options;
	struct clip_options how = {(int)o->threads, o->full_precision};
	int rc = set_base(s, pairs, err);
	if (rc == CAH_OK)
		rc = pairs_open(&s->pairs, pairs, err);
	if (rc == CAH_OK)
		rc = clip_open(&s->clip, o->model, &how, err);
	if (rc != CAH_OK)
		return rc;
	const struct clip_plan *plan = clip_plan(s->clip);
	size_t dimension = (size_t)clip_dimension(s->clip);
	size_t size = 3 * (size_t)plan->crop_width * (size_t)plan->crop_height;
	const struct decoders_options decoders = {
		.count = 1, .file_max = IMAGE_BYTES_MAX, .made_max = size};
	if (!o->no_sandbox)
		rc = decoders_new(&s->decoders, &decoders, err);
	if (rc != CAH_OK)
		return rc;
	s->pixels = calloc(BATCH, size);
	s->images = calloc(BATCH, dimension * sizeof(*s->images));
	s->texts = calloc(BATCH, dimension * sizeof(*s->texts));
	buf_init(&s->out, OUTPUT_MAX);
	if (s->pixels == NULL || s->images == NULL || s->texts == NULL)
		return cah_fail(err, CAH_ENOMEM, "pairs: out of memory");
	return CAH_OK;
}

static int run(struct score *s, const char *pairs, const struct cancel *cancel,
	       struct cah_error *err)
{
	int rc = prepare(s, pairs, err);
	if (rc != CAH_OK)
		return rc;
	do
		rc = cancel_is_set(cancel)
			     ? cah_fail(err, CAH_ECANCELLED, "stopped")
			     : score_batch(s, err);
	while (rc > 0);
	if (rc == CAH_OK && s->options.output != NULL)
		rc = file_put(s->options.output, s->out.data, s->out.len, err);
	if (rc == CAH_OK && !s->options.is_quiet)
		fprintf(stderr, "%zu pairs scored, %zu without a similarity\n",
			s->scored, s->failed);
	if (rc == CAH_OK && s->scored == 0 && s->failed > 0)
		rc = cah_fail(err, CAH_EIO, "%s: no image could be read",
			      s->pairs.lines.name);
	return rc;
}

static void release(struct score *s)
{
	forget_rows(s);
	pairs_close(&s->pairs);
	decoders_free(s->decoders);
	clip_close(s->clip);
	buf_fini(&s->out);
	free(s->pixels);
	free(s->images);
	free(s->texts);
	free(s);
}

static int check(struct options *o, struct cah_error *err)
{
	o->is_json = strcmp(o->format, "jsonl") == 0;
	if (o->model == NULL)
		return cah_fail(err, CAH_EINVALID, "missing --model DIR");
	if (!o->is_json && strcmp(o->format, "tsv") != 0)
		return cah_fail(err, CAH_EINVALID,
				"--format: '%s' is neither tsv nor jsonl",
				o->format);
	if (o->has_embeddings && !o->is_json)
		return cah_fail(err, CAH_EINVALID,
				"--embeddings needs --format jsonl");
	return CAH_OK;
}

static int score(const struct options *o, const char *pairs,
		 const struct cancel *cancel, struct cah_error *err)
{
	struct score *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return cah_fail(err, CAH_ENOMEM, "pairs: out of memory");
	s->options = *o;
	int rc = run(s, pairs, cancel, err);
	release(s);
	return rc;
}

int cmd_score(int argc, char **argv, struct cancel *cancel)
{
	struct options o = {.format = "tsv"};
	const struct opt opts[] = {
		{"model", "DIR", "the CLIP model", OPT_TEXT, &o.model, 0, 0},
		{"format", "tsv|jsonl", "what to print", OPT_TEXT, &o.format, 0,
		 0},
		{"output", "FILE", "write to FILE, whole or not at all",
		 OPT_TEXT, &o.output, 0, 0},
		{"base", "DIR", "where relative images are (beside PAIRS)",
		 OPT_TEXT, &o.base, 0, 0},
		{"threads", "N", "threads of the engine; 0: all cores", OPT_INT,
		 &o.threads, 0, THREADS_MAX},
		{"full-precision", NULL, "float32 where bfloat16 would be used",
		 OPT_FLAG, &o.full_precision, 0, 0},
		{"embeddings", NULL, "with jsonl: both embeddings, too",
		 OPT_FLAG, &o.has_embeddings, 0, 0},
		{"no-sandbox", NULL, "decode images in this process", OPT_FLAG,
		 &o.no_sandbox, 0, 0},
		{"quiet", NULL, "no report at the end", OPT_FLAG, &o.is_quiet,
		 0, 0},
	};
	const struct opt_command command = {
		.name = "score",
		.operands = "PAIRS",
		.about = "Prints how well each text of PAIRS fits its image: "
			 "the cosine of their embeddings.\n"
			 "PAIRS (- for standard input) has lines of an image "
			 "file and a text, with a tab between\n"
			 "them, or JSON objects with \"image\" and \"text\".",
		.examples =
			"  cah score pairs.tsv --model models/demo\n"
			"  printf 'cat.jpg\\ta cat on a sofa\\n' | cah score - "
			"--model models/demo --format jsonl",
		.opts = opts,
		.opt_count = sizeof(opts) / sizeof(opts[0]),
		.min_operands = 1,
		.max_operands = 1,
	};
	int count;
	int status = opt_parse(&command, argc, argv, &count);
	if (status >= 0)
		return status;
	struct cah_error err;
	int rc = check(&o, &err);
	if (rc == CAH_OK)
		rc = score(&o, argv[0], cancel, &err);
	return rc == CAH_OK ? EXIT_DONE : opt_report("score", &err);
}
