/* Reads an ONNX graph, checks that it is a tower, gives it the shapes and types
 * that we fill in, and compiles it. */
#include "base/fail.h"
#include "clip/onnx.h"
#include "clip/openvino.h"

#include <stdlib.h>

enum {
	DIMENSION_MAX = 16 * 1024, /* numbers of one embedding */
	INPUTS_MAX = 2,
	RANK_MAX = 8,
	PROPERTIES = 4,
};

struct reader {
	struct graph *graph;
	const struct engine *engine;
	const char *path;
	struct tower_shape *shape;
	ov_model_t *model;
	struct cah_error *err;
};

static int refuse(const struct reader *r, const char *what)
{
	return cah_fail(r->err, CAH_EFORMAT, "%s: %s", r->path, what);
}

static int refuse_by_engine(const struct reader *r)
{
	return engine_fail(r->err, CAH_EFORMAT, r->path);
}

/* What is known of an input or output of the graph. */
struct port {
	char name[64];
	int rank;               /* -1: unknown */
	int64_t dims[RANK_MAX]; /* -1: any */
};

static bool look_at(struct port *out, ov_output_const_port_t *port)
{
	ov_partial_shape_t shape = {0};
	char *name = NULL;
	*out = (struct port){.rank = -1};
	if (ov_port_get_any_name(port, &name) == OK && name != NULL)
		(void)snprintf(out->name, sizeof(out->name), "%s", name);
	ov_free(name);
	engine_hide_bytes(out->name);
	bool is_known = ov_port_get_partial_shape(port, &shape) == OK;
	if (is_known && shape.rank.min == shape.rank.max &&
	    shape.rank.max <= RANK_MAX) {
		out->rank = (int)shape.rank.max;
		for (int i = 0; i < out->rank; i++)
			out->dims[i] = shape.dims[i].min == shape.dims[i].max
					       ? shape.dims[i].max
					       : -1;
	}
	if (is_known)
		ov_partial_shape_free(&shape);
	return is_known;
}

static bool look_at_input(struct port *out, const struct reader *r,
			  size_t index)
{
	ov_output_const_port_t *port = NULL;
	if (ov_model_const_input_by_index(r->model, index, &port) != OK)
		return false;
	bool is_known = look_at(out, port);
	ov_output_const_port_free(port);
	return is_known;
}

static bool look_at_output(struct port *out, const struct reader *r,
			   size_t index)
{
	ov_output_const_port_t *port = NULL;
	if (ov_model_const_output_by_index(r->model, index, &port) != OK)
		return false;
	bool is_known = look_at(out, port);
	ov_output_const_port_free(port);
	return is_known;
}

static bool is_or_any(int64_t dim, int64_t wanted)
{
	return dim == -1 || dim == wanted;
}

static int check_pixels(const struct reader *r, const struct port *port)
{
	const struct tower_shape *s = r->shape;
	if (port->rank != 4 || !is_or_any(port->dims[1], 3))
		return refuse(r, "its input is not [images, 3, height, width]");
	if (!is_or_any(port->dims[2], s->height) ||
	    !is_or_any(port->dims[3], s->width))
		return cah_fail(r->err, CAH_EFORMAT,
				"%s: made for images of %lld x %lld, but "
				"preprocessor_config.json says %d x %d",
				r->path, (long long)port->dims[3],
				(long long)port->dims[2], s->width, s->height);
	return CAH_OK;
}

static int check_ids(const struct reader *r, const struct port *port)
{
	struct tower_shape *s = r->shape;
	if (port->rank != 2)
		return refuse(r, "its input is not [texts, tokens]");
	if (port->dims[1] == -1)
		return CAH_OK;
	/* A vocabulary's context may be longer than what the graph was made
	 * for, not shorter: its last row of positions would stay unused. */
	if (port->dims[1] < 3 || port->dims[1] > s->length)
		return cah_fail(r->err, CAH_EFORMAT,
				"%s: made for texts of %lld tokens, but the "
				"tokenizer makes at most %d",
				r->path, (long long)port->dims[1], s->length);
	s->length = (int)port->dims[1];
	s->is_length_fixed = true;
	return CAH_OK;
}

static int check_inputs(const struct reader *r)
{
	size_t count = 0;
	bool is_images = r->shape->kind == TOWER_IMAGES;
	if (ov_model_inputs_size(r->model, &count) != OK || count == 0 ||
	    count > (is_images ? 1 : INPUTS_MAX))
		return refuse(r, is_images ? "has not one input"
					   : "has not one or two inputs");
	int rc = CAH_OK;
	for (size_t i = 0; rc == CAH_OK && i < count; i++) {
		struct port port;
		if (!look_at_input(&port, r, i))
			return refuse_by_engine(r);
		if (is_images) {
			rc = check_pixels(r, &port);
		} else if (strcmp(port.name, "attention_mask") == 0) {
			r->graph->has_mask = true;
			r->graph->mask_index = i;
			rc = check_ids(r, &port);
		} else if (count == 1 || strcmp(port.name, "input_ids") == 0) {
			r->graph->input_index = i;
			rc = check_ids(r, &port);
		} else {
			rc = cah_fail(r->err, CAH_EFORMAT,
				      "%s: input %s is not known", r->path,
				      port.name);
		}
	}
	if (rc == CAH_OK && count > 1 && !r->graph->has_mask)
		return refuse(r, "its inputs are not input_ids and "
				 "attention_mask");
	return rc;
}

/* Any number of rows of the plan's size, or of any length up to the context. */
static int set_shapes(const struct reader *r)
{
	const struct tower_shape *s = r->shape;
	ov_dimension_t any = {-1, -1};
	ov_dimension_t pixels[] = {
		any, {3, 3}, {s->height, s->height}, {s->width, s->width}};
	ov_dimension_t ids[] = {
		any, {s->is_length_fixed ? s->length : 1, s->length}};
	size_t ports[INPUTS_MAX] = {0, 1};
	ov_partial_shape_t shapes[INPUTS_MAX];
	size_t count = r->graph->has_mask ? 2 : 1;
	bool is_images = s->kind == TOWER_IMAGES;
	bool is_done = true;
	memset(shapes, 0, sizeof(shapes));
	for (size_t i = 0; i < count; i++)
		is_done = is_done &&
			  ov_partial_shape_create(is_images ? 4 : 2,
						  is_images ? pixels : ids,
						  &shapes[i]) == OK;
	is_done = is_done && ov_model_reshape_by_port_indexes(
				     r->model, ports, shapes, count) == OK;
	for (size_t i = 0; i < count; i++)
		ov_partial_shape_free(&shapes[i]);
	return is_done ? CAH_OK : refuse_by_engine(r);
}

/* By name, else the first that is a vector a row. */
static int find_output(const struct reader *r)
{
	const char *wanted =
		r->shape->kind == TOWER_IMAGES ? "image_embeds" : "text_embeds";
	size_t count = 0;
	bool is_found = false;
	if (ov_model_outputs_size(r->model, &count) != OK)
		return refuse_by_engine(r);
	for (size_t i = 0; i < count; i++) {
		struct port port;
		if (!look_at_output(&port, r, i))
			return refuse_by_engine(r);
		bool is_named = strcmp(port.name, wanted) == 0;
		if (port.rank != 2 || (is_found && !is_named))
			continue;
		if (port.dims[1] < 1 || port.dims[1] > DIMENSION_MAX)
			continue;
		is_found = true;
		r->graph->output_index = i;
		r->graph->dimension = (int)port.dims[1];
		if (is_named)
			break;
	}
	if (!is_found)
		return refuse(r, "no output is [rows, embedding]");
	return CAH_OK;
}

static bool set_input_type(const ov_preprocess_prepostprocessor_t *ppp,
			   size_t index, ov_element_type_e type)
{
	ov_preprocess_input_info_t *info = NULL;
	ov_preprocess_input_tensor_info_t *tensor = NULL;
	bool is_done =
		ov_preprocess_prepostprocessor_get_input_info_by_index(
			ppp, index, &info) == OK &&
		ov_preprocess_input_info_get_tensor_info(info, &tensor) == OK &&
		ov_preprocess_input_tensor_info_set_element_type(tensor,
								 type) == OK;
	if (tensor != NULL)
		ov_preprocess_input_tensor_info_free(tensor);
	if (info != NULL)
		ov_preprocess_input_info_free(info);
	return is_done;
}

static bool set_output_type(const ov_preprocess_prepostprocessor_t *ppp,
			    size_t index)
{
	ov_preprocess_output_info_t *info = NULL;
	ov_preprocess_output_tensor_info_t *tensor = NULL;
	bool is_done = ov_preprocess_prepostprocessor_get_output_info_by_index(
			       ppp, index, &info) == OK &&
		       ov_preprocess_output_info_get_tensor_info(
			       info, &tensor) == OK &&
		       ov_preprocess_output_set_element_type(tensor, F32) == OK;
	if (tensor != NULL)
		ov_preprocess_output_tensor_info_free(tensor);
	if (info != NULL)
		ov_preprocess_output_info_free(info);
	return is_done;
}

/* Exports in half precision or with 32-bit ids are fed as the others are. */
static int set_types(struct reader *r)
{
	const struct graph *g = r->graph;
	ov_element_type_e type = r->shape->kind == TOWER_IMAGES ? F32 : I64;
	ov_preprocess_prepostprocessor_t *ppp = NULL;
	ov_model_t *model = NULL;
	bool is_done =
		ov_preprocess_prepostprocessor_create(r->model, &ppp) == OK &&
		set_input_type(ppp, g->input_index, type) &&
		(!g->has_mask || set_input_type(ppp, g->mask_index, type)) &&
		set_output_type(ppp, g->output_index) &&
		ov_preprocess_prepostprocessor_build(ppp, &model) == OK;
	int rc = is_done ? CAH_OK : refuse_by_engine(r);
	if (ppp != NULL)
		ov_preprocess_prepostprocessor_free(ppp);
	if (model != NULL) {
		ov_model_free(r->model);
		r->model = model;
	}
	return rc;
}

static int compile(const struct reader *r)
{
	char threads[16];
	(void)snprintf(threads, sizeof(threads), "%d", r->engine->threads);
	/* Pinned threads would fight with those of the other stages. */
	const ov_property_t properties[PROPERTIES] = {
		{ov_property_key_hint_performance_mode, "THROUGHPUT"},
		{ov_property_key_hint_inference_precision,
		 r->engine->is_bf16 ? "bf16" : "f32"},
		{ov_property_key_hint_enable_cpu_pinning, "NO"},
		{ov_property_key_inference_num_threads, threads},
	};
	size_t count = r->engine->threads > 0 ? PROPERTIES : PROPERTIES - 1;
	if (ov_core_compile_model_props(r->engine->core, r->model, "CPU", count,
					properties, &r->graph->model) != OK)
		return refuse_by_engine(r);
	return CAH_OK;
}

int graph_open(struct graph *out, const struct engine *engine, const char *path,
	       struct tower_shape *shape, struct cah_error *err)
{
	struct reader r = {out, engine, path, shape, NULL, err};
	*out = (struct graph){0};
	int rc = onnx_check(path, err);
	if (rc != CAH_OK)
		return rc;
	if (ov_core_read_model(engine->core, path, NULL, &r.model) != OK)
		return refuse_by_engine(&r);
	rc = check_inputs(&r);
	if (rc == CAH_OK)
		rc = set_shapes(&r);
	if (rc == CAH_OK)
		rc = find_output(&r);
	if (rc == CAH_OK)
		rc = set_types(&r);
	if (rc == CAH_OK)
		rc = compile(&r);
	ov_model_free(r.model);
	return rc;
}

void graph_fini(struct graph *graph)
{
	if (graph->model != NULL)
		ov_compiled_model_free(graph->model);
	graph->model = NULL;
}
