/* The loop that all of the download stage runs in. */
#include "fetch/fetch_priv.h"

#include "base/clock.h"
#include "base/fail.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	CONCURRENCY_MAX = 65536,
	FULL_TICK_MS = 5, /* looks for room so often */
};

struct fetch_options fetch_options_default(void)
{
	return (struct fetch_options){
		.per_host = 16,
		.per_address = 128,
		.max_rest_ms = 60000,
		.retries = 2,
		.connect_timeout_ms = 5000,
		.total_timeout_ms = 20000,
		.lowest_rate = 1024,
		.max_bytes = 20 * 1024 * 1024,
		.max_held = 512 * 1024 * 1024,
		.max_header_bytes = 64 * 1024,
		.max_redirects = 5,
	};
}

/* ---- the loop ---- */

static void stop_waiting(struct site *site)
{
	struct fetch *fetch = site->owner;
	fetch_settle_waiting(site, CAH_FATE_INTERNAL, fetch->why, 0);
}

static void stop_all(struct task_list *running, const char *why)
{
	while (!TAILQ_EMPTY(running)) {
		struct task *task = TAILQ_FIRST(running);
		/* The analyzer does not see that the list forgets its first.
		 * NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		fetch_leave(task);
		fetch_settle(task, CAH_FATE_INTERNAL, why);
	}
}

static void stop(struct fetch *fetch, const char *why)
{
	fetch->is_stopping = true;
	fetch->why = why;
	sites_each(fetch->sites, stop_waiting);
	fetch_settle_later(fetch, CAH_FATE_INTERNAL, why);
	stop_all(&fetch->running, why);
	stop_all(&fetch->aside, why);
}

static int64_t pick_timeout(struct fetch *fetch, int64_t now_ms)
{
	const int64_t deadlines_ms[] = {
		dns_deadline_ms(fetch->dns),
		fetch_rest_deadline_ms(fetch),
		fetch_retry_deadline_ms(fetch, now_ms),
	};
	int64_t timeout_ms = -1;
	for (size_t i = 0; i < sizeof(deadlines_ms) / sizeof(deadlines_ms[0]);
	     i++) {
		int64_t left_ms = deadlines_ms[i] - now_ms;
		if (deadlines_ms[i] >= 0 &&
		    (timeout_ms < 0 || left_ms < timeout_ms))
			timeout_ms = left_ms > 0 ? left_ms : 0;
	}
	bool wants_room =
		!TAILQ_EMPTY(&fetch->ready) || !TAILQ_EMPTY(&fetch->later);
	bool is_full = fetch->undelivered != NULL ||
		       (wants_room && !fetch_has_room(fetch));
	if (is_full && (timeout_ms < 0 || timeout_ms > FULL_TICK_MS))
		timeout_ms = FULL_TICK_MS;
	return timeout_ms;
}

static int turn(struct fetch *fetch, struct cah_error *err)
{
	eventfd_t count;
	int rc = loop_turn(fetch->loop, pick_timeout(fetch, clock_now_ms()),
			   err);
	if (rc != CAH_OK)
		return rc;
	if (loop_is_ready(fetch->loop, fetch->wake))
		(void)eventfd_read(fetch->wake, &count);
	int64_t now_ms = clock_now_ms();
	int64_t deadline_ms = dns_deadline_ms(fetch->dns);
	if (loop_is_ready(fetch->loop, dns_fd(fetch->dns)) ||
	    (deadline_ms >= 0 && deadline_ms <= now_ms))
		rc = dns_step(fetch->dns, now_ms, err);
	fetch_finish_transfers(fetch, now_ms);
	return rc;
}

/* One round; false when all is done. */
static bool round_once(struct fetch *fetch, struct queue *in)
{
	int64_t now_ms = clock_now_ms();
	fetch_deliver_rest(fetch);
	fetch_take_jobs(fetch, in, now_ms);
	fetch_count_time(fetch, now_ms);
	fetch_wake_rested(fetch, now_ms);
	fetch_begin_ready(fetch, now_ms);
	fetch_try_again(fetch, now_ms);
	fetch_begin_ready(fetch, now_ms);
	int inside = fetch->inside + fetch->later_count;
	atomic_store(&fetch->waiting, inside - atomic_load(&fetch->active));
	return inside > 0 || fetch->undelivered != NULL || !queue_is_done(in);
}

static void on_queue(void *arg)
{
	struct fetch *fetch = arg;
	(void)eventfd_write(fetch->wake, 1);
}

/* Without the loop nothing can be fetched any more, but jobs must come out. */
static void drain(struct fetch *fetch, struct queue *in)
{
	for (;;) {
		struct fetch_job *job = queue_pop_wait(in, FULL_TICK_MS);
		if (job != NULL)
			fetch_take_job(fetch, job, 0);
		fetch_deliver_rest(fetch);
		if (job != NULL)
			continue;
		if (fetch->undelivered == NULL && queue_is_done(in))
			return;
		/* A closed queue does not make anybody wait. */
		(void)cancel_sleep(NULL, FULL_TICK_MS);
	}
}

int fetch_run(struct fetch *fetch, struct queue *in, struct queue *out,
	      struct cancel *cancel, struct cah_error *err)
{
	fetch->out = out;
	fetch->is_stopping = false;
	fetch->counted_ms = clock_now_ms();
	int rc = CAH_OK;
	if (cancel != NULL)
		rc = loop_watch(fetch->loop, cancel_fd(cancel), err);
	queue_set_notify(in, on_queue, fetch);
	while (rc == CAH_OK && round_once(fetch, in)) {
		rc = turn(fetch, err);
		if (rc == CAH_OK && cancel_is_set(cancel) &&
		    !fetch->is_stopping) {
			/* Readable for ever from now on. */
			loop_unwatch(fetch->loop, cancel_fd(cancel));
			stop(fetch, "cancelled");
		}
	}
	if (rc != CAH_OK) {
		stop(fetch, "the loop failed");
		drain(fetch, in);
	}
	queue_set_notify(in, NULL, NULL);
	loop_unwatch(fetch->loop, cancel_fd(cancel));
	queue_close(out);
	return rc;
}

/* ---- begin and end ---- */

static bool copy_text(char **to, const char *from)
{
	*to = from != NULL ? strdup(from) : NULL;
	return from == NULL || *to != NULL;
}

static int make_dns(struct fetch *fetch, struct cah_error *err)
{
	struct dns_options options = dns_options_default();
	options.allow_private = fetch->options.allow_private;
	return dns_new(&fetch->dns, &options, err);
}

static int set_up(struct fetch *fetch, const struct fetch_options *options,
		  struct cah_error *err)
{
	if (!copy_text(&fetch->user_agent, options->user_agent) ||
	    !copy_text(&fetch->ca_file, options->ca_file))
		return cah_fail(err, CAH_ENOMEM, "fetch: out of memory");
	fetch->options = *options;
	fetch->options.user_agent = fetch->user_agent;
	fetch->options.ca_file = fetch->ca_file;
	const char *agent = options->user_agent != NULL ? fetch->user_agent
							: HTTP_USER_AGENT;
	fetch->setup.agent = (struct slice){agent, strcspn(agent, "/ ")};
	fetch->setup.options = &fetch->options;
	/* Servers that choose a format by this field shall choose one that the
	 * next stage can decode. */
	fetch->setup.headers = curl_slist_append(
		NULL, "Accept: image/jpeg,image/png,image/webp,*/*;q=0.5");
	if (fetch->setup.headers == NULL)
		return cah_fail(err, CAH_ENOMEM, "libcurl: out of memory");
	fetch->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fetch->wake < 0)
		return cah_fail(err, CAH_EIO, "eventfd: none left");
	int rc = fetch_set_window(fetch, err);
	if (rc == CAH_OK)
		rc = loop_new(&fetch->loop, fetch->connections, err);
	fetch->dns = options->dns;
	if (rc == CAH_OK && fetch->dns == NULL)
		rc = make_dns(fetch, err);
	if (rc == CAH_OK)
		rc = sites_new(&fetch->sites,
			       (size_t)fetch->most * FETCH_WINDOW, fetch, err);
	if (rc == CAH_OK)
		rc = loop_watch(fetch->loop, fetch->wake, err);
	if (rc == CAH_OK)
		rc = loop_watch(fetch->loop, dns_fd(fetch->dns), err);
	return rc;
}

int fetch_new(struct fetch **out, const struct fetch_options *options,
	      struct cah_error *err)
{
	*out = NULL;
	if (options->concurrency < 0 ||
	    options->concurrency > CONCURRENCY_MAX || options->per_host < 1 ||
	    options->connect_timeout_ms < 1 ||
	    options->total_timeout_ms < 1 || options->lowest_rate < 0 ||
	    options->max_redirects < 0 || options->per_address < 1 ||
	    options->host_delay_ms < 0 || options->address_delay_ms < 0 ||
	    options->max_rest_ms < 0 || options->retries < 0)
		return cah_fail(err, CAH_EINVALID,
				"fetch: a limit is not allowed");
	int rc = http_init(err);
	if (rc != CAH_OK)
		return rc;
	struct fetch *fetch = calloc(1, sizeof(*fetch));
	if (fetch == NULL)
		return cah_fail(err, CAH_ENOMEM, "fetch: out of memory");
	fetch->wake = -1;
	fetch->undelivered_end = &fetch->undelivered;
	TAILQ_INIT(&fetch->ready);
	TAILQ_INIT(&fetch->resting);
	TAILQ_INIT(&fetch->running);
	TAILQ_INIT(&fetch->aside);
	TAILQ_INIT(&fetch->later);
	rc = set_up(fetch, options, err);
	if (rc == CAH_OK)
		*out = fetch;
	else
		fetch_free(fetch);
	return rc;
}

void fetch_free(struct fetch *fetch)
{
	if (fetch == NULL)
		return;
	/* What is still asked would call back into what is freed here. */
	if (fetch->options.dns != NULL)
		dns_forget(fetch->options.dns);
	else
		dns_free(fetch->dns);
	sites_free(fetch->sites);
	while (fetch->spare != NULL) {
		struct transfer *transfer = fetch->spare;
		fetch->spare = transfer->next;
		transfer_free(transfer);
	}
	loop_free(fetch->loop);
	if (fetch->wake >= 0)
		close(fetch->wake);
	curl_slist_free_all(fetch->setup.headers);
	free(fetch->user_agent);
	free(fetch->ca_file);
	free(fetch);
}

void fetch_get_stats(struct fetch *fetch, struct fetch_stats *out)
{
	*out = (struct fetch_stats){
		.started = atomic_load(&fetch->started),
		.done = atomic_load(&fetch->done),
		.retried = atomic_load(&fetch->retried),
		.bytes = atomic_load(&fetch->bytes),
		.active = atomic_load(&fetch->active),
		.window = atomic_load(&fetch->window),
		.waiting = atomic_load(&fetch->waiting),
	};
}
