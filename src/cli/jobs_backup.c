/* cah jobs backup: a copy of the book, whole at one moment, while a tracker
 * writes to it. */
#include "base/fail.h"
#include "base/file.h"
#include "cli/jobs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SYNC_BYTES = 16 << 20, /* written between two looks of the disk */
};

struct backup {
	struct jobs_args *jobs;
	struct file *file;
	int64_t synced; /* bytes */
	int64_t bytes;  /* of the copy */
};

/* What is found beside a database that was not closed, or is open: with it, a
 * copy would be taken for the old one's. */
static int refuse_if_there(const char *path, const char *suffix,
			   const char *advice, struct cah_error *err)
{
	char name[PATH_MAX];
	struct stat st;
	if (snprintf(name, sizeof(name), "%s%s", path, suffix) >=
	    (int)sizeof(name))
		return cah_fail(err, CAH_EINVALID, "name of %zu bytes",
				strlen(path));
	if (lstat(name, &st) == 0)
		return cah_fail(err, CAH_EIO, "%s is there%s", name, advice);
	if (errno != ENOENT)
		return cah_fail_errno(err, errno, "cannot look at %s", name);
	return CAH_OK;
}

int jobs_check_target(const char *path, struct cah_error *err)
{
	static const char *const suffixes[] = {"-wal", "-shm", "-journal",
					       ".lock"};
	char book[PATH_MAX];
	struct stat st;
	size_t len = strlen(path);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t n = strlen(suffixes[i]);
		if (len <= n || len - n >= sizeof(book) ||
		    strcmp(path + len - n, suffixes[i]) != 0)
			continue;
		memcpy(book, path, len - n);
		book[len - n] = '\0';
		if (lstat(book, &st) == 0)
			return cah_fail(err, CAH_EINVALID,
					"%s is a file of the book %s", path,
					book);
	}
	return refuse_if_there(
		path, "-wal", ": the file before it is a database in use", err);
}

static int check_target(const struct jobs_args *jobs, const char *path,
			struct cah_error *err)
{
	int rc = CAH_OK;
	if (!jobs->is_forced)
		rc = refuse_if_there(path, "", ": --force replaces it", err);
	return rc == CAH_OK ? jobs_check_target(path, err) : rc;
}

/* Of the type store_backup_fn. Dirty pages that gather until the end would
 * then stand before the tracker's commits on their way to the disk. */
static int on_step(void *arg, int64_t done, int64_t total)
{
	struct backup *backup = arg;
	char line[128];
	(void)snprintf(line, sizeof(line), "backing up: %lld of %lld MB",
		       (long long)(done / 1000000),
		       (long long)(total / 1000000));
	log_progress(backup->jobs->progress, line);
	if (done - backup->synced >= SYNC_BYTES) {
		(void)fdatasync(file_fd(backup->file));
		backup->synced = done;
	}
	backup->bytes = total;
	return cancel_is_set(backup->jobs->cancel);
}

static int report(const struct backup *backup, const char *path,
		  struct cah_error *err)
{
	const struct jobs_args *jobs = backup->jobs;
	if (jobs->is_json) {
		struct buf line;
		struct wire_json json;
		jobs_begin_json(&json, &line);
		wire_json_put_text(&json, "file", path);
		wire_json_put_int(&json, "bytes", backup->bytes);
		wire_json_close(&json, '}');
		return jobs_print_json(&line, err);
	}
	if (!jobs->is_quiet)
		printf("%s has %lld bytes\n", path, (long long)backup->bytes);
	return CAH_OK;
}

int jobs_backup(struct jobs_args *jobs, struct cah_error *err)
{
	const char *path = jobs->operands[0];
	struct backup backup = {.jobs = jobs};
	int rc = check_target(jobs, path, err);
	if (rc == CAH_OK)
		rc = file_create(&backup.file, path, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_backup(jobs->store, file_tmp_path(backup.file), on_step,
			  &backup, err);
	log_progress(jobs->progress, NULL);
	if (rc != CAH_OK) {
		file_discard(backup.file);
		return rc;
	}
	rc = file_commit(backup.file, err);
	return rc == CAH_OK ? report(&backup, path, err) : rc;
}
