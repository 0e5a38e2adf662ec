#include "base/arena.h"

#include "base/fail.h"

#include <stdalign.h>
#include <stdlib.h>

enum {
	BLOCK_MIN = 64 * 1024, /* bytes */
};

struct block {
	struct block *next;
	size_t cap;
	size_t used;
	alignas(max_align_t) char data[];
};

struct arena {
	struct block *blocks; /* the newest first */
	size_t total;         /* bytes handed out since the last reset */
	size_t max;
};

int arena_new(struct arena **out, size_t max, struct cah_error *err)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return cah_fail(err, CAH_ENOMEM, "arena: out of memory");
	(*out)->max = max;
	return CAH_OK;
}

void arena_free(struct arena *arena)
{
	if (arena == NULL)
		return;
	while (arena->blocks != NULL) {
		struct block *next = arena->blocks->next;
		free(arena->blocks);
		arena->blocks = next;
	}
	free(arena);
}

void arena_reset(struct arena *arena)
{
	struct block *largest = arena->blocks;
	for (struct block *b = arena->blocks; b != NULL; b = b->next)
		if (b->cap > largest->cap)
			largest = b;
	while (arena->blocks != NULL) {
		struct block *b = arena->blocks;
		arena->blocks = b->next;
		if (b != largest)
			free(b);
	}
	if (largest != NULL) {
		largest->next = NULL;
		largest->used = 0;
	}
	arena->blocks = largest;
	arena->total = 0;
}

size_t arena_used(const struct arena *arena)
{
	return arena->total;
}

static struct block *add_block(struct arena *arena, size_t len)
{
	size_t cap = len > BLOCK_MIN ? len : BLOCK_MIN;
	struct block *b = malloc(sizeof(*b) + cap);
	if (b == NULL)
		return NULL;
	b->cap = cap;
	b->used = 0;
	b->next = arena->blocks;
	arena->blocks = b;
	return b;
}

void *arena_alloc(struct arena *arena, size_t len)
{
	const size_t align = alignof(max_align_t);
	if (len > arena->max - arena->total)
		return NULL;
	size_t rounded = (len + align - 1) / align * align;
	if (rounded < len)
		return NULL;
	struct block *b = arena->blocks;
	if (b == NULL || b->cap - b->used < rounded)
		b = add_block(arena, rounded);
	if (b == NULL)
		return NULL;
	void *p = b->data + b->used;
	b->used += rounded;
	arena->total += len;
	return p;
}
