/* Transactions: of one call, or of a group of calls that share one, and with it
 * the one wait for the disk. A call alone is a group of one.
 *
 * A call checks everything before it changes anything, so that one that fails
 * leaves the others of its group alone; only the database itself can fail half
 * way, and then nothing of the group may stay. */
#include "base/fail.h"
#include "store/store_priv.h"

#include <assert.h>

enum {
	GROUP_TRIES = 8, /* where another tracker is in the way */
};

/* ---- one transaction ---- */

static bool is_in_group(const struct store *store)
{
	return store->is_group &&
	       pthread_equal(store->group_of, pthread_self());
}

static int open_one(struct store *store, bool is_write, struct cah_error *err)
{
	pthread_mutex_lock(&store->lock);
	int rc = store->backend->begin(store, is_write, err);
	if (rc != CAH_OK) {
		pthread_mutex_unlock(&store->lock);
		return rc;
	}
	store->call++;
	store->is_write = is_write;
	store->waits = true;
	store->has_changed = false;
	store->has_counts = false;
	store->this_minute = 0;
	memset(store->deltas, 0, sizeof(store->deltas));
	return CAH_OK;
}

/* *again where the same may succeed. */
static int close_one(struct store *store, int rc, bool *again,
		     struct cah_error *err)
{
	if (rc == CAH_OK && store->is_write)
		rc = save_all(store, err);
	bool is_kept = false;
	if (rc == CAH_OK) {
		rc = store->backend->commit(store, store->waits, err);
		is_kept = rc == CAH_OK;
	} else {
		store->backend->rollback(store);
	}
	if (is_kept)
		leader_remember(store);
	*again = rc != CAH_OK && store->backend->was_conflict != NULL &&
		 store->backend->was_conflict(store);
	map_clear(&store->map);
	store->wants.token_count = 0;
	memset(store->wants.open, 0, sizeof(store->wants.open));
	pthread_mutex_unlock(&store->lock);
	return rc;
}

int64_t store_now(struct store *store, int64_t now_s)
{
	return store->has_clock ? store->backend->now(store) : now_s;
}

/* ---- a call, alone or in a group ---- */

/* What was wanted is read once, by the first call. */
static int load_wanted(struct store *store, struct cah_error *err)
{
	if (store->has_loaded || !store->is_write)
		return CAH_OK;
	store->has_loaded = true;
	return map_load(store, err);
}

int store_make_room(struct store *store, struct cah_error *err)
{
	if (map_has_room(&store->map))
		return CAH_OK;
	int rc = save_all(store, err);
	/* Who was made in this group is found again by asking. */
	if (rc == CAH_OK)
		map_clear(&store->map);
	return rc;
}

static int join(struct store *store, struct cah_error *err)
{
	if (store->is_spoilt)
		return cah_fail(err, CAH_EUNAVAILABLE,
				"%s: a call before this one failed half way",
				store->path);
	store->call++;
	store->has_changed = false;
	int rc = load_wanted(store, err);
	if (rc == CAH_OK)
		rc = store_make_room(store, err);
	store->is_spoilt = rc != CAH_OK;
	return rc;
}

static int begin(struct store *store, bool is_write, struct cah_error *err)
{
	/* In a group that only reads nothing would be written. */
	assert(!is_write || !is_in_group(store) || store->is_write);
	return is_in_group(store) ? join(store, err)
				  : open_one(store, is_write, err);
}

int store_begin_peek(struct store *store, struct cah_error *err)
{
	return begin(store, false, err);
}

int store_begin_write(struct store *store, struct cah_error *err)
{
	return begin(store, true, err);
}

int store_begin_read(struct store *store, struct cah_error *err)
{
	int rc = begin(store, false, err);
	if (rc != CAH_OK || !store->is_write)
		return rc;
	rc = save_all(store, err);
	store->is_spoilt = rc != CAH_OK;
	return rc;
}

/* Of errors, those are the database's. */
static bool is_trouble(int rc)
{
	return rc == CAH_EUNAVAILABLE || rc == CAH_ENOMEM;
}

int store_end(struct store *store, int rc, struct cah_error *err)
{
	bool again;
	if (!is_in_group(store))
		return close_one(store, rc, &again, err);
	if (rc != CAH_OK && (store->has_changed || is_trouble(rc)))
		store->is_spoilt = true;
	return rc;
}

/* ---- groups ---- */

struct group {
	store_group_fn run;
	void *arg;
	bool is_write;
	bool waits; /* for the disk */
};

static int run_once(struct store *store, const struct group *group, bool *again,
		    struct cah_error *err)
{
	*again = false;
	int rc = open_one(store, group->is_write, err);
	if (rc != CAH_OK)
		return rc;
	store->waits = group->waits;
	store->group_of = pthread_self();
	store->is_group = true;
	store->is_spoilt = false;
	store->has_loaded = false;
	group->run(group->arg);
	store->is_group = false;
	if (store->is_spoilt)
		rc = cah_fail(err, CAH_EUNAVAILABLE,
			      "%s: a call of the group failed half way",
			      store->path);
	return close_one(store, rc, again, err);
}

static int run_group(struct store *store, const struct group *group,
		     struct cah_error *err)
{
	assert(!is_in_group(store));
	bool again = true;
	int rc = CAH_OK;
	for (int i = 0; i < GROUP_TRIES && again; i++)
		rc = run_once(store, group, &again, err);
	return rc;
}

int store_group(struct store *store, bool is_write, store_group_fn run,
		void *arg, struct cah_error *err)
{
	const struct group group = {run, arg, is_write, true};
	return run_group(store, &group, err);
}

int store_group_start(struct store *store, bool is_write, store_group_fn run,
		      void *arg, struct cah_error *err)
{
	const struct group group = {run, arg, is_write, false};
	return run_group(store, &group, err);
}

int store_flush(struct store *store, struct cah_error *err)
{
	return store->backend->flush != NULL ? store->backend->flush(store, err)
					     : CAH_OK;
}

void store_want_worker(struct store *store, struct slice token)
{
	struct wants *wants = &store->wants;
	struct slice copy;
	/* All go out in one statement, which a bad one would spoil. */
	if (!is_in_group(store) || token.len != STORE_TOKEN_LEN ||
	    !store_is_text(token, false) ||
	    wants->token_count == STORE_WANTS_MAX ||
	    map_text(&store->map, &copy, token, NULL) != CAH_OK)
		return;
	wants->tokens[wants->token_count++] = copy;
}

void store_want_job(struct store *store, enum worker_type type)
{
	if (is_in_group(store))
		store->wants
			.open[type == WORKER_GPU ? QUEUE_GPU : QUEUE_FIRST]++;
}

/* ---- statements ---- */

int store_start(struct store *store, enum stmt stmt, const struct arg *args,
		size_t count, struct cah_error *err)
{
	return store->backend->start(store, stmt, args, count, err);
}

int store_next(struct store *store, enum stmt stmt, struct cah_error *err)
{
	return store->backend->next(store, stmt, err);
}

int store_run(struct store *store, enum stmt stmt, const struct arg *args,
	      size_t count, struct cah_error *err)
{
	return store->backend->run(store, stmt, args, count, err);
}

int64_t store_int(struct store *store, enum stmt stmt, int column)
{
	return store->backend->get_int(store, stmt, column);
}

void store_text(struct store *store, enum stmt stmt, int column, char *out,
		size_t cap)
{
	store->backend->get_text(store, stmt, column, out, cap);
}
