/* parquet_rows.h: the rows of a Parquet file of anybody's, one after the other,
 * with the columns that are wanted. No exception leaves it. One owner thread;
 * no thread is started. */
#ifndef DATASET_PARQUET_ROWS_H
#define DATASET_PARQUET_ROWS_H

#include "dataset/parquet_shim.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
	PARQUET_COLUMNS_MAX = 1000, /* of a file */
};

/* Bytes that one file may take in memory: a page of it may claim any size. */
#define PARQUET_MEMORY_MAX ((int64_t)1 << 30)

struct parquet_rows;

/* The caller ends it with parquet_rows_close. Errors: CAH_ENOTFOUND,
 * CAH_EFORMAT (no Parquet), CAH_ELIMIT (PARQUET_COLUMNS_MAX), CAH_EIO,
 * CAH_ENOMEM. */
CAH_MUST_CHECK int parquet_rows_open(struct parquet_rows **out,
				     const char *path, struct cah_error *err);

/* The file's columns, borrowed; *count of them. Integers of all sizes but the
 * unsigned of 64 bits are INT64, fractions DOUBLE; what no other type stands
 * for (times, lists, ...) is TEXT, as Arrow writes it. All are nullable. */
const struct parquet_column *
parquet_rows_columns(const struct parquet_rows *rows, size_t *count);

/* The rows of the whole file, as it says. */
int64_t parquet_rows_count(const struct parquet_rows *rows);

/* Before the first row: which columns are wanted, by their place, in rising
 * order. Without it: all. */
void parquet_rows_select(struct parquet_rows *rows, const size_t *wanted,
			 size_t count);

/* The next row's wanted values, borrowed until the next call. Returns 1, or 0
 * at the end. Errors: CAH_EFORMAT, CAH_EIO, CAH_ENOMEM (PARQUET_MEMORY_MAX,
 * too). */
CAH_MUST_CHECK int parquet_rows_next(struct parquet_rows *rows,
				     const struct parquet_value **values,
				     struct cah_error *err);

/* NULL is fine. */
void parquet_rows_close(struct parquet_rows *rows);

#ifdef __cplusplus
}
#endif

#endif
