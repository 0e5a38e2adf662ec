/* stages.h: the stages of a project, as the organiser names them
 * (docs/stages.md). Do not change while the tracker runs; any thread. */
#ifndef TRACKER_STAGES_H
#define TRACKER_STAGES_H

#include "store/task.h"
#include "tracker/tracker.h"

struct stages {
	char *project;
	char *names[STORE_STAGE_COUNT]; /* of the first @count */
	int count;                      /* 0: the project has no stages */
};

/* Copies what @options says. @out is zeroed before, ended by stages_fini.
 * Errors: CAH_EINVALID (a name, a stage without those before it),
 * CAH_ENOMEM. */
CAH_MUST_CHECK int stages_init(struct stages *out,
			       const struct tracker_options *options,
			       struct cah_error *err);
void stages_fini(struct stages *stages);

/* The stage of the letter @name, -1 where that is none of the project's. */
int stages_of_letter(const struct stages *stages, struct slice name);

/* Whether @name is what the path of a page calls @stage: its letter, or the
 * organiser's name for it, which deployed clients write in lower case. */
bool stages_is_called(const struct stages *stages, int stage,
		      struct slice name);

/* What people call the type of a worker: "HYBRID", or the name of a stage. */
const char *stages_type_name(const struct stages *stages,
			     enum worker_type type);

#endif
