/* rows.h: the rows of one list, whatever its format. One owner thread. Private
 * to src/gather and its tests. */
#ifndef GATHER_ROWS_H
#define GATHER_ROWS_H

#include "dataset/parquet_rows.h"
#include "gather/input.h"

enum {
	ROWS_COLUMNS_MAX = PARQUET_COLUMNS_MAX,
	ROWS_NAME_MAX = 256,          /* bytes of a column's name */
	ROWS_RECORD_MAX = 1 << 20,    /* bytes of one row of a text format */
	ROWS_SNIFF_BYTES = 256 << 10, /* of JSON lines, that tell the types */
};

struct rows {
	const struct rows_kind *kind;
	const struct parquet_column *columns; /* all that the file has */
	size_t count;
	const struct parquet_value *values; /* of the last row; as many */
	int64_t misfits; /* values that were null for their column's type */
};

struct rows_kind {
	int (*next)(struct rows *rows, struct cah_error *err);
	double (*share)(const struct rows *rows);
	/* May be NULL: columns are what the file says they are. */
	int (*want)(struct rows *rows, const char *name, struct cah_error *err);
	/* May be NULL: columns cost nothing. */
	void (*select)(struct rows *rows, const bool *is_wanted);
	void (*close)(struct rows *rows);
};

/* One URL a line, in the column "url"; blanks around it and blank lines say
 * nothing. All four take @input whatever comes. Errors: as input_fill,
 * CAH_EFORMAT and CAH_ELIMIT (the limits above), which name file and line. */
CAH_MUST_CHECK int rows_open_txt(struct rows **out, struct input *input,
				 struct cah_error *err);

/* RFC 4180, the first record names the columns; blank lines say nothing. */
CAH_MUST_CHECK int rows_open_csv(struct rows **out, struct input *input,
				 struct cah_error *err);

/* IANA's text/tab-separated-values: the same with tabs and without quotes. */
CAH_MUST_CHECK int rows_open_tsv(struct rows **out, struct input *input,
				 struct cah_error *err);

/* A JSON object a line. Its columns are @known (copied), @known_count of them;
 * with 0 those of the objects in the first ROWS_SNIFF_BYTES, typed by what
 * stands there. What is no text is its JSON where the column's type is TEXT. */
CAH_MUST_CHECK int rows_open_jsonl(struct rows **out, struct input *input,
				   const struct parquet_column *known,
				   size_t known_count, struct cah_error *err);

/* Errors: as parquet_rows_open. */
CAH_MUST_CHECK int rows_open_parquet(struct rows **out, const char *path,
				     struct cah_error *err);

/* The place of the column @name, added to a list of JSON lines where it is
 * missing. Errors: CAH_ENOTFOUND (no text is made), CAH_ELIMIT, CAH_ENOMEM. */
CAH_MUST_CHECK int rows_find(size_t *out, struct rows *rows, const char *name,
			     struct cah_error *err);

/* Before the first row: the columns whose values are looked at. */
static inline void rows_select(struct rows *rows, const bool *is_wanted)
{
	if (rows->kind->select != NULL)
		rows->kind->select(rows, is_wanted);
}

/* The next row. Returns 1, or 0 at the end. Errors: as rows_open_.... */
static inline int rows_next(struct rows *rows, struct cah_error *err)
{
	return rows->kind->next(rows, err);
}

/* Share that was read, 0 to 1; -1 where it cannot be told. */
static inline double rows_share(const struct rows *rows)
{
	return rows->kind->share(rows);
}

/* NULL is fine. */
void rows_close(struct rows *rows);

/* ---- what the formats share ---- */

/* Names and types of columns as they are found. */
struct columns {
	struct parquet_column *items; /* owned, their names too */
	size_t count;
};

/* Appends a copy. Errors: CAH_ELIMIT, CAH_ENOMEM, CAH_EFORMAT (there is one of
 * that name). */
CAH_MUST_CHECK int columns_add(struct columns *columns, struct slice name,
			       enum parquet_type type, struct cah_error *err);
void columns_fini(struct columns *columns);

/* The place of @name; columns->count where there is none. */
size_t columns_find(const struct parquet_column *columns, size_t count,
		    struct slice name);

/* The next line of @input without its end (LF or CR LF), borrowed until more
 * is read; *number counts it. Returns 1, or 0 at the end. Errors: CAH_ELIMIT,
 * as input_fill. */
CAH_MUST_CHECK int rows_line(struct input *input, struct slice *line,
			     int64_t *number, struct cah_error *err);

/* Moves behind the mark that some editors put before UTF-8. */
CAH_MUST_CHECK int rows_skip_mark(struct input *input, struct cah_error *err);

#endif
