/* vocab.h: the tokens and merges of a CLIP model's folder, from tokenizer.json
 * or from vocab.json with merges.txt. After reading it is never changed: any
 * thread. */
#ifndef CLIP_VOCAB_H
#define CLIP_VOCAB_H

#include "base/slice.h"
#include "base/table.h"
#include "clip/words.h"

#include <cah/error.h>
#include <jansson.h>
#include <stdint.h>

enum {
	VOCAB_FILE_MAX = 16 * 1024 * 1024, /* bytes; the usual one has 2 MB */
	VOCAB_TOKENS_MAX = 1024 * 1024,
	VOCAB_MERGES_MAX = 1024 * 1024,
	VOCAB_TOKEN_MAX = 1024,   /* bytes of one token */
	VOCAB_CONTEXT_MAX = 4096, /* tokens of one text */
	VOCAB_CONTEXT_MIN = 3,    /* start, one token, end */
	VOCAB_CONTEXT_USUAL = 77,
	VOCAB_BYTES = 256,
	VOCAB_NONE = -1, /* no such token */
};

struct vocab {
	enum words_flavour flavour;
	struct table *tokens; /* token -> id */
	struct table *merges; /* vocab_pair -> rank << 32 | id */
	/* The token of each byte inside and at the end of a word. */
	int32_t inner[VOCAB_BYTES];
	int32_t last[VOCAB_BYTES];
	int32_t start; /* ids of the special tokens */
	int32_t end;
	int32_t pad;
	int32_t unknown; /* or VOCAB_NONE */
	int32_t biggest; /* of all ids */
	int context;     /* tokens of a text with start and end */
};

/* Errors: CAH_ENOTFOUND, CAH_EFORMAT, CAH_ELIMIT, CAH_ENOMEM, CAH_EIO, each
 * named with its file. The caller frees with vocab_fini, after a failure too.
 */
CAH_MUST_CHECK int vocab_read(struct vocab *out, const char *folder,
			      struct cah_error *err);
void vocab_fini(struct vocab *vocab);

struct vocab_merge {
	uint32_t rank; /* the smallest is merged first */
	int32_t id;    /* what it makes */
};

/* False where @left and @right do not merge. */
bool vocab_merge(const struct vocab *vocab, int32_t left, int32_t right,
		 struct vocab_merge *out);

/* --- for the readers of files: vocab_files.c -> vocab.c --- */

CAH_MUST_CHECK int vocab_init(struct vocab *out, struct cah_error *err);

/* @name is that of the file, for errors. */
CAH_MUST_CHECK int vocab_add_tokens(struct vocab *vocab, const json_t *object,
				    const char *name, struct cah_error *err);
CAH_MUST_CHECK int vocab_add_merge(struct vocab *vocab, struct slice left,
				   struct slice right, uint32_t rank,
				   struct cah_error *err);
CAH_MUST_CHECK int vocab_add_token(struct vocab *vocab, struct slice token,
				   int64_t id, const char *name,
				   struct cah_error *err);

/* VOCAB_NONE where it is not there. */
int32_t vocab_find(const struct vocab *vocab, struct slice token);

/* Fills in what the alphabet of bytes is, once all tokens are there. */
void vocab_bind_bytes(struct vocab *vocab);

#endif
