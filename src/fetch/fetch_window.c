/* How many transfers may run at once. */
#include "fetch/fetch_priv.h"

#include "base/clock.h"
#include "base/fail.h"

#include <sys/resource.h>

enum {
	CONCURRENCY_FOUND_MAX = 2048, /* where nobody asked for a number */
	FILES_BESIDE =
		128, /* descriptors of the process that are no connections */
	SILENT_LOOK_MS = 100, /* those without connection are looked for
				 so often */
};

/* How many connections may be open: up to @wanted, for which the process's
 * limit is raised as far as it may be. */
static int64_t find_files(int64_t wanted)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return wanted;
	rlim_t need = (rlim_t)wanted + FILES_BESIDE;
	if (limit.rlim_cur >= need)
		return wanted;
	rlim_t before = limit.rlim_cur;
	limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		limit.rlim_cur = before;
	return (int64_t)limit.rlim_cur - FILES_BESIDE;
}

int fetch_set_window(struct fetch *fetch, struct cah_error *err)
{
	int wanted = fetch->options.concurrency;
	int64_t now_ms = clock_now_ms();
	fetch->is_adaptive = wanted == 0;
	fetch->most = wanted == 0 ? CONCURRENCY_FOUND_MAX : wanted;
	int least = wanted == 0 ? KNEE_LEAST : wanted;
	/* As many again stay open for who comes next. */
	int64_t files = find_files(2 * (int64_t)fetch->most);
	if (files < least)
		return cah_fail(err, CAH_ELIMIT,
				"%d downloads at once need %d open files, of "
				"which this process may have %lld (ulimit -n)",
				least, least + FILES_BESIDE,
				(long long)files + FILES_BESIDE);
	if (files < fetch->most)
		fetch->most = (int)files;
	fetch->connections = (int)files;
	fetch->counted_ms = now_ms;
	knee_init(&fetch->knee, fetch->most, now_ms);
	atomic_store(&fetch->window,
		     fetch->is_adaptive ? fetch->knee.window : fetch->most);
	return CAH_OK;
}

bool fetch_has_room(struct fetch *fetch)
{
	return atomic_load(&fetch->setup.held) <= fetch->options.max_held / 2;
}

bool fetch_is_held(struct fetch *fetch)
{
	return fetch->undelivered != NULL || !fetch_has_room(fetch);
}

bool fetch_is_open(const struct fetch *fetch)
{
	int active = atomic_load(&fetch->active);
	return active < fetch->most &&
	       active - fetch->aside_count < atomic_load(&fetch->window);
}

static int64_t count_ended(const struct fetch *fetch)
{
	return fetch->totals.answers + fetch->totals.troubles;
}

void fetch_enter_window(struct task *task)
{
	struct fetch *fetch = task->fetch;
	TAILQ_INSERT_TAIL(&fetch->running, task, link);
	task->begun_after = count_ended(fetch);
	atomic_fetch_add(&fetch->active, 1);
}

void fetch_leave_window(struct task *task)
{
	struct fetch *fetch = task->fetch;
	if (task->is_aside) {
		TAILQ_REMOVE(&fetch->aside, task, link);
		fetch->aside_count--;
		fetch->silent_count -= task->is_silent;
	} else {
		TAILQ_REMOVE(&fetch->running, task, link);
	}
	task->is_aside = false;
	task->is_silent = false;
	atomic_fetch_sub(&fetch->active, 1);
}

static void put_back(struct task *task)
{
	struct fetch *fetch = task->fetch;
	TAILQ_REMOVE(&fetch->aside, task, link);
	TAILQ_INSERT_TAIL(&fetch->running, task, link);
	task->is_aside = false;
	task->is_silent = false;
	fetch->aside_count--;
	fetch->silent_count--;
}

static void put_aside(struct task *task)
{
	struct fetch *fetch = task->fetch;
	TAILQ_REMOVE(&fetch->running, task, link);
	TAILQ_INSERT_TAIL(&fetch->aside, task, link);
	task->is_aside = true;
	fetch->aside_count++;
}

static void find_overtaken(struct fetch *fetch)
{
	int64_t ended = count_ended(fetch);
	for (;;) {
		struct task *task = TAILQ_FIRST(&fetch->running);
		if (task == NULL ||
		    !knee_is_overtaken(&fetch->knee, ended - task->begun_after))
			return;
		put_aside(task);
	}
}

static bool has_no_connection(const struct task *task)
{
	curl_off_t ready_us = 0;
	curl_easy_getinfo(task->transfer->easy, CURLINFO_PRETRANSFER_TIME_T,
			  &ready_us);
	return ready_us == 0;
}

/* Those that are not silent any more count again, the others less. */
static void find_silent(struct fetch *fetch, int64_t now_ms)
{
	struct task *task;
	struct task *next;
	for (task = TAILQ_FIRST(&fetch->aside); task != NULL; task = next) {
		next = TAILQ_NEXT(task, link);
		if (task->is_silent && !has_no_connection(task))
			put_back(task);
	}
	for (task = TAILQ_FIRST(&fetch->running); task != NULL; task = next) {
		next = TAILQ_NEXT(task, link);
		if (fetch->silent_count == KNEE_SILENT_MOST ||
		    now_ms - task->begun_ms < KNEE_SILENT_MS ||
		    !has_no_connection(task))
			continue;
		put_aside(task);
		task->is_silent = true;
		fetch->silent_count++;
	}
}

void fetch_count_time(struct fetch *fetch, int64_t now_ms)
{
	int64_t ms = now_ms - fetch->counted_ms;
	fetch->counted_ms = now_ms;
	if (!fetch->is_adaptive)
		return;
	if (fetch_is_held(fetch))
		fetch->totals.held_ms += ms;
	else if (fetch->was_full)
		fetch->totals.full_ms += ms;
	fetch->totals.bytes = fetch->setup.received;
	knee_step(&fetch->knee, &fetch->totals, now_ms);
	atomic_store(&fetch->window, fetch->knee.window);
	find_overtaken(fetch);
	if (now_ms >= fetch->silent_ms + SILENT_LOOK_MS) {
		fetch->silent_ms = now_ms;
		find_silent(fetch, now_ms);
	}
}

void fetch_count_end(struct fetch *fetch, const struct transfer_result *result,
		     int64_t took_ms)
{
	if (result->fate == CAH_FATE_INTERNAL)
		return;
	if (result->http_status > 0 && result->fate != CAH_FATE_TIMEOUT &&
	    result->fate != CAH_FATE_TOO_SLOW) {
		fetch->totals.answers++;
		fetch->totals.answer_ms += took_ms;
	} else {
		fetch->totals.troubles++;
	}
}
