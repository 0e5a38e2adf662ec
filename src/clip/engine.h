/* engine.h: OpenVINO, as it runs the towers of a model on this machine's cores.
 * Any thread. */
#ifndef CLIP_ENGINE_H
#define CLIP_ENGINE_H

#include "clip/clip.h"

struct engine;

/* Starts OpenVINO. The caller frees *out after the towers.
 * Errors: CAH_ENOMEM, CAH_EIO. */
CAH_MUST_CHECK int engine_open(struct engine **out,
			       const struct clip_options *options,
			       struct cah_error *err);
void engine_free(struct engine *engine);

/* "bf16" or "f32"; static. */
const char *engine_precision(const struct engine *engine);

#endif
