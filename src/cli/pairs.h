/* pairs.h: pairs of an image file and a text, one a line: "PATH<tab>TEXT", or
 * JSON objects with "image" and "text". One owner. */
#ifndef CLI_PAIRS_H
#define CLI_PAIRS_H

#include "cli/lines.h"

struct pair {
	char *image; /* as it was written */
	char *text;
	size_t text_len; /* bytes; a text from JSON may hold anything */
};

void pair_fini(struct pair *pair);

struct pairs {
	struct lines lines;
	FILE *in;
	bool is_own; /* opened here, not standard input */
};

/* Opens @path, or standard input for "-". Ended with pairs_close.
 * Errors: CAH_ENOTFOUND, CAH_EIO. */
CAH_MUST_CHECK int pairs_open(struct pairs *out, const char *path,
			      struct cah_error *err);
void pairs_close(struct pairs *pairs);

/* The next pair (freed with pair_fini); blank lines are skipped. Returns 1, or
 * 0 at the end. Errors: CAH_EFORMAT (named with the line), CAH_ELIMIT,
 * CAH_ENOMEM, CAH_EIO. */
CAH_MUST_CHECK int pairs_next(struct pairs *pairs, struct pair *out,
			      struct cah_error *err);

#endif
