/* openvino.h: what engine.c, graph.c and tower.c share, the only files that
 * know OpenVINO. */
#ifndef CLIP_OPENVINO_H
#define CLIP_OPENVINO_H

#include "clip/tower.h"

#include <openvino/c/openvino.h>

struct engine {
	ov_core_t *core;
	int threads; /* 0: all cores */
	bool is_bf16;
};

/* cah_fail with what OpenVINO says of its last failure. */
int engine_fail(struct cah_error *err, int code, const char *what);

/* Names in a graph may be any bytes: shows what is not ASCII as '?'. */
void engine_hide_bytes(char *text);

/* A graph that was read, checked and compiled. */
struct graph {
	ov_compiled_model_t *model;
	size_t mask_index; /* of the inputs */
	size_t input_index;
	size_t output_index;
	bool has_mask;
	int dimension;
};

/* Errors: CAH_ENOTFOUND, CAH_EFORMAT, naming @path. The caller frees with
 * graph_fini, after a failure too. */
CAH_MUST_CHECK int graph_open(struct graph *out, const struct engine *engine,
			      const char *path, struct tower_shape *shape,
			      struct cah_error *err);
void graph_fini(struct graph *graph);

#endif
