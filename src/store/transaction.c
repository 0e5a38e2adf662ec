/* Transactions: of one call, or of a group of calls that share one, and with it
 * the one wait for the disk.
 *
 * Within a group each call is all or nothing by itself: a savepoint is set
 * before it. */
#include "base/fail.h"
#include "store/sqlite.h"

#include <assert.h>
#include <stdlib.h>

/* ---- opening and closing ---- */

int store_init(struct store *store, const struct backend *backend,
	       const char *path, struct cah_error *err)
{
	store->backend = backend;
	pthread_mutex_init(&store->lock, NULL);
	store->path = strdup(path);
	if (store->path == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	return CAH_OK;
}

void store_fini(struct store *store)
{
	pthread_mutex_destroy(&store->lock);
	free(store->path);
}

static int open_store(struct store **out, const char *uri, bool may_make,
		      struct cah_error *err)
{
	*out = NULL;
	if (strncmp(uri, "sqlite:", 7) == 0 && uri[7] != '\0')
		return sqlite_open(out, uri + 7, may_make, err);
	return cah_fail(err, CAH_EINVALID, "'%s' is no store: sqlite:FILE is",
			uri);
}

int store_open(struct store **out, const char *uri, struct cah_error *err)
{
	return open_store(out, uri, true, err);
}

int store_open_existing(struct store **out, const char *uri,
			struct cah_error *err)
{
	return open_store(out, uri, false, err);
}

void store_close(struct store *store)
{
	if (store != NULL)
		store->backend->close(store);
}

int store_claim(struct store *store, struct cah_error *err)
{
	return store->backend->claim(store, err);
}

/* ---- one transaction ---- */

static bool is_in_group(const struct store *store)
{
	return store->is_group &&
	       pthread_equal(store->group_of, pthread_self());
}

static int write_counts(struct store *store, struct cah_error *err)
{
	struct arg args[COUNT_COUNT];
	bool is_changed = false;
	for (int i = 0; i < COUNT_COUNT; i++) {
		args[i] = arg_int(store->deltas[i]);
		is_changed |= store->deltas[i] != 0;
	}
	if (!is_changed)
		return CAH_OK;
	return store_run(store, STMT_COUNTS_ADD, args, COUNT_COUNT, err);
}

static int open_one(struct store *store, bool is_write, struct cah_error *err)
{
	pthread_mutex_lock(&store->lock);
	int rc = store->backend->begin(store, is_write, err);
	if (rc != CAH_OK)
		pthread_mutex_unlock(&store->lock);
	else
		memset(store->deltas, 0, sizeof(store->deltas));
	return rc;
}

static int close_one(struct store *store, int rc, struct cah_error *err)
{
	if (rc == CAH_OK)
		rc = write_counts(store, err);
	if (rc == CAH_OK)
		rc = store->backend->commit(store, err);
	else
		store->backend->rollback(store);
	pthread_mutex_unlock(&store->lock);
	return rc;
}

/* ---- a call, alone or in a group ---- */

static int join(struct store *store, struct cah_error *err)
{
	if (store->is_spoilt)
		return cah_fail(err, CAH_EUNAVAILABLE,
				"%s: a call before this one failed half way",
				store->path);
	memcpy(store->kept, store->deltas, sizeof(store->kept));
	int rc = store_run(store, STMT_SAVE, NULL, 0, err);
	store->is_spoilt = rc != CAH_OK;
	return rc;
}

static int leave(struct store *store, int rc, struct cah_error *err)
{
	struct cah_error ignored;
	int undone = CAH_OK;
	if (rc != CAH_OK) {
		memcpy(store->deltas, store->kept, sizeof(store->deltas));
		undone = store_run(store, STMT_UNDO, NULL, 0, &ignored);
	}
	if (undone == CAH_OK)
		undone = store_run(store, STMT_KEEP, NULL, 0, &ignored);
	store->is_spoilt = undone != CAH_OK;
	if (rc == CAH_OK && undone != CAH_OK && err != NULL)
		*err = ignored;
	return rc != CAH_OK ? rc : undone;
}

int store_begin_read(struct store *store, struct cah_error *err)
{
	return is_in_group(store) ? join(store, err)
				  : open_one(store, false, err);
}

int store_begin_write(struct store *store, struct cah_error *err)
{
	return is_in_group(store) ? join(store, err)
				  : open_one(store, true, err);
}

int store_end(struct store *store, int rc, struct cah_error *err)
{
	return is_in_group(store) ? leave(store, rc, err)
				  : close_one(store, rc, err);
}

/* ---- groups ---- */

int store_group(struct store *store, bool is_write, store_group_fn run,
		void *arg, struct cah_error *err)
{
	assert(!is_in_group(store));
	int rc = open_one(store, is_write, err);
	if (rc != CAH_OK)
		return rc;
	store->group_of = pthread_self();
	store->is_group = true;
	store->is_spoilt = false;
	run(arg);
	store->is_group = false;
	if (store->is_spoilt)
		rc = cah_fail(err, CAH_EUNAVAILABLE,
			      "%s: a call of the group failed half way",
			      store->path);
	return close_one(store, rc, err);
}

void store_want_worker(struct store *store, struct slice token)
{
	(void)store;
	(void)token;
}

void store_want_job(struct store *store, enum worker_type type)
{
	(void)store;
	(void)type;
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
