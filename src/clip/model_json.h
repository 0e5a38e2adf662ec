/* model_json.h: the JSON files of a model's folder. Any thread. */
#ifndef CLIP_MODEL_JSON_H
#define CLIP_MODEL_JSON_H

#include "base/slice.h"

#include <cah/error.h>
#include <jansson.h>

/* Parses an object of at most @max bytes from @folder/@name. The caller drops
 * *out (json_decref). Errors: CAH_ENOTFOUND, CAH_EFORMAT, CAH_ELIMIT, CAH_EIO,
 * CAH_ENOMEM. */
CAH_MUST_CHECK int model_json_read(json_t **out, const char *folder,
				   const char *name, size_t max,
				   struct cah_error *err);

/* The same; *out is NULL where there is no such file. */
CAH_MUST_CHECK int model_json_optional(json_t **out, const char *folder,
				       const char *name, size_t max,
				       struct cah_error *err);

/* The same from bytes. */
CAH_MUST_CHECK int model_json_parse(json_t **out, struct slice text,
				    const char *name, struct cah_error *err);

#endif
