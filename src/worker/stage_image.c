/* The third stage: from a file's bytes to the pixels that CLIP wants. */
#include "worker/fit.h"
#include "worker/stage.h"

#include <stdlib.h>

static enum fate decode(struct item *item, const struct image_limits *limits,
			const struct image_fit *fit)
{
	struct image image = {0};
	enum fate fate = image_decode(&image, buf_slice(&item->fetch.body),
				      limits, fit->shortest_edge);
	if (fate != CAH_FATE_KEPT)
		return fate;
	item->format = image.format;
	item->width = image.original_width;
	item->height = image.original_height;
	item->pixels = malloc((size_t)fit->width * (size_t)fit->height * 3);
	if (item->pixels == NULL ||
	    image_fit(item->pixels, &image, fit) != CAH_OK)
		fate = CAH_FATE_INTERNAL;
	image_fini(&image);
	return fate;
}

int stage_image(struct pipeline *p, struct cah_error *err)
{
	struct image_fit fit = fit_make(clip_plan(p->options->clip));
	struct fetch_job *job;
	(void)err;
	while ((job = queue_pop(p->doors[STAGE_image])) != NULL) {
		struct item *item = item_of(job);
		item->has_body = true;
		enum fate fate = job->fate;
		if (fate == CAH_FATE_KEPT) {
			atomic_fetch_add(&p->fetched, 1);
			atomic_fetch_add(&p->image_bytes,
					 (long long)job->body.len);
		}
		if (cancel_is_set(p->stop))
			fate = CAH_FATE_INTERNAL;
		if (fate == CAH_FATE_KEPT)
			fate = decode(item, &p->options->image, &fit);
		if (fate != CAH_FATE_KEPT) {
			stage_end(p, item, fate);
			continue;
		}
		if (!p->options->save_images)
			stage_drop_body(p, item);
		stage_pass(p, STAGE_clip, item);
	}
	return CAH_OK;
}
