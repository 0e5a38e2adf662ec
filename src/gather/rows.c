#include "gather/rows.h"

#include "base/fail.h"
#include "base/utf8.h"

#include <stdlib.h>

void rows_close(struct rows *rows)
{
	if (rows != NULL)
		rows->kind->close(rows);
}

int rows_find(size_t *out, struct rows *rows, const char *name,
	      struct cah_error *err)
{
	*out = columns_find(rows->columns, rows->count, slice_of(name));
	if (*out < rows->count)
		return CAH_OK;
	if (rows->kind->want == NULL)
		return CAH_ENOTFOUND;
	return rows->kind->want(rows, name, err);
}

size_t columns_find(const struct parquet_column *columns, size_t count,
		    struct slice name)
{
	size_t i = 0;
	while (i < count && !slice_equal(slice_of(columns[i].name), name))
		i++;
	return i;
}

int columns_add(struct columns *c, struct slice name, enum parquet_type type,
		struct cah_error *err)
{
	if (c->count == ROWS_COLUMNS_MAX)
		return cah_fail(err, CAH_ELIMIT, "more than %d columns",
				ROWS_COLUMNS_MAX);
	if (name.len > ROWS_NAME_MAX)
		return cah_fail(err, CAH_ELIMIT,
				"a column's name has more than %d bytes",
				ROWS_NAME_MAX);
	if (!utf8_is_valid(name) || memchr(name.data, '\0', name.len) != NULL)
		return cah_fail(err, CAH_EFORMAT,
				"a column's name is no UTF-8 text");
	if (columns_find(c->items, c->count, name) < c->count)
		return cah_fail(err, CAH_EFORMAT,
				"two columns have the name '%.*s'",
				SLICE_FMT(name));
	struct parquet_column *items =
		realloc(c->items, (c->count + 1) * sizeof(items[0]));
	char *copy = strndup(name.data, name.len);
	if (items != NULL)
		c->items = items;
	if (items == NULL || copy == NULL) {
		free(copy);
		return cah_fail(err, CAH_ENOMEM, "columns: out of memory");
	}
	items[c->count++] = (struct parquet_column){copy, type, true};
	return CAH_OK;
}

void columns_fini(struct columns *c)
{
	for (size_t i = 0; i < c->count; i++)
		free((char *)c->items[i].name);
	free(c->items);
	*c = (struct columns){0};
}

int rows_line(struct input *input, struct slice *line, int64_t *number,
	      struct cah_error *err)
{
	size_t seen = 0; /* bytes without a line's end */
	for (;;) {
		struct slice w = input_window(input);
		const char *end =
			w.len > seen ? memchr(w.data + seen, '\n', w.len - seen)
				     : NULL;
		bool is_last = end == NULL && input_is_at_end(input);
		size_t len = end != NULL ? (size_t)(end - w.data) : w.len;
		if (len > ROWS_RECORD_MAX)
			return cah_fail(err, CAH_ELIMIT,
					"%s, line %lld: longer than %d bytes",
					input_name(input),
					(long long)*number + 1,
					ROWS_RECORD_MAX);
		if (end != NULL || (is_last && len > 0)) {
			*number += 1;
			*line = (struct slice){w.data, len};
			input_consume(input, len + (end != NULL ? 1 : 0));
			if (len > 0 && w.data[len - 1] == '\r')
				line->len--;
			return 1;
		}
		if (is_last)
			return 0;
		seen = w.len;
		int rc = input_fill(input, err);
		if (rc < 0)
			return rc;
	}
}

int rows_skip_mark(struct input *input, struct cah_error *err)
{
	const struct slice mark = SLICE("\xef\xbb\xbf");
	while (input_window(input).len < mark.len && !input_is_at_end(input)) {
		int rc = input_fill(input, err);
		if (rc < 0)
			return rc;
	}
	if (slice_starts(input_window(input), mark))
		input_consume(input, mark.len);
	return CAH_OK;
}
