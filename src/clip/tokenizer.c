#include "clip/tokenizer.h"

#include "base/fail.h"
#include "clip/bpe.h"
#include "clip/vocab.h"
#include "clip/words.h"

#include <stdlib.h>

struct tokenizer {
	struct vocab vocab;
	struct words words;
	struct bpe bpe;
};

int tokenizer_open(struct tokenizer **out, const char *folder,
		   struct cah_error *err)
{
	*out = NULL;
	struct tokenizer *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return cah_fail(err, CAH_ENOMEM, "tokenizer: out of memory");
	int rc = vocab_read(&t->vocab, folder, err);
	if (rc != CAH_OK) {
		tokenizer_free(t);
		return rc;
	}
	words_init(&t->words, t->vocab.flavour);
	*out = t;
	return CAH_OK;
}

void tokenizer_free(struct tokenizer *t)
{
	if (t == NULL)
		return;
	vocab_fini(&t->vocab);
	words_fini(&t->words);
	bpe_fini(&t->bpe);
	free(t);
}

int tokenizer_context(const struct tokenizer *t)
{
	return t->vocab.context;
}

void tokenizer_limit(struct tokenizer *t, int context)
{
	if (context < t->vocab.context)
		t->vocab.context = context;
}

size_t tokenizer_size(const struct tokenizer *t)
{
	return table_count(t->vocab.tokens);
}

int64_t tokenizer_biggest(const struct tokenizer *t)
{
	return t->vocab.biggest;
}

int64_t tokenizer_pad(const struct tokenizer *t)
{
	return t->vocab.pad;
}

int tokenizer_encode(struct tokenizer *t, int64_t *ids, size_t *used,
		     struct slice text, struct cah_error *err)
{
	size_t context = (size_t)t->vocab.context;
	/* The last place is for the end. */
	struct bpe_tokens out = {ids, 0, context - 1};
	struct slice word;
	ids[out.count++] = t->vocab.start;
	int rc = words_begin(&t->words, text, err);
	while (rc == CAH_OK && out.count < out.max &&
	       words_next(&t->words, &word))
		rc = bpe_word(&t->bpe, &t->vocab, word, &out, err);
	ids[out.count++] = t->vocab.end;
	*used = out.count;
	for (size_t i = out.count; i < context; i++)
		ids[i] = t->vocab.pad;
	return rc;
}
