/* language.h: which language a text is in, by CLD2. Any thread. */
#ifndef WAT_LANGUAGE_H
#define WAT_LANGUAGE_H

#include "base/slice.h"

#ifdef __cplusplus
extern "C" {
#endif

struct language {
	const char *code; /* "en"; "un" where CLD2 cannot tell; static */
	bool is_reliable;
	int percent; /* of the text in that language, 0..100 */
};

/* The language that most of @text (clean UTF-8, no markup) is in. */
struct language language_of(struct slice text);

#ifdef __cplusplus
}
#endif

#endif
