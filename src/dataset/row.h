/* row.h: a pair as the columns of the dataset; private to this folder. */
#ifndef DATASET_ROW_H
#define DATASET_ROW_H

#include "base/arena.h"
#include "base/buf.h"
#include "dataset/parquet_shim.h"
#include "dataset/shard.h"

enum {
#define COLUMN(name, type, member) ROW_##name,
#include "dataset/columns.def"
#undef COLUMN
	ROW_COLUMNS
};

extern const struct parquet_column row_columns[ROW_COLUMNS];

struct row {
	struct parquet_value values[ROW_COLUMNS];
};

/* Fills *out from @pair. Texts that are no UTF-8, which neither Parquet nor
 * JSON can carry, get U+FFFD for what is wrong, from @arena; the others are
 * borrowed. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int row_of_pair(struct row *out, const struct pair *pair,
			       struct arena *arena, struct cah_error *err);

/* The other way: ROW_COLUMNS @values as a pair that borrows their texts. */
void row_to_pair(struct pair *out, const struct parquet_value *values);

/* Appends the row as a JSON object, with "key": @key before the columns.
 * Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int row_write_json(struct buf *out, const struct row *row,
				  const char *key, struct cah_error *err);

#endif
