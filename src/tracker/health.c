#include "tracker/health.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct health {
	struct health_options options;
	struct cancel *stop;
	pthread_t thread;
	bool has_thread;

	/* When a change failed, with none that went well after; 0: none. */
	atomic_int_fast64_t failed_ms;

	pthread_mutex_t lock; /* never held while the store is asked */
	bool is_up;           /* the last question was answered */
	int64_t answered_ms;
	struct store_counts counts;
};

static void take_answer(struct health *health, int rc,
			const struct store_counts *counts)
{
	pthread_mutex_lock(&health->lock);
	health->is_up = rc == CAH_OK;
	if (rc == CAH_OK) {
		health->counts = *counts;
		health->answered_ms = clock_now_ms();
	}
	pthread_mutex_unlock(&health->lock);
}

/* A failure that came in between, while we asked, must not be forgotten. */
static void forgive(struct health *health, int64_t failed_ms)
{
	int_fast64_t seen = failed_ms;
	if (clock_now_ms() - failed_ms >= health->options.failed_ms)
		(void)atomic_compare_exchange_strong(&health->failed_ms, &seen,
						     0);
}

static void ask(struct health *health)
{
	const struct health_options *options = &health->options;
	struct cah_error err = {0};
	struct store_counts counts = {0};
	int64_t failed_ms = atomic_load(&health->failed_ms);
	bool was_up = health->is_up;
	int rc = options->ask(options->arg, failed_ms != 0, &counts, &err);
	take_answer(health, rc, &counts);
	if (rc == CAH_OK && failed_ms != 0)
		forgive(health, failed_ms);
	if (rc != CAH_OK && was_up)
		log_warn(options->log, "the store is away: %s", err.text);
	else if (rc == CAH_OK && !was_up)
		log_info(options->log, "the store is back");
}

static void *work(void *arg)
{
	struct health *health = arg;
	while (!cancel_sleep(health->stop, (long)health->options.period_ms))
		ask(health);
	return NULL;
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
	return value > 0 ? value : otherwise;
}

int health_new(struct health **out, const struct health_options *options,
	       struct cah_error *err)
{
	*out = NULL;
	struct health *health = calloc(1, sizeof(*health));
	if (health == NULL)
		return cah_fail(err, CAH_ENOMEM, "health");
	pthread_mutex_init(&health->lock, NULL);
	struct health_options *o = &health->options;
	*o = *options;
	o->period_ms = or_default(o->period_ms, HEALTH_PERIOD_MS);
	o->limit_ms = or_default(o->limit_ms, HEALTH_LIMIT_MS);
	o->failed_ms = or_default(o->failed_ms, HEALTH_FAILED_MS);
	int rc = cancel_new(&health->stop, err);
	if (rc == CAH_OK) {
		health->is_up = true; /* its first absence is told */
		ask(health);
		int why = pthread_create(&health->thread, NULL, work, health);
		health->has_thread = why == 0;
		if (why != 0)
			rc = cah_fail_errno(err, why, "tracker: health");
		else
			(void)pthread_setname_np(health->thread, "cah-health");
	}
	if (rc != CAH_OK) {
		health_free(health);
		return rc;
	}
	*out = health;
	return CAH_OK;
}

void health_free(struct health *health)
{
	if (health == NULL)
		return;
	cancel_set(health->stop);
	if (health->has_thread)
		pthread_join(health->thread, NULL);
	cancel_free(health->stop);
	pthread_mutex_destroy(&health->lock);
	free(health);
}

void health_failed(struct health *health)
{
	atomic_store(&health->failed_ms, clock_now_ms());
}

void health_wrote(struct health *health)
{
	/* Looked at first: this is called for each group of requests. */
	if (atomic_load_explicit(&health->failed_ms, memory_order_relaxed) != 0)
		atomic_store(&health->failed_ms, 0);
}

bool health_counts(struct health *health, struct store_counts *out)
{
	int64_t now_ms = clock_now_ms();
	pthread_mutex_lock(&health->lock);
	bool is_up = health->is_up &&
		     now_ms - health->answered_ms <= health->options.limit_ms;
	*out = health->counts;
	pthread_mutex_unlock(&health->lock);
	return is_up;
}

/* What the store itself said is for the log: it may name files. */
bool health_is_ready(struct health *health, char why[HEALTH_WHY_MAX])
{
	int64_t now_ms = clock_now_ms();
	int64_t failed_ms = atomic_load(&health->failed_ms);
	pthread_mutex_lock(&health->lock);
	bool is_up = health->is_up;
	int64_t age_ms = now_ms - health->answered_ms;
	pthread_mutex_unlock(&health->lock);
	if (!is_up)
		(void)snprintf(why, HEALTH_WHY_MAX, "the store is away");
	else if (age_ms > health->options.limit_ms)
		(void)snprintf(why, HEALTH_WHY_MAX,
			       "the store has not answered for %" PRId64 " s",
			       age_ms / 1000);
	else if (failed_ms != 0)
		(void)snprintf(why, HEALTH_WHY_MAX,
			       "a change could not be written %" PRId64
			       " s ago",
			       (now_ms - failed_ms) / 1000);
	else
		return true;
	return false;
}
