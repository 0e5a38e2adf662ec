#include "clip/clip.h"

#include "base/fail.h"
#include "clip/plan.h"
#include "clip/tokenizer.h"
#include "clip/tower.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	LENGTH_STEP = 8, /* tokens: fewer shapes for the engine to prepare */
};

struct clip {
	struct clip_plan plan;
	struct tokenizer *tokenizer;
	struct engine *engine;
	struct tower *images;
	struct tower *texts;
	int context; /* tokens */
	bool is_length_fixed;
	float values[3][256]; /* what each byte of a channel becomes */
};

/* Hubs keep the graphs in onnx/, others beside the configuration. */
static int find_graph(char path[PATH_MAX], const char *folder, const char *name,
		      struct cah_error *err)
{
	static const char *const places[] = {"onnx/", ""};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int n = snprintf(path, PATH_MAX, "%s/%s%s", folder, places[i],
				 name);
		if (n < PATH_MAX && access(path, F_OK) == 0)
			return CAH_OK;
	}
	return cah_fail(err, CAH_ENOTFOUND, "%s: no %s, also not in onnx/",
			folder, name);
}

static void fill_values(struct clip *c)
{
	for (int channel = 0; channel < 3; channel++)
		for (int byte = 0; byte < 256; byte++)
			c->values[channel][byte] =
				((float)byte / 255 - c->plan.mean[channel]) /
				c->plan.std[channel];
}

static int open_towers(struct clip *c, const char *folder,
		       struct cah_error *err)
{
	char path[PATH_MAX];
	struct tower_shape images = {
		.kind = TOWER_IMAGES,
		.height = c->plan.crop_height,
		.width = c->plan.crop_width,
	};
	struct tower_shape texts = {
		.kind = TOWER_TEXTS,
		.length = tokenizer_context(c->tokenizer),
	};
	int rc = find_graph(path, folder, "vision_model.onnx", err);
	if (rc == CAH_OK)
		rc = tower_open(&c->images, c->engine, path, &images, err);
	if (rc == CAH_OK)
		rc = find_graph(path, folder, "text_model.onnx", err);
	if (rc == CAH_OK)
		rc = tower_open(&c->texts, c->engine, path, &texts, err);
	if (rc != CAH_OK)
		return rc;
	if (tower_dimension(c->images) != tower_dimension(c->texts))
		return cah_fail(err, CAH_EFORMAT,
				"images have embeddings of %d numbers, texts "
				"of %d",
				tower_dimension(c->images),
				tower_dimension(c->texts));
	tokenizer_limit(c->tokenizer, texts.length);
	c->context = tokenizer_context(c->tokenizer);
	c->is_length_fixed = texts.is_length_fixed;
	return CAH_OK;
}

/* Tokens of each text, and the texts from short to long. */
struct batch {
	int64_t *ids; /* rows of the context's length */
	size_t *used;
	size_t *order;
	size_t count;
};

static void batch_fini(struct batch *batch)
{
	free(batch->ids);
	free(batch->used);
	free(batch->order);
}

static int compare_lengths(const void *a, const void *b, void *arg)
{
	const size_t *used = arg;
	size_t i = *(const size_t *)a;
	size_t j = *(const size_t *)b;
	if (used[i] != used[j])
		return used[i] < used[j] ? -1 : 1;
	return i < j ? -1 : 1;
}

static int batch_init(struct batch *batch, struct clip *c,
		      const struct slice *texts, size_t count,
		      struct cah_error *err)
{
	size_t context = (size_t)c->context;
	*batch = (struct batch){
		.ids = calloc(count, context * sizeof(*batch->ids)),
		.used = calloc(count, sizeof(*batch->used)),
		.order = calloc(count, sizeof(*batch->order)),
		.count = count,
	};
	if (batch->ids == NULL || batch->used == NULL || batch->order == NULL)
		return cah_fail(err, CAH_ENOMEM, "texts: out of memory");
	for (size_t i = 0; i < count; i++) {
		int rc =
			tokenizer_encode(c->tokenizer, batch->ids + i * context,
					 &batch->used[i], texts[i], err);
		if (rc != CAH_OK)
			return rc;
		batch->order[i] = i;
	}
	qsort_r(batch->order, count, sizeof(*batch->order), compare_lengths,
		batch->used);
	return CAH_OK;
}

/* The end of a text decides what its embedding is, and what follows does not
 * reach it through CLIP's causal mask; so a chunk is as long as its longest
 * text: a quarter of the context, usually. */
static int length_for(const struct clip *c, size_t used)
{
	int length = ((int)used + LENGTH_STEP - 1) / LENGTH_STEP * LENGTH_STEP;
	return c->is_length_fixed || length > c->context ? c->context : length;
}

static void fill_texts(const struct clip *c, const struct tower_input *input,
		       const struct batch *batch, const size_t *order)
{
	size_t length = (size_t)input->length;
	int64_t *ids = input->values;
	for (size_t i = 0; i < input->rows; i++) {
		const int64_t *row = batch->ids + order[i] * (size_t)c->context;
		memcpy(ids + i * length, row, length * sizeof(*ids));
		for (size_t k = 0; input->mask != NULL && k < length; k++)
			input->mask[i * length + k] = k < batch->used[order[i]];
	}
}

static int run_texts(struct clip *c, const struct batch *batch, float *out,
		     struct cah_error *err)
{
	size_t chunk = tower_chunk(c->texts, batch->count);
	for (size_t first = 0; first < batch->count; first += chunk) {
		size_t left = batch->count - first;
		size_t rows = left < chunk ? left : chunk;
		const size_t *order = batch->order + first;
		int length = length_for(c, batch->used[order[rows - 1]]);
		struct tower_input input;
		int rc = tower_begin(c->texts, &input, rows, length, err);
		if (rc != CAH_OK)
			return rc;
		fill_texts(c, &input, batch, order);
		rc = tower_start(c->texts, &(struct tower_output){out, order},
				 err);
		if (rc != CAH_OK)
			return rc;
	}
	return CAH_OK;
}

static int embed_batch(struct clip *c, const struct slice *texts, size_t count,
		       float *out, struct cah_error *err)
{
	struct batch batch;
	int rc = batch_init(&batch, c, texts, count, err);
	if (rc == CAH_OK)
		rc = run_texts(c, &batch, out, err);
	/* Lanes may still run after a failure, and write to @out. */
	int end = tower_finish(c->texts, rc == CAH_OK ? err : NULL);
	batch_fini(&batch);
	return rc == CAH_OK ? end : rc;
}

int clip_embed_texts(struct clip *c, const struct slice *texts, size_t count,
		     float *out, struct cah_error *err)
{
	return count > 0 ? embed_batch(c, texts, count, out, err) : CAH_OK;
}

/* Pixels side by side to planes of one colour each. */
static void fill_images(const struct clip *c, const struct tower_input *input,
			const uint8_t *pixels)
{
	size_t area = (size_t)c->plan.crop_height * (size_t)c->plan.crop_width;
	float *to = input->values;
	for (size_t i = 0; i < input->rows; i++, to += 3 * area)
		for (size_t k = 0; k < area; k++, pixels += 3) {
			to[k] = c->values[0][pixels[0]];
			to[area + k] = c->values[1][pixels[1]];
			to[2 * area + k] = c->values[2][pixels[2]];
		}
}

static int run_images(struct clip *c, const uint8_t *pixels, size_t count,
		      float *out, struct cah_error *err)
{
	size_t size =
		3 * (size_t)c->plan.crop_height * (size_t)c->plan.crop_width;
	size_t dimension = (size_t)tower_dimension(c->images);
	size_t chunk = tower_chunk(c->images, count);
	for (size_t first = 0; first < count; first += chunk) {
		size_t rows = count - first < chunk ? count - first : chunk;
		struct tower_input input;
		int rc = tower_begin(c->images, &input, rows, 0, err);
		if (rc != CAH_OK)
			return rc;
		fill_images(c, &input, pixels + first * size);
		struct tower_output to = {out + first * dimension, NULL};
		rc = tower_start(c->images, &to, err);
		if (rc != CAH_OK)
			return rc;
	}
	return CAH_OK;
}

int clip_embed_images(struct clip *c, const uint8_t *pixels, size_t count,
		      float *out, struct cah_error *err)
{
	int rc = run_images(c, pixels, count, out, err);
	int end = tower_finish(c->images, rc == CAH_OK ? err : NULL);
	return rc == CAH_OK ? end : rc;
}

/* A model whose texts come out otherwise when they are padded less gets them
 * padded in full. */
static int probe_padding(struct clip *c, struct cah_error *err)
{
	struct slice text = SLICE("a photo");
	int dimension = clip_dimension(c);
	float *rows = calloc((size_t)dimension, 2 * sizeof(*rows));
	if (rows == NULL)
		return cah_fail(err, CAH_ENOMEM, "model: out of memory");
	int rc = clip_embed_texts(c, &text, 1, rows, err);
	bool was_fixed = c->is_length_fixed;
	c->is_length_fixed = true;
	if (rc == CAH_OK)
		rc = clip_embed_texts(c, &text, 1, rows + dimension, err);
	float cosine = clip_similarity(rows, rows + dimension, dimension);
	c->is_length_fixed = was_fixed || cosine < 0.999F;
	free(rows);
	return rc;
}

static int open_all(struct clip *c, const char *folder,
		    const struct clip_options *options, struct cah_error *err)
{
	int rc = plan_read(&c->plan, folder, err);
	if (rc == CAH_OK)
		rc = tokenizer_open(&c->tokenizer, folder, err);
	if (rc == CAH_OK)
		rc = engine_open(&c->engine, options, err);
	if (rc == CAH_OK)
		rc = open_towers(c, folder, err);
	if (rc == CAH_OK)
		rc = probe_padding(c, err);
	return rc;
}

int clip_open(struct clip **out, const char *folder,
	      const struct clip_options *options, struct cah_error *err)
{
	static const struct clip_options usual;
	*out = NULL;
	struct clip *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return cah_fail(err, CAH_ENOMEM, "model: out of memory");
	int rc = open_all(c, folder, options != NULL ? options : &usual, err);
	if (rc != CAH_OK) {
		clip_close(c);
		if (err != NULL &&
		    strncmp(err->text, folder, strlen(folder)) != 0)
			return cah_fail_prefix(err, rc, "%s", folder);
		return rc;
	}
	fill_values(c);
	*out = c;
	return CAH_OK;
}

void clip_close(struct clip *c)
{
	if (c == NULL)
		return;
	tower_free(c->images);
	tower_free(c->texts);
	engine_free(c->engine);
	tokenizer_free(c->tokenizer);
	free(c);
}

const struct clip_plan *clip_plan(const struct clip *c)
{
	return &c->plan;
}

int clip_dimension(const struct clip *c)
{
	return tower_dimension(c->images);
}

struct clip_facts clip_facts(const struct clip *c)
{
	return (struct clip_facts){
		.vocabulary = tokenizer_size(c->tokenizer),
		.context = c->context,
		.is_padded = c->is_length_fixed,
		.precision = engine_precision(c->engine),
	};
}

float clip_similarity(const float *a, const float *b, int dimension)
{
	double sum = 0;
	for (int i = 0; i < dimension; i++)
		sum += (double)a[i] * b[i];
	return (float)sum;
}
