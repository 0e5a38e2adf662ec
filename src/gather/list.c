#include "gather/list.h"

#include "base/buf.h"
#include "base/fail.h"
#include "gather/rows.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
	SHARE_PARTS = 1000000, /* the share is kept as a whole number */
	SHARE_EVERY = 64,      /* rows between two looks at it */
};

static const struct {
	const char *name;
	const char *ending; /* of files, without .gz; NULL: none of its own */
} formats[LIST_FORMATS] = {
	[LIST_AUTO] = {"auto", NULL},
	[LIST_TXT] = {"txt", ".txt"},
	[LIST_CSV] = {"csv", ".csv"},
	[LIST_TSV] = {"tsv", ".tsv"},
	[LIST_JSONL] = {"jsonl", ".jsonl"},
	[LIST_PARQUET] = {"parquet", ".parquet"},
};

struct list {
	struct list_options options;
	size_t at; /* of the file in hand */
	struct rows *rows;
	int64_t number;  /* of the next row */
	int64_t misfits; /* of files that are done */
	atomic_int share;

	/* names, and their places in the file in hand; "url" is borrowed from
	   what the first file calls it */
	char *url;
	char *text; /* NULL: none */
	struct columns kept;
	size_t url_at, text_at, hash_at;
	size_t *kept_at;
	struct parquet_value *values; /* of the kept columns */
	struct columns seen; /* all columns of a first file of JSON lines */
};

enum list_format list_format_of(const char *name)
{
	int i = 0;
	while (i < LIST_FORMATS && strcmp(formats[i].name, name) != 0)
		i++;
	return (enum list_format)i;
}

static enum list_format guess(const char *file)
{
	struct slice name = slice_of(file);
	if (slice_ends(name, SLICE(".gz")))
		name.len -= 3;
	for (int i = 0; i < LIST_FORMATS; i++)
		if (formats[i].ending != NULL &&
		    slice_ends(name, slice_of(formats[i].ending)))
			return (enum list_format)i;
	if (slice_ends(name, SLICE(".ndjson")) ||
	    slice_ends(name, SLICE(".json")))
		return LIST_JSONL;
	return LIST_TXT;
}

static int open_rows(struct list *l, struct cah_error *err)
{
	const char *file = l->options.files[l->at];
	enum list_format format = l->options.format;
	if (format == LIST_AUTO)
		format = guess(file);
	if (format == LIST_PARQUET && strcmp(file, "-") == 0)
		return cah_fail(err, CAH_EINVALID,
				"Parquet is read from its end: standard input "
				"has none");
	if (format == LIST_PARQUET)
		return rows_open_parquet(&l->rows, file, err);
	struct input *input;
	int rc = input_open(&input, file, l->options.cancel, err);
	if (rc != CAH_OK)
		return rc;
	switch (format) {
	case LIST_CSV:
		return rows_open_csv(&l->rows, input, err);
	case LIST_TSV:
		return rows_open_tsv(&l->rows, input, err);
	case LIST_JSONL:
		return rows_open_jsonl(&l->rows, input, l->seen.items,
				       l->seen.count, err);
	default:
		return rows_open_txt(&l->rows, input, err);
	}
}

/* ---- columns ---- */

/* "url, text and TEXT": what a file has, for the error. */
static int fail_column(const struct list *l, const char *option,
		       const char *name, struct cah_error *err)
{
	struct buf names;
	buf_init(&names, 200);
	for (size_t i = 0; i < l->rows->count; i++)
		(void)buf_printf(&names, "%s%s", i > 0 ? ", " : "",
				 l->rows->columns[i].name);
	int rc = cah_fail(err, CAH_EINVALID, "%s: no column '%s' in %s (%s%s)",
			  option, name, l->options.files[l->at],
			  names.data != NULL ? names.data : "",
			  names.is_failed ? ", ..." : "");
	buf_fini(&names);
	return rc;
}

static int find(const struct list *l, size_t *out, const char *option,
		const char *name, struct cah_error *err)
{
	int rc = rows_find(out, l->rows, name, err);
	return rc == CAH_ENOTFOUND ? fail_column(l, option, name, err) : rc;
}

/* The column's own name for @wanted, whatever its case; NULL. */
static const char *find_nocase(const struct list *l, const char *wanted)
{
	const struct rows *rows = l->rows;
	size_t i = columns_find(rows->columns, rows->count, slice_of(wanted));
	for (size_t k = 0; i == rows->count && k < rows->count; k++)
		if (slice_equal_nocase(slice_of(rows->columns[k].name),
				       slice_of(wanted)))
			return rows->columns[k].name;
	return i < rows->count ? rows->columns[i].name : NULL;
}

static int name_columns(struct list *l, struct cah_error *err)
{
	const char *url = l->options.url_column;
	const char *text = l->options.text_column;
	if (url == NULL)
		url = find_nocase(l, "url");
	if (url == NULL)
		return fail_column(l, "--url-column", "url", err);
	if (text == NULL)
		text = find_nocase(l, "text");
	l->url = strdup(url);
	l->text = text != NULL ? strdup(text) : NULL;
	if (l->url == NULL || (text != NULL && l->text == NULL))
		return cah_fail(err, CAH_ENOMEM, "list: out of memory");
	return CAH_OK;
}

static int keep(struct list *l, size_t at, struct cah_error *err)
{
	const struct parquet_column *column = &l->rows->columns[at];
	return columns_add(&l->kept, slice_of(column->name), column->type, err);
}

static int keep_named(struct list *l, struct cah_error *err)
{
	const char *name = l->options.keep;
	int rc = CAH_OK;
	while (*name != '\0' && rc == CAH_OK) {
		size_t len = strcspn(name, ",");
		char *copy = strndup(name, len);
		size_t at;
		if (copy == NULL)
			return cah_fail(err, CAH_ENOMEM, "list: out of memory");
		rc = find(l, &at, "--keep", copy, err);
		free(copy);
		if (rc == CAH_OK)
			rc = keep(l, at, err);
		name += len + (name[len] == ',' ? 1 : 0);
	}
	return rc;
}

static int keep_others(struct list *l, struct cah_error *err)
{
	int rc = CAH_OK;
	for (size_t i = 0; i < l->rows->count && rc == CAH_OK; i++)
		if (i != l->url_at && (l->text == NULL || i != l->text_at))
			rc = keep(l, i, err);
	return rc;
}

/* Where the columns of the first file are in the one in hand. */
static int find_columns(struct list *l, struct cah_error *err)
{
	const struct list_options *o = &l->options;
	int rc = find(l, &l->url_at, "--url-column", l->url, err);
	if (rc == CAH_OK && l->text != NULL)
		rc = find(l, &l->text_at, "--text-column", l->text, err);
	if (rc == CAH_OK && o->hash_column != NULL)
		rc = find(l, &l->hash_at, "--verify-hash", o->hash_column, err);
	return rc;
}

static int find_kept(struct list *l, struct cah_error *err)
{
	for (size_t i = 0; i < l->kept.count; i++) {
		const struct parquet_column *wanted = &l->kept.items[i];
		int rc = find(l, &l->kept_at[i], "--keep", wanted->name, err);
		if (rc != CAH_OK)
			return rc;
		if (l->rows->columns[l->kept_at[i]].type != wanted->type)
			return cah_fail(err, CAH_EFORMAT,
					"%s: column '%s' is of another type "
					"than in %s",
					l->options.files[l->at], wanted->name,
					l->options.files[0]);
	}
	return CAH_OK;
}

static int select_columns(struct list *l, struct cah_error *err)
{
	bool *is_wanted = calloc(l->rows->count + 1, sizeof(bool));
	if (is_wanted == NULL)
		return cah_fail(err, CAH_ENOMEM, "list: out of memory");
	is_wanted[l->url_at] = true;
	if (l->text != NULL)
		is_wanted[l->text_at] = true;
	if (l->options.hash_column != NULL)
		is_wanted[l->hash_at] = true;
	for (size_t i = 0; i < l->kept.count; i++)
		is_wanted[l->kept_at[i]] = true;
	rows_select(l->rows, is_wanted);
	free(is_wanted);
	return CAH_OK;
}

/* The types of the first list of JSON lines are those of all. */
static int remember_seen(struct list *l, struct cah_error *err)
{
	int rc = CAH_OK;
	if (l->rows->kind->want == NULL)
		return CAH_OK;
	for (size_t i = 0; i < l->rows->count && rc == CAH_OK; i++)
		rc = columns_add(&l->seen, slice_of(l->rows->columns[i].name),
				 l->rows->columns[i].type, err);
	return rc;
}

static int choose_columns(struct list *l, struct cah_error *err)
{
	int rc = name_columns(l, err);
	if (rc == CAH_OK)
		rc = find_columns(l, err);
	if (rc == CAH_OK)
		rc = l->options.keep != NULL ? keep_named(l, err)
					     : keep_others(l, err);
	if (rc == CAH_OK)
		rc = remember_seen(l, err);
	if (rc != CAH_OK)
		return rc;
	l->kept_at = calloc(l->kept.count + 1, sizeof(l->kept_at[0]));
	l->values = calloc(l->kept.count + 1, sizeof(l->values[0]));
	return l->kept_at != NULL && l->values != NULL
		       ? CAH_OK
		       : cah_fail(err, CAH_ENOMEM, "list: out of memory");
}

static int open_file(struct list *l, struct cah_error *err)
{
	int rc = open_rows(l, err);
	if (rc == CAH_OK)
		rc = l->url == NULL ? choose_columns(l, err)
				    : find_columns(l, err);
	if (rc == CAH_OK)
		rc = find_kept(l, err);
	return rc == CAH_OK ? select_columns(l, err) : rc;
}

int list_open(struct list **out, const struct list_options *options,
	      struct cah_error *err)
{
	assert(options->file_count > 0);
	struct list *l = calloc(1, sizeof(*l));
	*out = l;
	if (l == NULL)
		return cah_fail(err, CAH_ENOMEM, "list: out of memory");
	l->options = *options;
	int rc = open_file(l, err);
	if (rc != CAH_OK) {
		list_close(l);
		*out = NULL;
	}
	return rc;
}

const struct parquet_column *list_kept(const struct list *l, size_t *count)
{
	*count = l->kept.count;
	return l->kept.items;
}

bool list_has_text(const struct list *l)
{
	return l->text != NULL;
}

/* ---- rows ---- */

static struct slice text_of(const struct list *l, size_t at)
{
	const struct parquet_value *value = &l->rows->values[at];
	enum parquet_type type = l->rows->columns[at].type;
	if (value->is_null || (type != PARQUET_TEXT && type != PARQUET_BINARY))
		return (struct slice){NULL, 0};
	return (struct slice){value->text, value->text_len};
}

static void count_share(struct list *l)
{
	double share = l->rows != NULL ? rows_share(l->rows) : 0;
	double all = ((double)l->at + share) / (double)l->options.file_count;
	atomic_store(&l->share, share < 0 ? -1 : (int)(all * SHARE_PARTS));
}

static void fill_row(struct list *l, struct list_row *row)
{
	const struct parquet_value *values = l->rows->values;
	*row = (struct list_row){.number = l->number++,
				 .url = text_of(l, l->url_at),
				 .kept = l->values};
	if (l->text != NULL) {
		row->text = text_of(l, l->text_at);
		row->has_text = !values[l->text_at].is_null;
	}
	if (l->options.hash_column != NULL)
		row->hash = text_of(l, l->hash_at);
	for (size_t i = 0; i < l->kept.count; i++)
		l->values[i] = values[l->kept_at[i]];
	if (row->number % SHARE_EVERY == 0)
		count_share(l);
}

int list_next(struct list *l, struct list_row *row, struct cah_error *err)
{
	while (l->rows != NULL) {
		if (cancel_is_set(l->options.cancel))
			return cah_fail(err, CAH_ECANCELLED, "stopped");
		int rc = rows_next(l->rows, err);
		if (rc > 0)
			fill_row(l, row);
		if (rc != 0)
			return rc;
		l->misfits += l->rows->misfits;
		rows_close(l->rows);
		l->rows = NULL;
		l->at++;
		count_share(l);
		if (l->at == l->options.file_count)
			break;
		rc = open_file(l, err);
		if (rc != CAH_OK)
			return rc;
	}
	return 0;
}

int64_t list_misfits(const struct list *l)
{
	return l->misfits + (l->rows != NULL ? l->rows->misfits : 0);
}

double list_share(const struct list *l)
{
	int share = atomic_load(&l->share);
	return share < 0 ? -1 : (double)share / SHARE_PARTS;
}

void list_close(struct list *l)
{
	if (l == NULL)
		return;
	rows_close(l->rows);
	columns_fini(&l->kept);
	columns_fini(&l->seen);
	free(l->url);
	free(l->text);
	free(l->kept_at);
	free(l->values);
	free(l);
}
