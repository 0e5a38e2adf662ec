/* base_url.h: the address of a tracker as people type it. Any thread. */
#ifndef CLIENT_BASE_URL_H
#define CLIENT_BASE_URL_H

#include <cah/error.h>
#include <stdbool.h>

enum {
	BASE_URL_MAX = 2048, /* bytes */
};

/* Checks @url (http or https, a host, maybe a port and a path; nothing after
 * that) and gives it without final slashes, so that "%s/api/new" is a URL. The
 * caller frees *out. Errors: CAH_EINVALID, CAH_ENOMEM. */
CAH_MUST_CHECK int base_url_parse(char **out, const char *url,
				  struct cah_error *err);

/* True where the host of @url is an address of a private, loopback or
 * link-local network, or the name localhost; false for other names. */
bool base_url_is_private(const char *url);

/* True for http: and https: in any case. */
bool base_url_is_http(const char *url);

#endif
