/* While rows come in, all files have temporary names. At the end what an
 * earlier run left under the shard's names is taken away, its stats first; then
 * each file takes its place, the stats last: where they are, the shard is. */
#include "gather/output.h"

#include "base/fail.h"
#include "base/file.h"
#include "dataset/tar.h"
#include "gather/schema.h"
#include "gather/tree.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	JSON_MAX = 64 * 1024 * 1024, /* bytes of one sample's JSON */
};

static const char *const kinds[OUTPUT_KINDS] = {
	[OUTPUT_FILES] = "files",
	[OUTPUT_WEBDATASET] = "webdataset",
	[OUTPUT_PARQUET] = "parquet",
	[OUTPUT_NONE] = "none",
};

enum part {
	PART_PARQUET,
	PART_TAR,
	PART_STATS,
	PART_COUNT
};

static const char *const endings[PART_COUNT] = {
	[PART_PARQUET] = ".parquet",
	[PART_TAR] = ".tar",
	[PART_STATS] = "_stats.json",
};

struct waiting {
	struct sample *sample;
	int64_t key;
};

struct output {
	const struct output_options *options;
	const struct output_schema *schema;
	char name[OUTPUT_NAME_MAX];
	struct file *files[PART_STATS]; /* NULL: not wanted, or in its place */
	struct parquet_writer *parquet;
	struct tar *tar;
	struct tree *tree;
	struct parquet_value *values;
	struct waiting *waiting;
	size_t waiting_count;
	size_t waiting_room;
	size_t waiting_bytes;
	struct buf json;
};

enum output_kind output_kind_of(const char *name)
{
	int i = 0;
	while (i < OUTPUT_KINDS && strcmp(kinds[i], name) != 0)
		i++;
	return (enum output_kind)i;
}

const char *output_kind_name(enum output_kind kind)
{
	return kinds[kind];
}

/* What does not fit is found when the file is made: the path is then cut. */
static void part_path(char out[PATH_MAX], const char *folder, const char *name,
		      enum part part)
{
	(void)snprintf(out, PATH_MAX, "%s/%s%s", folder, name, endings[part]);
}

/* ---- opening ---- */

static int open_parts(struct output *output, struct cah_error *err)
{
	const struct output_options *o = output->options;
	size_t count;
	const struct parquet_column *columns =
		schema_columns(output->schema, &count);
	char path[PATH_MAX];
	int rc = CAH_OK;
	if (o->kind != OUTPUT_NONE) {
		part_path(path, o->folder, output->name, PART_PARQUET);
		rc = file_create(&output->files[PART_PARQUET], path, err);
		if (rc == CAH_OK)
			rc = parquet_open(&output->parquet,
					  file_fd(output->files[PART_PARQUET]),
					  columns, count, err);
	}
	if (rc == CAH_OK && o->kind == OUTPUT_WEBDATASET) {
		part_path(path, o->folder, output->name, PART_TAR);
		rc = file_create(&output->files[PART_TAR], path, err);
		if (rc == CAH_OK)
			rc = tar_new(&output->tar, output->files[PART_TAR],
				     err);
	}
	if (rc == CAH_OK && o->kind == OUTPUT_FILES)
		rc = tree_new(&output->tree, o->folder, output->name, err);
	return rc;
}

int output_new(struct output **out, const struct output_options *options,
	       const struct output_schema *schema, const char *name,
	       struct cah_error *err)
{
	size_t count;
	(void)schema_columns(schema, &count);
	struct output *output = calloc(1, sizeof(*output));
	*out = output;
	if (output == NULL)
		return cah_fail(err, CAH_ENOMEM, "shard: out of memory");
	output->options = options;
	output->schema = schema;
	(void)snprintf(output->name, sizeof(output->name), "%s", name);
	buf_init(&output->json, JSON_MAX);
	output->values = calloc(count, sizeof(output->values[0]));
	int rc = output->values != NULL
			 ? open_parts(output, err)
			 : cah_fail(err, CAH_ENOMEM, "shard: out of memory");
	if (rc != CAH_OK) {
		output_discard(output);
		*out = NULL;
	}
	return rc;
}

/* ---- rows ---- */

static int by_key(const void *a, const void *b)
{
	const struct waiting *left = a;
	const struct waiting *right = b;
	return (left->key > right->key) - (left->key < right->key);
}

static void key_text(char out[32], const struct output *output, int64_t key)
{
	(void)snprintf(out, 32, "%0*lld", output->options->key_digits,
		       (long long)key);
}

static int flush(struct output *output, struct cah_error *err)
{
	int rc = CAH_OK;
	if (output->waiting_count > 0)
		qsort(output->waiting, output->waiting_count,
		      sizeof(output->waiting[0]), by_key);
	for (size_t i = 0; i < output->waiting_count; i++) {
		char key[32];
		struct sample *sample = output->waiting[i].sample;
		key_text(key, output, output->waiting[i].key);
		schema_fill(output->schema, output->values, sample, key);
		if (rc == CAH_OK)
			rc = parquet_add(output->parquet, output->values, err);
		sample_free(sample);
	}
	output->waiting_count = 0;
	output->waiting_bytes = 0;
	return rc;
}

static int wait(struct output *output, struct sample *sample, int64_t key,
		struct cah_error *err)
{
	if (output->waiting_count == output->waiting_room) {
		size_t room = output->waiting_room * 2 + 64;
		struct waiting *grown =
			realloc(output->waiting, room * sizeof(grown[0]));
		if (grown == NULL) {
			sample_free(sample);
			return cah_fail(err, CAH_ENOMEM,
					"shard: out of memory");
		}
		output->waiting = grown;
		output->waiting_room = room;
	}
	output->waiting[output->waiting_count++] =
		(struct waiting){sample, key};
	output->waiting_bytes += sample->bytes + sample->made.len +
				 sample->made.exif_len + sizeof(struct waiting);
	return output->waiting_bytes > OUTPUT_PENDING_MAX ? flush(output, err)
							  : CAH_OK;
}

static int put(struct output *output, const char *key, const char *extension,
	       struct slice content, struct cah_error *err)
{
	char name[64];
	(void)snprintf(name, sizeof(name), "%s.%s", key, extension);
	if (output->tar != NULL)
		return tar_add(output->tar, name, content, err);
	return tree_add(output->tree, name, content, err);
}

static int put_files(struct output *output, const struct sample *sample,
		     int64_t key_number, struct cah_error *err)
{
	char key[32];
	key_text(key, output, key_number);
	schema_fill(output->schema, output->values, sample, key);
	buf_reset(&output->json);
	schema_write_json(output->schema, &output->json, output->values);
	int rc = buf_check(&output->json, "a sample's JSON", err);
	if (rc == CAH_OK)
		rc = put(output, key, image_extension(sample->made.format),
			 (struct slice){(const char *)sample->made.data,
					sample->made.len},
			 err);
	if (rc == CAH_OK && output->options->has_text)
		rc = put(output, key, "txt", sample->text, err);
	if (rc == CAH_OK)
		rc = put(output, key, "json", buf_slice(&output->json), err);
	return rc;
}

/* What is in its own file need not wait. */
static void drop_picture(struct sample *sample)
{
	free(sample->made.data);
	sample->made.data = NULL;
	sample->made.len = 0;
}

int output_take(struct output *output, struct sample *sample, int64_t key,
		struct cah_error *err)
{
	int rc = CAH_OK;
	bool has_files = output->tar != NULL || output->tree != NULL;
	if (has_files && sample->fate == CAH_FATE_KEPT)
		rc = put_files(output, sample, key, err);
	if (output->options->kind != OUTPUT_PARQUET)
		drop_picture(sample);
	if (rc == CAH_OK && output->parquet != NULL)
		return wait(output, sample, key, err);
	sample_free(sample);
	return rc;
}

/* ---- the end ---- */

/* All bytes are on their way to the disk, all names still temporary. Where the
 * disk fails, it shall fail before a name is taken. */
static int finish_parts(struct output *output, struct cah_error *err)
{
	int rc = output->parquet != NULL ? flush(output, err) : CAH_OK;
	if (rc == CAH_OK && output->parquet != NULL)
		rc = parquet_finish(output->parquet, err);
	if (rc == CAH_OK && output->tar != NULL)
		rc = tar_finish(output->tar, err);
	for (int part = 0; part < PART_STATS && rc == CAH_OK; part++)
		if (output->files[part] != NULL &&
		    fsync(file_fd(output->files[part])) != 0)
			rc = cah_fail_errno(err, errno, "cannot write %s",
					    file_tmp_path(output->files[part]));
	if (rc == CAH_OK && output->tree != NULL)
		rc = tree_sync(output->tree, err);
	return rc;
}

static int place_parts(struct output *output, struct slice stats,
		       struct cah_error *err)
{
	const char *folder = output->options->folder;
	int rc = output_remove(folder, output->name, err);
	for (int part = 0; part < PART_STATS && rc == CAH_OK; part++) {
		if (output->files[part] == NULL)
			continue;
		rc = file_commit(output->files[part], err);
		output->files[part] = NULL;
	}
	if (rc == CAH_OK && output->tree != NULL) {
		rc = tree_commit(output->tree, err);
		output->tree = NULL;
	}
	char path[PATH_MAX];
	part_path(path, folder, output->name, PART_STATS);
	if (rc == CAH_OK)
		rc = file_put(path, stats.data, stats.len, err);
	/* Half a shard is none. */
	if (rc != CAH_OK)
		(void)output_remove(folder, output->name, NULL);
	return rc;
}

int output_commit(struct output *output, struct slice stats,
		  struct cah_error *err)
{
	int rc = finish_parts(output, err);
	if (rc == CAH_OK)
		rc = place_parts(output, stats, err);
	if (rc != CAH_OK)
		rc = cah_fail_prefix(err, rc, "shard %s", output->name);
	output_discard(output);
	return rc;
}

void output_discard(struct output *output)
{
	if (output == NULL)
		return;
	for (size_t i = 0; i < output->waiting_count; i++)
		sample_free(output->waiting[i].sample);
	parquet_free(output->parquet);
	tar_free(output->tar);
	for (int part = 0; part < PART_STATS; part++)
		file_discard(output->files[part]);
	tree_discard(output->tree);
	buf_fini(&output->json);
	free(output->waiting);
	free(output->values);
	free(output);
}

bool output_is_there(const struct output_options *options, const char *name)
{
	const bool is_wanted[PART_COUNT] = {
		[PART_PARQUET] = options->kind != OUTPUT_NONE,
		[PART_TAR] = options->kind == OUTPUT_WEBDATASET,
		[PART_STATS] = true,
	};
	char path[PATH_MAX];
	for (int part = 0; part < PART_COUNT; part++) {
		part_path(path, options->folder, name, (enum part)part);
		if (is_wanted[part] && access(path, F_OK) != 0)
			return false;
	}
	(void)snprintf(path, sizeof(path), "%s/%s", options->folder, name);
	return options->kind != OUTPUT_FILES || access(path, F_OK) == 0;
}

int output_remove(const char *folder, const char *name, struct cah_error *err)
{
	char path[PATH_MAX];
	for (int part = PART_COUNT - 1; part >= 0; part--) {
		part_path(path, folder, name, (enum part)part);
		if (unlink(path) != 0 && errno != ENOENT)
			return cah_fail_errno(err, errno, "cannot remove %s",
					      path);
	}
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return tree_remove(path, err);
}
