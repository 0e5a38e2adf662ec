/* The open book: opening and closing it, what it is copied to, the names of
 * states and types, what may be text, and the banner. */
#include "base/fail.h"
#include "base/table.h"
#include "base/utf8.h"
#include "store/pg.h"
#include "store/sqlite.h"

#include <stdlib.h>

enum {
	LEADERS_KNOWN = 100000, /* ids kept in memory */
};

/* ---- opening and closing ---- */

int store_init(struct store *store, const struct backend *backend,
	       const char *path, struct cah_error *err)
{
	store->backend = backend;
	pthread_mutex_init(&store->lock, NULL);
	store->path = strdup(path);
	store->wants.tokens =
		calloc(STORE_WANTS_MAX, sizeof(*store->wants.tokens));
	if (store->path == NULL || store->wants.tokens == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	siphash_key_new(&store->verify_secret);
	int rc = map_init(&store->map, err);
	return rc != CAH_OK ? rc
			    : table_new(&store->leader_ids, LEADERS_KNOWN, err);
}

void store_fini(struct store *store)
{
	pthread_mutex_destroy(&store->lock);
	table_free(store->leader_ids);
	map_fini(&store->map);
	free(store->wants.tokens);
	free(store->path);
}

static int open_store(struct store **out, const char *uri, bool may_make,
		      struct cah_error *err)
{
	*out = NULL;
	if (strncmp(uri, "sqlite:", 7) == 0 && uri[7] != '\0')
		return sqlite_open(out, uri + 7, may_make, err);
	if (strncmp(uri, "postgresql://", 13) == 0 ||
	    strncmp(uri, "postgres://", 11) == 0)
		return pg_open(out, uri, may_make, err);
	return cah_fail(err, CAH_EINVALID,
			"'%s' is no store: sqlite:FILE and postgresql://... "
			"are",
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

void store_set_deadline(struct store *store, int64_t deadline_ms)
{
	atomic_store(&store->deadline_ms, deadline_ms);
}

bool store_is_late(const struct store *store, int64_t at_ms)
{
	int64_t deadline_ms = atomic_load(&store->deadline_ms);
	return deadline_ms != 0 && at_ms >= deadline_ms;
}

int store_claim(struct store *store, struct cah_error *err)
{
	return store->backend->claim(store, err);
}

int store_move(struct store *from, struct store *to, store_move_fn step,
	       void *arg, struct cah_error *err)
{
	if (pg_is(from) || !pg_is(to))
		return cah_fail(err, CAH_EINVALID,
				"a book moves from SQLite to PostgreSQL only");
	return pg_move(from, to, step, arg, err);
}

int store_backup(struct store *store, const char *path, store_backup_fn step,
		 void *arg, struct cah_error *err)
{
	if (store->backend->backup == NULL)
		return cah_fail(err, CAH_EINVALID,
				"%s: only a file is backed up so; for a "
				"PostgreSQL database there is pg_dump",
				store->path);
	int rc = store_begin_read(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = store->backend->backup(store, path, step, arg, err);
	return store_end(store, rc, err);
}

/* ---- names ---- */

static const char *const type_names[] = {"HYBRID", "CPU", "GPU", "a",
					 "b",      "c",   "d",   "e"};
static const char *const state_names[] = {"open",        "leased", "gpu_open",
					  "gpu_leased",  "done",   "check_open",
					  "check_leased"};

_Static_assert(sizeof(type_names) / sizeof(*type_names) == WORKER_KIND_COUNT,
	       "a name for each type");
_Static_assert(sizeof(state_names) / sizeof(*state_names) == JOB_STATE_COUNT,
	       "a name for each state");

const char *store_type_name(enum worker_type type)
{
	return type_names[type];
}

const char *store_state_name(enum job_state state)
{
	return state_names[state];
}

int store_worker_type(struct slice name)
{
	for (int i = 0; i < WORKER_TYPE_COUNT; i++)
		if (slice_equal(name, slice_of(type_names[i])))
			return i;
	return -1;
}

int store_job_state(struct slice name)
{
	for (int i = 0; i < JOB_STATE_COUNT; i++)
		if (slice_equal(name, slice_of(state_names[i])))
			return i;
	return -1;
}

/* ---- texts ---- */

bool store_is_text(struct slice text, bool with_controls)
{
	/* Most of it is ASCII, and there may be millions of them. */
	size_t ascii = 0;
	while (ascii < text.len && text.data[ascii] >= 0x20 &&
	       text.data[ascii] < 0x7f)
		ascii++;
	text = slice_from(text, ascii);
	while (text.len > 0) {
		uint32_t cp;
		size_t len = utf8_read_valid(text, &cp);
		if (len == 0 || cp == 0 ||
		    (utf8_is_control(cp) && !with_controls))
			return false;
		text = slice_from(text, len);
	}
	return true;
}

int store_check_text(struct slice text, size_t max, const char *what,
		     struct cah_error *err)
{
	if (text.len == 0)
		return cah_fail(err, CAH_EINVALID, "%s is empty", what);
	if (text.len > max)
		return cah_fail(err, CAH_EINVALID,
				"%s has %zu bytes, at most %zu are allowed",
				what, text.len, max);
	if (!store_is_text(text, false))
		return cah_fail(err, CAH_EINVALID,
				"%s is not UTF-8 or has control characters",
				what);
	return CAH_OK;
}

int store_banner_get(struct store *store, char out[STORE_URL_MAX + 1],
		     struct cah_error *err)
{
	out[0] = '\0';
	int rc = store_begin_peek(store, err);
	if (rc != CAH_OK)
		return rc;
	rc = store_start(store, STMT_SETTING_GET,
			 STORE_ARGS(arg_text(SLICE("banner"))), err);
	if (rc > 0)
		store_text(store, STMT_SETTING_GET, 0, out, STORE_URL_MAX + 1);
	return store_end(store, rc < 0 ? rc : CAH_OK, err);
}

int store_banner_set(struct store *store, struct slice text,
		     struct cah_error *err)
{
	if (text.len > STORE_URL_MAX)
		return cah_fail(err, CAH_EINVALID,
				"the banner has %zu bytes, at most %d are "
				"allowed",
				text.len, STORE_URL_MAX);
	if (!store_is_text(text, true))
		return cah_fail(err, CAH_EINVALID, "the banner is not UTF-8");
	int rc = store_begin_write(store, err);
	if (rc != CAH_OK)
		return rc;
	store->has_changed = true;
	rc = store_run(store, STMT_SETTING_SET,
		       STORE_ARGS(arg_text(SLICE("banner")), arg_text(text)),
		       err);
	return store_end(store, rc, err);
}
