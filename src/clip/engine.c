#include "clip/engine.h"

#include "base/fail.h"
#include "clip/openvino.h"

#include <stdlib.h>

enum {
	MATTER_MAX = 200, /* bytes of what OpenVINO says */
};

/* Of a C++ exception: lines of where it was thrown, by which check and in which
 * step, then what is the matter. */
static struct slice matter_of(const char *text)
{
	static const char *const before[] = {
		"Exception from",
		"Check '",
		"FrontEnd API failed",
		"Loading input model",
		"Model wasn't fully converted",
	};
	struct slice line = {NULL, 0};
	while (text != NULL && *text != '\0') {
		struct slice next = {text, strcspn(text, "\n")};
		text += next.len + (text[next.len] == '\n');
		bool is_before = next.len == 0;
		for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
			is_before = is_before ||
				    slice_starts(next, slice_of(before[i]));
		if (next.len > 0)
			line = next;
		if (!is_before)
			break;
	}
	return line;
}

void engine_hide_bytes(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x7f || (unsigned char)*text < ' ')
			*text = '?';
}

int engine_fail(struct cah_error *err, int code, const char *what)
{
	char *message = (char *)ov_get_last_err_msg();
	struct slice matter = matter_of(message);
	char line[MATTER_MAX];
	(void)snprintf(line, sizeof(line), "%.*s", SLICE_FMT(matter));
	engine_hide_bytes(line);
	cah_fail(err, code, "%s: %s", what, line);
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
