#include "worker/fit.h"

struct image_fit fit_make(const struct clip_plan *plan)
{
	static const enum image_filter filters[] = {
		[CLIP_NEAREST] = IMAGE_NEAREST,
		[CLIP_LANCZOS] = IMAGE_LANCZOS,
		[CLIP_BILINEAR] = IMAGE_BILINEAR,
		[CLIP_BICUBIC] = IMAGE_BICUBIC,
	};
	return (struct image_fit){
		.shortest_edge = plan->shortest_edge,
		.width = plan->crop_width,
		.height = plan->crop_height,
		.filter = filters[plan->resample],
	};
}
