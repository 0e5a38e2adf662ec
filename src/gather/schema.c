/* The names are img2dataset's where it has the column, so that what reads its
 * files reads these. */
#include "gather/schema.h"

#include "base/fail.h"
#include "gather/rows.h"
#include "wire/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Before a kept column whose name is one of ours. */
#define LIST_PREFIX "list_"

enum field {
	FIELD_KEY,
	FIELD_URL,
	FIELD_CAPTION,
	FIELD_STATUS,
	FIELD_ERROR,
	FIELD_FATE,
	FIELD_HTTP_STATUS,
	FIELD_WIDTH,
	FIELD_HEIGHT,
	FIELD_ORIGINAL_WIDTH,
	FIELD_ORIGINAL_HEIGHT,
	FIELD_EXIF,
	FIELD_HASH,
	FIELD_PHASH,
	FIELD_IMAGE,
	FIELD_COUNT
};

struct output_schema {
	struct columns columns;
	size_t at[FIELD_COUNT]; /* place of each; SIZE_MAX: not there */
	size_t kept_at;         /* of the first kept one */
	size_t kept_count;
};

struct field_row {
	const char *name;
	enum parquet_type type;
	bool is_there;
};

static int add_kept(struct output_schema *schema,
		    const struct parquet_column *column, struct cah_error *err)
{
	char name[sizeof(LIST_PREFIX) + ROWS_NAME_MAX];
	bool is_taken =
		columns_find(schema->columns.items, schema->columns.count,
			     slice_of(column->name)) < schema->columns.count;
	(void)snprintf(name, sizeof(name), "%s%s", is_taken ? LIST_PREFIX : "",
		       column->name);
	int rc = columns_add(&schema->columns, slice_of(name), column->type,
			     err);
	return rc == CAH_OK ? rc
			    : cah_fail_prefix(err, CAH_EINVALID,
					      "column '%s' of the list",
					      column->name);
}

static int add_fields(struct output_schema *schema,
		      const struct output_options *o, struct cah_error *err)
{
	const struct field_row fields[FIELD_COUNT] = {
		[FIELD_KEY] = {"key", PARQUET_TEXT, true},
		[FIELD_URL] = {"url", PARQUET_TEXT, true},
		[FIELD_CAPTION] = {"caption", PARQUET_TEXT, o->has_text},
		[FIELD_STATUS] = {"status", PARQUET_TEXT, true},
		[FIELD_ERROR] = {"error_message", PARQUET_TEXT, true},
		[FIELD_FATE] = {"fate", PARQUET_TEXT, true},
		[FIELD_HTTP_STATUS] = {"http_status", PARQUET_INT32, true},
		[FIELD_WIDTH] = {"width", PARQUET_INT32, true},
		[FIELD_HEIGHT] = {"height", PARQUET_INT32, true},
		[FIELD_ORIGINAL_WIDTH] = {"original_width", PARQUET_INT32,
					  true},
		[FIELD_ORIGINAL_HEIGHT] = {"original_height", PARQUET_INT32,
					   true},
		[FIELD_EXIF] = {"exif", PARQUET_TEXT, o->has_exif},
		[FIELD_HASH] = {image_digest_name(o->hash), PARQUET_TEXT,
				o->hash != IMAGE_DIGEST_NONE},
		[FIELD_PHASH] = {"phash", PARQUET_TEXT, o->has_phash},
		[FIELD_IMAGE] = {o->extension, PARQUET_BINARY,
				 o->kind == OUTPUT_PARQUET},
	};
	int rc = CAH_OK;
	for (int i = 0; i < FIELD_COUNT && rc == CAH_OK; i++) {
		schema->at[i] =
			fields[i].is_there ? schema->columns.count : SIZE_MAX;
		if (fields[i].is_there)
			rc = columns_add(&schema->columns,
					 slice_of(fields[i].name),
					 fields[i].type, err);
	}
	return rc;
}

int output_schema_new(struct output_schema **out,
		      const struct output_options *o, struct cah_error *err)
{
	struct output_schema *schema = calloc(1, sizeof(*schema));
	*out = schema;
	if (schema == NULL)
		return cah_fail(err, CAH_ENOMEM, "schema: out of memory");
	int rc = add_fields(schema, o, err);
	schema->kept_at = schema->columns.count;
	for (size_t i = 0; i < o->kept.count && rc == CAH_OK; i++)
		rc = add_kept(schema, &o->kept.items[i], err);
	schema->kept_count = o->kept.count;
	if (rc != CAH_OK) {
		output_schema_free(schema);
		*out = NULL;
	}
	return rc;
}

void output_schema_free(struct output_schema *schema)
{
	if (schema == NULL)
		return;
	columns_fini(&schema->columns);
	free(schema);
}

const struct parquet_column *schema_columns(const struct output_schema *schema,
					    size_t *count)
{
	*count = schema->columns.count;
	return schema->columns.items;
}

/* ---- a row ---- */

struct filler {
	const struct output_schema *schema;
	struct parquet_value *values;
};

static void set_text(const struct filler *f, enum field field,
		     struct slice text)
{
	size_t at = f->schema->at[field];
	if (at != SIZE_MAX)
		f->values[at] = (struct parquet_value){.text = text.data,
						       .text_len = text.len};
}

static void set_number(const struct filler *f, enum field field, int64_t number)
{
	size_t at = f->schema->at[field];
	if (at != SIZE_MAX)
		f->values[at] = (struct parquet_value){.number = number};
}

static const char *status_of(enum fate fate)
{
	if (fate == CAH_FATE_KEPT)
		return "success";
	return strcmp(fate_stage(fate), "image") == 0 ? "failed_to_resize"
						      : "failed_to_download";
}

static void fill_kept(const struct filler *f, const struct sample *s)
{
	const struct image_made *made = &s->made;
	set_text(f, FIELD_IMAGE,
		 (struct slice){(const char *)made->data, made->len});
	/* Not known where the file is kept as it is. */
	if (made->width > 0) {
		set_number(f, FIELD_WIDTH, made->width);
		set_number(f, FIELD_HEIGHT, made->height);
		set_number(f, FIELD_ORIGINAL_WIDTH, made->original_width);
		set_number(f, FIELD_ORIGINAL_HEIGHT, made->original_height);
	}
	if (made->exif != NULL)
		set_text(f, FIELD_EXIF,
			 (struct slice){made->exif, made->exif_len});
	if (s->digest[0] != '\0')
		set_text(f, FIELD_HASH, slice_of(s->digest));
	if (made->has_phash)
		set_text(f, FIELD_PHASH, slice_of(s->phash));
}

void schema_fill(const struct output_schema *schema,
		 struct parquet_value *values, const struct sample *s,
		 const char *key)
{
	const struct filler f = {schema, values};
	for (size_t i = 0; i < schema->columns.count; i++)
		values[i] = (struct parquet_value){.is_null = true};
	for (size_t i = 0; i < schema->kept_count; i++)
		values[schema->kept_at + i] = s->kept[i];
	set_text(&f, FIELD_KEY, slice_of(key));
	set_text(&f, FIELD_URL, s->url);
	if (s->has_text)
		set_text(&f, FIELD_CAPTION, s->text);
	set_text(&f, FIELD_STATUS, slice_of(status_of(s->fate)));
	set_text(&f, FIELD_FATE, slice_of(fate_key(s->fate)));
	if (s->fetch.http_status != 0)
		set_number(&f, FIELD_HTTP_STATUS, s->fetch.http_status);
	if (s->fate == CAH_FATE_KEPT)
		fill_kept(&f, s);
	else if (s->fetch.detail[0] != '\0')
		set_text(&f, FIELD_ERROR, slice_of(s->fetch.detail));
	else
		set_text(&f, FIELD_ERROR, slice_of(fate_text(s->fate)));
}

static void write_value(struct wire_json *json, enum parquet_type type,
			const struct parquet_value *value)
{
	char real[32];
	if (value->is_null ||
	    (type == PARQUET_DOUBLE && !isfinite(value->real))) {
		wire_json_raw(json, SLICE("null"));
		return;
	}
	switch (type) {
	case PARQUET_INT32:
	case PARQUET_INT64:
		wire_json_int(json, value->number);
		return;
	case PARQUET_BOOL:
		wire_json_raw(json, value->number != 0 ? SLICE("true")
						       : SLICE("false"));
		return;
	case PARQUET_DOUBLE:
		(void)snprintf(real, sizeof(real), "%.17g", value->real);
		wire_json_raw(json, slice_of(real));
		return;
	case PARQUET_BINARY:
	case PARQUET_TEXT:
		break;
	}
	wire_json_text(json, (struct slice){value->text, value->text_len});
}

void schema_write_json(const struct output_schema *schema, struct buf *out,
		       const struct parquet_value *values)
{
	struct wire_json json;
	wire_json_init(&json, out);
	wire_json_open(&json, '{');
	for (size_t i = 0; i < schema->columns.count; i++) {
		if (i == schema->at[FIELD_IMAGE])
			continue;
		wire_json_key(&json, schema->columns.items[i].name);
		write_value(&json, schema->columns.items[i].type, &values[i]);
	}
	wire_json_close(&json, '}');
}
