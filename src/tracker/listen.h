/* listen.h: a socket that takes connections. Any thread. */
#ifndef TRACKER_LISTEN_H
#define TRACKER_LISTEN_H

#include <cah/error.h>

/* Listens on @address, "ADDR:PORT" or "[V6ADDR]:PORT" (port 0: any free one).
 * The caller closes *fd and frees *url, "http://ADDR:PORT/" with the port that
 * it is. Errors: CAH_EINVALID (not such a text), CAH_EUNAVAILABLE (taken, or
 * not this machine's), CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int listen_open(int *fd, char **url, const char *address,
			       struct cah_error *err);

#endif
