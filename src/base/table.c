/* Linear probing with backward-shift deletion (Knuth, TAOCP 3, 6.4, algorithm
 * R), at most three quarters full. */
#include "base/table.h"

#include "base/fail.h"
#include "base/siphash.h"

#include <stdlib.h>

enum {
	FIRST_SLOTS = 64,
	KEY_MAX = 65535, /* bytes */
};

struct slot {
	char *key; /* NULL: free */
	uint64_t hash;
	uint64_t value;
	uint16_t len;
};

struct table {
	struct slot *slots;
	size_t mask;
	size_t count;
	size_t max;
	struct siphash_key key;
};

static uint64_t hash_of(const struct table *t, struct slice key)
{
	return siphash(&t->key, key);
}

int table_new(struct table **out, size_t max, struct cah_error *err)
{
	*out = NULL;
	struct table *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return cah_fail(err, CAH_ENOMEM, "table: out of memory");
	t->slots = calloc(FIRST_SLOTS, sizeof(*t->slots));
	if (t->slots == NULL) {
		free(t);
		return cah_fail(err, CAH_ENOMEM, "table: out of memory");
	}
	t->mask = FIRST_SLOTS - 1;
	t->max = max;
	siphash_key_new(&t->key);
	*out = t;
	return CAH_OK;
}

void table_clear(struct table *t)
{
	for (size_t i = 0; i <= t->mask; i++) {
		free(t->slots[i].key);
		t->slots[i] = (struct slot){0};
	}
	t->count = 0;
}

void table_free(struct table *t)
{
	if (t == NULL)
		return;
	table_clear(t);
	free(t->slots);
	free(t);
}

/* The slot of @key, or the free one where it belongs. */
static size_t find(const struct table *t, struct slice key, uint64_t hash)
{
	size_t i = hash & t->mask;
	for (;; i = (i + 1) & t->mask) {
		const struct slot *s = &t->slots[i];
		if (s->key == NULL)
			return i;
		if (s->hash == hash &&
		    slice_equal((struct slice){s->key, s->len}, key))
			return i;
	}
}

static int grow(struct table *t)
{
	size_t n = (t->mask + 1) * 2;
	struct slot *slots = calloc(n, sizeof(*slots));
	if (slots == NULL)
		return CAH_ENOMEM;
	for (size_t i = 0; i <= t->mask; i++) {
		if (t->slots[i].key == NULL)
			continue;
		size_t j = t->slots[i].hash & (n - 1);
		while (slots[j].key != NULL)
			j = (j + 1) & (n - 1);
		slots[j] = t->slots[i];
	}
	free(t->slots);
	t->slots = slots;
	t->mask = n - 1;
	return CAH_OK;
}

int table_set(struct table *t, struct slice key, uint64_t value,
	      bool *was_there)
{
	if (key.len > KEY_MAX)
		return CAH_ELIMIT;
	uint64_t hash = hash_of(t, key);
	struct slot *s = &t->slots[find(t, key, hash)];
	if (was_there != NULL)
		*was_there = s->key != NULL;
	if (s->key != NULL) {
		s->value = value;
		return CAH_OK;
	}
	if (t->count >= t->max)
		return CAH_ELIMIT;
	if ((t->count + 1) * 4 > (t->mask + 1) * 3) {
		if (grow(t) != CAH_OK)
			return CAH_ENOMEM;
		s = &t->slots[find(t, key, hash)];
	}
	char *copy = malloc(key.len + 1);
	if (copy == NULL)
		return CAH_ENOMEM;
	if (key.len != 0)
		memcpy(copy, key.data, key.len);
	copy[key.len] = '\0';
	*s = (struct slot){copy, hash, value, (uint16_t)key.len};
	t->count++;
	return CAH_OK;
}

bool table_get(const struct table *t, struct slice key, uint64_t *value)
{
	if (key.len > KEY_MAX)
		return false;
	const struct slot *s = &t->slots[find(t, key, hash_of(t, key))];
	if (s->key == NULL)
		return false;
	if (value != NULL)
		*value = s->value;
	return true;
}

bool table_remove(struct table *t, struct slice key)
{
	if (key.len > KEY_MAX)
		return false;
	size_t hole = find(t, key, hash_of(t, key));
	if (t->slots[hole].key == NULL)
		return false;
	free(t->slots[hole].key);
	t->slots[hole].key = NULL;
	t->count--;
	for (size_t j = (hole + 1) & t->mask; t->slots[j].key != NULL;
	     j = (j + 1) & t->mask) {
		size_t home = t->slots[j].hash & t->mask;
		if (((j - home) & t->mask) < ((j - hole) & t->mask))
			continue;
		t->slots[hole] = t->slots[j];
		t->slots[j].key = NULL;
		hole = j;
	}
	return true;
}

size_t table_count(const struct table *t)
{
	return t->count;
}
