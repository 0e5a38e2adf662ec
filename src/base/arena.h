/* arena.h: memory for one unit of work (the rows of a batch), freed at once.
 * One owner; no locks. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <cah/error.h>
#include <stddef.h>

struct arena;

/* Makes an arena that hands out at most @max bytes between two resets. The
 * caller frees *out. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int arena_new(struct arena **out, size_t max,
			     struct cah_error *err);

void arena_free(struct arena *arena);

/* Forgets everything that was handed out, keeps the largest block. */
void arena_reset(struct arena *arena);

/* Bytes that were handed out since the last reset. */
size_t arena_used(const struct arena *arena);

/* @len bytes aligned for any type, not cleared; NULL past the maximum or out
 * of memory. Valid until the next reset. */
CAH_MUST_CHECK void *arena_alloc(struct arena *arena, size_t len);

#endif
