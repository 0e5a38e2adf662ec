/* jobs.h: the actions of cah jobs, and what they share. Main thread. */
#ifndef CLI_JOBS_H
#define CLI_JOBS_H

#include "base/cancel.h"
#include "base/log.h"
#include "store/store.h"
#include "wire/json.h"

#include <cah/error.h>

struct jobs_args {
	const char *store_uri;
	const char *base_url;
	const char *state_name;
	const char *from; /* of move */
	const char *to;
	const char *format; /* of export; NULL: as the file's name says */
	int state;          /* -1: all */
	int64_t limit;
	int64_t offset;
	bool is_forced;
	bool is_json;
	bool is_quiet;
	char **operands; /* behind the name of the action */
	int operand_count;
	struct cancel *cancel;
	struct store *store;
	struct log *progress; /* NULL where nobody looks */
};

/* Each does what its name says and reports it. Errors: those of the store,
 * CAH_EINVALID for bad operands, CAH_ECANCELLED. */
CAH_MUST_CHECK int jobs_import(struct jobs_args *jobs, struct cah_error *err);
CAH_MUST_CHECK int jobs_count(struct jobs_args *jobs, struct cah_error *err);
CAH_MUST_CHECK int jobs_list(struct jobs_args *jobs, struct cah_error *err);
CAH_MUST_CHECK int jobs_show(struct jobs_args *jobs, struct cah_error *err);
CAH_MUST_CHECK int jobs_reset(struct jobs_args *jobs, struct cah_error *err);
CAH_MUST_CHECK int jobs_export(struct jobs_args *jobs, struct cah_error *err);
CAH_MUST_CHECK int jobs_backup(struct jobs_args *jobs, struct cah_error *err);
CAH_MUST_CHECK int jobs_move(struct jobs_args *jobs, struct cah_error *err);

/* Whether export and backup may put a file at @path: not over a book in use
 * (the one of --store is), nor over one of the files beside a book, which are a
 * part of it. Errors: CAH_EINVALID, CAH_EIO. */
CAH_MUST_CHECK int jobs_check_target(const char *path, struct cah_error *err);

/* One object of JSON for standard output: begins it in @line ... */
void jobs_begin_json(struct wire_json *json, struct buf *line);

/* ... and prints what @line has; frees it whatever comes. */
CAH_MUST_CHECK int jobs_print_json(struct buf *line, struct cah_error *err);

#endif
