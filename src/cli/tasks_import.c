/* Inputs of tasks, one a line, into the book. */
#include "base/fail.h"
#include "cli/import.h"
#include "cli/lines.h"
#include "cli/tasks.h"

#include <errno.h>
#include <stdio.h>

enum {
	/* Of one transaction, beside IMPORT_BATCH. */
	BATCH_BYTES = 8 * 1024 * 1024,
};

struct importing {
	struct tasks_args *tasks;
	struct lines lines;
	struct buf batch; /* lines that are read, each with its end */
	size_t first;     /* the number of its first line, from 1 */
	bool is_end;      /* there are no more behind it */
	int64_t added;    /* of batches that are in the book */
	int64_t there;
};

/* Before the book is asked for: whoever writes the lines may take long. */
static int read_batch(struct importing *im, struct cah_error *err)
{
	buf_reset(&im->batch);
	im->first = im->lines.number + 1;
	for (int i = 0; i < IMPORT_BATCH && im->batch.len < BATCH_BYTES; i++) {
		struct slice line;
		int rc = lines_next(&im->lines, &line, err);
		im->is_end = rc == 0;
		if (rc < 0)
			return rc;
		if (rc == 0)
			break;
		(void)buf_add_slice(&im->batch, line);
		(void)buf_add_byte(&im->batch, '\n');
	}
	return buf_check(&im->batch, im->lines.name, err);
}

static int add_line(struct importing *im, struct slice line, size_t number,
		    bool *is_added, struct cah_error *err)
{
	int rc = store_task_add(im->tasks->store, line, is_added, err);
	if (rc != CAH_EINVALID)
		return rc;
	(void)cah_fail_prefix(err, rc, "%s, line %zu", im->lines.name, number);
	/* What a list holds is no bad usage. */
	err->code = CAH_EFORMAT;
	return CAH_EFORMAT;
}

static int add_lines(struct importing *im, int64_t *added, int64_t *there,
		     struct cah_error *err)
{
	struct slice rest = buf_slice(&im->batch);
	for (size_t number = im->first; rest.len > 0; number++) {
		const char *end = memchr(rest.data, '\n', rest.len);
		struct slice line = {rest.data, (size_t)(end - rest.data)};
		bool is_added;
		rest = slice_from(rest, line.len + 1);
		if (line.len == 0)
			continue;
		int rc = add_line(im, line, number, &is_added, err);
		if (rc != CAH_OK)
			return rc;
		*(is_added ? added : there) += 1;
	}
	return CAH_OK;
}

static int add_batch(struct importing *im, struct cah_error *err)
{
	struct store *store = im->tasks->store;
	int64_t added = 0, there = 0;
	int rc = read_batch(im, err);
	if (rc == CAH_OK)
		rc = store_import_begin(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = add_lines(im, &added, &there, err);
	if (rc != CAH_OK) {
		store_import_abort(store);
		return rc;
	}
	rc = store_import_end(store, err);
	if (rc != CAH_OK)
		return rc;
	im->added += added;
	im->there += there;
	return CAH_OK;
}

static int add_batches(struct importing *im, struct cah_error *err)
{
	im->is_end = false;
	for (long gap_ms = 0; !im->is_end; gap_ms = IMPORT_GAP_MS) {
		int rc = CAH_OK;
		if (cancel_sleep(im->tasks->cancel, gap_ms))
			rc = cah_fail(err, CAH_ECANCELLED, "stopped");
		if (rc == CAH_OK)
			rc = add_batch(im, err);
		if (rc != CAH_OK && im->added > 0)
			return cah_fail_prefix(err, rc,
					       "%lld tasks were added, then",
					       (long long)im->added);
		if (rc != CAH_OK)
			return rc;
	}
	return CAH_OK;
}

static int add_file(struct importing *im, const char *path,
		    struct cah_error *err)
{
	bool is_own = strcmp(path, "-") != 0;
	FILE *in = is_own ? fopen(path, "re") : stdin;
	if (in == NULL)
		return cah_fail_errno(err, errno, "%s", path);
	lines_init(&im->lines, in, is_own ? path : "standard input");
	buf_init(&im->batch, BATCH_BYTES + LINES_MAX + 1);
	int rc = add_batches(im, err);
	buf_fini(&im->batch);
	lines_fini(&im->lines);
	if (is_own)
		(void)fclose(in);
	return rc;
}

int tasks_import(struct tasks_args *tasks, struct cah_error *err)
{
	struct importing im = {.tasks = tasks};
	/* The usual slip, before there is an empty book. */
	for (int i = 0; i < tasks->operand_count; i++) {
		const char *path = tasks->operands[i];
		FILE *in = strcmp(path, "-") != 0 ? fopen(path, "re") : stdin;
		if (in == NULL)
			return cah_fail_errno(err, errno, "%s", path);
		if (in != stdin)
			(void)fclose(in);
	}
	int rc = store_open(&tasks->store, tasks->store_uri, err);
	for (int i = 0; i < tasks->operand_count && rc == CAH_OK; i++)
		rc = add_file(&im, tasks->operands[i], err);
	if (rc != CAH_OK)
		return rc;
	if (tasks->is_json)
		printf("{\"added\":%lld,\"there\":%lld}\n", (long long)im.added,
		       (long long)im.there);
	else if (!tasks->is_quiet)
		printf("added %lld tasks, %lld were there\n",
		       (long long)im.added, (long long)im.there);
	return CAH_OK;
}
