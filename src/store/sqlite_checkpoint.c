/* What was committed stands in the log until a checkpoint copies it into the
 * database. That takes long and belongs to nobody's call, so a thread with a
 * connection of its own does it beside them. While calls go on writing it never
 * sees the end of the log, which alone lets the log begin anew: the last few
 * pages are copied by the thread of the calls, between two transactions.
 *
 * Source: sqlite.org/wal.html, "Avoiding Excessively Large WAL Files". */
#include "store/sqlite.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
	DUE_PAGES = 16384, /* of the log: 64 MiB */
	NEAR_PAGES = 256,  /* so few are copied in between */
	ROUNDS = 8,        /* where calls write as fast as we copy */
};

struct checkpointer {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	sqlite3 *db;
	bool is_due;
	bool is_ending;
	atomic_bool is_near; /* the rest of the log is short */
};

static bool copy(sqlite3 *db, int *left)
{
	int in_log = 0, copied = 0;
	int rc = sqlite3_wal_checkpoint_v2(
		db, "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);
	*left = in_log - copied;
	return rc == SQLITE_OK;
}

/* What fails here is tried again when the log has grown: its pages are safe. */
static void copy_all(struct checkpointer *c)
{
	int before = INT32_MAX;
	for (int i = 0; i < ROUNDS; i++) {
		int left;
		if (!copy(c->db, &left) || left <= NEAR_PAGES || left >= before)
			break;
		before = left;
	}
	atomic_store(&c->is_near, true);
}

static void *run(void *arg)
{
	struct checkpointer *c = arg;
	pthread_mutex_lock(&c->lock);
	while (!c->is_ending) {
		if (!c->is_due) {
			pthread_cond_wait(&c->wake, &c->lock);
			continue;
		}
		pthread_mutex_unlock(&c->lock);
		copy_all(c);
		pthread_mutex_lock(&c->lock);
		c->is_due = false;
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* NULL where there is not enough of something. */
static struct checkpointer *begin(const char *path)
{
	struct checkpointer *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	if (sqlite3_open_v2(path, &c->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
			    NULL) == SQLITE_OK &&
	    sqlite3_wal_autocheckpoint(c->db, 0) == SQLITE_OK &&
	    pthread_create(&c->thread, NULL, run, c) == 0)
		return c;
	sqlite3_close(c->db);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
	return NULL;
}

/* SQLite calls it after each commit. */
static int on_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct sqlite *lite = arg;
	(void)name;
	sqlite_flush_note(lite);
	if (pages < DUE_PAGES)
		return SQLITE_OK;
	if (lite->checkpointer == NULL)
		lite->checkpointer = begin(sqlite3_db_filename(db, "main"));
	struct checkpointer *c = lite->checkpointer;
	if (c == NULL) {
		int left;
		(void)copy(db, &left);
		return SQLITE_OK;
	}
	pthread_mutex_lock(&c->lock);
	if (!c->is_due && !atomic_load(&c->is_near)) {
		c->is_due = true;
		pthread_cond_signal(&c->wake);
	}
	pthread_mutex_unlock(&c->lock);
	return SQLITE_OK;
}

void sqlite_checkpoint_begin(struct sqlite *lite)
{
	/* Takes the place of SQLite's own, in the middle of commits. */
	sqlite3_wal_hook(lite->db, on_commit, lite);
}

void sqlite_checkpoint_rest(struct sqlite *lite)
{
	struct checkpointer *c = lite->checkpointer;
	int left;
	if (c == NULL || !atomic_load(&c->is_near))
		return;
	(void)copy(lite->db, &left);
	atomic_store(&c->is_near, false);
}

void sqlite_checkpoint_end(struct sqlite *lite)
{
	struct checkpointer *c = lite->checkpointer;
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->is_ending = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	sqlite3_close(c->db);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
