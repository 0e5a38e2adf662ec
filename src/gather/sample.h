/* sample.h: a row of the list on its way through the threads; it belongs to the
 * one that holds it. */
#ifndef GATHER_SAMPLE_H
#define GATHER_SAMPLE_H

#include "fetch/fetch.h"
#include "gather/list.h"
#include "image/digest.h"
#include "image/make.h"

#include <stddef.h>

enum {
	SAMPLE_PHASH_MAX = 17, /* 64 bits in hexadecimal, with the NUL */
};

struct batch; /* gather.c: the shard in hand */

struct sample {
	struct fetch_job fetch; /* fetch.detail says why it was dropped */
	struct batch *batch;    /* its shard */
	bool is_end;            /* no row: all of the shard's rows were sent */
	int64_t number;         /* in the list */
	size_t bytes;           /* of memory, without pictures */
	/* of the list; these live behind the struct, the texts are UTF-8 */
	struct slice url;
	struct slice text;
	struct slice hash; /* that the file is to have */
	bool has_text;
	struct parquet_value *kept;
	/* from the fetch stage on */
	enum fate fate;
	size_t body_len;                /* bytes, of a file that came whole */
	char digest[IMAGE_DIGEST_ROOM]; /* of the file as fetched; "" */
	struct image_made made;
	char phash[SAMPLE_PHASH_MAX]; /* made.phash as text */
};

/* The columns that @kept of each row is of. */
struct sample_columns {
	const struct parquet_column *items;
	size_t count;
};

/* A copy of @row, to be fetched from @address (NULL: it is not). What is no
 * UTF-8 gets U+FFFD. NULL when out of memory. */
CAH_MUST_CHECK struct sample *sample_new(const struct list_row *row,
					 const char *address,
					 const struct sample_columns *columns);

/* A mark and no row; NULL when out of memory. */
CAH_MUST_CHECK struct sample *sample_new_end(struct batch *batch);

/* Frees all but the body that the fetch stage gave. NULL is fine. */
void sample_free(struct sample *sample);

static inline struct sample *sample_of(struct fetch_job *job)
{
	return (struct sample *)((char *)job - offsetof(struct sample, fetch));
}

#endif
