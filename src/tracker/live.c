/* Workers stand in a list by when they were last heard of, so that those who
 * are gone are at its front; two tables lead to a worker by its token and to an
 * address's count. Memory grows with the workers. When there is none, a worker
 * is not counted: the limit is there against floods, not a promise. */
#include "tracker/live.h"

#include "base/fail.h"
#include "base/table.h"

#include <stdlib.h>
#include <string.h>

enum {
	FIRST_WORKERS = 64,
};

/* No worker: the end of a list. Larger than what an enum may hold. */
#define NONE UINT32_MAX

struct entry {
	char token[LIVE_TOKEN_MAX];
	struct peer class;
	int64_t heard_s;
	uint32_t before; /* heard of earlier */
	uint32_t after;  /* later; of a free entry: the next free one */
	uint8_t token_len;
};

struct live {
	struct entry *entries;
	uint32_t cap;
	uint32_t free;
	uint32_t first;
	uint32_t last;
	struct table *by_token; /* entry's index */
	struct table *by_class; /* workers and places kept */
	int64_t max_per_address;
	int64_t idle_s;
};

int live_new(struct live **out, int64_t max_per_address, int64_t idle_s,
	     struct cah_error *err)
{
	*out = NULL;
	struct live *live = calloc(1, sizeof(*live));
	if (live == NULL)
		return cah_fail(err, CAH_ENOMEM, "live workers");
	live->free = live->first = live->last = (uint32_t)NONE;
	live->max_per_address = max_per_address;
	live->idle_s = idle_s;
	int rc = table_new(&live->by_token, LIVE_WORKERS_MAX, err);
	if (rc == CAH_OK)
		rc = table_new(&live->by_class, 2 * (size_t)LIVE_WORKERS_MAX,
			       err);
	if (rc != CAH_OK) {
		live_free(live);
		return rc;
	}
	*out = live;
	return CAH_OK;
}

void live_free(struct live *live)
{
	if (live == NULL)
		return;
	table_free(live->by_token);
	table_free(live->by_class);
	free(live->entries);
	free(live);
}

static struct slice class_key(const struct peer *class)
{
	return (struct slice){(const char *)class->bytes, PEER_BYTES};
}

static struct slice token_of(const struct entry *entry)
{
	return (struct slice){entry->token, entry->token_len};
}

static int64_t count_of(const struct live *live, const struct peer *class)
{
	uint64_t count = 0;
	(void)table_get(live->by_class, class_key(class), &count);
	return (int64_t)count;
}

static bool change_count(struct live *live, const struct peer *class, int by)
{
	int64_t count = count_of(live, class) + by;
	if (count > 0)
		return table_set(live->by_class, class_key(class),
				 (uint64_t)count, NULL) == CAH_OK;
	(void)table_remove(live->by_class, class_key(class));
	return true;
}

static void unlink_entry(struct live *live, struct entry *entry)
{
	uint32_t none = (uint32_t)NONE;
	if (entry->before != none)
		live->entries[entry->before].after = entry->after;
	else
		live->first = entry->after;
	if (entry->after != none)
		live->entries[entry->after].before = entry->before;
	else
		live->last = entry->before;
}

static void append(struct live *live, uint32_t index, int64_t now_s)
{
	struct entry *entry = &live->entries[index];
	entry->heard_s = now_s;
	entry->before = live->last;
	entry->after = (uint32_t)NONE;
	if (live->last != (uint32_t)NONE)
		live->entries[live->last].after = index;
	else
		live->first = index;
	live->last = index;
}

static void drop(struct live *live, uint32_t index)
{
	struct entry *entry = &live->entries[index];
	unlink_entry(live, entry);
	(void)table_remove(live->by_token, token_of(entry));
	(void)change_count(live, &entry->class, -1);
	entry->after = live->free;
	live->free = index;
}

static void drop_gone(struct live *live, int64_t now_s)
{
	while (live->first != (uint32_t)NONE &&
	       now_s - live->entries[live->first].heard_s > live->idle_s)
		drop(live, live->first);
}

static bool grow(struct live *live)
{
	if (live->free != (uint32_t)NONE)
		return true;
	uint32_t cap = live->cap == 0 ? FIRST_WORKERS : live->cap * 2;
	if (cap > LIVE_WORKERS_MAX)
		return false;
	struct entry *more =
		reallocarray(live->entries, cap, sizeof(*live->entries));
	if (more == NULL)
		return false;
	live->entries = more;
	for (uint32_t i = cap; i-- > live->cap;) {
		more[i].after = live->free;
		live->free = i;
	}
	live->cap = cap;
	return true;
}

static void insert(struct live *live, struct slice token,
		   const struct peer *class, int64_t now_s)
{
	if (!grow(live))
		return;
	uint32_t index = live->free;
	if (table_set(live->by_token, token, index, NULL) != CAH_OK)
		return;
	if (!change_count(live, class, 1)) {
		(void)table_remove(live->by_token, token);
		return;
	}
	struct entry *entry = &live->entries[index];
	live->free = entry->after;
	memcpy(entry->token, token.data, token.len);
	entry->token_len = (uint8_t)token.len;
	entry->class = *class;
	append(live, index, now_s);
}

bool live_reserve(struct live *live, const struct peer *peer, int64_t now_s)
{
	struct peer class = peer_class(peer);
	drop_gone(live, now_s);
	bool has_place = count_of(live, &class) < live->max_per_address;
	if (has_place)
		has_place = change_count(live, &class, 1);
	return has_place;
}

void live_release(struct live *live, const struct peer *peer)
{
	struct peer class = peer_class(peer);
	(void)change_count(live, &class, -1);
}

/* The entry of a token; false where it has none. */
static bool look_up(const struct live *live, struct slice token,
		    uint32_t *index)
{
	uint64_t value;
	if (!table_get(live->by_token, token, &value))
		return false;
	*index = (uint32_t)value;
	return true;
}

void live_add(struct live *live, struct slice token, const struct peer *peer,
	      int64_t now_s)
{
	struct peer class = peer_class(peer);
	uint32_t index;
	if (token.len == 0 || token.len > LIVE_TOKEN_MAX)
		return;
	drop_gone(live, now_s);
	bool is_known = look_up(live, token, &index);
	if (is_known &&
	    memcmp(&live->entries[index].class, &class, sizeof(class)) != 0) {
		drop(live, index);
		is_known = false;
	}
	if (is_known) {
		unlink_entry(live, &live->entries[index]);
		append(live, index, now_s);
	} else {
		insert(live, token, &class, now_s);
	}
}

void live_touch(struct live *live, struct slice token, int64_t now_s)
{
	uint32_t index;
	if (look_up(live, token, &index)) {
		unlink_entry(live, &live->entries[index]);
		append(live, index, now_s);
	}
}

void live_remove(struct live *live, struct slice token)
{
	uint32_t index;
	if (look_up(live, token, &index))
		drop(live, index);
}

int64_t live_count(struct live *live, const struct peer *peer, int64_t now_s)
{
	struct peer class = peer_class(peer);
	drop_gone(live, now_s);
	int64_t count = count_of(live, &class);
	return count;
}
