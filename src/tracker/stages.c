#include "tracker/stages.h"

#include "base/fail.h"
#include "wire/text.h"

#include <stdlib.h>

static int copy_name(char **out, const char *name, const char *what,
		     struct cah_error *err)
{
	int rc = wire_text_check(slice_of(name), 1, WIRE_STAGE_NAME_MAX, what,
				 err);
	if (rc != CAH_OK)
		return rc;
	*out = strdup(name);
	if (*out == NULL)
		return cah_fail(err, CAH_ENOMEM, "stages");
	return CAH_OK;
}

int stages_init(struct stages *out, const struct tracker_options *options,
		struct cah_error *err)
{
	const char *project =
		options->project != NULL ? options->project : "Crawling@Home";
	int rc = copy_name(&out->project, project, "project", err);
	for (int i = 0; i < STORE_STAGE_COUNT && rc == CAH_OK; i++) {
		if (options->stage_names[i] == NULL)
			continue;
		/* What a stage gives would lie there for ever. */
		if (out->count < i)
			return cah_fail(err, CAH_EINVALID,
					"stage %c is on and stage %c is not: "
					"stages go from a on without a gap",
					store_stage_letter(i),
					store_stage_letter(out->count));
		rc = copy_name(&out->names[i], options->stage_names[i],
			       "the name of a stage", err);
		out->count = i + 1;
	}
	return rc;
}

void stages_fini(struct stages *stages)
{
	free(stages->project);
	for (int i = 0; i < STORE_STAGE_COUNT; i++)
		free(stages->names[i]);
}

int stages_of_letter(const struct stages *stages, struct slice name)
{
	int stage = name.len == 1 ? name.data[0] - 'a' : -1;
	return stage >= 0 && stage < stages->count ? stage : -1;
}

bool stages_is_called(const struct stages *stages, int stage, struct slice name)
{
	if (name.len == 1 && name.data[0] == store_stage_letter(stage))
		return true;
	return stage < stages->count &&
	       slice_equal_nocase(name, slice_of(stages->names[stage]));
}

const char *stages_type_name(const struct stages *stages, enum worker_type type)
{
	int stage = store_type_stage(type);
	return stage >= 0 && stage < stages->count ? stages->names[stage]
						   : store_type_name(type);
}
