/* find.h: where the decoder's program is. Private to src/decode/. */
#ifndef DECODE_FIND_H
#define DECODE_FIND_H

#include <cah/error.h>

/* @given, or cah-decoder beside this program (the build folder), or where
 * `make install` puts it. The caller frees *out. Errors: CAH_EIO (there is
 * none), CAH_ENOMEM. */
CAH_MUST_CHECK int find_program(char **out, const char *given,
				struct cah_error *err);

#endif
