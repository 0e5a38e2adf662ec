/* fit.h: what src/clip wants of a picture, in the words of src/image. Any
 * thread. */
#ifndef WORKER_FIT_H
#define WORKER_FIT_H

#include "clip/clip.h"
#include "image/image.h"

struct image_fit fit_make(const struct clip_plan *plan);

#endif
