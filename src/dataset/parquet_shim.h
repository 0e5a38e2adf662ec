/* parquet_shim.h: rows into a Parquet file and out of it, by Arrow C++. No
 * exception leaves it. One owner thread; no thread is started. */
#ifndef DATASET_PARQUET_SHIM_H
#define DATASET_PARQUET_SHIM_H

#include <cah/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum parquet_type {
	PARQUET_INT32,
	PARQUET_INT64,
	PARQUET_DOUBLE,
	PARQUET_TEXT, /* UTF-8 */
	PARQUET_BOOL,
	PARQUET_BINARY, /* any bytes */
};

struct parquet_column {
	const char *name;
	enum parquet_type type;
	bool is_nullable;
};

/* One value; which members count is the column's type. */
struct parquet_value {
	bool is_null;   /* counts where the column is nullable */
	int64_t number; /* BOOL: 0 or 1 */
	double real;
	const char *text; /* need not end in NUL */
	size_t text_len;
};

struct parquet_writer;

/* Begins a file on @fd (borrowed) with @count columns. The caller ends it with
 * parquet_close. Errors: CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int parquet_open(struct parquet_writer **out, int fd,
				const struct parquet_column *columns,
				size_t count, struct cah_error *err);

/* Adds one row of as many values as there are columns.
 * Errors: CAH_EIO (a full disk among them), CAH_ENOMEM. */
CAH_MUST_CHECK int parquet_add(struct parquet_writer *writer,
			       const struct parquet_value *row,
			       struct cah_error *err);

/* Writes what is left and the footer. Errors: as parquet_add. */
CAH_MUST_CHECK int parquet_finish(struct parquet_writer *writer,
				  struct cah_error *err);

/* Frees @writer; a file that was not finished is not Parquet. NULL is fine. */
void parquet_free(struct parquet_writer *writer);

/* One row of as many values as columns were asked for, valid during the call.
 * Not 0: the reading stops with that code. */
typedef int (*parquet_row_fn)(void *arg, const struct parquet_value *row);

/* Tells @fn all rows of the file at @path, in its order, with the @count
 * columns that are asked for, whatever else it has; null is 0 or empty. Errors:
 * CAH_EFORMAT (no Parquet, a column is missing or of another type), CAH_EIO,
 * CAH_ENOMEM, what @fn returned. */
CAH_MUST_CHECK int parquet_read(const char *path,
				const struct parquet_column *columns,
				size_t count, parquet_row_fn fn, void *arg,
				struct cah_error *err);

#ifdef __cplusplus
}
#endif

#endif
