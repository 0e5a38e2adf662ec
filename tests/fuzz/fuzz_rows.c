/* A list in one of the text formats, packed or not: any bytes end in rows or in
 * an error. The first byte tells the format. */
#include "gather/rows.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int open_rows(struct rows **out, uint8_t format, struct input *input)
{
	switch (format % 4) {
	case 0:
		return rows_open_txt(out, input, NULL);
	case 1:
		return rows_open_csv(out, input, NULL);
	case 2:
		return rows_open_tsv(out, input, NULL);
	default:
		return rows_open_jsonl(out, input, NULL, 0, NULL);
	}
}

/* Touches every byte, so that the sanitizers see it. */
static size_t look_at(const struct rows *rows)
{
	size_t sum = 0;
	for (size_t i = 0; i < rows->count; i++) {
		const struct parquet_value *v = &rows->values[i];
		if (rows->columns[i].type != PARQUET_TEXT || v->is_null)
			continue;
		for (size_t k = 0; k < v->text_len; k++)
			sum += (unsigned char)v->text[k];
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input *input;
	struct rows *rows;
	if (size < 1)
		return 0;
	struct slice bytes = {(const char *)data + 1, size - 1};
	if (input_open_bytes(&input, bytes, NULL) != CAH_OK)
		abort();
	if (open_rows(&rows, data[0], input) != CAH_OK)
		return 0;
	size_t sum = 0, count = 0;
	while (rows_next(rows, NULL) > 0) {
		sum += look_at(rows);
		/* Each row took a byte, or a gzip's bits. */
		if (++count > (size << 11))
			abort();
	}
	rows_close(rows);
	return sum == SIZE_MAX ? -1 : 0;
}
