/* siphash.h: a keyed hash of bytes, so that hostile keys cannot pile up in one
 * place of a table. Any thread. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include "base/slice.h"

#include <stdint.h>

struct siphash_key {
	uint64_t k0, k1;
};

/* A key that nobody can guess. */
void siphash_key_new(struct siphash_key *out);

uint64_t siphash(const struct siphash_key *key, struct slice bytes);

#endif
