/* clip.h: images and texts to embeddings, by a CLIP model in a folder with the
 * layout of the hub's ONNX exports: vision_model.onnx and text_model.onnx (in
 * the folder or its onnx/), tokenizer.json or vocab.json with merges.txt,
 * preprocessor_config.json. Model files are not trusted: each is parsed with
 * limits. */
#ifndef CLIP_CLIP_H
#define CLIP_CLIP_H

#include "base/slice.h"

#include <cah/error.h>
#include <stdint.h>

struct clip;

/* What the model wants of an image, from preprocessor_config.json. */
struct clip_plan {
	int shortest_edge; /* pixels */
	int crop_width;
	int crop_height;
	enum clip_resample { /* Pillow's numbers */
		CLIP_NEAREST = 0,
		CLIP_LANCZOS = 1,
		CLIP_BILINEAR = 2,
		CLIP_BICUBIC = 3,
	} resample;
	float mean[3]; /* of values from 0 to 1, R, G, B */
	float std[3];
};

struct clip_options {
	int threads;         /* of the engine; 0: all cores */
	bool full_precision; /* float32 where bfloat16 would be used */
};

/* Reads and compiles the model in @folder. The caller frees *out.
 * Errors: CAH_ENOTFOUND (a file is missing), CAH_EFORMAT (named with what is
 * wrong), CAH_ELIMIT, CAH_ENOMEM, CAH_EIO. */
CAH_MUST_CHECK int clip_open(struct clip **out, const char *folder,
			     const struct clip_options *options,
			     struct cah_error *err);
void clip_close(struct clip *clip);

/* Borrowed. */
const struct clip_plan *clip_plan(const struct clip *clip);

/* Numbers in an embedding, 256 or 512 for example. */
int clip_dimension(const struct clip *clip);

/* What there is to tell about a model. */
struct clip_facts {
	size_t vocabulary;     /* tokens */
	int context;           /* tokens of a text, with start and end */
	bool is_padded;        /* every text to the whole context */
	const char *precision; /* "bf16" or "f32"; static */
};

struct clip_facts clip_facts(const struct clip *clip);

/* Embeds @count images: @pixels is count x crop_height x crop_width x 3 bytes
 * (R, G, B), already resized and cropped by the plan; scaling to 0..1 and
 * normalisation are done here. @out gets count x dimension numbers, each row of
 * length 1. One thread at a time for images, another may do texts.
 * Errors: CAH_EIO (the engine failed), CAH_ENOMEM. */
CAH_MUST_CHECK int clip_embed_images(struct clip *clip, const uint8_t *pixels,
				     size_t count, float *out,
				     struct cah_error *err);

/* Embeds @count clean texts, each cut to the model's context. As above. */
CAH_MUST_CHECK int clip_embed_texts(struct clip *clip,
				    const struct slice *texts, size_t count,
				    float *out, struct cah_error *err);

/* Cosine of two rows of length 1. */
float clip_similarity(const float *a, const float *b, int dimension);

#endif
