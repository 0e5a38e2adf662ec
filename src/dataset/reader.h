/* reader.h: the pairs of a shard that was written before. Any thread. */
#ifndef DATASET_READER_H
#define DATASET_READER_H

#include "dataset/shard.h"

/* Called for each row; all is valid during the call. The embeddings and the
 * image are not in a Parquet file: NULL and empty. Not 0: the reading stops
 * with that code. */
typedef int (*reader_row_fn)(void *arg, const struct pair *row);

/* Tells @fn the rows of a Parquet file with the columns of columns.def, in
 * their order. Errors: CAH_ENOTFOUND, CAH_EFORMAT (no Parquet file, or other
 * columns), CAH_EIO, CAH_ENOMEM, what @fn returned. */
CAH_MUST_CHECK int reader_rows(const char *path, reader_row_fn fn, void *arg,
			       struct cah_error *err);

#endif
