/* list.h: the rows of one or many lists, one after the other: a URL, perhaps a
 * text and a hash, and the other columns that are kept. Blocks; one owner
 * thread, list_share from any. */
#ifndef GATHER_LIST_H
#define GATHER_LIST_H

#include "base/cancel.h"
#include "base/slice.h"
#include "dataset/parquet_shim.h"

enum list_format {
	LIST_AUTO, /* by the file's name */
	LIST_TXT,
	LIST_CSV,
	LIST_TSV,
	LIST_JSONL,
	LIST_PARQUET,
	LIST_FORMATS
};

/* By its name, "auto" among them; LIST_FORMATS where there is none. */
enum list_format list_format_of(const char *name);

struct list_options {
	const char *const *files; /* paths, URLs, "-"; not of Parquet */
	size_t file_count;
	enum list_format format;
	/* Columns by name; NULL: "url" and "text", in any case of letters, the
	   latter where it is there. */
	const char *url_column;
	const char *text_column;
	const char *hash_column; /* NULL: none */
	const char *keep;        /* "a,b"; NULL: all others, "": none */
	struct cancel *cancel;   /* may be NULL */
};

struct list_row {
	int64_t number;   /* from 0, over all files */
	struct slice url; /* empty where it is null or no text */
	struct slice text;
	struct slice hash;
	bool has_text;                    /* the text is not null */
	const struct parquet_value *kept; /* one a kept column */
};

struct list;

/* Opens the first file and finds the columns. All of @options is borrowed. The
 * caller ends it with list_close. Errors: CAH_EINVALID (a column that the file
 * has not, Parquet from standard input), those of input_open, CAH_EFORMAT,
 * CAH_ELIMIT. */
CAH_MUST_CHECK int list_open(struct list **out,
			     const struct list_options *options,
			     struct cah_error *err);

/* The kept columns, borrowed; *count of them. */
const struct parquet_column *list_kept(const struct list *list, size_t *count);

bool list_has_text(const struct list *list);

/* The next row, borrowed until the next call. Returns 1, or 0 at the end of the
 * last file. Errors: as list_open; they name the file and the line. */
CAH_MUST_CHECK int list_next(struct list *list, struct list_row *row,
			     struct cah_error *err);

/* Values so far that were dropped for not being of their column's type. */
int64_t list_misfits(const struct list *list);

/* How much was read, 0 to 1; -1 where it cannot be told. Any thread. */
double list_share(const struct list *list);

/* NULL is fine. */
void list_close(struct list *list);

#endif
