/* target.h: the parts of a URL that a connection needs. Any thread. */
#ifndef FETCH_TARGET_H
#define FETCH_TARGET_H

#include <cah/error.h>

enum {
	TARGET_URL_MAX = 16384, /* bytes */
};

struct target {
	char *url;  /* as libcurl writes it */
	char *host; /* lower case, ASCII (IDNA); IPv6 in brackets */
	int port;
};

/* Reads an absolute http or https URL. Whatever comes, the caller ends it with
 * target_fini. Errors: CAH_EINVALIDURL, CAH_ENOMEM. */
CAH_MUST_CHECK int target_parse(struct target *out, const char *url,
				struct cah_error *err);
void target_fini(struct target *target);

#endif
