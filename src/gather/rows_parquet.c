#include "gather/rows.h"

#include "base/fail.h"

#include <stdlib.h>

struct file_rows {
	struct rows base;
	struct parquet_rows *file;
	int64_t done;
	size_t *wanted; /* places of the columns that are read */
	size_t wanted_count;
	struct parquet_value *values; /* of all columns */
};

static void close_rows(struct rows *rows)
{
	struct file_rows *f = (struct file_rows *)rows;
	parquet_rows_close(f->file);
	free(f->wanted);
	free(f->values);
	free(f);
}

static double share(const struct rows *rows)
{
	const struct file_rows *f = (const struct file_rows *)rows;
	int64_t count = parquet_rows_count(f->file);
	return count > 0 ? (double)f->done / (double)count : -1;
}

static int next(struct rows *rows, struct cah_error *err)
{
	struct file_rows *f = (struct file_rows *)rows;
	const struct parquet_value *values;
	int rc = parquet_rows_next(f->file, &values, err);
	if (rc <= 0)
		return rc;
	f->done++;
	for (size_t i = 0; i < f->wanted_count; i++)
		f->values[f->wanted[i]] = values[i];
	return 1;
}

static void select_columns(struct rows *rows, const bool *is_wanted)
{
	struct file_rows *f = (struct file_rows *)rows;
	f->wanted_count = 0;
	for (size_t i = 0; i < f->base.count; i++)
		if (is_wanted[i])
			f->wanted[f->wanted_count++] = i;
	parquet_rows_select(f->file, f->wanted, f->wanted_count);
}

/* Until others are selected, all are read. */
static int make_room(struct file_rows *f, struct cah_error *err)
{
	f->values = calloc(f->base.count + 1, sizeof(f->values[0]));
	f->wanted = calloc(f->base.count + 1, sizeof(f->wanted[0]));
	if (f->values == NULL || f->wanted == NULL)
		return cah_fail(err, CAH_ENOMEM, "rows: out of memory");
	f->base.values = f->values;
	f->wanted_count = f->base.count;
	for (size_t i = 0; i < f->base.count; i++)
		f->wanted[i] = i;
	return CAH_OK;
}

static const struct rows_kind kind = {.next = next,
				      .share = share,
				      .select = select_columns,
				      .close = close_rows};

int rows_open_parquet(struct rows **out, const char *path,
		      struct cah_error *err)
{
	*out = NULL;
	struct file_rows *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return cah_fail(err, CAH_ENOMEM, "rows: out of memory");
	f->base.kind = &kind;
	int rc = parquet_rows_open(&f->file, path, err);
	if (rc == CAH_OK) {
		f->base.columns = parquet_rows_columns(f->file, &f->base.count);
		rc = make_room(f, err);
	}
	if (rc != CAH_OK) {
		close_rows(&f->base);
		return rc;
	}
	*out = &f->base;
	return CAH_OK;
}
