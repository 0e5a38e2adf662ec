/* tasks.h: the actions of cah tasks, and what they share. Main thread. */
#ifndef CLI_TASKS_H
#define CLI_TASKS_H

#include "base/cancel.h"
#include "store/task.h"
#include "wire/json.h"

#include <cah/error.h>

struct tasks_args {
	const char *store_uri;
	const char *state_name;
	const char *stage_name;
	int state; /* -1: all */
	int stage; /* -1: all */
	int64_t limit;
	int64_t offset;
	bool is_json;
	bool is_quiet;
	char **operands; /* behind the name of the action */
	int operand_count;
	struct cancel *cancel;
	struct store *store;
};

/* Each does what its name says and reports it. Errors: those of the store,
 * CAH_EINVALID for bad operands, CAH_ECANCELLED. */
CAH_MUST_CHECK int tasks_import(struct tasks_args *tasks,
				struct cah_error *err);
CAH_MUST_CHECK int tasks_count(struct tasks_args *tasks, struct cah_error *err);
CAH_MUST_CHECK int tasks_list(struct tasks_args *tasks, struct cah_error *err);
CAH_MUST_CHECK int tasks_show(struct tasks_args *tasks, struct cah_error *err);
CAH_MUST_CHECK int tasks_reset(struct tasks_args *tasks, struct cah_error *err);
CAH_MUST_CHECK int tasks_results(struct tasks_args *tasks,
				 struct cah_error *err);

#endif
