/* plan.h: the folder of the shards: whose it is, what it was made with, which
 * shards are whole. A shard's NAME_stats.json has a digest of the rows it was
 * made from, so that a list is known by what is in it and not by its name. One
 * owner; no locks. */
#ifndef GATHER_PLAN_H
#define GATHER_PLAN_H

#include "base/buf.h"
#include "base/fate.h"
#include "gather/list.h"
#include "gather/output.h"

enum {
	PLAN_DIGEST_MAX = 65, /* SHA-256 in hexadecimal, with the NUL */
};

enum plan_mode {
	PLAN_RESUME,    /* whole shards stay */
	PLAN_NEW,       /* a folder that has any is refused */
	PLAN_OVERWRITE, /* those that are there are removed first */
};

struct plan;

/* Makes and locks @folder, for which fetch.json keeps @identity, a JSON object
 * of what the shards are made with. Files that a killed run left half written
 * are removed. The caller ends it with plan_close. Errors: CAH_EINVALID (the
 * folder has shards of another identity, with what differs; or any at all with
 * PLAN_NEW), CAH_EIO (another process has it), CAH_ENOMEM. */
CAH_MUST_CHECK int plan_open(struct plan **out, const char *folder,
			     enum plan_mode mode, struct slice identity,
			     struct cah_error *err);
void plan_close(struct plan *plan);

/* What a shard's stats say. */
struct plan_stats {
	struct fate_counts fates; /* the sum is the number of rows */
	int64_t first;            /* number of its first row */
	int64_t rows;
	int64_t bytes;   /* fetched, of pictures that came whole */
	int64_t begun_s; /* since 1970 */
	int64_t ended_s;
	double seconds;
	char digest[PLAN_DIGEST_MAX];
};

/* "00012". */
void plan_name(char out[OUTPUT_NAME_MAX], int64_t shard);

/* Whether the shard is there, whole, and then its stats in *out. Stats that
 * cannot be read are as none. */
bool plan_find(const struct output_options *options, const char *name,
	       struct plan_stats *out);

/* Appends the JSON of @stats. Failures stay in @out. */
void plan_write_stats(struct buf *out, const struct plan_stats *stats);

/* ---- the digest of rows ---- */

struct digest;

/* Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int digest_new(struct digest **out, struct cah_error *err);
void digest_free(struct digest *digest);

/* Adds a row: its URL, text, hash and kept values. */
void digest_add(struct digest *digest, const struct list_row *row,
		const struct sample_columns *columns);

/* Writes it, and begins anew. */
void digest_finish(struct digest *digest, char out[PLAN_DIGEST_MAX]);

#endif
