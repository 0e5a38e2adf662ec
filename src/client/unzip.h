/* unzip.h: a gzip file of any number of members (RFC 1952) becomes a plain
 * one. Blocks; one owner. */
#ifndef CLIENT_UNZIP_H
#define CLIENT_UNZIP_H

#include <cah/error.h>
#include <stdint.h>

/* Not 0 ends the work with CAH_ECANCELLED; asked every few MB. */
typedef int (*unzip_tick_fn)(void *arg);

struct unzip_options {
	int64_t max; /* bytes of the plain file */
	unzip_tick_fn tick;
	void *tick_arg;
};

/* Reads @fd from where it stands to its end and leaves what was packed there as
 * the file @path, by rename; nothing on failure. Errors: CAH_EFORMAT (not gzip,
 * cut off, damaged), CAH_ELIMIT, CAH_EIO, CAH_ECANCELLED, CAH_ENOMEM. */
CAH_MUST_CHECK int unzip_file(int fd, const char *path,
			      const struct unzip_options *options,
			      struct cah_error *err);

#endif
