/* lines.h: the lines of a file, one after the other, of a limited length. One
 * owner. */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include "base/buf.h"

#include <stdio.h>

enum {
	LINES_MAX = 1024 * 1024, /* bytes of one line */
};

struct lines {
	FILE *in;         /* borrowed */
	const char *name; /* borrowed; for errors */
	struct buf line;
	size_t number; /* of the last line, from 1 */
};

void lines_init(struct lines *lines, FILE *in, const char *name);
void lines_fini(struct lines *lines);

/* The next line without its end (LF or CR LF), valid until the next call.
 * Returns 1, or 0 at the end. Errors: CAH_ELIMIT, CAH_ENOMEM, CAH_EIO. */
CAH_MUST_CHECK int lines_next(struct lines *lines, struct slice *line,
			      struct cah_error *err);

#endif
