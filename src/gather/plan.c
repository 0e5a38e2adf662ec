#include "gather/plan.h"

#include "base/fail.h"
#include "base/file.h"
#include "gather/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define IDENTITY_FILE "fetch.json"
#define LOCK_FILE ".fetch.lock"

enum {
	STATS_MAX = 1024 * 1024,    /* bytes of a NAME_stats.json */
	IDENTITY_MAX = 1024 * 1024, /* bytes of fetch.json */
	LOCK_MODE = 0666,
};

struct plan {
	char *folder;
	int lock_fd;
};

void plan_name(char out[OUTPUT_NAME_MAX], int64_t shard)
{
	(void)snprintf(out, OUTPUT_NAME_MAX, "%0*lld", OUTPUT_NAME_DIGITS,
		       (long long)shard);
}

/* Digits of a shard's name at the start of @entry; 0 where there is none. */
static size_t name_len(const char *entry)
{
	size_t len = strspn(entry, "0123456789");
	return len >= OUTPUT_NAME_DIGITS && len < OUTPUT_NAME_MAX ? len : 0;
}

static bool is_shard_file(const char *entry)
{
	size_t len = name_len(entry);
	const char *rest = entry + len;
	return len > 0 && (*rest == '\0' || strcmp(rest, ".tar") == 0 ||
			   strcmp(rest, ".parquet") == 0 ||
			   strcmp(rest, "_stats.json") == 0);
}

/* Nobody writes any more, for we have the lock. */
static bool is_half_written(const char *entry)
{
	size_t len = name_len(entry);
	const char *tmp = strstr(entry + len, ".tmp.");
	return tmp != NULL &&
	       (len > 0 || strncmp(entry, IDENTITY_FILE ".tmp.",
				   sizeof(IDENTITY_FILE ".tmp.") - 1) == 0);
}

static int remove_entry(const struct plan *plan, const char *entry,
			struct cah_error *err)
{
	char path[PATH_MAX];
	char name[OUTPUT_NAME_MAX];
	(void)snprintf(path, sizeof(path), "%s/%s", plan->folder, entry);
	if (is_half_written(entry))
		return unlink(path) == 0 ? CAH_OK : tree_remove(path, err);
	(void)snprintf(name, sizeof(name), "%.*s", (int)name_len(entry), entry);
	return output_remove(plan->folder, name, err);
}

/* Removes half written files and, with @is_all, shards. @has_shards says
 * whether any are there. */
static int sweep(const struct plan *plan, bool is_all, bool *has_shards,
		 struct cah_error *err)
{
	int rc = CAH_OK;
	*has_shards = false;
	DIR *dir = opendir(plan->folder);
	if (dir == NULL)
		return cah_fail_errno(err, errno, "cannot read %s",
				      plan->folder);
	for (struct dirent *e = readdir(dir); e != NULL && rc == CAH_OK;
	     e = readdir(dir)) {
		bool is_shard = is_shard_file(e->d_name);
		*has_shards = *has_shards || (is_shard && !is_all);
		if (is_half_written(e->d_name) || (is_all && is_shard))
			rc = remove_entry(plan, e->d_name, err);
	}
	closedir(dir);
	return rc;
}

static int lock(struct plan *plan, struct cah_error *err)
{
	char path[PATH_MAX];
	(void)snprintf(path, sizeof(path), "%s/%s", plan->folder, LOCK_FILE);
	plan->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, LOCK_MODE);
	if (plan->lock_fd < 0)
		return cah_fail_errno(err, errno, "cannot write %s", path);
	if (flock(plan->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return cah_fail(err, CAH_EIO,
				"%s: another cah fetch writes there",
				plan->folder);
	return CAH_OK;
}

/* ---- what the shards are made with ---- */

/* The first member of @now that is otherwise in @before. */
static int compare(const struct plan *plan, const json_t *before, json_t *now,
		   struct cah_error *err)
{
	const char *key;
	json_t *value;
	int rc = CAH_OK;
	json_object_foreach(now, key, value)
	{
		json_t *old = json_object_get(before, key);
		if (rc != CAH_OK || json_equal(old, value))
			continue;
		char *was = json_dumps(old, JSON_COMPACT | JSON_ENCODE_ANY);
		char *is = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		rc = cah_fail(err, CAH_EINVALID,
			      "%s has shards made otherwise: %s was %s and is "
			      "%s now (--overwrite removes them)",
			      plan->folder, key, was != NULL ? was : "not set",
			      is != NULL ? is : "not set");
		free(was);
		free(is);
	}
	return rc;
}

static int check_identity(const struct plan *plan, const char *path,
			  struct slice identity, struct cah_error *err)
{
	struct buf text;
	buf_init(&text, IDENTITY_MAX);
	int rc = file_read(&text, path, err);
	json_t *before =
		rc == CAH_OK ? json_loadb(text.data, text.len, 0, NULL) : NULL;
	json_t *now = json_loadb(identity.data, identity.len, 0, NULL);
	if (rc == CAH_ENOTFOUND || (rc == CAH_OK && before == NULL))
		rc = cah_fail(err, CAH_EINVALID,
			      "%s has shards, but no %s that says what they "
			      "were made with (--overwrite removes them)",
			      plan->folder, IDENTITY_FILE);
	else if (rc == CAH_OK)
		rc = compare(plan, before, now, err);
	json_decref(before);
	json_decref(now);
	buf_fini(&text);
	return rc;
}

static int claim(struct plan *plan, enum plan_mode mode, struct slice identity,
		 struct cah_error *err)
{
	char path[PATH_MAX];
	bool has_shards;
	(void)snprintf(path, sizeof(path), "%s/%s", plan->folder,
		       IDENTITY_FILE);
	int rc = lock(plan, err);
	if (rc == CAH_OK)
		rc = sweep(plan, mode == PLAN_OVERWRITE, &has_shards, err);
	if (rc != CAH_OK)
		return rc;
	if (has_shards && mode == PLAN_NEW)
		return cah_fail(err, CAH_EINVALID,
				"%s has shards already, and --no-resume is set",
				plan->folder);
	return has_shards ? check_identity(plan, path, identity, err)
			  : file_put(path, identity.data, identity.len, err);
}

int plan_open(struct plan **out, const char *folder, enum plan_mode mode,
	      struct slice identity, struct cah_error *err)
{
	*out = NULL;
	int rc = file_make_dirs(folder, err);
	if (rc != CAH_OK)
		return rc;
	struct plan *plan = calloc(1, sizeof(*plan));
	if (plan == NULL)
		return cah_fail(err, CAH_ENOMEM, "folder: out of memory");
	plan->lock_fd = -1;
	plan->folder = strdup(folder);
	rc = plan->folder != NULL
		     ? claim(plan, mode, identity, err)
		     : cah_fail(err, CAH_ENOMEM, "folder: out of memory");
	if (rc != CAH_OK) {
		plan_close(plan);
		return rc;
	}
	*out = plan;
	return CAH_OK;
}

void plan_close(struct plan *plan)
{
	if (plan == NULL)
		return;
	if (plan->lock_fd >= 0)
		(void)close(plan->lock_fd);
	free(plan->folder);
	free(plan);
}

/* ---- stats ---- */

static json_t *fates_of(const struct fate_counts *fates)
{
	json_t *object = json_object();
	for (int i = 0; i < CAH_FATE_COUNT; i++)
		if (fates->n[i] > 0)
			(void)json_object_set_new(object,
						  fate_key((enum fate)i),
						  json_integer(fates->n[i]));
	return object;
}

/* img2dataset's: "success" and the reasons of the others. */
static json_t *status_of(const struct fate_counts *fates)
{
	json_t *object = fates_of(fates);
	(void)json_object_del(object, fate_key(CAH_FATE_KEPT));
	(void)json_object_set_new(object, "success",
				  json_integer(fates->n[CAH_FATE_KEPT]));
	return object;
}

/* Rows that were dropped at the stage "image", or before it. */
static int64_t dropped(const struct fate_counts *fates, bool is_image)
{
	int64_t sum = 0;
	for (int i = 0; i < CAH_FATE_COUNT; i++) {
		bool at_image = strcmp(fate_stage((enum fate)i), "image") == 0;
		if (i != CAH_FATE_KEPT && at_image == is_image)
			sum += fates->n[i];
	}
	return sum;
}

void plan_write_stats(struct buf *out, const struct plan_stats *s)
{
	json_t *root = json_pack(
		"{s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:o, s:o, s:I, s:I, s:s}",
		"count", (json_int_t)s->rows, "successes",
		(json_int_t)s->fates.n[CAH_FATE_KEPT], "failed_to_download",
		(json_int_t)dropped(&s->fates, false), "failed_to_resize",
		(json_int_t)dropped(&s->fates, true), "duration", s->seconds,
		"start_time", (json_int_t)s->begun_s, "end_time",
		(json_int_t)s->ended_s, "status_dict", status_of(&s->fates),
		"fates", fates_of(&s->fates), "bytes", (json_int_t)s->bytes,
		"first_row", (json_int_t)s->first, "rows_sha256", s->digest);
	char *text = root != NULL
			     ? json_dumps(root, JSON_INDENT(2) |
							JSON_REAL_PRECISION(6))
			     : NULL;
	json_decref(root);
	if (text == NULL) {
		out->is_failed = true;
		out->code = CAH_ENOMEM;
		return;
	}
	(void)buf_add_text(out, text);
	(void)buf_add_byte(out, '\n');
	free(text);
}

static bool parse_stats(struct plan_stats *out, struct slice text)
{
	json_t *fates;
	const char *digest;
	json_int_t rows, first, bytes;
	*out = (struct plan_stats){0};
	json_t *root = json_loadb(text.data, text.len, 0, NULL);
	bool is_good =
		root != NULL &&
		json_unpack(root, "{s:I, s:I, s:I, s:s, s:o}", "count", &rows,
			    "first_row", &first, "bytes", &bytes, "rows_sha256",
			    &digest, "fates", &fates) == 0 &&
		strlen(digest) < PLAN_DIGEST_MAX;
	if (is_good) {
		out->rows = rows;
		out->first = first;
		out->bytes = bytes;
		(void)snprintf(out->digest, sizeof(out->digest), "%s", digest);
		for (int i = 0; i < CAH_FATE_COUNT; i++)
			out->fates.n[i] = json_integer_value(
				json_object_get(fates, fate_key((enum fate)i)));
	}
	json_decref(root);
	return is_good;
}

bool plan_find(const struct output_options *options, const char *name,
	       struct plan_stats *out)
{
	char path[PATH_MAX];
	struct buf text;
	if (!output_is_there(options, name))
		return false;
	(void)snprintf(path, sizeof(path), "%s/%s_stats.json", options->folder,
		       name);
	buf_init(&text, STATS_MAX);
	bool is_there = file_read(&text, path, NULL) == CAH_OK &&
			parse_stats(out, buf_slice(&text));
	buf_fini(&text);
	return is_there;
}
