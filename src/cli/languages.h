/* languages.h: the value of --languages. Main thread. */
#ifndef CLI_LANGUAGES_H
#define CLI_LANGUAGES_H

#include "wat/scan.h"

enum {
	LANGUAGES_TEXT_MAX = 256, /* bytes of the value */
};

/* What the scan's options point into. */
struct languages {
	char text[LANGUAGES_TEXT_MAX];
};

/* Sets scan's languages from "en,de", or "all": every text stays, and its
 * language is told. @languages must stay as long as @scan.
 * Errors: CAH_EINVALID (too many, or one that CLD2 does not know). */
CAH_MUST_CHECK int languages_read(struct languages *languages,
				  struct scan_options *scan, const char *list,
				  struct cah_error *err);

#endif
