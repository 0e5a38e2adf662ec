/* The third stage: from a file's bytes to the pixels that CLIP wants. */
#include "worker/fit.h"
#include "worker/stage.h"

#include <stdlib.h>

/* Errors: as decoders_fit. */
static int decode(struct pipeline *p, struct item *item, enum fate *fate,
		  struct cah_error *err)
{
	const struct image_fit fit = fit_make(clip_plan(p->options->clip));
	const struct decoders_job job = {
		.bytes = buf_slice(&item->fetch.body),
		.name = item->url,
		.limits = &p->options->image,
		.cancel = p->stop,
	};
	struct decoders_fitted fitted;
	*fate = CAH_FATE_INTERNAL;
	item->pixels = malloc((size_t)fit.width * (size_t)fit.height * 3);
	if (item->pixels == NULL)
		return CAH_OK;
	int rc = decoders_fit(&fitted, item->pixels, p->options->decoders, &job,
			      &fit, err);
	if (rc != CAH_OK)
		return rc;
	*fate = fitted.fate;
	item->format = fitted.format;
	item->width = fitted.original_width;
	item->height = fitted.original_height;
	return CAH_OK;
}

int stage_image(struct pipeline *p, struct cah_error *err)
{
	struct fetch_job *job;
	int rc = CAH_OK;
	while (rc == CAH_OK &&
	       (job = queue_pop(p->doors[STAGE_image])) != NULL) {
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
			rc = decode(p, item, &fate, err);
		if (fate != CAH_FATE_KEPT) {
			stage_end(p, item, fate);
			continue;
		}
		if (!p->options->save_images)
			stage_drop_body(p, item);
		stage_pass(p, STAGE_clip, item);
	}
	return rc;
}
