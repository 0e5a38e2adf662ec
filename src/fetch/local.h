/* local.h: files and standard input as a stream's source. One owner. */
#ifndef FETCH_LOCAL_H
#define FETCH_LOCAL_H

#include "base/slice.h"
#include "fetch/stop.h"

#include <cah/error.h>
#include <stddef.h>
#include <stdint.h>

/* True where @location begins with a scheme (RFC 3986, 3.1) and "://". */
bool local_has_scheme(struct slice location);

/* True where @location is a path, a file: URL or "-". */
bool local_is(const char *location);

/* The path that @location names, from a file: URL (RFC 8089) or as it stands.
 * The caller frees *out. Errors: CAH_EINVALIDURL (another host), CAH_ENOMEM. */
CAH_MUST_CHECK int local_path(char **out, const char *location,
			      struct cah_error *err);

/* Opens it for reading from byte @start on; *size is -1 where unknown. The
 * caller closes *fd unless it is 0, which is standard input. Errors: CAH_EIO,
 * CAH_ENOTFOUND, CAH_EINVALIDURL (a file: URL of another host), CAH_ENOMEM,
 * CAH_ECANCELLED. */
CAH_MUST_CHECK int local_open(int *fd, int64_t *size, const char *location,
			      int64_t start, const struct stop *stop,
			      struct cah_error *err);

/* As stream_read. @location is for the error's text. */
CAH_MUST_CHECK int local_read(int fd, void *data, size_t *len,
			      const char *location, const struct stop *stop,
			      struct cah_error *err);

#endif
