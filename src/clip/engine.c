#include "clip/engine.h"

#include "base/fail.h"
#include "clip/openvino.h"

#include <stdlib.h>

enum {
	MATTER_MAX = 200, /* bytes of what OpenVINO says */
};

/* Of a C++ exception: lines of where it was thrown and by which check, then
 * what is the matter. */
static struct slice matter_of(const char *text)
{
	struct slice best = {NULL, 0};
	while (text != NULL && *text != '\0') {
		struct slice line = {text, strcspn(text, "\n")};
		text += line.len + (text[line.len] == '\n');
		if (line.len == 0 ||
		    slice_starts(line, SLICE("Exception from")))
			continue;
		best = line;
		if (!slice_starts(line, SLICE("Check '")) &&
		    !slice_starts(line, SLICE("FrontEnd API failed")))
			break;
	}
	return best;
}

int engine_fail(struct cah_error *err, int code, const char *what)
{
	char *message = (char *)ov_get_last_err_msg();
	struct slice matter = matter_of(message);
	if (matter.len > MATTER_MAX)
		matter.len = MATTER_MAX;
	cah_fail(err, code, "%s: %.*s", what, SLICE_FMT(matter));
	ov_free(message);
	return code;
}

static bool has_bf16(const ov_core_t *core)
{
	char *list = NULL;
	bool is_there = false;
	if (ov_core_get_property(core, "CPU",
				 ov_property_key_device_capabilities,
				 &list) == OK &&
	    list != NULL)
		is_there = strstr(list, "BF16") != NULL;
	ov_free(list);
	return is_there;
}

int engine_open(struct engine **out, const struct clip_options *options,
		struct cah_error *err)
{
	*out = NULL;
	struct engine *e = calloc(1, sizeof(*e));
	if (e == NULL)
		return cah_fail(err, CAH_ENOMEM, "engine: out of memory");
	if (ov_core_create(&e->core) != OK) {
		free(e);
		return engine_fail(err, CAH_EIO, "OpenVINO does not start");
	}
	e->threads = options->threads;
	e->is_bf16 = !options->full_precision && has_bf16(e->core);
	*out = e;
	return CAH_OK;
}

void engine_free(struct engine *e)
{
	if (e == NULL)
		return;
	ov_core_free(e->core);
	free(e);
}

const char *engine_precision(const struct engine *e)
{
	return e->is_bf16 ? "bf16" : "f32";
}
