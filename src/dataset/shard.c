/* The files of a shard live and die together. While rows come in, all of them
 * are temporary. At the end the stats of an older shard of that name go first,
 * then each file takes its place, the new stats last: whoever sees stats sees a
 * whole shard, at any moment and after any crash. */
#include "dataset/shard.h"

#include "base/fail.h"
#include "base/file.h"
#include "dataset/npy.h"
#include "dataset/parquet_shim.h"
#include "dataset/row.h"
#include "dataset/stats.h"
#include "dataset/tar.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	ARENA_MAX = 64 * 1024 * 1024, /* bytes for one pair's mended texts */
	JSON_MAX = 64 * 1024 * 1024,  /* bytes of one pair's JSON */
	STATS_MAX = 1024 * 1024,      /* bytes */
	KEY_DIGITS = 13, /* 8,569,338 WATs of a million numbers each */
	EXTENSION_MAX = 8,
};

/* In the order in which they take their places. */
enum part {
	PART_PARQUET,
	PART_TAR,
	PART_IMAGES,
	PART_TEXTS,
	PART_STATS,
	PART_COUNT,
};

static const struct {
	const char *before; /* the name of the shard */
	const char *after;
} part_names[PART_COUNT] = {
	[PART_PARQUET] = {"", ".parquet"},
	[PART_TAR] = {"", ".tar"},
	[PART_IMAGES] = {"img_emb_", ".npy"},
	[PART_TEXTS] = {"text_emb_", ".npy"},
	[PART_STATS] = {"", ".stats.json"},
};

struct shard {
	char *folder;
	char *name;
	int dimension;
	int64_t rows;
	struct file *files[PART_COUNT]; /* NULL: not wanted, or in its place */
	struct parquet_writer *parquet;
	struct tar *tar;
	struct npy *images;
	struct npy *texts;
	struct arena *arena;
	struct buf json;
};

static void part_name(char out[PATH_MAX], const struct shard *shard,
		      enum part part)
{
	(void)snprintf(out, PATH_MAX, "%s%s%s", part_names[part].before,
		       shard->name, part_names[part].after);
}

/* What does not fit is found by file_create: the path is then cut. */
static void part_path(char out[PATH_MAX], const struct shard *shard,
		      enum part part)
{
	(void)snprintf(out, PATH_MAX, "%s/%s%s%s", shard->folder,
		       part_names[part].before, shard->name,
		       part_names[part].after);
}

static int check_name(const char *name, struct cah_error *err)
{
	size_t len = strlen(name);
	if (len == 0 || len > SHARD_NAME_MAX)
		return cah_fail(err, CAH_EINVALID,
				"shard name of %zu bytes; allowed are 1 to %d",
				len, SHARD_NAME_MAX);
	if (name[0] == '.' || name[0] == '-')
		return cah_fail(err, CAH_EINVALID,
				"shard name \"%s\" begins with '%c'", name,
				name[0]);
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";
	if (strspn(name, allowed) != len)
		return cah_fail(err, CAH_EINVALID,
				"shard name \"%s\": only letters, digits, '-', "
				"'_' and '.' are allowed",
				name);
	return CAH_OK;
}

/* @entry is a temporary file of @part (file.h: PATH.tmp.PID.N) whose writer is
 * gone. In a container each run may have the same number, so that our own means
 * an earlier run: one process writes one shard of a name at a time. */
static bool is_stale(const char *entry, const char *part)
{
	size_t len = strlen(part);
	if (strncmp(entry, part, len) != 0 ||
	    strncmp(entry + len, ".tmp.", 5) != 0)
		return false;
	const char *number = entry + len + 5;
	char *end;
	errno = 0;
	long pid = strtol(number, &end, 10);
	if (end == number || *end != '.' || errno != 0 || pid <= 0 ||
	    pid > INT_MAX || end[1] == '\0' ||
	    strspn(end + 1, "0123456789") != strlen(end + 1))
		return false;
	if ((pid_t)pid == getpid())
		return true;
	return kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

/* What a killed process left of this shard; not being able to is no error. */
static void remove_stale(const struct shard *shard)
{
	DIR *dir = opendir(shard->folder);
	if (dir == NULL)
		return;
	for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
		for (int part = 0; part < PART_COUNT; part++) {
			char name[PATH_MAX];
			part_name(name, shard, (enum part)part);
			if (is_stale(e->d_name, name))
				(void)unlinkat(dirfd(dir), e->d_name, 0);
		}
	}
	closedir(dir);
}

static int open_parts(struct shard *shard, const struct shard_options *options,
		      struct cah_error *err)
{
	const bool is_wanted[PART_COUNT] = {
		[PART_PARQUET] = true,
		[PART_TAR] = options->save_images,
		[PART_IMAGES] = options->dimension > 0,
		[PART_TEXTS] = options->dimension > 0,
		[PART_STATS] = true,
	};
	int rc = CAH_OK;
	for (int part = 0; part < PART_COUNT && rc == CAH_OK; part++) {
		char path[PATH_MAX];
		part_path(path, shard, (enum part)part);
		if (is_wanted[part])
			rc = file_create(&shard->files[part], path, err);
	}
	if (rc != CAH_OK)
		return rc;
	rc = parquet_open(&shard->parquet, file_fd(shard->files[PART_PARQUET]),
			  row_columns, ROW_COLUMNS, err);
	if (rc == CAH_OK && options->save_images)
		rc = tar_new(&shard->tar, shard->files[PART_TAR], err);
	if (rc == CAH_OK && options->dimension > 0)
		rc = npy_new(&shard->images, shard->files[PART_IMAGES],
			     options->dimension, err);
	if (rc == CAH_OK && options->dimension > 0)
		rc = npy_new(&shard->texts, shard->files[PART_TEXTS],
			     options->dimension, err);
	return rc;
}

int shard_create(struct shard **out, const struct shard_options *options,
		 struct cah_error *err)
{
	*out = NULL;
	int rc = check_name(options->name, err);
	if (rc != CAH_OK)
		return rc;
	rc = file_make_dirs(options->folder, err);
	if (rc != CAH_OK)
		return rc;

	struct shard *shard = calloc(1, sizeof(*shard));
	if (shard == NULL)
		return cah_fail(err, CAH_ENOMEM, "shard %s: out of memory",
				options->name);
	buf_init(&shard->json, JSON_MAX);
	shard->dimension = options->dimension;
	shard->folder = strdup(options->folder);
	shard->name = strdup(options->name);
	if (shard->folder == NULL || shard->name == NULL)
		rc = cah_fail(err, CAH_ENOMEM, "out of memory");
	if (rc == CAH_OK)
		rc = arena_new(&shard->arena, ARENA_MAX, err);
	if (rc == CAH_OK) {
		remove_stale(shard);
		rc = open_parts(shard, options, err);
	}
	if (rc != CAH_OK) {
		shard_discard(shard);
		return cah_fail_prefix(err, rc, "shard %s", options->name);
	}
	*out = shard;
	return CAH_OK;
}

static int add_to_tar(struct shard *shard, const struct pair *pair,
		      const struct row *row, struct cah_error *err)
{
	assert(strlen(pair->extension) <= EXTENSION_MAX &&
	       strchr(pair->extension, '/') == NULL);
	char key[32], name[48];
	(void)snprintf(key, sizeof(key), "%0*" PRId64, KEY_DIGITS,
		       pair->sample_id);
	const struct parquet_value *text = &row->values[ROW_TEXT];
	buf_reset(&shard->json);
	int rc = row_write_json(&shard->json, row, key, err);
	const struct {
		const char *extension;
		struct slice content;
	} files[] = {
		{pair->extension, pair->image},
		{"txt", {text->text, text->text_len}},
		{"json", buf_slice(&shard->json)},
	};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (rc != CAH_OK)
			return rc;
		(void)snprintf(name, sizeof(name), "%s.%s", key,
			       files[i].extension);
		rc = tar_add(shard->tar, name, files[i].content, err);
	}
	return rc;
}

int shard_add(struct shard *shard, const struct pair *pair,
	      struct cah_error *err)
{
	if (shard->rows >= SHARD_ROWS_MAX)
		return cah_fail(err, CAH_ELIMIT, "shard %s: more than %d pairs",
				shard->name, SHARD_ROWS_MAX);
	struct row row;
	arena_reset(shard->arena);
	int rc = row_of_pair(&row, pair, shard->arena, err);
	if (rc == CAH_OK)
		rc = parquet_add(shard->parquet, row.values, err);
	if (rc == CAH_OK && shard->tar != NULL)
		rc = add_to_tar(shard, pair, &row, err);
	if (rc == CAH_OK && shard->images != NULL)
		rc = npy_add(shard->images, pair->image_embedding, err);
	if (rc == CAH_OK && shard->texts != NULL)
		rc = npy_add(shard->texts, pair->text_embedding, err);
	if (rc != CAH_OK)
		return cah_fail_prefix(err, rc, "shard %s", shard->name);
	shard->rows++;
	return CAH_OK;
}

/* All bytes are on their way to the disk, all names still temporary. */
static int finish_parts(struct shard *shard, const struct shard_stats *stats,
			struct cah_error *err)
{
	struct buf text;
	buf_init(&text, STATS_MAX);
	int rc = parquet_finish(shard->parquet, err);
	if (rc == CAH_OK && shard->tar != NULL)
		rc = tar_finish(shard->tar, err);
	if (rc == CAH_OK && shard->images != NULL)
		rc = npy_finish(shard->images, err);
	if (rc == CAH_OK && shard->texts != NULL)
		rc = npy_finish(shard->texts, err);
	if (rc == CAH_OK)
		rc = stats_write(&text, shard->name, shard->rows, stats, err);
	if (rc == CAH_OK)
		rc = file_write(shard->files[PART_STATS], text.data, text.len,
				err);
	buf_fini(&text);
	/* Where the disk fails, it shall fail before a name is taken. */
	for (int part = 0; part < PART_COUNT && rc == CAH_OK; part++)
		if (shard->files[part] != NULL &&
		    fsync(file_fd(shard->files[part])) != 0)
			rc = cah_fail_errno(err, errno, "cannot write %s",
					    file_tmp_path(shard->files[part]));
	return rc;
}

/* An older shard of that name, of other parts perhaps, must not mix with this
 * one; its stats go first. */
static int remove_older(const struct shard *shard, struct cah_error *err)
{
	for (int part = PART_COUNT - 1; part >= 0; part--) {
		char path[PATH_MAX];
		part_path(path, shard, (enum part)part);
		bool is_replaced =
			shard->files[part] != NULL && part != PART_STATS;
		if (!is_replaced && unlink(path) != 0 && errno != ENOENT)
			return cah_fail_errno(err, errno, "cannot replace %s",
					      path);
	}
	return CAH_OK;
}

/* What has its place already is taken away again when one fails. */
static int place_parts(struct shard *shard, struct cah_error *err)
{
	bool is_placed[PART_COUNT] = {false};
	int rc = remove_older(shard, err);
	for (int part = 0; part < PART_COUNT && rc == CAH_OK; part++) {
		if (shard->files[part] == NULL)
			continue;
		rc = file_commit(shard->files[part], err);
		shard->files[part] = NULL;
		is_placed[part] = rc == CAH_OK;
	}
	for (int part = 0; part < PART_COUNT && rc != CAH_OK; part++) {
		char path[PATH_MAX];
		part_path(path, shard, (enum part)part);
		if (is_placed[part])
			(void)unlink(path);
	}
	return rc;
}

int shard_commit(struct shard *shard, const struct shard_stats *stats,
		 struct cah_error *err)
{
	int rc = finish_parts(shard, stats, err);
	if (rc == CAH_OK)
		rc = place_parts(shard, err);
	if (rc != CAH_OK)
		rc = cah_fail_prefix(err, rc, "shard %s", shard->name);
	shard_discard(shard);
	return rc;
}

void shard_discard(struct shard *shard)
{
	if (shard == NULL)
		return;
	parquet_free(shard->parquet);
	tar_free(shard->tar);
	npy_free(shard->images);
	npy_free(shard->texts);
	for (int part = 0; part < PART_COUNT; part++)
		file_discard(shard->files[part]);
	arena_free(shard->arena);
	buf_fini(&shard->json);
	free(shard->folder);
	free(shard->name);
	free(shard);
}

int shard_find(bool *is_there, struct fate_counts *fates,
	       const struct shard_wanted *wanted, struct cah_error *err)
{
	const struct shard shard = {.folder = (char *)wanted->folder,
				    .name = (char *)wanted->name};
	char path[PATH_MAX];
	struct buf text;
	struct stats_found found;

	*is_there = false;
	part_path(path, &shard, PART_STATS);
	buf_init(&text, STATS_MAX);
	int rc = file_read(&text, path, err);
	if (rc == CAH_OK &&
	    stats_parse(&found, buf_slice(&text), wanted->wat_url,
			wanted->piece) == CAH_OK) {
		*is_there = found.is_same;
		*fates = found.fates;
		if (!found.is_same)
			rc = cah_fail(err, CAH_EIO,
				      "%s: the shard of another WAT; a folder "
				      "is for one tracker",
				      path);
	}
	buf_fini(&text);
	/* Where there is none, or none that we wrote, the shard is made. */
	return rc == CAH_ENOTFOUND || rc == CAH_ELIMIT ? CAH_OK : rc;
}

int shard_remove(const char *folder, const char *name, struct cah_error *err)
{
	const struct shard shard = {.folder = (char *)folder,
				    .name = (char *)name};
	int rc = check_name(name, err);
	for (int part = PART_COUNT - 1; part >= 0 && rc == CAH_OK; part--) {
		char path[PATH_MAX];
		part_path(path, &shard, (enum part)part);
		if (unlink(path) != 0 && errno != ENOENT)
			rc = cah_fail_errno(err, errno, "cannot remove %s",
					    path);
	}
	return rc;
}
