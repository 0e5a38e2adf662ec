/* blocking.h: --block-hosts and --block-urls: files to a blocklist. Main
 * thread. */
#ifndef CLI_BLOCKING_H
#define CLI_BLOCKING_H

#include "wat/blocklist.h"

/* What was given; NULL where it was not. */
struct blocking {
	const char *hosts_path;
	const char *urls_path;
};

/* Reads what was given; *out, which the caller frees, is NULL where nothing
 * was. Blank lines and those that begin with '#' say nothing. Errors: CAH_EIO,
 * CAH_EFORMAT, CAH_ELIMIT, CAH_ENOMEM; they name file and line. */
CAH_MUST_CHECK int blocking_read(struct blocklist **out,
				 const struct blocking *blocking,
				 struct cah_error *err);

#endif
