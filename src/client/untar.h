/* untar.h: a tar of images becomes files in a folder. The archive comes from
 * strangers: it is read once to see that all of it is harmless and whole, and
 * only then unpacked. Blocks; one owner. */
#ifndef CLIENT_UNTAR_H
#define CLIENT_UNTAR_H

#include "base/slice.h"

#include <cah/error.h>
#include <stdint.h>

enum {
	UNTAR_DEPTH_MAX = 32,        /* folders within each other */
	UNTAR_NAME_MAX = 255,        /* bytes of one folder's or file's name */
	UNTAR_PATH_MAX = 4095,       /* bytes of an entry's whole path */
	UNTAR_NAMES_MAX = 256 << 20, /* bytes of all paths, which are kept until
					the archive has been looked through */
};

/* Not 0 ends the work with CAH_ECANCELLED; asked every few MB. */
typedef int (*untar_tick_fn)(void *arg);

struct untar_options {
	int64_t max_bytes; /* of all files together */
	int64_t max_entries;
	untar_tick_fn tick;
	void *tick_arg;
};

/* Unpacks the tar (plain, gzip, bzip2, xz, lzma, zstd or lz4) that the file @fd
 * holds into @folder, which is made when missing. Only files and folders, and
 * only inside: absolute paths, "..", links, devices and names that are both a
 * file and a folder make the whole archive CAH_EFORMAT, and links that stand in
 * the folder already are not followed. Files appear by rename, with the
 * permissions of new files. Errors: CAH_EFORMAT, CAH_ELIMIT, CAH_EIO,
 * CAH_ECANCELLED, CAH_ENOMEM. */
CAH_MUST_CHECK int untar_into(const char *folder, int fd,
			      const struct untar_options *options,
			      struct cah_error *err);

/* CAH_OK where @path may be unpacked: relative, at least one name, and neither
 * "." nor ".." among them but for a leading "./".
 * Errors: CAH_EFORMAT, CAH_ELIMIT. */
CAH_MUST_CHECK int untar_check_path(const char *path, struct cah_error *err);

#endif
