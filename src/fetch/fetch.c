/* A job becomes a task, which waits at its site (host and port) for a transfer.
 * Sites that may begin one stand in a ring, so that each turn of it gives every
 * host one transfer: a host with thousands of jobs does not keep others out.
 * Redirects go back to the door of the site they lead to. Whatever happens to a
 * task, settle() is its end, and the only place that gives a job back. */
#include "fetch/fetch.h"

#include "base/clock.h"
#include "base/fail.h"
#include "fetch/dns.h"
#include "fetch/loop.h"
#include "fetch/site.h"
#include "fetch/transfer.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	CONCURRENCY_MAX = 65536,
	FULL_TICK_MS = 5, /* looks for room so often */
};

struct task {
	TAILQ_ENTRY(task) link; /* site->waiting or fetch->running */
	struct fetch *fetch;
	struct fetch_job *job;
	struct target target;
	struct site *site;
	struct transfer *transfer; /* while it runs */
	int redirects;
	int address_at;     /* of the site's addresses */
	int64_t entered_ms; /* the site */
	int64_t begun_ms;   /* the transfer */
	int64_t left_ms;    /* of the job's time */
};

struct fetch {
	struct fetch_options options;
	char *user_agent;
	char *dns_server;
	char *ca_file;
	struct transfer_setup setup;
	struct loop *loop;
	struct dns *dns;
	struct sites *sites;
	int wake; /* eventfd: a queue changed */

	struct queue *out;
	bool is_stopping; /* cancelled or broken: all jobs end at once */
	const char *why;  /* static */
	struct site_list ready;
	struct task_list running;
	struct transfer *spare;
	struct fetch_job *undelivered; /* @out was full; the oldest first */
	struct fetch_job **undelivered_end;
	int inside; /* tasks */

	atomic_int_least64_t started;
	atomic_int_least64_t done;
	atomic_int_least64_t bytes;
	atomic_int active;
	atomic_int waiting;
};

struct fetch_options fetch_options_default(void)
{
	return (struct fetch_options){
		.concurrency = 256,
		.per_host = 16,
		.dns_timeout_ms = 5000,
		.connect_timeout_ms = 5000,
		.total_timeout_ms = 20000,
		.lowest_rate = 1024,
		.max_bytes = 20 * 1024 * 1024,
		.max_held = 512 * 1024 * 1024,
		.max_header_bytes = 64 * 1024,
		.max_redirects = 5,
	};
}

/* ------------------------------------------------------- the ends of jobs */

static void set_detail(struct fetch_job *job, const char *text)
{
	/* It may quote what came from outside: no control characters. */
	struct cah_error clean;
	(void)cah_fail(&clean, CAH_EIO, "%s", text);
	(void)snprintf(job->detail, sizeof(job->detail), "%.*s",
		       FETCH_DETAIL_MAX - 1, clean.text);
}

/* Gives the job back, now or when @out has room. */
static void deliver(struct fetch *fetch, struct fetch_job *job)
{
	atomic_fetch_add(&fetch->done, 1);
	if (fetch->undelivered == NULL && queue_try_push(fetch->out, job))
		return;
	job->next = NULL;
	*fetch->undelivered_end = job;
	fetch->undelivered_end = &job->next;
}

static void deliver_rest(struct fetch *fetch)
{
	while (fetch->undelivered != NULL) {
		struct fetch_job *job = fetch->undelivered;
		struct fetch_job *next = job->next;
		if (!queue_try_push(fetch->out, job))
			return;
		fetch->undelivered = next;
	}
	fetch->undelivered_end = &fetch->undelivered;
}

void fetch_drop_body(struct fetch *fetch, struct fetch_job *job)
{
	atomic_fetch_sub(&fetch->setup.held, job->body.len);
	buf_fini(&job->body);
}

static void end_job(struct fetch *fetch, struct fetch_job *job, enum fate fate,
		    const char *detail)
{
	job->fate = fate;
	set_detail(job, detail);
	if (fate == CAH_FATE_KEPT)
		atomic_fetch_add(&fetch->bytes, (int64_t)job->body.len);
	else
		fetch_drop_body(fetch, job);
	deliver(fetch, job);
}

/* The end of a task that is in no list and holds no transfer. */
static void settle(struct task *task, enum fate fate, const char *detail)
{
	struct fetch *fetch = task->fetch;
	end_job(fetch, task->job, fate, detail);
	target_fini(&task->target);
	free(task);
	fetch->inside--;
}

/* ------------------------------------------------------------------ sites */

static void make_ready(struct fetch *fetch, struct site *site)
{
	if (site->place != SITE_NOWHERE || site->state != SITE_KNOWN ||
	    TAILQ_EMPTY(&site->waiting) ||
	    site->running >= fetch->options.per_host)
		return;
	TAILQ_INSERT_TAIL(&fetch->ready, site, link);
	site->place = SITE_READY;
}

static void settle_waiting(struct site *site, enum fate fate,
			   const char *detail)
{
	while (!TAILQ_EMPTY(&site->waiting)) {
		struct task *task = TAILQ_FIRST(&site->waiting);
		TAILQ_REMOVE(&site->waiting, task, link);
		settle(task, fate, detail);
	}
}

/* Drops the addresses that may not be connected to. */
static void drop_private(struct site *site)
{
	struct dns_answer *answer = &site->answer;
	char text[ADDRESS_TEXT] = "";
	int kept = 0;
	for (int i = 0; i < answer->count; i++) {
		if (address_is_public(&answer->addresses[i]))
			answer->addresses[kept++] = answer->addresses[i];
		else
			address_write(text, &answer->addresses[i]);
	}
	answer->count = kept;
	if (kept > 0)
		return;
	answer->fate = CAH_FATE_PRIVATE_ADDRESS;
	(void)snprintf(answer->detail, sizeof(answer->detail),
		       "%s is not a public address", text);
}

static void on_known(const struct dns_answer *answer, void *arg)
{
	struct site *site = arg;
	struct fetch *fetch = site->owner;
	site->state = SITE_KNOWN;
	site->known_ms = clock_now_ms();
	site->answer = *answer;
	if (answer->fate == CAH_FATE_KEPT && !fetch->options.allow_private)
		drop_private(site);
	if (site->answer.fate != CAH_FATE_KEPT)
		settle_waiting(site, site->answer.fate, site->answer.detail);
	make_ready(fetch, site);
	sites_release(fetch->sites, site);
}

/* Addresses that the user or the URL gives; false where a name server must be
 * asked. */
static bool know_at_once(struct dns_answer *answer, const struct fetch *fetch,
			 const struct site *site)
{
	struct slice host = slice_of(site->host);
	const char *pin = pins_find(fetch->options.pins, host, site->port);
	*answer = (struct dns_answer){.fate = CAH_FATE_KEPT, .count = 1};
	return address_parse(&answer->addresses[0],
			     pin != NULL ? slice_of(pin) : host);
}

static void resolve(struct fetch *fetch, struct site *site, int64_t now_ms)
{
	struct dns_answer answer;
	struct cah_error err;
	site->asked_ms = now_ms;
	if (know_at_once(&answer, fetch, site)) {
		on_known(&answer, site);
		return;
	}
	site->state = SITE_ASKING;
	int rc = dns_ask(fetch->dns, site->host, now_ms, on_known, site, &err);
	if (rc == CAH_OK)
		return;
	answer = (struct dns_answer){.fate = CAH_FATE_INTERNAL};
	(void)snprintf(answer.detail, sizeof(answer.detail), "%.*s",
		       DNS_DETAIL_MAX - 1, err.text);
	on_known(&answer, site);
	/* Our failure, not the name's: ask again next time. */
	site->state = SITE_NEW;
}

/* The task goes to the door of its target's site; one that was redirected goes
 * before those that have not begun. */
static void enter(struct task *task, int64_t now_ms)
{
	struct fetch *fetch = task->fetch;
	struct site *site = sites_get(fetch->sites, &task->target, now_ms);
	if (site == NULL) {
		settle(task, CAH_FATE_INTERNAL, "out of memory");
		return;
	}
	task->site = site;
	task->address_at = 0;
	task->entered_ms = now_ms;
	if (task->redirects > 0)
		TAILQ_INSERT_HEAD(&site->waiting, task, link);
	else
		TAILQ_INSERT_TAIL(&site->waiting, task, link);
	if (site->state == SITE_NEW)
		resolve(fetch, site, now_ms);
	else if (site->state == SITE_KNOWN &&
		 site->answer.fate != CAH_FATE_KEPT)
		settle_waiting(site, site->answer.fate, site->answer.detail);
	make_ready(fetch, site);
	sites_release(fetch->sites, site);
}

/* -------------------------------------------------------------- transfers */

static struct transfer *get_transfer(struct fetch *fetch)
{
	struct transfer *transfer = fetch->spare;
	if (transfer != NULL)
		fetch->spare = transfer->next;
	else if (transfer_new(&transfer, &fetch->setup, NULL) != CAH_OK)
		return NULL;
	return transfer;
}

/* Gives the transfer back; the task is in no list after. */
static void leave(struct task *task)
{
	struct fetch *fetch = task->fetch;
	struct site *site = task->site;
	curl_multi_remove_handle(loop_multi(fetch->loop), task->transfer->easy);
	task->transfer->next = fetch->spare;
	fetch->spare = task->transfer;
	task->transfer = NULL;
	TAILQ_REMOVE(&fetch->running, task, link);
	atomic_fetch_sub(&fetch->active, 1);
	site->running--;
	make_ready(fetch, site);
	sites_release(fetch->sites, site);
}

/* One request to the site's address whose turn it is. */
static bool request(struct task *task, int64_t now_ms)
{
	char address[ADDRESS_TEXT];
	address_write(address, &task->site->answer.addresses[task->address_at]);
	struct transfer_request request = {
		.url = task->target.url,
		.address = address,
		.port = task->target.port,
		.time_ms = task->left_ms,
		.is_first = !task->site->was_used,
		.body = &task->job->body,
		.user = task,
	};
	task->begun_ms = now_ms;
	return transfer_begin(task->transfer, &request, NULL) == CAH_OK &&
	       curl_multi_add_handle(loop_multi(task->fetch->loop),
				     task->transfer->easy) == CURLM_OK;
}

/* The look-up counts as the job's time, as far as it waited for it. */
static void count_lookup(struct task *task)
{
	const struct site *site = task->site;
	int64_t from_ms = site->asked_ms > task->entered_ms ? site->asked_ms
							    : task->entered_ms;
	if (site->known_ms > from_ms)
		task->left_ms -= site->known_ms - from_ms;
}

static void begin(struct task *task, int64_t now_ms)
{
	struct fetch *fetch = task->fetch;
	count_lookup(task);
	if (task->left_ms <= 0) {
		settle(task, CAH_FATE_TIMEOUT, "the name took all the time");
		return;
	}
	task->transfer = get_transfer(fetch);
	if (task->transfer == NULL) {
		settle(task, CAH_FATE_INTERNAL, "out of memory");
		return;
	}
	TAILQ_INSERT_TAIL(&fetch->running, task, link);
	atomic_fetch_add(&fetch->active, 1);
	task->site->running++;
	if (!request(task, now_ms)) {
		leave(task);
		settle(task, CAH_FATE_INTERNAL, "out of memory");
	}
}

static bool has_room(struct fetch *fetch)
{
	return atomic_load(&fetch->setup.held) <= fetch->options.max_held / 2;
}

static void begin_ready(struct fetch *fetch, int64_t now_ms)
{
	while (fetch->undelivered == NULL && !TAILQ_EMPTY(&fetch->ready) &&
	       has_room(fetch) &&
	       atomic_load(&fetch->active) < fetch->options.concurrency) {
		struct site *site = TAILQ_FIRST(&fetch->ready);
		struct task *task = TAILQ_FIRST(&site->waiting);
		TAILQ_REMOVE(&fetch->ready, site, link);
		site->place = SITE_NOWHERE;
		if (task != NULL) {
			TAILQ_REMOVE(&site->waiting, task, link);
			begin(task, now_ms);
		}
		make_ready(fetch, site);
		sites_release(fetch->sites, site);
	}
}

static void redirect(struct task *task, const char *url, int64_t now_ms)
{
	struct target target;
	struct cah_error err = {0};
	int rc = target_parse(&target, url, &err);
	leave(task);
	target_fini(&task->target);
	task->target = target;
	task->redirects++;
	if (rc == CAH_ENOMEM)
		settle(task, CAH_FATE_INTERNAL, err.text);
	else if (rc != CAH_OK)
		settle(task, CAH_FATE_HTTP_BROKEN, err.text);
	else if (task->redirects > task->fetch->options.max_redirects)
		settle(task, CAH_FATE_TOO_MANY_REDIRECTS,
		       "more redirects than the limit");
	else if (task->left_ms <= 0)
		settle(task, CAH_FATE_TIMEOUT, "redirects took all the time");
	else
		enter(task, now_ms);
}

static void finish_transfer(struct task *task, CURLcode code, int64_t now_ms)
{
	struct transfer_result result;
	transfer_judge(task->transfer, &result, code);
	task->site->was_used |= code == CURLE_OK;
	task->job->http_status = result.http_status;
	task->left_ms -= now_ms - task->begun_ms;
	if (result.redirect != NULL) {
		redirect(task, result.redirect, now_ms);
		return;
	}
	if (result.is_unconnected && task->left_ms > 0 &&
	    task->address_at + 1 < task->site->answer.count) {
		task->address_at++;
		curl_multi_remove_handle(loop_multi(task->fetch->loop),
					 task->transfer->easy);
		if (request(task, now_ms))
			return;
		result.fate = CAH_FATE_INTERNAL;
	}
	leave(task);
	settle(task, result.fate, result.detail);
}

static void finish_transfers(struct fetch *fetch, int64_t now_ms)
{
	int left = 0;
	CURLM *multi = loop_multi(fetch->loop);
	for (CURLMsg *message = curl_multi_info_read(multi, &left);
	     message != NULL; message = curl_multi_info_read(multi, &left)) {
		void *task = NULL;
		if (message->msg != CURLMSG_DONE)
			continue;
		/* The message is gone with the handle's removal. */
		CURLcode code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
				  (char **)&task);
		finish_transfer(task, code, now_ms);
	}
}

/* ---------------------------------------------------------------- the loop */

static void take_job(struct fetch *fetch, struct fetch_job *job, int64_t now_ms)
{
	struct cah_error err = {0};
	struct target target;
	job->fate = CAH_FATE_INTERNAL;
	job->http_status = 0;
	job->detail[0] = '\0';
	buf_init(&job->body, fetch->options.max_bytes);
	atomic_fetch_add(&fetch->started, 1);
	if (fetch->is_stopping) {
		end_job(fetch, job, CAH_FATE_INTERNAL, fetch->why);
		return;
	}
	int rc = target_parse(&target, job->url, &err);
	struct task *task = rc == CAH_OK ? calloc(1, sizeof(*task)) : NULL;
	if (task == NULL) {
		target_fini(&target);
		end_job(fetch, job,
			rc == CAH_EINVALIDURL ? CAH_FATE_BAD_URL
					      : CAH_FATE_INTERNAL,
			rc == CAH_OK ? "out of memory" : err.text);
		return;
	}
	fetch->inside++;
	task->fetch = fetch;
	task->job = job;
	task->target = target;
	task->left_ms = fetch->options.total_timeout_ms;
	enter(task, now_ms);
}

static void take_jobs(struct fetch *fetch, struct queue *in, int64_t now_ms)
{
	int most = fetch->options.concurrency * FETCH_WINDOW;
	while (fetch->undelivered == NULL && fetch->inside < most) {
		struct fetch_job *job = queue_try_pop(in);
		if (job == NULL)
			return;
		take_job(fetch, job, now_ms);
	}
}

static void stop_waiting(struct site *site)
{
	struct fetch *fetch = site->owner;
	settle_waiting(site, CAH_FATE_INTERNAL, fetch->why);
}

static void stop(struct fetch *fetch, const char *why)
{
	fetch->is_stopping = true;
	fetch->why = why;
	sites_each(fetch->sites, stop_waiting);
	while (!TAILQ_EMPTY(&fetch->running)) {
		struct task *task = TAILQ_FIRST(&fetch->running);
		/* The analyzer does not see that the list forgets its first.
		 * NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		leave(task);
		settle(task, CAH_FATE_INTERNAL, why);
	}
}

static int64_t pick_timeout(struct fetch *fetch, int64_t now_ms)
{
	int64_t deadline_ms = dns_deadline_ms(fetch->dns);
	int64_t timeout_ms = -1;
	if (deadline_ms >= 0)
		timeout_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
	bool is_full = fetch->undelivered != NULL ||
		       (!TAILQ_EMPTY(&fetch->ready) && !has_room(fetch));
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
	finish_transfers(fetch, now_ms);
	return rc;
}

/* One round; false when all is done. */
static bool round_once(struct fetch *fetch, struct queue *in)
{
	int64_t now_ms = clock_now_ms();
	deliver_rest(fetch);
	take_jobs(fetch, in, now_ms);
	begin_ready(fetch, now_ms);
	atomic_store(&fetch->waiting,
		     fetch->inside - atomic_load(&fetch->active));
	return fetch->inside > 0 || fetch->undelivered != NULL ||
	       !queue_is_done(in);
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
			take_job(fetch, job, 0);
		deliver_rest(fetch);
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

/* ------------------------------------------------------------ begin and end */

static bool copy_text(char **to, const char *from)
{
	*to = from != NULL ? strdup(from) : NULL;
	return from == NULL || *to != NULL;
}

static int set_up(struct fetch *fetch, const struct fetch_options *options,
		  struct cah_error *err)
{
	if (!copy_text(&fetch->user_agent, options->user_agent) ||
	    !copy_text(&fetch->dns_server, options->dns_server) ||
	    !copy_text(&fetch->ca_file, options->ca_file))
		return cah_fail(err, CAH_ENOMEM, "fetch: out of memory");
	fetch->options = *options;
	fetch->options.user_agent = fetch->user_agent;
	fetch->options.dns_server = fetch->dns_server;
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
	int rc = loop_new(&fetch->loop, 2 * options->concurrency, err);
	if (rc == CAH_OK)
		rc = dns_new(&fetch->dns, fetch->dns_server,
			     options->dns_timeout_ms, err);
	if (rc == CAH_OK)
		rc = sites_new(&fetch->sites,
			       (size_t)options->concurrency * FETCH_WINDOW,
			       fetch, err);
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
	if (options->concurrency < 1 ||
	    options->concurrency > CONCURRENCY_MAX || options->per_host < 1 ||
	    options->dns_timeout_ms < 1 || options->connect_timeout_ms < 1 ||
	    options->total_timeout_ms < 1 || options->lowest_rate < 0 ||
	    options->max_redirects < 0)
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
	TAILQ_INIT(&fetch->running);
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
	free(fetch->dns_server);
	free(fetch->ca_file);
	free(fetch);
}

void fetch_get_stats(struct fetch *fetch, struct fetch_stats *out)
{
	*out = (struct fetch_stats){
		.started = atomic_load(&fetch->started),
		.done = atomic_load(&fetch->done),
		.bytes = atomic_load(&fetch->bytes),
		.active = atomic_load(&fetch->active),
		.waiting = atomic_load(&fetch->waiting),
	};
}
