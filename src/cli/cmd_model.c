/* cah model: what a model's folder holds, whether it works, and how fast. */
#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "cli/cmd.h"
#include "cli/lines.h"
#include "cli/opt.h"
#include "clip/clip.h"
#include "clip/tokenizer.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	BATCH = 64,    /* rows of one measured call */
	TRY_MS = 1000, /* how long each tower is measured */
	THREADS_MAX = 1024,
};

struct options {
	int64_t threads;
	bool full_precision;
	bool is_json;
	bool is_quiet;
};

struct speed {
	double images; /* a second */
	double texts;
};

/* What is embedded again and again. */
struct trial {
	struct clip *clip;
	uint8_t *pixels; /* of BATCH images */
	struct slice texts[BATCH];
	float *rows; /* what comes out */
};

typedef int (*trial_fn)(const struct trial *t, struct cah_error *err);

static int embed_images(const struct trial *t, struct cah_error *err)
{
	return clip_embed_images(t->clip, t->pixels, BATCH, t->rows, err);
}

static int embed_texts(const struct trial *t, struct cah_error *err)
{
	return clip_embed_texts(t->clip, t->texts, BATCH, t->rows, err);
}

/* Rows a second, over TRY_MS; a first call prepares the engine. */
static int time_calls(double *out, const struct trial *t, trial_fn embed,
		      struct cah_error *err)
{
	int rc = embed(t, err);
	int64_t start_ns = clock_now_ns();
	int64_t spent_ns = 0;
	int64_t count = 0;
	while (rc == CAH_OK && spent_ns < TRY_MS * INT64_C(1000000)) {
		rc = embed(t, err);
		count += BATCH;
		spent_ns = clock_now_ns() - start_ns;
	}
	*out = (double)count * 1e9 / (double)(spent_ns > 0 ? spent_ns : 1);
	return rc;
}

static int measure(struct speed *out, struct clip *clip, struct cah_error *err)
{
	const struct clip_plan *plan = clip_plan(clip);
	size_t size = 3 * (size_t)plan->crop_width * (size_t)plan->crop_height;
	struct trial t = {
		.clip = clip,
		.pixels = malloc(BATCH * size),
		.rows = calloc(BATCH,
			       (size_t)clip_dimension(clip) * sizeof(*t.rows)),
	};
	int rc = CAH_OK;
	if (t.pixels == NULL || t.rows == NULL) {
		rc = cah_fail(err, CAH_ENOMEM, "measuring: out of memory");
		goto out;
	}
	/* Any pattern will do, as long as no two images are alike. */
	for (size_t i = 0; i < BATCH * size; i++)
		t.pixels[i] = (uint8_t)(i * (i / size + 1) >> 3);
	for (size_t i = 0; i < BATCH; i++)
		t.texts[i] =
			i % 2 == 0 ? SLICE("a photo of a small dog on a beach")
				   : SLICE("two red circles, left of a star");
	rc = time_calls(&out->images, &t, embed_images, err);
	if (rc == CAH_OK)
		rc = time_calls(&out->texts, &t, embed_texts, err);
out:
	free(t.pixels);
	free(t.rows);
	return rc;
}

static const char *filter_name(enum clip_resample resample)
{
	static const char *const names[] = {
		[CLIP_NEAREST] = "nearest",
		[CLIP_LANCZOS] = "lanczos",
		[CLIP_BILINEAR] = "bilinear",
		[CLIP_BICUBIC] = "bicubic",
	};
	return names[resample];
}

static void print_text(const char *folder, const struct clip *clip,
		       double open_ms, struct speed speed)
{
	const struct clip_plan *plan = clip_plan(clip);
	struct clip_facts facts = clip_facts(clip);
	printf("model       %s\n", folder);
	printf("embedding   %d numbers, computed in %s\n", clip_dimension(clip),
	       facts.precision);
	printf("images      shortest edge %d, crop %d x %d, %s\n",
	       plan->shortest_edge, plan->crop_width, plan->crop_height,
	       filter_name(plan->resample));
	printf("mean        %.4f %.4f %.4f\n", plan->mean[0], plan->mean[1],
	       plan->mean[2]);
	printf("deviation   %.4f %.4f %.4f\n", plan->std[0], plan->std[1],
	       plan->std[2]);
	printf("texts       %zu tokens in the vocabulary, up to %d a text%s\n",
	       facts.vocabulary, facts.context,
	       facts.is_padded ? ", always padded" : "");
	printf("opened in   %.0f ms\n", open_ms);
	printf("speed       %.0f images/s, %.0f short texts/s\n", speed.images,
	       speed.texts);
}

static json_t *three(const float values[3])
{
	return json_pack("[fff]", values[0], values[1], values[2]);
}

static int print_json(const char *folder, const struct clip *clip,
		      double open_ms, struct speed speed)
{
	const struct clip_plan *plan = clip_plan(clip);
	struct clip_facts facts = clip_facts(clip);
	json_t *root = json_pack(
		"{s:s, s:i, s:s, s:i, s:i, s:i, s:s, s:o, s:o, s:I, s:i, s:b, "
		"s:f, s:f, s:f}",
		"model", folder, "dimension", clip_dimension(clip), "precision",
		facts.precision, "shortest_edge", plan->shortest_edge,
		"crop_width", plan->crop_width, "crop_height",
		plan->crop_height, "resample", filter_name(plan->resample),
		"mean", three(plan->mean), "std", three(plan->std),
		"vocabulary", (json_int_t)facts.vocabulary, "context",
		facts.context, "is_padded", (int)facts.is_padded, "open_ms",
		open_ms, "images_per_second", speed.images, "texts_per_second",
		speed.texts);
	int rc = root != NULL
			 ? json_dumpf(root, stdout,
				      JSON_INDENT(1) | JSON_REAL_PRECISION(6))
			 : -1;
	putchar('\n');
	json_decref(root);
	return rc;
}

static int check(const char *folder, const struct options *o,
		 struct cah_error *err)
{
	struct clip_options how = {(int)o->threads, o->full_precision};
	struct clip *clip;
	struct speed speed = {0};
	int64_t start_ns = clock_now_ns();
	int rc = clip_open(&clip, folder, &how, err);
	if (rc != CAH_OK)
		return rc;
	double open_ms = (double)(clock_now_ns() - start_ns) / 1e6;
	rc = measure(&speed, clip, err);
	if (rc == CAH_OK && o->is_json &&
	    print_json(folder, clip, open_ms, speed) != 0)
		rc = cah_fail(err, CAH_EIO, "%s: cannot be written as JSON",
			      folder);
	else if (rc == CAH_OK && !o->is_json && !o->is_quiet)
		print_text(folder, clip, open_ms, speed);
	clip_close(clip);
	return rc;
}

static int print_tokens(struct tokenizer *t, struct slice line,
			struct cah_error *err)
{
	int64_t *ids = calloc((size_t)tokenizer_context(t), sizeof(*ids));
	if (ids == NULL)
		return cah_fail(err, CAH_ENOMEM, "tokens: out of memory");
	size_t used;
	int rc = tokenizer_encode(t, ids, &used, line, err);
	for (size_t i = 0; rc == CAH_OK && i < used; i++)
		printf("%s%lld", i > 0 ? " " : "", (long long)ids[i]);
	putchar('\n');
	free(ids);
	return rc;
}

/* The tokens of each line, for comparing with other tokenizers. */
static int tokens(const char *folder, struct cancel *cancel,
		  struct cah_error *err)
{
	struct tokenizer *t;
	int rc = tokenizer_open(&t, folder, err);
	if (rc != CAH_OK)
		return rc;
	struct lines lines;
	struct slice line;
	lines_init(&lines, stdin, "standard input");
	while (rc == CAH_OK && (rc = lines_next(&lines, &line, err)) > 0)
		rc = cancel_is_set(cancel)
			     ? cah_fail(err, CAH_ECANCELLED, "stopped")
			     : print_tokens(t, line, err);
	/* The input may end before the signal is seen. */
	if (rc == CAH_OK && cancel_is_set(cancel))
		rc = cah_fail(err, CAH_ECANCELLED, "stopped");
	lines_fini(&lines);
	tokenizer_free(t);
	return rc;
}

int cmd_model(int argc, char **argv, struct cancel *cancel)
{
	struct options o = {0};
	const struct opt opts[] = {
		{"threads", "N", "threads of the engine; 0: all cores", OPT_INT,
		 &o.threads, 0, THREADS_MAX},
		{"full-precision", NULL, "float32 where bfloat16 would be used",
		 OPT_FLAG, &o.full_precision, 0, 0},
		{"json", NULL, "print JSON", OPT_FLAG, &o.is_json, 0, 0},
		{"quiet", NULL, "print errors only", OPT_FLAG, &o.is_quiet, 0,
		 0},
	};
	const struct opt_command command = {
		.name = "model",
		.operands = "check|tokens DIR",
		.about =
			"check: opens the CLIP model in DIR, runs it once, and "
			"tells what it is and how fast.\n"
			"tokens: prints the tokens of each line of standard "
			"input, as DIR's tokenizer cuts it.",
		.examples =
			"  cah model check models/demo\n"
			"  cah model check ~/clip-vit-base-patch32 --json\n"
			"  echo 'a red circle' | cah model tokens models/demo",
		.opts = opts,
		.opt_count = sizeof(opts) / sizeof(opts[0]),
		.min_operands = 2,
		.max_operands = 2,
	};
	int count;
	int status = opt_parse(&command, argc, argv, &count);
	if (status >= 0)
		return status;
	struct cah_error err;
	int rc;
	if (strcmp(argv[0], "check") == 0)
		rc = check(argv[1], &o, &err);
	else if (strcmp(argv[0], "tokens") == 0)
		rc = tokens(argv[1], cancel, &err);
	else
		rc = cah_fail(&err, CAH_EINVALID,
			      "'%s' is neither check nor tokens", argv[0]);
	return rc == CAH_OK ? EXIT_DONE : opt_report("model", &err);
}
