/* Keys and defaults are those of the hub's CLIPImageProcessor. Rescaling by
 * another factor than 1/255 is folded into mean and deviation, for the plan's
 * are of values from 0 to 1. */
#include "clip/plan.h"

#include "base/fail.h"
#include "clip/model_json.h"

#include <math.h>
#include <stdio.h>

enum {
	USUAL_SIDE = 224, /* pixels, of CLIPImageProcessor */
};

static const char file_name[] = "preprocessor_config.json";

/* OpenAI's training images. */
static const double usual_mean[3] = {0.48145466, 0.4578275, 0.40821073};
static const double usual_std[3] = {0.26862954, 0.26130258, 0.27577711};

struct reader {
	const json_t *root;
	const char *name;
	struct cah_error *err;
};

static bool flag(const struct reader *r, const char *key)
{
	const json_t *value = json_object_get(r->root, key);
	return !json_is_false(value);
}

static int side(const struct reader *r, int *out, const json_t *value,
		const char *key)
{
	if (!json_is_integer(value) || json_integer_value(value) < 1 ||
	    json_integer_value(value) > PLAN_SIDE_MAX)
		return cah_fail(r->err, CAH_EFORMAT,
				"%s: %s is not within 1..%d pixels", r->name,
				key, PLAN_SIDE_MAX);
	*out = (int)json_integer_value(value);
	return CAH_OK;
}

/* 224, {"shortest_edge": 224}, or {"height": 224, "width": 224}. */
static int read_size(const struct reader *r, struct clip_plan *plan)
{
	const json_t *size = json_object_get(r->root, "size");
	const json_t *edge = json_object_get(size, "shortest_edge");
	plan->shortest_edge = USUAL_SIDE;
	if (size == NULL)
		return CAH_OK;
	if (!json_is_object(size))
		return side(r, &plan->shortest_edge, size, "size");
	if (edge != NULL)
		return side(r, &plan->shortest_edge, edge, "size");
	int height = 0;
	int rc = side(r, &height, json_object_get(size, "height"), "size");
	if (rc == CAH_OK)
		rc = side(r, &plan->shortest_edge,
			  json_object_get(size, "width"), "size");
	if (rc == CAH_OK && height != plan->shortest_edge)
		return cah_fail(r->err, CAH_EFORMAT,
				"%s: size is not a square: %d x %d", r->name,
				plan->shortest_edge, height);
	return rc;
}

static int read_crop(const struct reader *r, struct clip_plan *plan)
{
	const json_t *crop = json_object_get(r->root, "crop_size");
	const json_t *size = json_object_get(r->root, "size");
	int rc = CAH_OK;
	plan->crop_width = plan->crop_height = plan->shortest_edge;
	if (!flag(r, "do_center_crop")) {
		/* Without a crop only a size of both sides makes images of one
		 * shape. */
		if (json_object_get(size, "height") == NULL)
			return cah_fail(r->err, CAH_EFORMAT,
					"%s: do_center_crop is off, so images "
					"would differ in shape",
					r->name);
		return CAH_OK;
	}
	if (json_is_object(crop)) {
		rc = side(r, &plan->crop_height,
			  json_object_get(crop, "height"), "crop_size");
		if (rc == CAH_OK)
			rc = side(r, &plan->crop_width,
				  json_object_get(crop, "width"), "crop_size");
	} else if (crop != NULL) {
		rc = side(r, &plan->crop_height, crop, "crop_size");
		plan->crop_width = plan->crop_height;
	}
	if (rc == CAH_OK && (plan->crop_width > plan->shortest_edge ||
			     plan->crop_height > plan->shortest_edge))
		rc = cah_fail(r->err, CAH_EFORMAT,
			      "%s: crop_size is larger than size", r->name);
	return rc;
}

static int read_filter(const struct reader *r, struct clip_plan *plan)
{
	const json_t *value = json_object_get(r->root, "resample");
	plan->resample = CLIP_BICUBIC;
	if (value == NULL)
		return CAH_OK;
	json_int_t n = json_is_integer(value) ? json_integer_value(value) : -1;
	if (n < CLIP_NEAREST || n > CLIP_BICUBIC)
		return cah_fail(r->err, CAH_EFORMAT,
				"%s: resample is not within %d..%d", r->name,
				CLIP_NEAREST, CLIP_BICUBIC);
	plan->resample = (enum clip_resample)n;
	return CAH_OK;
}

static int read_three(const struct reader *r, double out[3], const char *key,
		      const double usual[3])
{
	const json_t *list = key != NULL ? json_object_get(r->root, key) : NULL;
	memcpy(out, usual, 3 * sizeof(out[0]));
	if (list == NULL)
		return CAH_OK;
	for (size_t i = 0; i < 3; i++) {
		const json_t *x = json_array_get(list, i);
		out[i] = json_number_value(x);
		if (json_array_size(list) != 3 || !json_is_number(x) ||
		    !isfinite(out[i]))
			return cah_fail(r->err, CAH_EFORMAT,
					"%s: %s is not three numbers", r->name,
					key);
	}
	return CAH_OK;
}

/* What 255 becomes. */
static int read_scale(const struct reader *r, double *out)
{
	const json_t *factor = json_object_get(r->root, "rescale_factor");
	*out = 255;
	if (!flag(r, "do_rescale"))
		return CAH_OK;
	*out = factor != NULL ? 255 * json_number_value(factor) : 1;
	if (!(*out > 1e-6 && *out < 1e6))
		return cah_fail(r->err, CAH_EFORMAT,
				"%s: rescale_factor is no sensible number",
				r->name);
	return CAH_OK;
}

static int read_values(const struct reader *r, struct clip_plan *plan)
{
	static const double zero[3] = {0, 0, 0};
	static const double one[3] = {1, 1, 1};
	bool is_on = flag(r, "do_normalize");
	double mean[3];
	double std[3];
	double scale;
	int rc = read_scale(r, &scale);
	if (rc == CAH_OK)
		rc = read_three(r, mean, is_on ? "image_mean" : NULL,
				is_on ? usual_mean : zero);
	if (rc == CAH_OK)
		rc = read_three(r, std, is_on ? "image_std" : NULL,
				is_on ? usual_std : one);
	for (size_t i = 0; rc == CAH_OK && i < 3; i++) {
		if (!(std[i] > 1e-6 && std[i] < 1e6 && fabs(mean[i]) < 1e6))
			rc = cah_fail(r->err, CAH_EFORMAT,
				      "%s: image_mean or image_std is no "
				      "sensible number",
				      r->name);
		plan->mean[i] = (float)(mean[i] / scale);
		plan->std[i] = (float)(std[i] / scale);
	}
	return rc;
}

static int read_plan(const struct reader *r, struct clip_plan *plan)
{
	*plan = (struct clip_plan){0};
	if (!flag(r, "do_resize"))
		return cah_fail(r->err, CAH_EFORMAT,
				"%s: do_resize is off, so images would differ "
				"in size",
				r->name);
	int rc = read_size(r, plan);
	if (rc == CAH_OK)
		rc = read_crop(r, plan);
	if (rc == CAH_OK)
		rc = read_filter(r, plan);
	if (rc == CAH_OK)
		rc = read_values(r, plan);
	return rc;
}

int plan_parse(struct clip_plan *out, struct slice json, const char *name,
	       struct cah_error *err)
{
	json_t *root;
	int rc = model_json_parse(&root, json, name, err);
	if (rc != CAH_OK)
		return rc;
	rc = read_plan(&(struct reader){root, name, err}, out);
	json_decref(root);
	return rc;
}

int plan_read(struct clip_plan *out, const char *folder, struct cah_error *err)
{
	json_t *root;
	int rc = model_json_read(&root, folder, file_name, PLAN_FILE_MAX, err);
	if (rc != CAH_OK)
		return rc;
	rc = read_plan(&(struct reader){root, file_name, err}, out);
	json_decref(root);
	return rc;
}
