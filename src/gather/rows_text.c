/* Lists of which each row is a line or a few: URLs, CSV (RFC 4180) and TSV
 * (https://www.iana.org/assignments/media-types/text/tab-separated-values).
 *
 * A record may have any number of lines, for they may stand in quotes; what is
 * read of it at a time is the window of the input, which is looked through from
 * the record's start again when it has grown. */
#include "gather/rows.h"

#include "base/buf.h"
#include "base/fail.h"

#include <stdio.h>
#include <stdlib.h>

struct text_rows {
	struct rows base;
	struct input *input;
	struct columns columns;
	struct parquet_value *values; /* one a column */
	char separator;
	bool has_quotes;
	int64_t line;       /* lines before the next record */
	struct buf fields;  /* the record's, one after the other */
	size_t *ends;       /* where each ends in it */
	size_t field_count; /* of the record */
};

static struct text_rows *of(struct rows *rows)
{
	return (struct text_rows *)rows;
}

static void close_rows(struct rows *rows)
{
	struct text_rows *t = of(rows);
	input_close(t->input);
	columns_fini(&t->columns);
	buf_fini(&t->fields);
	free(t->values);
	free(t->ends);
	free(t);
}

static double share(const struct rows *rows)
{
	return input_share(((const struct text_rows *)rows)->input);
}

static int fail_at(const struct text_rows *t, int code, const char *why,
		   struct cah_error *err)
{
	return cah_fail(err, code, "%s, line %lld: %s", input_name(t->input),
			(long long)t->line + 1, why);
}

/* ---- one record ---- */

/* Where a record stands in the window. */
struct cursor {
	struct slice window;
	size_t at;
	int64_t lines; /* that ended so far */
	bool is_final; /* nothing comes behind the window */
};

enum step {
	STEP_FIELD,  /* a field ended, another one follows */
	STEP_RECORD, /* the record ended */
	STEP_MORE,   /* the window ends before it is clear */
	STEP_BROKEN, /* something else stands behind a quoted field */
};

/* A separator, a line's end or the end of the list. */
static enum step end_field(const struct text_rows *t, struct cursor *c)
{
	const char *p = c->window.data + c->at;
	size_t left = c->window.len - c->at;
	if (left == 0)
		return c->is_final ? STEP_RECORD : STEP_MORE;
	if (*p == t->separator) {
		c->at++;
		return STEP_FIELD;
	}
	if (*p == '\r' && left == 1 && !c->is_final)
		return STEP_MORE;
	size_t end = *p == '\r' ? 1 : 0;
	bool is_end = left > end ? p[end] == '\n' : end == 1;
	if (!is_end)
		return STEP_BROKEN;
	c->lines++;
	c->at += left > end ? end + 1 : end;
	return STEP_RECORD;
}

static enum step read_plain(struct text_rows *t, struct cursor *c)
{
	const char *start = c->window.data + c->at;
	for (;;) {
		while (c->at < c->window.len) {
			char ch = c->window.data[c->at];
			if (ch == t->separator || ch == '\n' || ch == '\r')
				break;
			c->at++;
		}
		const char *stop = c->window.data + c->at;
		enum step step = end_field(t, c);
		/* A carriage return alone is no line's end. */
		if (step == STEP_BROKEN) {
			c->at++;
			continue;
		}
		if (step != STEP_MORE)
			(void)buf_add(&t->fields, start,
				      (size_t)(stop - start));
		return step;
	}
}

static enum step read_quoted(struct text_rows *t, struct cursor *c)
{
	c->at++;
	for (;;) {
		const char *p = c->window.data + c->at;
		size_t left = c->window.len - c->at;
		const char *quote = left > 0 ? memchr(p, '"', left) : NULL;
		if (quote == NULL && c->is_final)
			c->at = c->window.len;
		if (quote == NULL)
			return c->is_final ? STEP_BROKEN : STEP_MORE;
		size_t len = (size_t)(quote - p);
		for (size_t i = 0; i < len; i++)
			c->lines += p[i] == '\n';
		(void)buf_add(&t->fields, p, len);
		c->at += len + 1;
		if (c->at == c->window.len && !c->is_final)
			return STEP_MORE;
		if (c->at == c->window.len || c->window.data[c->at] != '"')
			return end_field(t, c);
		(void)buf_add_byte(&t->fields, '"');
		c->at++;
	}
}

static enum step read_fields(struct text_rows *t, struct cursor *c)
{
	enum step step;
	do {
		bool is_quoted = t->has_quotes && c->at < c->window.len &&
				 c->window.data[c->at] == '"';
		step = is_quoted ? read_quoted(t, c) : read_plain(t, c);
		if (step == STEP_FIELD || step == STEP_RECORD) {
			if (t->field_count < ROWS_COLUMNS_MAX)
				t->ends[t->field_count] = t->fields.len;
			t->field_count++;
		}
	} while (step == STEP_FIELD && t->field_count <= ROWS_COLUMNS_MAX);
	return step;
}

/* Moves over lines with nothing on them. */
static void skip_blank_lines(struct text_rows *t)
{
	struct slice w = input_window(t->input);
	size_t at = 0;
	for (;;) {
		size_t end = at < w.len && w.data[at] == '\r' ? at + 1 : at;
		if (end >= w.len || w.data[end] != '\n')
			break;
		at = end + 1;
		t->line++;
	}
	input_consume(t->input, at);
}

/* Returns 1 with t->fields, or 0 at the end. */
static int read_record(struct text_rows *t, int64_t *lines,
		       struct cah_error *err)
{
	for (;;) {
		skip_blank_lines(t);
		struct cursor c = {.window = input_window(t->input),
				   .is_final = input_is_at_end(t->input)};
		if (c.is_final && c.window.len == 0)
			return 0;
		buf_reset(&t->fields);
		t->field_count = 0;
		enum step step = STEP_MORE;
		if (c.window.len > 0)
			step = read_fields(t, &c);
		if (step == STEP_BROKEN)
			return fail_at(t, CAH_EFORMAT,
				       c.at == c.window.len
					       ? "a quote is not closed"
					       : "text behind a closing quote",
				       err);
		if (t->field_count > ROWS_COLUMNS_MAX)
			return fail_at(t, CAH_ELIMIT, "too many fields", err);
		/* One that has not ended is as long as the window, at least. */
		if (c.at > ROWS_RECORD_MAX ||
		    (step == STEP_MORE && c.window.len > ROWS_RECORD_MAX))
			return fail_at(t, CAH_ELIMIT,
				       "a row of more than a mebibyte", err);
		if (t->fields.is_failed)
			return fail_at(t, t->fields.code, "out of memory", err);
		if (step == STEP_RECORD) {
			*lines = c.lines;
			input_consume(t->input, c.at);
			return 1;
		}
		int rc = input_fill(t->input, err);
		if (rc < 0)
			return rc;
	}
}

static struct slice field(const struct text_rows *t, size_t i)
{
	size_t start = i > 0 ? t->ends[i - 1] : 0;
	const char *data = t->fields.data != NULL ? t->fields.data : "";
	return (struct slice){data + start, t->ends[i] - start};
}

static int next_record(struct rows *rows, struct cah_error *err)
{
	struct text_rows *t = of(rows);
	int64_t lines = 0;
	int rc = read_record(t, &lines, err);
	if (rc <= 0)
		return rc;
	if (t->field_count != t->columns.count) {
		char why[80];
		(void)snprintf(why, sizeof(why),
			       "%zu fields; the first line has %zu",
			       t->field_count, t->columns.count);
		return fail_at(t, CAH_EFORMAT, why, err);
	}
	t->line += lines;
	for (size_t i = 0; i < t->columns.count; i++) {
		struct slice text = field(t, i);
		t->values[i] = (struct parquet_value){.text = text.data,
						      .text_len = text.len};
	}
	return 1;
}

static int next_line(struct rows *rows, struct cah_error *err)
{
	struct text_rows *t = of(rows);
	struct slice line;
	int rc;
	do {
		rc = rows_line(t->input, &line, &t->line, err);
		if (rc <= 0)
			return rc;
		while (line.len > 0 &&
		       strchr(" \t", line.data[line.len - 1]) != NULL)
			line.len--;
		while (line.len > 0 && strchr(" \t", line.data[0]) != NULL)
			line = slice_from(line, 1);
	} while (line.len == 0);
	t->values[0] =
		(struct parquet_value){.text = line.data, .text_len = line.len};
	return 1;
}

/* ---- opening ---- */

static const struct rows_kind line_kind = {
	.next = next_line, .share = share, .close = close_rows};
static const struct rows_kind record_kind = {
	.next = next_record, .share = share, .close = close_rows};

static int make(struct text_rows **out, struct input *input,
		struct cah_error *err)
{
	struct text_rows *t = calloc(1, sizeof(*t));
	*out = t;
	if (t == NULL) {
		input_close(input);
		return cah_fail(err, CAH_ENOMEM, "rows: out of memory");
	}
	t->input = input;
	buf_init(&t->fields, INPUT_WINDOW_MAX);
	return rows_skip_mark(input, err);
}

static int set_columns(struct text_rows *t, struct cah_error *err)
{
	t->base.columns = t->columns.items;
	t->base.count = t->columns.count;
	t->values = calloc(t->columns.count + 1, sizeof(t->values[0]));
	t->base.values = t->values;
	return t->values != NULL
		       ? CAH_OK
		       : cah_fail(err, CAH_ENOMEM, "rows: out of memory");
}

int rows_open_txt(struct rows **out, struct input *input, struct cah_error *err)
{
	struct text_rows *t;
	int rc = make(&t, input, err);
	if (rc == CAH_OK)
		rc = columns_add(&t->columns, SLICE("url"), PARQUET_TEXT, err);
	if (rc == CAH_OK)
		rc = set_columns(t, err);
	if (rc != CAH_OK && t != NULL) {
		close_rows(&t->base);
		t = NULL;
	}
	if (t != NULL)
		t->base.kind = &line_kind;
	*out = t != NULL ? &t->base : NULL;
	return rc;
}

/* pandas writes an index whose column has no name. */
static int add_column(struct text_rows *t, size_t i, struct cah_error *err)
{
	char made[32];
	struct slice name = field(t, i);
	if (name.len == 0) {
		(void)snprintf(made, sizeof(made), "unnamed_%zu", i);
		name = slice_of(made);
	}
	return columns_add(&t->columns, name, PARQUET_TEXT, err);
}

static int read_header(struct text_rows *t, struct cah_error *err)
{
	int64_t lines = 0;
	t->ends = calloc(ROWS_COLUMNS_MAX, sizeof(t->ends[0]));
	if (t->ends == NULL)
		return cah_fail(err, CAH_ENOMEM, "rows: out of memory");
	int rc = read_record(t, &lines, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return cah_fail(err, CAH_EFORMAT,
				"%s: empty; the first line is to name the "
				"columns",
				input_name(t->input));
	rc = CAH_OK;
	for (size_t i = 0; i < t->field_count && rc == CAH_OK; i++)
		rc = add_column(t, i, err);
	if (rc != CAH_OK)
		return cah_fail_prefix(err, rc, "%s, line 1",
				       input_name(t->input));
	t->line += lines;
	return set_columns(t, err);
}

static int open_records(struct rows **out, struct input *input, char separator,
			struct cah_error *err)
{
	struct text_rows *t;
	int rc = make(&t, input, err);
	if (rc == CAH_OK) {
		t->separator = separator;
		t->has_quotes = separator == ',';
		t->base.kind = &record_kind;
		rc = read_header(t, err);
	}
	if (rc != CAH_OK && t != NULL) {
		close_rows(&t->base);
		t = NULL;
	}
	*out = t != NULL ? &t->base : NULL;
	return rc;
}

int rows_open_csv(struct rows **out, struct input *input, struct cah_error *err)
{
	return open_records(out, input, ',', err);
}

int rows_open_tsv(struct rows **out, struct input *input, struct cah_error *err)
{
	return open_records(out, input, '\t', err);
}
