/* digest.h: what tells whether a fetched file is the one that a list means. Any
 * thread. Nothing of a file is understood here, so that image_make needs it
 * not: whoever fetched the bytes asks. */
#ifndef IMAGE_DIGEST_H
#define IMAGE_DIGEST_H

#include "base/slice.h"

#include <cah/error.h>

enum image_digest {
	IMAGE_DIGEST_NONE,
	IMAGE_DIGEST_MD5,
	IMAGE_DIGEST_SHA256,
	IMAGE_DIGEST_SHA512,
	IMAGE_DIGEST_COUNT
};

enum {
	IMAGE_DIGEST_ROOM = 128 + 1, /* bytes of the longest, with its NUL */
};

/* "sha256"; "" for none; static. The names of img2dataset's compute_hash. */
const char *image_digest_name(enum image_digest digest);

/* By that name; IMAGE_DIGEST_COUNT where there is none. */
enum image_digest image_digest_of(const char *name);

/* Hexadecimal digits in lower case of @bytes, the file as it was fetched; empty
 * for none. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int image_digest(char out[IMAGE_DIGEST_ROOM],
				enum image_digest digest, struct slice bytes);

#endif
