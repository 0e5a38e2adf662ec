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

/* The language that most of @text (clean UTF-8, no markup) is in. Of a text
 * that is too short for a sure answer it is CLD2's best guess, with is_reliable
 * false: on captions of one to four words that guess is right far more often
 * than the sure answer is given. "un" only where there is nothing to guess by
 * (no letters, no valid UTF-8). */
struct language language_of(struct slice text);

/* True when CLD2 can answer @code, or it is another usual name of such a
 * language ("he" for CLD2's "iw"). Case does not matter. */
bool language_is_known(struct slice code);

/* True when a text of @language may stay where the languages of @codes (@count,
 * each known; none: any) are wanted: it is one of them, sure or guessed; a code
 * without a subtag ("zh") includes those with one ("zh-Hant"). "un" is never
 * wanted. */
bool language_is_wanted(const struct language *language,
			const char *const *codes, int count);

#ifdef __cplusplus
}
#endif

#endif
