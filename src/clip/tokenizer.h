/* tokenizer.h: texts to the numbers that CLIP's text tower reads. A special
 * token that is spelt out in a text, such as <|endoftext|>, is text: what comes
 * from the web does not end a caption. One owner. */
#ifndef CLIP_TOKENIZER_H
#define CLIP_TOKENIZER_H

#include "base/slice.h"

#include <cah/error.h>
#include <stdint.h>

struct tokenizer;

/* Reads tokenizer.json, or vocab.json and merges.txt, of @folder. The caller
 * frees *out. Errors as clip_open. */
CAH_MUST_CHECK int tokenizer_open(struct tokenizer **out, const char *folder,
				  struct cah_error *err);
void tokenizer_free(struct tokenizer *tokenizer);

/* Tokens of one text, with start and end. */
int tokenizer_context(const struct tokenizer *tokenizer);

/* Lowers the context to @context, where the text tower takes no more. */
void tokenizer_limit(struct tokenizer *tokenizer, int context);

/* How many tokens there are, and the largest number of one. */
size_t tokenizer_size(const struct tokenizer *tokenizer);
int64_t tokenizer_biggest(const struct tokenizer *tokenizer);

/* What fills the rest of a row. */
int64_t tokenizer_pad(const struct tokenizer *tokenizer);

/* Writes start, the tokens of @text as far as there is room, end, and padding
 * up to the context. *used counts all but the padding.
 * Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int tokenizer_encode(struct tokenizer *tokenizer, int64_t *ids,
				    size_t *used, struct slice text,
				    struct cah_error *err);

#endif
