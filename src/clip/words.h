/* words.h: a text to the words of CLIP's pattern (Radford et al., 2021), in
 * NFC and lower case:
 *   's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
 * One owner. */
#ifndef CLIP_WORDS_H
#define CLIP_WORDS_H

#include "base/slice.h"

#include <cah/error.h>
#include <stdint.h>

/* The two tokenizers that are in use differ in a few letters. */
enum words_flavour {
	/* The `tokenizers` library (tokenizer.json): each character is lowered
	 * by itself. It also composes by Unicode 9; here marks that came later
	 * are put in order, too. */
	WORDS_FAST,
	/* The original in Python (vocab.json with merges.txt): the sigma at the
	 * end of a word is lowered to its final form, and the pattern ignores
	 * case, so that U+017F is an s after an apostrophe and U+0345, an
	 * iota without case, is in no word. */
	WORDS_ORIGINAL,
};

enum {
	WORDS_TEXT_MAX = 64 * 1024, /* bytes of a text that are looked at */
};

struct words {
	enum words_flavour flavour;
	uint32_t *chars; /* the text, prepared */
	size_t count;
	size_t cap;
	size_t at; /* where the next word is looked for */
	char *bytes;
	size_t bytes_cap;
};

void words_init(struct words *words, enum words_flavour flavour);
void words_fini(struct words *words);

/* Begins @text; bytes that are not UTF-8 count as U+FFFD.
 * Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int words_begin(struct words *words, struct slice text,
			       struct cah_error *err);

/* The next word as UTF-8, never empty, valid until the next call; false at the
 * end. */
bool words_next(struct words *words, struct slice *word);

#endif
