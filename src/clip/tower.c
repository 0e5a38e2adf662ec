#include "clip/tower.h"

#include "base/fail.h"
#include "clip/openvino.h"

#include <math.h>
#include <stdlib.h>

enum {
	LANES_MAX = 64,
	CHUNK_MAX = 64, /* rows */
};

struct lane {
	ov_infer_request_t *request;
	ov_tensor_t *input;
	ov_tensor_t *mask; /* NULL where the graph has none */
	size_t rows;
	bool is_running;
	struct tower_output output;
};

struct tower {
	struct graph graph;
	struct tower_shape shape;
	struct lane lanes[LANES_MAX];
	size_t lane_count;
	size_t next; /* the lane that is filled or was filled longest ago */
};

static size_t lanes_wanted(const struct graph *graph)
{
	char *text = NULL;
	size_t n = 1;
	if (ov_compiled_model_get_property(
		    graph->model,
		    ov_property_key_optimal_number_of_infer_requests,
		    &text) == OK &&
	    text != NULL)
		n = strtoul(text, NULL, 10);
	ov_free(text);
	/* One more than compute at a time is filled meanwhile. */
	n++;
	return n < LANES_MAX ? n : LANES_MAX;
}

static bool make_tensor(ov_tensor_t **out, const struct tower_shape *s,
			size_t rows, int length)
{
	int64_t dims[4] = {(int64_t)rows, length};
	bool is_images = s->kind == TOWER_IMAGES;
	if (is_images) {
		dims[1] = 3;
		dims[2] = s->height;
		dims[3] = s->width;
	}
	ov_shape_t shape = {is_images ? 4 : 2, dims};
	if (*out != NULL)
		return ov_tensor_set_shape(*out, shape) == OK;
	return ov_tensor_create(is_images ? F32 : I64, shape, out) == OK;
}

static bool init_lane(const struct tower *t, struct lane *lane)
{
	const struct graph *g = &t->graph;
	int length = t->shape.length;
	if (ov_compiled_model_create_infer_request(g->model, &lane->request) !=
		    OK ||
	    !make_tensor(&lane->input, &t->shape, 1, length) ||
	    ov_infer_request_set_input_tensor_by_index(
		    lane->request, g->input_index, lane->input) != OK)
		return false;
	return !g->has_mask ||
	       (make_tensor(&lane->mask, &t->shape, 1, length) &&
		ov_infer_request_set_input_tensor_by_index(
			lane->request, g->mask_index, lane->mask) == OK);
}

int tower_open(struct tower **out, struct engine *engine, const char *path,
	       struct tower_shape *shape, struct cah_error *err)
{
	*out = NULL;
	struct tower *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	int rc = graph_open(&t->graph, engine, path, shape, err);
	if (rc != CAH_OK)
		goto out;
	t->shape = *shape;
	t->lane_count = lanes_wanted(&t->graph);
	for (size_t i = 0; i < t->lane_count; i++) {
		if (init_lane(t, &t->lanes[i]))
			continue;
		rc = engine_fail(err, CAH_ENOMEM, path);
		goto out;
	}
	*out = t;
	return CAH_OK;
out:
	tower_free(t);
	return rc;
}

void tower_free(struct tower *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < LANES_MAX; i++) {
		struct lane *lane = &t->lanes[i];
		if (lane->request != NULL)
			ov_infer_request_free(lane->request);
		if (lane->input != NULL)
			ov_tensor_free(lane->input);
		if (lane->mask != NULL)
			ov_tensor_free(lane->mask);
	}
	graph_fini(&t->graph);
	free(t);
}

int tower_dimension(const struct tower *t)
{
	return t->graph.dimension;
}

size_t tower_chunk(const struct tower *t, size_t count)
{
	size_t workers = t->lane_count > 1 ? t->lane_count - 1 : 1;
	size_t chunk = (count + workers - 1) / workers;
	return chunk < CHUNK_MAX ? chunk : CHUNK_MAX;
}

/* Scales a row to length 1; false where it has none. */
static bool normalise(float *to, const float *from, int dimension)
{
	double sum = 0;
	for (int i = 0; i < dimension; i++)
		sum += (double)from[i] * from[i];
	if (!(sum > 0) || !isfinite(sum))
		return false;
	float scale = (float)(1 / sqrt(sum));
	for (int i = 0; i < dimension; i++)
		to[i] = from[i] * scale;
	return true;
}

/* The graph may give more or less than it promised: its shape is looked at
 * before its numbers. */
static bool has_rows(const ov_tensor_t *tensor, size_t rows, int dimension)
{
	size_t size = 0;
	return ov_tensor_get_size(tensor, &size) == OK &&
	       size == rows * (size_t)dimension;
}

static int take_rows(const struct tower *t, const struct lane *lane,
		     const ov_tensor_t *tensor, struct cah_error *err)
{
	int dimension = t->graph.dimension;
	void *data = NULL;
	if (!has_rows(tensor, lane->rows, dimension) ||
	    ov_tensor_data(tensor, &data) != OK)
		return cah_fail(err, CAH_EIO,
				"the model's output has another shape than it "
				"promised");
	const float *from = data;
	for (size_t i = 0; i < lane->rows; i++) {
		const struct tower_output *o = &lane->output;
		size_t at = o->order != NULL ? o->order[i] : i;
		if (!normalise(o->out + at * (size_t)dimension, from,
			       dimension))
			return cah_fail(err, CAH_EIO,
					"the model's output is no vector");
		from += dimension;
	}
	return CAH_OK;
}

/* Waits for the lane where it runs, and takes what came out. */
static int collect(const struct tower *t, struct lane *lane,
		   struct cah_error *err)
{
	if (!lane->is_running)
		return CAH_OK;
	lane->is_running = false;
	if (ov_infer_request_wait(lane->request) != OK)
		return engine_fail(err, CAH_EIO, "the model does not run");
	ov_tensor_t *tensor = NULL;
	if (ov_infer_request_get_output_tensor_by_index(
		    lane->request, t->graph.output_index, &tensor) != OK)
		return engine_fail(err, CAH_EIO, "the model does not run");
	int rc = take_rows(t, lane, tensor, err);
	ov_tensor_free(tensor);
	return rc;
}

int tower_begin(struct tower *t, struct tower_input *input, size_t rows,
		int length, struct cah_error *err)
{
	struct lane *lane = &t->lanes[t->next];
	int rc = collect(t, lane, err);
	if (rc != CAH_OK)
		return rc;
	void *values = NULL;
	void *mask = NULL;
	bool is_done = make_tensor(&lane->input, &t->shape, rows, length) &&
		       ov_tensor_data(lane->input, &values) == OK;
	if (is_done && lane->mask != NULL)
		is_done = make_tensor(&lane->mask, &t->shape, rows, length) &&
			  ov_tensor_data(lane->mask, &mask) == OK;
	if (!is_done)
		return engine_fail(err, CAH_EIO, "no room for a batch");
	lane->rows = rows;
	*input = (struct tower_input){values, mask, rows, length};
	return CAH_OK;
}

int tower_start(struct tower *t, const struct tower_output *output,
		struct cah_error *err)
{
	struct lane *lane = &t->lanes[t->next];
	lane->output = *output;
	if (ov_infer_request_start_async(lane->request) != OK)
		return engine_fail(err, CAH_EIO, "the model does not run");
	lane->is_running = true;
	t->next = (t->next + 1) % t->lane_count;
	return CAH_OK;
}

int tower_finish(struct tower *t, struct cah_error *err)
{
	int rc = CAH_OK;
	for (size_t i = 0; i < t->lane_count; i++) {
		/* The first failure is the one to tell. */
		struct cah_error *to = rc == CAH_OK ? err : NULL;
		int now = collect(t, &t->lanes[i], to);
		rc = rc == CAH_OK ? now : rc;
	}
	return rc;
}
