/* blocklist.h: hosts and URLs that nothing is to be fetched from. Filled by one
 * owner; then read by any thread. */
#ifndef WAT_BLOCKLIST_H
#define WAT_BLOCKLIST_H

#include "base/slice.h"

#include <cah/error.h>

enum {
	BLOCKLIST_MAX = 16 << 20, /* hosts, and hashes of URLs */
};

struct blocklist;

/* The caller frees *out. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int blocklist_new(struct blocklist **out, struct cah_error *err);
void blocklist_free(struct blocklist *list);

/* Adds a host, in any case, international names in either form; its subdomains
 * are meant, too. Errors: CAH_EFORMAT (no host's name), CAH_ELIMIT, CAH_ENOMEM.
 */
CAH_MUST_CHECK int blocklist_add_host(struct blocklist *list, struct slice name,
				      struct cah_error *err);

/* Adds the MD5 or SHA-256 of a URL, as hexadecimal digits. Errors: CAH_EFORMAT,
 * CAH_ELIMIT, CAH_ENOMEM. */
CAH_MUST_CHECK int blocklist_add_hash(struct blocklist *list, struct slice hash,
				      struct cah_error *err);

/* @url is one that url_resolve wrote. */
bool blocklist_has_host(const struct blocklist *list, struct slice url);
bool blocklist_has_url(const struct blocklist *list, struct slice url);

#endif
