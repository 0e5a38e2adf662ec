#include "gather/sample.h"

#include "base/utf8.h"

#include <stdlib.h>

/* Bytes that @s takes when what is no UTF-8 is replaced. */
static size_t mended_len(struct slice s)
{
	size_t len = 0;
	if (utf8_is_valid(s))
		return s.len;
	while (s.len > 0) {
		uint32_t cp;
		char out[UTF8_MAX];
		size_t used = utf8_read(s, &cp);
		len += utf8_write(out, cp);
		s = slice_from(s, used);
	}
	return len;
}

/* Copies @s to *at as mended_len counts it, moves *at behind a NUL. */
static struct slice put_text(char **at, struct slice s)
{
	struct slice to = {*at, 0};
	bool is_valid = utf8_is_valid(s);
	if (is_valid && s.len > 0) {
		memcpy(*at, s.data, s.len);
		to.len = s.len;
	}
	while (!is_valid && s.len > 0) {
		uint32_t cp;
		size_t used = utf8_read(s, &cp);
		to.len += utf8_write(*at + to.len, cp);
		s = slice_from(s, used);
	}
	(*at)[to.len] = '\0';
	*at += to.len + 1;
	return to;
}

static struct slice put_bytes(char **at, struct slice s)
{
	struct slice to = {*at, s.len};
	if (s.len > 0)
		memcpy(*at, s.data, s.len);
	*at += s.len;
	return to;
}

static struct slice bytes_of(const struct parquet_value *value)
{
	return (struct slice){value->text,
			      value->is_null ? 0 : value->text_len};
}

static size_t kept_len(const struct list_row *row,
		       const struct sample_columns *columns)
{
	size_t len = 0;
	for (size_t i = 0; i < columns->count; i++) {
		if (columns->items[i].type == PARQUET_TEXT)
			len += mended_len(bytes_of(&row->kept[i])) + 1;
		else if (columns->items[i].type == PARQUET_BINARY)
			len += row->kept[i].text_len;
	}
	return len;
}

static void put_kept(struct sample *sample, char **at,
		     const struct list_row *row,
		     const struct sample_columns *columns)
{
	for (size_t i = 0; i < columns->count; i++) {
		struct parquet_value *value = &sample->kept[i];
		enum parquet_type type = columns->items[i].type;
		*value = row->kept[i];
		if (type != PARQUET_TEXT && type != PARQUET_BINARY)
			continue;
		struct slice copy = type == PARQUET_TEXT
					    ? put_text(at, bytes_of(value))
					    : put_bytes(at, bytes_of(value));
		value->text = copy.data;
		value->text_len = copy.len;
	}
}

struct sample *sample_new(const struct list_row *row, const char *address,
			  const struct sample_columns *columns)
{
	struct slice to = slice_of(address);
	size_t kept = columns->count * sizeof(struct parquet_value);
	size_t bytes = sizeof(struct sample) + kept + mended_len(row->url) +
		       mended_len(row->text) + mended_len(row->hash) + to.len +
		       kept_len(row, columns) + 4;
	struct sample *sample = malloc(bytes);
	if (sample == NULL)
		return NULL;
	*sample = (struct sample){.number = row->number,
				  .bytes = bytes,
				  .has_text = row->has_text};
	sample->kept = (struct parquet_value *)(sample + 1);
	char *at = (char *)(sample + 1) + kept;
	sample->url = put_text(&at, row->url);
	sample->text = put_text(&at, row->text);
	sample->hash = put_text(&at, row->hash);
	sample->fetch.url = put_text(&at, to).data;
	put_kept(sample, &at, row, columns);
	return sample;
}

struct sample *sample_new_end(struct batch *batch)
{
	struct sample *sample = calloc(1, sizeof(*sample));
	if (sample != NULL) {
		sample->batch = batch;
		sample->is_end = true;
	}
	return sample;
}

void sample_free(struct sample *sample)
{
	if (sample == NULL)
		return;
	image_made_fini(&sample->made);
	free(sample);
}
