/* The pair with the smallest rank is merged first, of equals the leftmost, each
 * by itself. Candidates wait in a heap and are checked when they come out, for
 * a neighbour may have been merged since: the order and the check are those of
 * the `tokenizers` library, so that strange merge lists come out alike. */
#include "clip/bpe.h"

#include "base/fail.h"

#include <stdlib.h>

enum {
	NONE = -1,
};

struct bpe_piece {
	int32_t id; /* VOCAB_NONE: merged into the one before */
	int32_t before;
	int32_t after;
};

struct bpe_merge {
	uint32_t rank;
	int32_t at; /* the left piece */
	int32_t id; /* what it makes */
};

void bpe_fini(struct bpe *bpe)
{
	free(bpe->pieces);
	free(bpe->heap);
	*bpe = (struct bpe){0};
}

static bool reserve(struct bpe *bpe, size_t len)
{
	if (len <= bpe->cap)
		return true;
	bpe_fini(bpe);
	bpe->pieces = calloc(len, sizeof(*bpe->pieces));
	/* n - 1 at first, and each of the n - 1 merges makes two. */
	bpe->heap = calloc(3 * len, sizeof(*bpe->heap));
	if (bpe->pieces == NULL || bpe->heap == NULL) {
		bpe_fini(bpe);
		return false;
	}
	bpe->cap = len;
	return true;
}

static bool comes_before(struct bpe_merge a, struct bpe_merge b)
{
	return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void push(struct bpe *bpe, struct bpe_merge merge)
{
	size_t i = bpe->heap_len++;
	while (i > 0 && comes_before(merge, bpe->heap[(i - 1) / 2])) {
		bpe->heap[i] = bpe->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	bpe->heap[i] = merge;
}

static struct bpe_merge pop(struct bpe *bpe)
{
	struct bpe_merge top = bpe->heap[0];
	struct bpe_merge moved = bpe->heap[--bpe->heap_len];
	size_t i = 0;
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= bpe->heap_len)
			break;
		if (child + 1 < bpe->heap_len &&
		    comes_before(bpe->heap[child + 1], bpe->heap[child]))
			child++;
		if (!comes_before(bpe->heap[child], moved))
			break;
		bpe->heap[i] = bpe->heap[child];
		i = child;
	}
	bpe->heap[i] = moved;
	return top;
}

/* Remembers that the piece at @at and the one after it may be merged. */
static void consider(struct bpe *bpe, const struct vocab *v, int32_t at)
{
	struct vocab_merge merge;
	if (at == NONE || bpe->pieces[at].after == NONE)
		return;
	const struct bpe_piece *left = &bpe->pieces[at];
	if (vocab_merge(v, left->id, bpe->pieces[left->after].id, &merge))
		push(bpe, (struct bpe_merge){merge.rank, at, merge.id});
}

static size_t split(struct bpe *bpe, const struct vocab *v, struct slice word)
{
	size_t n = 0;
	for (size_t i = 0; i < word.len; i++) {
		unsigned char byte = (unsigned char)word.data[i];
		int32_t id = i + 1 == word.len ? v->last[byte] : v->inner[byte];
		if (id == VOCAB_NONE)
			id = v->unknown;
		if (id == VOCAB_NONE)
			continue;
		bpe->pieces[n] = (struct bpe_piece){
			.id = id,
			.before = (int32_t)n - 1,
			.after = (int32_t)n + 1,
		};
		n++;
	}
	if (n > 0)
		bpe->pieces[n - 1].after = NONE;
	return n;
}

static void merge_all(struct bpe *bpe, const struct vocab *v)
{
	while (bpe->heap_len > 0) {
		struct bpe_merge top = pop(bpe);
		struct bpe_piece *left = &bpe->pieces[top.at];
		if (left->id == VOCAB_NONE || left->after == NONE)
			continue;
		struct bpe_piece *right = &bpe->pieces[left->after];
		struct vocab_merge now;
		if (!vocab_merge(v, left->id, right->id, &now) ||
		    now.id != top.id)
			continue;
		left->id = top.id;
		right->id = VOCAB_NONE;
		left->after = right->after;
		if (left->after != NONE)
			bpe->pieces[left->after].before = top.at;
		consider(bpe, v, left->before);
		consider(bpe, v, top.at);
	}
}

int bpe_word(struct bpe *bpe, const struct vocab *v, struct slice word,
	     struct bpe_tokens *out, struct cah_error *err)
{
	if (!reserve(bpe, word.len))
		return cah_fail(err, CAH_ENOMEM, "text: out of memory");
	bpe->heap_len = 0;
	size_t n = split(bpe, v, word);
	for (size_t i = 0; i + 1 < n; i++)
		consider(bpe, v, (int32_t)i);
	merge_all(bpe, v);
	/* The first piece is never merged away. */
	for (int32_t i = n > 0 ? 0 : NONE; i != NONE && out->count < out->max;
	     i = bpe->pieces[i].after)
		out->ids[out->count++] = bpe->pieces[i].id;
	return CAH_OK;
}
