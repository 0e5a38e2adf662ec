/* preprocessor_config.json: whatever is in it, a plan is one that can be
 * followed. */
#include "clip/plan.h"

#include <assert.h>
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct clip_plan plan;
	struct cah_error err;
	struct slice json = {(const char *)data, size};
	if (plan_parse(&plan, json, "input", &err) != CAH_OK) {
		assert(err.text[0] != '\0');
		return 0;
	}
	assert(plan.crop_width >= 1 && plan.crop_height >= 1);
	assert(plan.crop_width <= plan.shortest_edge);
	assert(plan.crop_height <= plan.shortest_edge);
	assert(plan.shortest_edge <= PLAN_SIDE_MAX);
	for (int i = 0; i < 3; i++)
		assert(isfinite(1 / plan.std[i]) && isfinite(plan.mean[i]));
	return 0;
}
