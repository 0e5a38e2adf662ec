/* The fourth stage: CLIP on batches of pairs, and the decision. A batch waits a
 * little for more items, so that a slow network does not make batches of one.
 */
#include "base/clock.h"
#include "base/fail.h"
#include "worker/stage.h"

#include <stdlib.h>

enum {
	BATCH_MAX = 32,     /* pairs */
	BATCH_WAIT_MS = 60, /* for the batch's last pair, after its first */
};

/* The memory of one batch. */
struct batch {
	struct item *items[BATCH_MAX];
	struct slice texts[BATCH_MAX];
	size_t count;
	size_t pixel_bytes; /* of one image */
	int dimension;
	uint8_t *pixels;
	float *images; /* BATCH_MAX * dimension */
	float *texts_out;
};

static void batch_fini(struct batch *b)
{
	free(b->pixels);
	free(b->images);
	free(b->texts_out);
}

static int batch_init(struct batch *b, const struct clip *clip,
		      struct cah_error *err)
{
	const struct clip_plan *plan = clip_plan(clip);
	size_t pixel_bytes =
		(size_t)plan->crop_width * (size_t)plan->crop_height * 3;
	size_t dimension = (size_t)clip_dimension(clip);
	*b = (struct batch){
		.pixel_bytes = pixel_bytes,
		.dimension = (int)dimension,
		.pixels = malloc(BATCH_MAX * pixel_bytes),
		.images = malloc(BATCH_MAX * dimension * sizeof(float)),
		.texts_out = malloc(BATCH_MAX * dimension * sizeof(float)),
	};
	if (b->pixels == NULL || b->images == NULL || b->texts_out == NULL)
		return cah_fail(err, CAH_ENOMEM, "batch: out of memory");
	return CAH_OK;
}

static void add(struct batch *b, struct item *item)
{
	memcpy(b->pixels + b->count * b->pixel_bytes, item->pixels,
	       b->pixel_bytes);
	free(item->pixels);
	item->pixels = NULL;
	b->texts[b->count] = item->text;
	b->items[b->count++] = item;
}

/* False when there will be no more. */
static bool gather(struct batch *b, struct queue *door)
{
	b->count = 0;
	struct item *item = queue_pop(door);
	if (item == NULL)
		return false;
	add(b, item);
	int64_t deadline_ms = clock_now_ms() + BATCH_WAIT_MS;
	while (b->count < BATCH_MAX) {
		item = queue_pop_wait(door, deadline_ms - clock_now_ms());
		if (item == NULL)
			break;
		add(b, item);
	}
	return true;
}

static void decide(struct pipeline *p, struct item *item, const float *image,
		   const float *text)
{
	size_t bytes = (size_t)clip_dimension(p->options->clip) * sizeof(float);
	item->similarity = (double)clip_similarity(
		image, text, clip_dimension(p->options->clip));
	/* Written so that a similarity that is no number is dropped. */
	if (!(item->similarity >= p->options->threshold)) {
		stage_end(p, item, CAH_FATE_LOW_SIMILARITY);
		return;
	}
	item->embeddings = malloc(2 * bytes);
	if (item->embeddings == NULL) {
		stage_end(p, item, CAH_FATE_INTERNAL);
		return;
	}
	memcpy(item->embeddings, image, bytes);
	memcpy((char *)item->embeddings + bytes, text, bytes);
	stage_pass(p, STAGE_output, item);
}

static int embed(struct pipeline *p, struct batch *b, struct cah_error *err)
{
	struct clip *clip = p->options->clip;
	int rc = clip_embed_images(clip, b->pixels, b->count, b->images, err);
	if (rc == CAH_OK)
		rc = clip_embed_texts(clip, b->texts, b->count, b->texts_out,
				      err);
	return rc;
}

/* Those that CLIP has seen, kept or not, need not be fetched ever again. */
static int note(const struct pipeline *p, const struct batch *b,
		struct cah_error *err)
{
	struct buf *scored = p->work->scored;
	for (size_t i = 0; i < b->count && scored != NULL; i++)
		(void)buf_add(scored, b->items[i]->key, SCAN_KEY_LEN);
	return scored != NULL ? buf_check(scored, "keys", err) : CAH_OK;
}

int stage_clip(struct pipeline *p, struct cah_error *err)
{
	struct batch b;
	int rc = batch_init(&b, p->options->clip, err);
	while (rc == CAH_OK && gather(&b, p->doors[STAGE_clip])) {
		if (!cancel_is_set(p->stop))
			rc = embed(p, &b, err);
		if (rc == CAH_OK)
			rc = note(p, &b, err);
		bool is_lost = rc != CAH_OK || cancel_is_set(p->stop);
		for (size_t i = 0; i < b.count; i++) {
			size_t row = i * (size_t)b.dimension;
			if (is_lost)
				stage_end(p, b.items[i], CAH_FATE_INTERNAL);
			else
				decide(p, b.items[i], b.images + row,
				       b.texts_out + row);
		}
		atomic_fetch_add(&p->scored, (long long)b.count);
	}
	batch_fini(&b);
	return rc;
}
