/* Texts through the demo model's tokenizer, and through both ways of cutting
 * words: whatever the bytes, a row has its start, its end and its padding. */
#include "clip/tokenizer.h"
#include "clip/words.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	CONTEXT_MAX = 256, /* tokens; the demo model's is 32 */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tokenizer *open_demo(void)
{
	const char *source = getenv("CAH_TEST_SOURCE");
	struct tokenizer *tokenizer;
	struct cah_error err;
	char path[4096];
	(void)snprintf(path, sizeof(path), "%s/models/demo",
		       source != NULL ? source : ".");
	if (tokenizer_open(&tokenizer, path, &err) != CAH_OK) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	assert(tokenizer_context(tokenizer) <= CONTEXT_MAX);
	return tokenizer;
}

static void cut(struct slice text, enum words_flavour flavour)
{
	struct words words;
	struct slice word;
	size_t total = 0;
	words_init(&words, flavour);
	assert(words_begin(&words, text, NULL) == CAH_OK);
	while (words_next(&words, &word)) {
		assert(word.len > 0);
		total += word.len;
	}
	/* A byte that is not UTF-8 becomes three; NFC grows no more. */
	assert(total <= 3 * text.len);
	words_fini(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tokenizer *tokenizer;
	int64_t ids[CONTEXT_MAX];
	size_t used;
	struct slice text = {(const char *)data, size};
	if (tokenizer == NULL)
		tokenizer = open_demo();
	cut(text, WORDS_FAST);
	cut(text, WORDS_ORIGINAL);
	assert(tokenizer_encode(tokenizer, ids, &used, text, NULL) == CAH_OK);
	size_t context = (size_t)tokenizer_context(tokenizer);
	assert(used >= 2 && used <= context);
	for (size_t i = 0; i < context; i++)
		assert(ids[i] >= 0 && ids[i] <= tokenizer_biggest(tokenizer));
	for (size_t i = used; i < context; i++)
		assert(ids[i] == tokenizer_pad(tokenizer));
	return 0;
}
