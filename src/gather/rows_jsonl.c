/* JSON lines (RFC 8259, one object a line). Columns are typed by the first
 * lines: a column of whole numbers is INT64, of numbers DOUBLE, of true and
 * false BOOL, any other is TEXT. A later value that does not fit is null, and
 * counted. */
#include "gather/rows.h"

#include "base/arena.h"
#include "base/fail.h"

#include <jansson.h>
#include <stdlib.h>

/* Bytes of what is JSON of a row, written again. */
#define JSON_MAX ((size_t)16 * ROWS_RECORD_MAX)

enum seen {
	SEEN_INTEGER = 1,
	SEEN_REAL = 2,
	SEEN_BOOL = 4,
	SEEN_OTHER = 8,
};

struct jsonl_rows {
	struct rows base;
	struct input *input;
	struct columns columns;
	unsigned int seen[ROWS_COLUMNS_MAX]; /* of each column, by sniffing */
	struct parquet_value *values;
	size_t value_room;
	struct arena *arena;
	json_t *object; /* the row's */
	int64_t line;
};

static struct jsonl_rows *of(struct rows *rows)
{
	return (struct jsonl_rows *)rows;
}

static void close_rows(struct rows *rows)
{
	struct jsonl_rows *j = of(rows);
	input_close(j->input);
	columns_fini(&j->columns);
	json_decref(j->object);
	arena_free(j->arena);
	free(j->values);
	free(j);
}

static double share(const struct rows *rows)
{
	return input_share(((const struct jsonl_rows *)rows)->input);
}

static bool is_blank(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] != ' ' && line.data[i] != '\t')
			return false;
	return true;
}

/* The object of @line; NULL where there is none, with @why. */
static json_t *parse(struct slice line, const char **why, json_error_t *error)
{
	json_t *object = json_loadb(line.data, line.len, JSON_ALLOW_NUL, error);
	/* Numbers that 64 bits do not hold are near enough as fractions. */
	if (object == NULL &&
	    json_error_code(error) == json_error_numeric_overflow)
		object = json_loadb(line.data, line.len,
				    JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL,
				    error);
	*why = error->text;
	if (object != NULL && !json_is_object(object)) {
		*why = "no JSON object";
		json_decref(object);
		object = NULL;
	}
	return object;
}

static unsigned int seen_of(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_INTEGER:
		return SEEN_INTEGER;
	case JSON_REAL:
		return SEEN_REAL;
	case JSON_TRUE:
	case JSON_FALSE:
		return SEEN_BOOL;
	case JSON_NULL:
		return 0;
	default:
		return SEEN_OTHER;
	}
}

static int sniff_object(struct jsonl_rows *j, json_t *object,
			struct cah_error *err)
{
	const char *key;
	json_t *value;
	json_object_foreach(object, key, value)
	{
		size_t at = columns_find(j->columns.items, j->columns.count,
					 slice_of(key));
		if (at == j->columns.count) {
			int rc = columns_add(&j->columns, slice_of(key),
					     PARQUET_TEXT, err);
			if (rc != CAH_OK)
				return rc;
		}
		j->seen[at] |= seen_of(value);
	}
	return CAH_OK;
}

static enum parquet_type type_of(unsigned int seen)
{
	if (seen == SEEN_BOOL)
		return PARQUET_BOOL;
	if (seen == SEEN_INTEGER)
		return PARQUET_INT64;
	if (seen != 0 &&
	    (seen & ~(unsigned int)(SEEN_INTEGER | SEEN_REAL)) == 0)
		return PARQUET_DOUBLE;
	return PARQUET_TEXT;
}

/* Looks through the lines that stand in the window, which stay there; what is
 * broken there is told when its turn comes. */
static int sniff(struct jsonl_rows *j, struct cah_error *err)
{
	while (input_window(j->input).len < ROWS_SNIFF_BYTES &&
	       !input_is_at_end(j->input)) {
		int rc = input_fill(j->input, err);
		if (rc < 0)
			return rc;
	}
	struct slice w = input_window(j->input);
	int64_t line_number = 0;
	while (w.len > 0) {
		const char *end = memchr(w.data, '\n', w.len);
		struct slice line = {
			w.data, end != NULL ? (size_t)(end - w.data) : w.len};
		const char *why;
		json_error_t error;
		line_number++;
		json_t *object = parse(line, &why, &error);
		int rc = object != NULL ? sniff_object(j, object, err) : CAH_OK;
		json_decref(object);
		if (rc != CAH_OK)
			return cah_fail_prefix(err, rc, "%s, line %lld",
					       input_name(j->input),
					       (long long)line_number);
		w = slice_from(w, line.len + 1);
	}
	for (size_t i = 0; i < j->columns.count; i++)
		j->columns.items[i].type = type_of(j->seen[i]);
	return CAH_OK;
}

/* What is no text, as JSON. */
static bool set_json(struct jsonl_rows *j, struct parquet_value *out,
		     const json_t *value)
{
	const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
	size_t len = json_dumpb(value, NULL, 0, flags);
	char *text = arena_alloc(j->arena, len);
	out->text = text;
	out->text_len = len;
	return text != NULL && json_dumpb(value, text, len, flags) == len;
}

/* False when out of memory, of ours or the row's. */
static bool set_value(struct jsonl_rows *j, size_t i, const json_t *value)
{
	struct parquet_value *out = &j->values[i];
	*out = (struct parquet_value){0};
	bool fits = true;
	switch (value != NULL ? j->columns.items[i].type : PARQUET_BINARY) {
	case PARQUET_INT64:
		fits = json_is_integer(value);
		out->number = json_integer_value(value);
		break;
	case PARQUET_DOUBLE:
		fits = json_is_number(value);
		out->real = json_number_value(value);
		break;
	case PARQUET_BOOL:
		fits = json_is_boolean(value);
		out->number = json_is_true(value);
		break;
	case PARQUET_TEXT:
		if (json_is_null(value))
			break;
		if (!json_is_string(value))
			return set_json(j, out, value);
		out->text = json_string_value(value);
		out->text_len = json_string_length(value);
		break;
	default:
		out->is_null = true;
		return true;
	}
	out->is_null = json_is_null(value) || !fits;
	j->base.misfits += !json_is_null(value) && !fits;
	return true;
}

static int next_object(struct rows *rows, struct cah_error *err)
{
	struct jsonl_rows *j = of(rows);
	struct slice line;
	int rc;
	do {
		rc = rows_line(j->input, &line, &j->line, err);
		if (rc <= 0)
			return rc;
	} while (is_blank(line));
	const char *why;
	json_error_t error;
	json_decref(j->object);
	j->object = parse(line, &why, &error);
	if (j->object == NULL)
		return cah_fail(err, CAH_EFORMAT, "%s, line %lld: %s",
				input_name(j->input), (long long)j->line, why);
	arena_reset(j->arena);
	for (size_t i = 0; i < j->columns.count; i++)
		if (!set_value(j, i,
			       json_object_get(j->object,
					       j->columns.items[i].name)))
			return cah_fail(
				err, CAH_ENOMEM, "%s, line %lld: out of memory",
				input_name(j->input), (long long)j->line);
	return 1;
}

static int set_columns(struct jsonl_rows *j, struct cah_error *err)
{
	struct parquet_value *values =
		realloc(j->values, (j->columns.count + 1) * sizeof(values[0]));
	if (values == NULL)
		return cah_fail(err, CAH_ENOMEM, "rows: out of memory");
	j->values = values;
	j->base.values = values;
	j->base.columns = j->columns.items;
	j->base.count = j->columns.count;
	return CAH_OK;
}

static int want(struct rows *rows, const char *name, struct cah_error *err)
{
	struct jsonl_rows *j = of(rows);
	int rc = columns_add(&j->columns, slice_of(name), PARQUET_TEXT, err);
	return rc == CAH_OK ? set_columns(j, err) : rc;
}

static const struct rows_kind kind = {
	.next = next_object, .share = share, .want = want, .close = close_rows};

int rows_open_jsonl(struct rows **out, struct input *input,
		    const struct parquet_column *known, size_t known_count,
		    struct cah_error *err)
{
	*out = NULL;
	struct jsonl_rows *j = calloc(1, sizeof(*j));
	if (j == NULL) {
		input_close(input);
		return cah_fail(err, CAH_ENOMEM, "rows: out of memory");
	}
	j->base.kind = &kind;
	j->input = input;
	int rc = arena_new(&j->arena, JSON_MAX, err);
	if (rc == CAH_OK)
		rc = rows_skip_mark(input, err);
	for (size_t i = 0; i < known_count && rc == CAH_OK; i++)
		rc = columns_add(&j->columns, slice_of(known[i].name),
				 known[i].type, err);
	if (rc == CAH_OK && known_count == 0)
		rc = sniff(j, err);
	if (rc == CAH_OK)
		rc = set_columns(j, err);
	if (rc != CAH_OK) {
		close_rows(&j->base);
		return rc;
	}
	*out = &j->base;
	return CAH_OK;
}
