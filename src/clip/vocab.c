#include "clip/vocab.h"

#include "base/fail.h"

#include <unistr.h>

static const struct slice word_end = {"</w>", 4};

int vocab_init(struct vocab *v, struct cah_error *err)
{
	*v = (struct vocab){
		.start = VOCAB_NONE,
		.end = VOCAB_NONE,
		.pad = VOCAB_NONE,
		.unknown = VOCAB_NONE,
		.biggest = VOCAB_NONE,
	};
	int rc = table_new(&v->tokens, VOCAB_TOKENS_MAX, err);
	if (rc == CAH_OK)
		rc = table_new(&v->merges, VOCAB_MERGES_MAX, err);
	return rc;
}

void vocab_fini(struct vocab *v)
{
	table_free(v->tokens);
	table_free(v->merges);
	v->tokens = v->merges = NULL;
}

int32_t vocab_find(const struct vocab *v, struct slice token)
{
	uint64_t id;
	return table_get(v->tokens, token, &id) ? (int32_t)id : VOCAB_NONE;
}

int vocab_add_token(struct vocab *v, struct slice token, int64_t id,
		    const char *name, struct cah_error *err)
{
	if (token.len > VOCAB_TOKEN_MAX)
		return cah_fail(err, CAH_ELIMIT, "%s: a token of %zu bytes",
				name, token.len);
	if (id < 0 || id >= VOCAB_TOKENS_MAX)
		return cah_fail(err, CAH_EFORMAT,
				"%s: id %lld is not within 0..%d", name,
				(long long)id, VOCAB_TOKENS_MAX - 1);
	int rc = table_set(v->tokens, token, (uint64_t)id, NULL);
	if (rc != CAH_OK)
		return cah_fail(err, rc, "%s: more than %d tokens", name,
				VOCAB_TOKENS_MAX);
	if (id > v->biggest)
		v->biggest = (int32_t)id;
	return CAH_OK;
}

int vocab_add_tokens(struct vocab *v, const json_t *object, const char *name,
		     struct cah_error *err)
{
	if (!json_is_object(object) || json_object_size(object) == 0)
		return cah_fail(err, CAH_EFORMAT, "%s: no vocabulary in it",
				name);
	for (void *i = json_object_iter((json_t *)object); i != NULL;
	     i = json_object_iter_next((json_t *)object, i)) {
		const json_t *id = json_object_iter_value(i);
		struct slice token = {json_object_iter_key(i),
				      json_object_iter_key_len(i)};
		if (!json_is_integer(id))
			return cah_fail(err, CAH_EFORMAT,
					"%s: a token's id is no integer", name);
		int rc = vocab_add_token(v, token, json_integer_value(id), name,
					 err);
		if (rc != CAH_OK)
			return rc;
	}
	return CAH_OK;
}

static struct slice pair_key(int32_t pair[2])
{
	return (struct slice){(const char *)pair, 2 * sizeof(pair[0])};
}

int vocab_add_merge(struct vocab *v, struct slice left, struct slice right,
		    uint32_t rank, struct cah_error *err)
{
	char both[2 * VOCAB_TOKEN_MAX];
	int32_t pair[2] = {vocab_find(v, left), vocab_find(v, right)};
	int32_t id = VOCAB_NONE;
	if (pair[0] != VOCAB_NONE && pair[1] != VOCAB_NONE) {
		/* A token that was found is within VOCAB_TOKEN_MAX. */
		memcpy(both, left.data, left.len);
		memcpy(both + left.len, right.data, right.len);
		id = vocab_find(v, (struct slice){both, left.len + right.len});
	}
	if (id == VOCAB_NONE)
		return cah_fail(err, CAH_EFORMAT,
				"merge %u is of tokens that are not in the "
				"vocabulary",
				rank + 1);
	uint64_t value = (uint64_t)rank << 32 | (uint32_t)id;
	int rc = table_set(v->merges, pair_key(pair), value, NULL);
	if (rc != CAH_OK)
		return cah_fail(err, rc, "more than %d merges",
				VOCAB_MERGES_MAX);
	return CAH_OK;
}

bool vocab_merge(const struct vocab *v, int32_t left, int32_t right,
		 struct vocab_merge *out)
{
	int32_t pair[2] = {left, right};
	uint64_t value;
	if (!table_get(v->merges, pair_key(pair), &value))
		return false;
	*out = (struct vocab_merge){(uint32_t)(value >> 32),
				    (int32_t)(uint32_t)value};
	return true;
}

/* Bytes that print in Latin-1 stand for themselves, the others in their order
 * for U+0100 and on (GPT-2's alphabet, which CLIP took over). */
static bool prints(unsigned byte)
{
	return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) ||
	       byte >= 174;
}

void vocab_bind_bytes(struct vocab *v)
{
	ucs4_t next = 0x100;
	for (unsigned byte = 0; byte < VOCAB_BYTES; byte++) {
		uint8_t token[8];
		ucs4_t c = prints(byte) ? byte : next++;
		size_t len = (size_t)u8_uctomb(token, c, sizeof(token));
		memcpy(token + len, word_end.data, word_end.len);
		struct slice s = {(const char *)token, len};
		v->inner[byte] = vocab_find(v, s);
		s.len += word_end.len;
		v->last[byte] = vocab_find(v, s);
	}
}
