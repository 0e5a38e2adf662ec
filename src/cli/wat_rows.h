/* wat_rows.h: where `cah wat` writes its candidates: lines of JSON, CSV or TSV
 * on standard output or in a file, or a Parquet file. Main thread. */
#ifndef CLI_WAT_ROWS_H
#define CLI_WAT_ROWS_H

#include "wat/scan.h"

struct wat_rows;

/* Begins the output in @format ("jsonl", "csv", "tsv" or "parquet"), with the
 * line of names that some have. @path NULL: standard output, but not for
 * Parquet. The caller ends it with wat_rows_commit or wat_rows_discard. Errors:
 * CAH_EINVALID (another format; Parquet without a path), CAH_EIO, CAH_ENOMEM.
 */
CAH_MUST_CHECK int wat_rows_open(struct wat_rows **out, const char *format,
				 const char *path, bool has_fate,
				 struct cah_error *err);

/* Errors: CAH_EIO, CAH_ELIMIT, CAH_ENOMEM. */
CAH_MUST_CHECK int wat_rows_add(struct wat_rows *rows,
				const struct candidate *candidate,
				struct cah_error *err);

/* True when the reader of standard output has gone: no failure to speak of. */
bool wat_rows_is_unread(const struct wat_rows *rows);

/* Writes the rest, gives a file its name, frees @rows whatever comes. */
CAH_MUST_CHECK int wat_rows_commit(struct wat_rows *rows,
				   struct cah_error *err);

/* Leaves no file; NULL is fine. */
void wat_rows_discard(struct wat_rows *rows);

#endif
