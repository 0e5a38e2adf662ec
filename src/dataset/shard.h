/* shard.h: the files of one shard: NAME.parquet, NAME.tar on request (the
 * webdataset layout: KEY.jpg, KEY.txt, KEY.json), img_emb_NAME.npy and
 * text_emb_NAME.npy (float16, rows as in the Parquet file), NAME.stats.json.
 * All are written beside their place and appear by rename when the shard is
 * whole, the stats last: where they are, the shard is. One owner thread. */
#ifndef DATASET_SHARD_H
#define DATASET_SHARD_H

#include "base/fate.h"
#include "base/slice.h"

#include <cah/error.h>
#include <stdint.h>

enum {
	SHARD_ROWS_MAX = 1 << 20, /* pairs of one shard */
	SHARD_NAME_MAX = 200,     /* bytes */
};

/* One pair that is kept; everything is borrowed during shard_add. */
struct pair {
	int64_t sample_id;
	struct slice url;
	struct slice text;
	struct slice page_url;
	struct slice license;  /* "?" where unknown */
	struct slice language; /* "en" */
	struct slice nsfw;     /* "UNSURE" where nothing has judged it */
	struct slice md5;      /* hexadecimal, of URL and text */
	int width;             /* of the original, pixels */
	int height;
	double similarity;
	const float *image_embedding; /* options.dimension numbers */
	const float *text_embedding;
	struct slice image;    /* the file as fetched */
	const char *extension; /* "jpg" */
};

struct shard_options {
	const char *folder; /* made when missing */
	const char *name;   /* NAME; letters, digits, '-', '_', '.' */
	int dimension;      /* of embeddings; 0: no .npy files */
	bool save_images;   /* the .tar */
};

/* How a stage of the work did. */
struct shard_stage {
	const char *name;
	int threads;
	double busy; /* share of their time, 0 to 1 */
	int64_t items;
	double rate;       /* items a second */
	double depth_mean; /* items at its door */
	int64_t depth_most;
	int64_t room;
};

/* What NAME.stats.json says beside the fates. */
struct shard_stats {
	struct fate_counts fates; /* the sum is the number of candidates */
	int64_t records;
	int64_t broken_records;
	int64_t pages;
	int64_t image_links;
	int64_t wat_bytes;   /* packed */
	int64_t image_bytes; /* downloaded */
	double seconds;
	const char *wat_url;
	int piece;
	const char *model; /* its folder's name */
	double threshold;
	const struct shard_stage *stages; /* borrowed */
	size_t stage_count;
};

struct shard;

/* The caller ends it with shard_commit or shard_discard. Temporary files that a
 * killed process left of this shard are removed; so a process writes one shard
 * of a name at a time.
 * Errors: CAH_EINVALID (name), CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int shard_create(struct shard **out,
				const struct shard_options *options,
				struct cah_error *err);

/* Errors: CAH_ELIMIT (SHARD_ROWS_MAX), CAH_EIO (a full disk among them),
 * CAH_ENOMEM; the shard can then only be discarded. */
CAH_MUST_CHECK int shard_add(struct shard *shard, const struct pair *pair,
			     struct cah_error *err);

/* Finishes, syncs and renames all files; frees @shard whatever comes. An older
 * shard of the name is replaced as a whole, its stats first. On failure nothing
 * new is left, and of an older one what was not replaced yet. Errors: CAH_EIO,
 * CAH_ENOMEM. */
CAH_MUST_CHECK int shard_commit(struct shard *shard,
				const struct shard_stats *stats,
				struct cah_error *err);

/* Removes what was written; frees @shard. NULL is fine. */
void shard_discard(struct shard *shard);

struct shard_wanted {
	const char *folder;
	const char *name;
	const char *wat_url; /* what it is to be made from */
	int piece;
};

/* Whether the shard that is @wanted is there, whole, and then its fates in
 * *fates. Stats that cannot be read are as
 * none. Errors: CAH_EIO (also where the shard of that name is from something
 * else, another tracker's perhaps: it is not to be lost), CAH_ENOMEM. */
CAH_MUST_CHECK int shard_find(bool *is_there, struct fate_counts *fates,
			      const struct shard_wanted *wanted,
			      struct cah_error *err);

/* Removes all files of the shard @name, its stats first; those that are not
 * there are none to remove. Errors: CAH_EINVALID (name), CAH_EIO. */
CAH_MUST_CHECK int shard_remove(const char *folder, const char *name,
				struct cah_error *err);

#endif
