#include "cli/wat_rows.h"

#include "base/fail.h"
#include "base/file.h"
#include "base/utf8.h"
#include "cli/sink.h"
#include "dataset/parquet_shim.h"
#include "wire/json.h"

#include <stdlib.h>

enum {
	COLUMNS = 8,       /* the last of them is the fate */
	MEND_MAX = 1 << 20 /* bytes of a URL that is no UTF-8 */
};

enum format {
	JSONL,
	CSV,
	TSV,
	PARQUET,
};

static const struct parquet_column columns[COLUMNS] = {
	{"url", PARQUET_TEXT, false},
	{"text", PARQUET_TEXT, false},
	{"page_url", PARQUET_TEXT, false},
	{"license", PARQUET_TEXT, false},
	{"language", PARQUET_TEXT, false},
	{"language_sure", PARQUET_BOOL, false},
	{"md5", PARQUET_TEXT, false},
	{"fate", PARQUET_TEXT, false}};

struct wat_rows {
	enum format format;
	int columns;       /* with the fate, or without it */
	struct sink *sink; /* NULL for Parquet */
	struct file *file; /* of Parquet */
	struct parquet_writer *parquet;
	struct buf urls[2]; /* of a row, as UTF-8 */
};

/* ---- opening ---- */

static int read_format(enum format *out, const char *format, const char *path,
		       struct cah_error *err)
{
	static const char *const names[] = {"jsonl", "csv", "tsv", "parquet"};
	for (int i = 0; i < 4; i++) {
		if (strcmp(format, names[i]) != 0)
			continue;
		*out = (enum format)i;
		if (i == PARQUET && path == NULL)
			return cah_fail(err, CAH_EINVALID,
					"--format parquet needs --output FILE: "
					"its end is written before the rest "
					"can be read");
		return CAH_OK;
	}
	return cah_fail(err, CAH_EINVALID,
			"--format: '%s' is none of jsonl, csv, tsv, parquet",
			format);
}

static int open_parquet(struct wat_rows *rows, const char *path,
			struct cah_error *err)
{
	int rc = file_create(&rows->file, path, err);
	if (rc != CAH_OK)
		return rc;
	return parquet_open(&rows->parquet, file_fd(rows->file), columns,
			    (size_t)rows->columns, err);
}

/* JSON has the names in each line. */
static void add_names(struct wat_rows *rows)
{
	struct buf *out = sink_buf(rows->sink);
	char comma = rows->format == TSV ? '\t' : ',';
	for (int i = 0; i < rows->columns; i++)
		(void)buf_printf(out, "%s%c", columns[i].name,
				 i + 1 < rows->columns ? comma : '\n');
}

int wat_rows_open(struct wat_rows **out, const char *format, const char *path,
		  bool has_fate, struct cah_error *err)
{
	*out = NULL;
	enum format kind;
	int rc = read_format(&kind, format, path, err);
	if (rc != CAH_OK)
		return rc;
	struct wat_rows *rows = calloc(1, sizeof(*rows));
	if (rows == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	rows->format = kind;
	rows->columns = has_fate ? COLUMNS : COLUMNS - 1;
	for (int i = 0; i < 2; i++)
		buf_init(&rows->urls[i], MEND_MAX);
	if (kind == PARQUET)
		rc = open_parquet(rows, path, err);
	else
		rc = sink_open(&rows->sink, path, err);
	if (rc != CAH_OK) {
		wat_rows_discard(rows);
		return rc;
	}
	if (kind == CSV || kind == TSV)
		add_names(rows);
	*out = rows;
	return CAH_OK;
}

/* ---- rows ---- */

static void add_jsonl(struct buf *out, const struct candidate *c, bool has_fate)
{
	struct wire_json json;
	wire_json_init(&json, out);
	wire_json_open(&json, '{');
	wire_json_put_slice(&json, "url", c->url);
	wire_json_put_slice(&json, "text", c->text);
	wire_json_put_slice(&json, "page_url", c->page_url);
	wire_json_put_slice(&json, "license", c->licence);
	wire_json_put_slice(&json, "language", c->language);
	wire_json_put_bool(&json, "language_sure", c->is_language_sure);
	wire_json_put_text(&json, "md5", c->md5);
	if (has_fate)
		wire_json_put_text(&json, "fate", fate_key(c->fate));
	wire_json_close(&json, '}');
	(void)buf_add_byte(out, '\n');
}

static void list_fields(struct slice out[COLUMNS], const struct candidate *c)
{
	out[0] = c->url;
	out[1] = c->text;
	out[2] = c->page_url;
	out[3] = c->licence;
	out[4] = c->language;
	out[5] = slice_of(c->is_language_sure ? "true" : "false");
	out[6] = slice_of(c->md5);
	out[7] = slice_of(fate_key(c->fate));
}

/* Tabs and line ends would part the line; only URLs that are no URLs have
 * them. */
static void add_tsv_field(struct buf *out, struct slice value)
{
	size_t start = out->len;
	if (buf_add_slice(out, value) != CAH_OK)
		return;
	for (size_t i = start; i < out->len; i++)
		if ((unsigned char)out->data[i] < ' ')
			out->data[i] = ' ';
}

/* RFC 4180 */
static void add_csv_field(struct buf *out, struct slice value)
{
	bool is_plain = true;
	for (size_t i = 0; i < value.len; i++)
		is_plain &= strchr(",\"\r\n", value.data[i]) == NULL ||
			    value.data[i] == '\0';
	if (is_plain) {
		(void)buf_add_slice(out, value);
		return;
	}
	(void)buf_add_byte(out, '"');
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '"')
			(void)buf_add_byte(out, '"');
		(void)buf_add_byte(out, value.data[i]);
	}
	(void)buf_add_byte(out, '"');
}

static void add_fields(struct wat_rows *rows, const struct candidate *c)
{
	struct buf *out = sink_buf(rows->sink);
	struct slice fields[COLUMNS];
	list_fields(fields, c);
	for (int i = 0; i < rows->columns; i++) {
		if (i > 0)
			(void)buf_add_byte(out,
					   rows->format == TSV ? '\t' : ',');
		if (rows->format == TSV)
			add_tsv_field(out, fields[i]);
		else
			add_csv_field(out, fields[i]);
	}
	(void)buf_add_byte(out, '\n');
}

/* A URL that is none may be any bytes, and Parquet's texts are UTF-8. */
static struct slice as_utf8(struct buf *out, struct slice s)
{
	if (utf8_is_valid(s))
		return s;
	buf_reset(out);
	for (size_t i = 0; i < s.len;) {
		char bytes[UTF8_MAX];
		uint32_t cp;
		i += utf8_read(slice_from(s, i), &cp);
		(void)buf_add(out, bytes, utf8_write(bytes, cp));
	}
	return out->is_failed ? (struct slice){NULL, 0} : buf_slice(out);
}

static int add_parquet(struct wat_rows *rows, const struct candidate *c,
		       struct cah_error *err)
{
	struct parquet_value values[COLUMNS] = {0};
	struct slice fields[COLUMNS];
	list_fields(fields, c);
	fields[0] = as_utf8(&rows->urls[0], fields[0]);
	fields[2] = as_utf8(&rows->urls[1], fields[2]);
	for (int i = 0; i < rows->columns; i++) {
		values[i].text = fields[i].data != NULL ? fields[i].data : "";
		values[i].text_len = fields[i].len;
		values[i].number = c->is_language_sure;
	}
	return parquet_add(rows->parquet, values, err);
}

int wat_rows_add(struct wat_rows *rows, const struct candidate *c,
		 struct cah_error *err)
{
	if (rows->format == PARQUET)
		return add_parquet(rows, c, err);
	if (rows->format == JSONL)
		add_jsonl(sink_buf(rows->sink), c, rows->columns == COLUMNS);
	else
		add_fields(rows, c);
	return sink_flush(rows->sink, false, err);
}

/* ---- the end ---- */

bool wat_rows_is_unread(const struct wat_rows *rows)
{
	return rows->sink != NULL && sink_is_unread(rows->sink);
}

int wat_rows_commit(struct wat_rows *rows, struct cah_error *err)
{
	int rc;
	if (rows->format == PARQUET) {
		rc = parquet_finish(rows->parquet, err);
		if (rc == CAH_OK) {
			rc = file_commit(rows->file, err);
			rows->file = NULL;
		}
	} else {
		rc = sink_commit(rows->sink, err);
		rows->sink = NULL;
	}
	wat_rows_discard(rows);
	return rc;
}

void wat_rows_discard(struct wat_rows *rows)
{
	if (rows == NULL)
		return;
	sink_discard(rows->sink);
	parquet_free(rows->parquet);
	file_discard(rows->file);
	for (int i = 0; i < 2; i++)
		buf_fini(&rows->urls[i]);
	free(rows);
}
