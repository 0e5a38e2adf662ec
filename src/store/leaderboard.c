/* Who did how much. A leader's numbers are at every moment the sums over the
 * jobs that name it as maker (the CPU part) or closer: save.c adds what a
 * change of a job makes of them. */
#include "base/fail.h"
#include "base/table.h"
#include "store/store_priv.h"

#include <assert.h>

/* The key of a leader: the board's digit and the nickname. */
static struct slice key_of(char out[STORE_NICKNAME_MAX + 1], enum board board,
			   struct slice nickname)
{
	assert(nickname.len <= STORE_NICKNAME_MAX);
	out[0] = (char)('0' + (int)board);
	memcpy(out + 1, nickname.data, nickname.len);
	return (struct slice){out, nickname.len + 1};
}

static void remember(struct store *store, enum board board,
		     struct slice nickname, int64_t id)
{
	char text[STORE_NICKNAME_MAX + 1];
	struct slice key = key_of(text, board, nickname);
	/* Full: whoever is active comes in again. */
	if (table_set(store->leader_ids, key, (uint64_t)id, NULL) == CAH_ELIMIT)
		table_clear(store->leader_ids);
}

void leader_remember(struct store *store)
{
	for (struct map_leader *l = store->map.leaders; l != NULL; l = l->next)
		remember(store, l->board, l->nickname, l->id);
}

static bool is_known(const struct store *store, int64_t *id, enum board board,
		     struct slice nickname)
{
	char text[STORE_NICKNAME_MAX + 1];
	uint64_t value;
	if (table_get(store->leader_ids, key_of(text, board, nickname),
		      &value)) {
		*id = (int64_t)value;
		return true;
	}
	for (struct map_leader *l = store->map.leaders; l != NULL; l = l->next)
		if (l->board == board && slice_equal(l->nickname, nickname)) {
			*id = l->id;
			return true;
		}
	return false;
}

static int ask(struct store *store, int64_t *id, enum stmt stmt,
	       enum board board, struct slice nickname, struct cah_error *err)
{
	int rc = store_start(store, stmt,
			     STORE_ARGS(arg_int(board), arg_text(nickname)),
			     err);
	if (rc == 1)
		*id = store_int(store, stmt, 0);
	return rc < 0 ? rc : CAH_OK;
}

int leader_find(struct store *store, int64_t *id, enum board board,
		struct slice nickname, bool may_make, struct cah_error *err)
{
	*id = 0;
	if (is_known(store, id, board, nickname))
		return CAH_OK;
	int rc = ask(store, id, STMT_LEADER_FIND, board, nickname, err);
	if (rc == CAH_OK && *id == 0 && may_make)
		rc = ask(store, id, STMT_LEADER_MAKE, board, nickname, err);
	/* Another tracker was faster. */
	if (rc == CAH_OK && *id == 0 && may_make)
		rc = ask(store, id, STMT_LEADER_FIND, board, nickname, err);
	if (rc != CAH_OK || *id == 0)
		return rc;
	struct map_leader *l = map_alloc(&store->map, sizeof(*l));
	if (l == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	rc = map_text(&store->map, &l->nickname, nickname, err);
	l->board = board;
	l->id = *id;
	l->next = store->map.leaders;
	store->map.leaders = l;
	return rc;
}

int store_leaders(struct store *store, struct leader *out, size_t cap,
		  size_t offset, bool is_cpu, size_t *count, int64_t *total,
		  struct cah_error *err)
{
	enum stmt stmt = is_cpu ? STMT_LEADER_LIST_CPU : STMT_LEADER_LIST;
	assert(cap <= STORE_LIST_MAX);
	*count = 0;
	*total = 0;
	int rc = store_begin_read(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_count_get(store,
			     COUNT_LEADERS + (is_cpu ? BOARD_CPU : BOARD_PAIRS),
			     total, err);
	if (rc == CAH_OK)
		rc = store_start(store, stmt,
				 STORE_ARGS(arg_int((int64_t)cap),
					    arg_int((int64_t)offset)),
				 err);
	for (; rc == 1; rc = store_next(store, stmt, err)) {
		struct leader *leader = &out[(*count)++];
		store_text(store, stmt, 0, leader->nickname,
			   sizeof(leader->nickname));
		leader->jobs = store_int(store, stmt, 1);
		leader->pairs = store_int(store, stmt, 2);
	}
	return store_end(store, rc, err);
}
