/* The last stage: pairs become rows of the shard. */
#include "worker/stage.h"

/* Nothing here judges what an image shows; the ancestor's word for that. */
#define NSFW_UNKNOWN SLICE("UNSURE")

static int write_pair(struct pipeline *p, const struct item *item,
		      struct cah_error *err)
{
	int dimension = clip_dimension(p->options->clip);
	struct pair pair = {
		.sample_id = item->sample_id,
		.url = slice_of(item->url),
		.text = item->text,
		.page_url = item->page_url,
		.license = item->licence,
		.language = item->language,
		.nsfw = NSFW_UNKNOWN,
		.md5 = slice_of(item->md5),
		.width = item->width,
		.height = item->height,
		.similarity = item->similarity,
		.image_embedding = item->embeddings,
		.text_embedding = item->embeddings + dimension,
		.extension = image_extension(item->format),
	};
	if (item->has_body)
		pair.image = buf_slice(&item->fetch.body);
	return shard_add(p->shard, &pair, err);
}

int stage_output(struct pipeline *p, struct cah_error *err)
{
	struct item *item;
	while ((item = queue_pop(p->doors[STAGE_output])) != NULL) {
		int rc = CAH_ECANCELLED;
		if (!cancel_is_set(p->stop))
			rc = write_pair(p, item, err);
		stage_end(p, item,
			  rc == CAH_OK ? CAH_FATE_KEPT : CAH_FATE_INTERNAL);
		if (rc != CAH_OK && rc != CAH_ECANCELLED)
			return rc;
	}
	return CAH_OK;
}
