#include "dataset/row.h"

#include "base/fail.h"

#include <jansson.h>
#include <stdlib.h>
#include <unistr.h>

const struct parquet_column row_columns[ROW_COLUMNS] = {
#define COLUMN(name, type, member) {#name, PARQUET_##type, false},
#include "dataset/columns.def"
#undef COLUMN
};

enum {
	REPLACEMENT_LEN = 3, /* bytes of U+FFFD in UTF-8 */
};

/* A copy of @text with each wrong byte or sequence replaced; at most three
 * bytes for one. */
static struct slice mend(struct slice text, struct arena *arena)
{
	char *copy = arena_alloc(arena, text.len * REPLACEMENT_LEN);
	if (copy == NULL)
		return (struct slice){NULL, 0};
	struct slice to = {copy, 0};
	const uint8_t *from = (const uint8_t *)text.data;
	for (size_t at = 0; at < text.len;) {
		ucs4_t c;
		int used = u8_mbtouc(&c, from + at, text.len - at);
		int made = u8_uctomb((uint8_t *)copy + to.len, c,
				     REPLACEMENT_LEN + 1);
		to.len += (size_t)made;
		at += (size_t)used;
	}
	return to;
}

static int set_text(struct parquet_value *value, struct slice text,
		    struct arena *arena)
{
	if (text.len != 0 &&
	    u8_check((const uint8_t *)text.data, text.len) != NULL) {
		text = mend(text, arena);
		if (text.data == NULL)
			return CAH_ENOMEM;
	}
	value->text = text.len != 0 ? text.data : "";
	value->text_len = text.len;
	return CAH_OK;
}

int row_of_pair(struct row *out, const struct pair *pair, struct arena *arena,
		struct cah_error *err)
{
	int rc = CAH_OK;
	*out = (struct row){0};
#define SET_INT32(value, member) (value)->number = (member)
#define SET_INT64(value, member) (value)->number = (member)
#define SET_DOUBLE(value, member) (value)->real = (member)
#define SET_TEXT(value, member) \
	rc = rc != CAH_OK ? rc : set_text((value), (member), arena)
#define COLUMN(name, type, member) \
	SET_##type(&out->values[ROW_##name], pair->member);
#include "dataset/columns.def"
#undef COLUMN
	if (rc != CAH_OK)
		return cah_fail(err, rc, "sample %lld: out of memory",
				(long long)pair->sample_id);
	return CAH_OK;
}

void row_to_pair(struct pair *out, const struct parquet_value *values)
{
	*out = (struct pair){0};
#define GET_INT32(value) (int)(value).number
#define GET_INT64(value) (value).number
#define GET_DOUBLE(value) (value).real
#define GET_TEXT(value) ((struct slice){(value).text, (value).text_len})
#define COLUMN(name, type, member) out->member = GET_##type(values[ROW_##name]);
#include "dataset/columns.def"
#undef COLUMN
}

static json_t *json_of(const struct parquet_value *value,
		       enum parquet_type type)
{
	switch (type) {
	case PARQUET_INT32:
	case PARQUET_INT64:
		return json_integer(value->number);
	case PARQUET_DOUBLE: {
		/* JSON has no way to write what is not a number. */
		json_t *real = json_real(value->real);
		return real != NULL ? real : json_null();
	}
	case PARQUET_BOOL:
		return json_boolean(value->number);
	case PARQUET_BINARY:
	case PARQUET_TEXT:
		break;
	}
	return json_stringn(value->text, value->text_len);
}

int row_write_json(struct buf *out, const struct row *row, const char *key,
		   struct cah_error *err)
{
	json_t *object = json_object();
	int rc = json_object_set_new(object, "key", json_string(key));
	for (int i = 0; i < ROW_COLUMNS && rc == 0; i++)
		rc = json_object_set_new(
			object, row_columns[i].name,
			json_of(&row->values[i], row_columns[i].type));
	char *text = rc == 0 ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	if (text == NULL)
		return cah_fail(err, CAH_ENOMEM, "sample %s: out of memory",
				key);
	(void)buf_add_text(out, text);
	free(text);
	return buf_check(out, key, err);
}
