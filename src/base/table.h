/* table.h: a hash table from bytes to a number, open addressing, keyed
 * SipHash so that hostile keys cannot pile up. Keys are copied. One owner. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include "base/slice.h"

#include <cah/error.h>
#include <stdint.h>

struct table;

/* Makes a table of at most @max keys. The caller frees *out.
 * Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int table_new(struct table **out, size_t max,
			     struct cah_error *err);

void table_free(struct table *table);

/* Forgets all keys, keeps the memory. */
void table_clear(struct table *table);

/* Sets @key (at most 65,535 bytes) to @value; *was_there (may be NULL) says
 * whether it had one, which is replaced. Errors: CAH_ELIMIT (table full or key
 * too long), CAH_ENOMEM. */
CAH_MUST_CHECK int table_set(struct table *table, struct slice key,
			     uint64_t value, bool *was_there);

/* The value of @key in *value (may be NULL); false when there is none. */
bool table_get(const struct table *table, struct slice key, uint64_t *value);

/* Takes @key out; false when it was not there. */
bool table_remove(struct table *table, struct slice key);

size_t table_count(const struct table *table);

#endif
