/* truth.h: what must become of each link of a demo world, read from the
 * truth.jsonl of tools/demo_world, and how a dataset compares with it. */
#ifndef DEMO_TRUTH_H
#define DEMO_TRUTH_H

#include "base/fate.h"
#include "dataset/shard.h"

#include <cah/error.h>
#include <stdint.h>

enum {
	TRUTH_LINKS_MAX = 100000,
	TRUTH_FILE_MAX = 64 << 20, /* bytes */
};

struct truth;

/* The caller frees *out. Errors: CAH_ENOTFOUND, CAH_EFORMAT (names the line),
 * CAH_ELIMIT, CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int truth_open(struct truth **out, const char *path,
			      struct cah_error *err);
void truth_free(struct truth *truth);

/* How many links are candidates. */
int64_t truth_candidates(const struct truth *truth);

/* How many candidates must end with @fate; -1 where that is CLIP's to say. */
int64_t truth_fate(const struct truth *truth, enum fate fate);

/* Candidates that end as text_...: any of these will do for a text that is
 * none. */
int64_t truth_bad_texts(const struct truth *truth);

/* One pair of the dataset; call once for each row. */
void truth_see(struct truth *truth, const struct pair *row);

struct truth_score {
	int64_t right; /* pairs that are to be kept */
	int64_t rightly_kept;
	int64_t lost;         /* right - rightly_kept */
	int64_t wrong;        /* pairs that only CLIP can drop, and must */
	int64_t wrongly_kept; /* of these */
	int64_t impossible;   /* kept, but to be dropped before CLIP, or twice,
				 or not in the world at all */
	int64_t bad_licences; /* kept with another licence than the page's */
};

/* What the rows seen so far come to. */
struct truth_score truth_score(const struct truth *truth);

#endif
