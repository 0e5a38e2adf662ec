/* What failed for a reason that may pass is tried again when nothing else
 * waits: at the end of the shard, or where the queue before is slow. Until then
 * it holds no place, so it keeps nobody out. */
#include "fetch/fetch_priv.h"

#include <stdlib.h>

enum {
	RETRY_PAUSE_MS = 2000,     /* at least, after a failure */
	RETRY_LATEST_MS = 60000,   /* where fresh jobs never end */
	RETRY_WAITING_MAX = 65536, /* jobs; what fails beyond is given back */
};

bool fetch_is_passing(enum fate fate)
{
	return fate == CAH_FATE_DNS_FAILED || fate == CAH_FATE_DNS_TIMEOUT ||
	       fate == CAH_FATE_CONNECT_FAILED || fate == CAH_FATE_TIMEOUT ||
	       fate == CAH_FATE_TOO_SLOW;
}

void fetch_fail(struct task *task, enum fate fate, const char *detail,
		int64_t now_ms)
{
	struct fetch *fetch = task->fetch;
	if (task->tries > fetch->options.retries || fetch->is_stopping ||
	    fetch->later_count >= RETRY_WAITING_MAX) {
		fetch_settle(task, fate, detail);
		return;
	}
	fetch_drop_body(fetch, task->job);
	target_fini(&task->target);
	task->site = NULL;
	task->failed_ms = now_ms;
	TAILQ_INSERT_TAIL(&fetch->later, task, link);
	fetch->later_count++;
	fetch->inside--;
}

/* From the beginning: what a redirect led to may have been wrong. */
static void start_again(struct task *task, int64_t now_ms)
{
	struct fetch *fetch = task->fetch;
	TAILQ_REMOVE(&fetch->later, task, link);
	fetch->later_count--;
	fetch->inside++;
	atomic_fetch_add(&fetch->retried, 1);
	task->job->http_status = 0;
	task->tries++;
	fetch_start(task, now_ms);
}

/* Places that no other job wants. */
static int count_free(const struct fetch *fetch)
{
	if (!TAILQ_EMPTY(&fetch->ready) || !fetch_is_open(fetch))
		return 0;
	return atomic_load(&fetch->window) + fetch->aside_count -
	       atomic_load(&fetch->active);
}

void fetch_try_again(struct fetch *fetch, int64_t now_ms)
{
	if (fetch_is_held(fetch))
		return;
	int places = count_free(fetch);
	for (struct task *task = TAILQ_FIRST(&fetch->later); task != NULL;
	     task = TAILQ_FIRST(&fetch->later)) {
		int64_t waited_ms = now_ms - task->failed_ms;
		if (waited_ms < RETRY_PAUSE_MS ||
		    (waited_ms < RETRY_LATEST_MS && places-- <= 0))
			return;
		start_again(task, now_ms);
	}
}

int64_t fetch_retry_deadline_ms(struct fetch *fetch, int64_t now_ms)
{
	const struct task *first = TAILQ_FIRST(&fetch->later);
	if (first == NULL || fetch_is_held(fetch))
		return -1;
	if (now_ms - first->failed_ms < RETRY_PAUSE_MS)
		return first->failed_ms + RETRY_PAUSE_MS;
	return first->failed_ms + RETRY_LATEST_MS;
}

void fetch_settle_later(struct fetch *fetch, enum fate fate, const char *detail)
{
	while (!TAILQ_EMPTY(&fetch->later)) {
		struct task *task = TAILQ_FIRST(&fetch->later);
		TAILQ_REMOVE(&fetch->later, task, link);
		fetch->later_count--;
		fetch->inside++;
		fetch_settle(task, fate, detail);
	}
}
