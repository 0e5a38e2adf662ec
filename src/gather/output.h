/* output.h: the files of one shard of fetched pictures, which appear by rename
 * when it is whole, NAME_stats.json last. One owner thread. */
#ifndef GATHER_OUTPUT_H
#define GATHER_OUTPUT_H

#include "gather/sample.h"

enum output_kind {
	OUTPUT_FILES,      /* NAME/KEY.jpg, .txt, .json; NAME.parquet */
	OUTPUT_WEBDATASET, /* the same in NAME.tar; NAME.parquet */
	OUTPUT_PARQUET,    /* all in NAME.parquet */
	OUTPUT_NONE,       /* nothing but NAME_stats.json */
	OUTPUT_KINDS
};

enum {
	OUTPUT_NAME_DIGITS = 5, /* of a shard, at least */
	OUTPUT_NAME_MAX = 24,   /* bytes, with the NUL */
	/* bytes of rows, and of pictures that go into Parquet, that wait to be
	   put in order */
	OUTPUT_PENDING_MAX = 32 * 1024 * 1024,
};

/* By its name on the command line; OUTPUT_KINDS where there is none. */
enum output_kind output_kind_of(const char *name);
const char *output_kind_name(enum output_kind kind);

/* What stays the same from shard to shard; borrowed. */
struct output_options {
	const char *folder;
	enum output_kind kind;
	enum image_digest hash;
	bool has_text;
	bool has_exif;
	bool has_phash;
	const char *extension; /* "jpg": Parquet's column of the pictures */
	int key_digits;
	struct sample_columns kept;
};

/* The names and types of NAME.parquet's columns, made once. */
struct output_schema;

/* Errors: CAH_EINVALID (a kept column that cannot be named), CAH_ENOMEM. */
CAH_MUST_CHECK int output_schema_new(struct output_schema **out,
				     const struct output_options *options,
				     struct cah_error *err);
void output_schema_free(struct output_schema *schema);

struct output;

/* Begins the shard @name; the caller ends it with output_commit or
 * output_discard. Errors: CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int output_new(struct output **out,
			      const struct output_options *options,
			      const struct output_schema *schema,
			      const char *name, struct cah_error *err);

/* Adds @sample under @key, its row and, where it was kept, its picture; takes
 * it whatever comes. Rows stand in the Parquet file in the list's order as far
 * as OUTPUT_PENDING_MAX goes, files in the tar as they come. Errors: CAH_EIO (a
 * full disk among them), CAH_ENOMEM. */
CAH_MUST_CHECK int output_take(struct output *output, struct sample *sample,
			       int64_t key, struct cah_error *err);

/* Finishes, syncs and renames all files; frees @output whatever comes. What an
 * earlier, unfinished run left under the names is replaced. Errors: CAH_EIO,
 * CAH_ENOMEM. */
CAH_MUST_CHECK int output_commit(struct output *output, struct slice stats,
				 struct cah_error *err);

/* Removes what was written; frees @output. NULL is fine. */
void output_discard(struct output *output);

/* Whether all files of the shard @name are there, its stats among them. */
bool output_is_there(const struct output_options *options, const char *name);

/* Removes a shard's files, its stats first. Errors: CAH_EIO. */
int output_remove(const char *folder, const char *name, struct cah_error *err);

#endif
