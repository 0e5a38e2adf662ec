/* tower.h: one half of a model, an ONNX graph from rows of input to rows of
 * length 1. Input goes in by chunks, each into a lane of its own, so that one
 * lane is filled while others compute. One thread per tower. */
#ifndef CLIP_TOWER_H
#define CLIP_TOWER_H

#include "clip/engine.h"

struct tower;

enum tower_kind {
	TOWER_IMAGES, /* pixel_values: float [rows, 3, height, width] */
	TOWER_TEXTS,  /* input_ids and maybe attention_mask: int64 [rows,
			 length] */
};

/* What one row of input looks like. */
struct tower_shape {
	enum tower_kind kind;
	int height; /* pixels, of images */
	int width;
	int length; /* tokens, the most of a text; lowered to what the graph
		       takes */
	bool is_length_fixed; /* set by tower_open: rows always have length */
};

/* Compiles the graph in @path. The caller frees *out.
 * Errors: CAH_ENOTFOUND, CAH_EFORMAT, CAH_ENOMEM, each naming @path. */
CAH_MUST_CHECK int tower_open(struct tower **out, struct engine *engine,
			      const char *path, struct tower_shape *shape,
			      struct cah_error *err);
void tower_free(struct tower *tower);

/* Numbers in one row of output. */
int tower_dimension(const struct tower *tower);

/* How many rows a chunk should have when there are @count. */
size_t tower_chunk(const struct tower *tower, size_t count);

/* One chunk of input to be filled. */
struct tower_input {
	void *values;  /* float or int64_t */
	int64_t *mask; /* NULL where the graph has none */
	size_t rows;
	int length; /* tokens, of texts */
};

/* Where the rows of a chunk go: row i to out + dimension * order[i], or
 * straight on where order is NULL. Both stay until tower_finish. */
struct tower_output {
	float *out;
	const size_t *order;
};

/* Waits for a free lane and hands out its input for @rows rows; then the
 * caller fills it and starts it. One thread per tower. Errors: CAH_EIO. */
CAH_MUST_CHECK int tower_begin(struct tower *tower, struct tower_input *input,
			       size_t rows, int length, struct cah_error *err);
CAH_MUST_CHECK int tower_start(struct tower *tower,
			       const struct tower_output *output,
			       struct cah_error *err);

/* Waits for all lanes; each row that came out has length 1. To be called after
 * a failure of the two above, too. Errors: CAH_EIO. */
CAH_MUST_CHECK int tower_finish(struct tower *tower, struct cah_error *err);

#endif
