/* Processes are started by a thread that lives as long as they do: to the
 * kernel, a process whose parent thread ends is an orphan, and orphans of this
 * kind are killed. */
#include "decode/pool.h"

#include "base/fail.h"
#include "decode/find.h"

#include <pthread.h>
#include <stdlib.h>

enum seat_state {
	SEAT_EMPTY, /* wants a process */
	SEAT_IDLE,
	SEAT_TAKEN,
};

struct seat {
	struct process process;
	enum seat_state state;
};

struct pool {
	int count;
	int life; /* pictures of one process */
	char *program;
	pthread_t starter;

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	bool is_ending;
	int failures; /* starts in a row */
	int code;     /* not CAH_OK: none can be started any more */
	struct cah_error err;
	struct message_ready ready; /* of the last start */
	struct seat *seats;         /* count */
};

static struct seat *find_seat(struct pool *pool, enum seat_state state)
{
	for (int i = 0; i < pool->count; i++)
		if (pool->seats[i].state == state)
			return &pool->seats[i];
	return NULL;
}

/* ---- the thread that starts processes ---- */

/* The lock is held, but not while the process starts. */
static void fill_seat(struct pool *pool, struct seat *seat)
{
	struct message_ready ready;
	struct cah_error err = {0};
	pthread_mutex_unlock(&pool->lock);
	int rc = process_start(&seat->process, pool->program, &ready, &err);
	pthread_mutex_lock(&pool->lock);
	if (rc == CAH_OK) {
		pool->failures = 0;
		pool->ready = ready;
		seat->state = SEAT_IDLE;
	} else if (++pool->failures >= DECODERS_STARTS_MAX) {
		pool->code = rc;
		pool->err = err;
	}
	pthread_cond_broadcast(&pool->changed);
}

static void *run_starter(void *arg)
{
	struct pool *pool = arg;
	pthread_mutex_lock(&pool->lock);
	while (!pool->is_ending) {
		struct seat *seat = find_seat(pool, SEAT_EMPTY);
		if (seat != NULL && pool->code == CAH_OK)
			fill_seat(pool, seat);
		else
			pthread_cond_wait(&pool->changed, &pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* ---- from start to end ---- */

static int wait_for_all(struct pool *pool, struct cah_error *err)
{
	pthread_mutex_lock(&pool->lock);
	while (find_seat(pool, SEAT_EMPTY) != NULL && pool->code == CAH_OK)
		pthread_cond_wait(&pool->changed, &pool->lock);
	int rc = pool->code;
	if (rc != CAH_OK)
		rc = cah_fail(
			err, rc,
			"decoders do not start (--no-sandbox does without "
			"them): %s",
			pool->err.text);
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

static int prepare(struct pool *pool, const struct decoders_options *o,
		   struct cah_error *err)
{
	int rc = find_program(&pool->program, o->program, err);
	if (rc != CAH_OK)
		return rc;
	pool->seats = calloc((size_t)o->count, sizeof(*pool->seats));
	if (pool->seats == NULL)
		return cah_fail(err, CAH_ENOMEM, "decoders: out of memory");
	for (; pool->count < o->count && rc == CAH_OK; pool->count++)
		rc = process_open(&pool->seats[pool->count].process,
				  o->file_max, o->made_max, err);
	return rc;
}

static void release(struct pool *pool)
{
	for (int i = 0; i < pool->count; i++)
		process_close(&pool->seats[i].process);
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->lock);
	free(pool->seats);
	free(pool->program);
	free(pool);
}

int pool_new(struct pool **out, const struct decoders_options *options,
	     struct cah_error *err)
{
	*out = NULL;
	struct pool *pool = calloc(1, sizeof(*pool));
	if (pool == NULL)
		return cah_fail(err, CAH_ENOMEM, "decoders: out of memory");
	pool->life = options->life != 0 ? options->life : DECODERS_LIFE;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->changed, NULL);
	int rc = prepare(pool, options, err);
	if (rc == CAH_OK &&
	    pthread_create(&pool->starter, NULL, run_starter, pool) != 0)
		rc = cah_fail(err, CAH_ENOMEM, "cannot start a thread");
	if (rc != CAH_OK) {
		release(pool);
		return rc;
	}
	rc = wait_for_all(pool, err);
	if (rc != CAH_OK) {
		pool_free(pool);
		return rc;
	}
	*out = pool;
	return CAH_OK;
}

void pool_free(struct pool *pool)
{
	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->is_ending = true;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	(void)pthread_join(pool->starter, NULL);
	release(pool);
}

struct message_ready pool_ready(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	struct message_ready ready = pool->ready;
	pthread_mutex_unlock(&pool->lock);
	return ready;
}

/* ---- who has which ---- */

int pool_take(struct process **out, struct pool *pool, struct cah_error *err)
{
	struct seat *seat;
	int rc = CAH_OK;
	*out = NULL;
	pthread_mutex_lock(&pool->lock);
	while ((seat = find_seat(pool, SEAT_IDLE)) == NULL &&
	       pool->code == CAH_OK)
		pthread_cond_wait(&pool->changed, &pool->lock);
	if (seat != NULL) {
		seat->state = SEAT_TAKEN;
		*out = &seat->process;
	} else {
		rc = cah_fail(err, pool->code,
			      "decoders cannot be started any more: %s",
			      pool->err.text);
	}
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

void pool_give(struct pool *pool, struct process *process)
{
	char why[PROCESS_WHY_MAX];
	struct seat *seat = (struct seat *)((char *)process -
					    offsetof(struct seat, process));
	if (process->asked >= (uint64_t)pool->life)
		process_stop(process, why);
	pthread_mutex_lock(&pool->lock);
	seat->state = process->pid != 0 ? SEAT_IDLE : SEAT_EMPTY;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
}
