/* A commit of synchronous=FULL waits for the disk with the database locked, and
 * so does whoever wants to write next. The tracker's connection has NORMAL,
 * with which a commit is in the log but may be lost with the power, and this
 * file makes up for it: an answer waits for sqlite_flush, which syncs the log
 * while the next calls write behind it.
 *
 * What was committed is in the log, or SQLite has copied it into the database
 * and synced that before it began the log anew (also with NORMAL): so a sync of
 * the log as it is now makes all earlier commits durable.
 *
 * Source: sqlite.org/pragma.html#pragma_synchronous, sqlite.org/wal.html. */
#include "base/fail.h"
#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct flusher {
	char log_path[PATH_MAX];
	atomic_ullong written; /* commits */
	atomic_ullong flushed; /* so many of them are on the disk */
	atomic_bool is_lost;   /* a sync failed: what it was for may be gone */
	pthread_mutex_t lock;  /* one sync at a time */
	int fd;                /* of the log, -1: not open yet */
};

int sqlite_flush_begin(struct sqlite *lite, struct cah_error *err)
{
	struct flusher *flusher = calloc(1, sizeof(*flusher));
	if (flusher == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				lite->store.path);
	(void)snprintf(flusher->log_path, sizeof(flusher->log_path), "%s-wal",
		       sqlite3_db_filename(lite->db, "main"));
	flusher->fd = -1;
	pthread_mutex_init(&flusher->lock, NULL);
	lite->flusher = flusher;
	int rc = sqlite3_exec(lite->db, "PRAGMA synchronous = NORMAL", NULL,
			      NULL, NULL);
	return rc == SQLITE_OK ? CAH_OK : sqlite_fail(lite, rc, err);
}

void sqlite_flush_end(struct sqlite *lite)
{
	struct flusher *flusher = lite->flusher;
	if (flusher == NULL)
		return;
	if (flusher->fd >= 0)
		close(flusher->fd);
	pthread_mutex_destroy(&flusher->lock);
	free(flusher);
	lite->flusher = NULL;
}

void sqlite_flush_note(struct sqlite *lite)
{
	if (lite->flusher != NULL)
		atomic_fetch_add(&lite->flusher->written, 1);
}

/* A file's name is on the disk once its folder is. 0, or an errno. */
static int sync_folder(const char *path)
{
	char copy[PATH_MAX];
	(void)snprintf(copy, sizeof(copy), "%s", path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	int why = fsync(fd) != 0 ? errno : 0;
	close(fd);
	return why;
}

/* The log that SQLite writes now, which may be another file than before. 0, or
 * an errno. */
static int open_log(struct flusher *flusher)
{
	struct stat ours, now;
	if (stat(flusher->log_path, &now) != 0)
		return errno;
	if (flusher->fd >= 0) {
		if (fstat(flusher->fd, &ours) == 0 &&
		    ours.st_ino == now.st_ino && ours.st_dev == now.st_dev)
			return 0;
		close(flusher->fd);
	}
	flusher->fd = open(flusher->log_path, O_RDWR | O_CLOEXEC);
	return flusher->fd < 0 ? errno : sync_folder(flusher->log_path);
}

int sqlite_flush(struct store *store, struct cah_error *err)
{
	struct flusher *flusher = sqlite_of(store)->flusher;
	if (flusher == NULL)
		return CAH_OK;
	unsigned long long upto = atomic_load(&flusher->written);
	pthread_mutex_lock(&flusher->lock);
	int why = 0;
	if (atomic_load(&flusher->flushed) < upto) {
		/* Later ones are taken along. */
		upto = atomic_load(&flusher->written);
		why = open_log(flusher);
		if (why == 0 && fdatasync(flusher->fd) != 0)
			why = errno;
		if (why == 0)
			atomic_store(&flusher->flushed, upto);
		else
			atomic_store(&flusher->is_lost, true);
	}
	bool is_lost = atomic_load(&flusher->is_lost);
	pthread_mutex_unlock(&flusher->lock);
	if (why != 0)
		return cah_fail(err, CAH_EUNAVAILABLE, "%s: %s",
				flusher->log_path, strerror(why));
	/* A second sync says nothing of what the first one lost. */
	if (is_lost)
		return cah_fail(err, CAH_EUNAVAILABLE,
				"%s could not be synced before",
				flusher->log_path);
	return CAH_OK;
}

/* The kernel forgets what it could not write, a second sync of the log would
 * succeed without it. A checkpoint writes all of it to the database instead. */
int sqlite_flush_mend(struct sqlite *lite, struct cah_error *err)
{
	struct flusher *flusher = lite->flusher;
	if (flusher == NULL || !atomic_load(&flusher->is_lost))
		return CAH_OK;
	unsigned long long upto = atomic_load(&flusher->written);
	int rc = sqlite3_wal_checkpoint_v2(
		lite->db, "main", SQLITE_CHECKPOINT_RESTART, NULL, NULL);
	if (rc != SQLITE_OK)
		return sqlite_fail(lite, rc, err);
	pthread_mutex_lock(&flusher->lock);
	atomic_store(&flusher->flushed, upto);
	atomic_store(&flusher->is_lost, false);
	pthread_mutex_unlock(&flusher->lock);
	return CAH_OK;
}
