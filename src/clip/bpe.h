/* bpe.h: byte-pair encoding of one word (Sennrich et al., 2016), over CLIP's
 * alphabet of bytes. One owner. */
#ifndef CLIP_BPE_H
#define CLIP_BPE_H

#include "clip/vocab.h"

/* Memory that is used again from word to word. */
struct bpe {
	struct bpe_piece *pieces;
	struct bpe_merge *heap;
	size_t cap; /* bytes of the longest word so far */
	size_t heap_len;
};

void bpe_fini(struct bpe *bpe);

struct bpe_tokens {
	int64_t *ids;
	size_t count;
	size_t max;
};

/* Adds the tokens of @word to @out, as far as there is room. Time is
 * O(n log n) in the length of the word. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int bpe_word(struct bpe *bpe, const struct vocab *vocab,
			    struct slice word, struct bpe_tokens *out,
			    struct cah_error *err);

#endif
