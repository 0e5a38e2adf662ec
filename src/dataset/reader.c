#include "dataset/reader.h"

#include "base/fail.h"
#include "dataset/row.h"

#include <unistd.h>

struct reader {
	reader_row_fn fn;
	void *arg;
};

static int on_row(void *arg, const struct parquet_value *values)
{
	const struct reader *reader = arg;
	struct pair pair;
	row_to_pair(&pair, values);
	return reader->fn(reader->arg, &pair);
}

int reader_rows(const char *path, reader_row_fn fn, void *arg,
		struct cah_error *err)
{
	if (access(path, F_OK) != 0)
		return cah_fail(err, CAH_ENOTFOUND, "%s: no such file", path);
	struct reader reader = {fn, arg};
	return parquet_read(path, row_columns, ROW_COLUMNS, on_row, &reader,
			    err);
}
