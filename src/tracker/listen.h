/* listen.h: a socket that takes connections. Any thread. */
#ifndef TRACKER_LISTEN_H
#define TRACKER_LISTEN_H

#include <cah/error.h>
#include <stdbool.h>

/* Listens on @address, "ADDR:PORT" or "[V6ADDR]:PORT" (port 0: any free one).
 * The caller closes *fd and frees *url, "http://ADDR:PORT/" (https where
 * @is_tls) with the port that it is. Errors: CAH_EINVALID (not such a text),
 * CAH_EUNAVAILABLE (taken, or not this machine's), CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int listen_open(int *fd, char **url, const char *address,
			       bool is_tls, struct cah_error *err);

#endif
