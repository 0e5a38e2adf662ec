/* Jobs on their way in and out. */
#include "fetch/fetch_priv.h"

#include "base/fail.h"

#include <stdio.h>
#include <stdlib.h>

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

void fetch_deliver_rest(struct fetch *fetch)
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

void fetch_settle(struct task *task, enum fate fate, const char *detail)
{
	struct fetch *fetch = task->fetch;
	char text[FETCH_DETAIL_MAX];
	if (task->tries > 1 && fate != CAH_FATE_KEPT) {
		(void)snprintf(text, sizeof(text), "%.100s (%d tries)", detail,
			       task->tries);
		detail = text;
	}
	task->job->tries = task->tries;
	end_job(fetch, task->job, fate, detail);
	target_fini(&task->target);
	free(task);
	fetch->inside--;
}

void fetch_start(struct task *task, int64_t now_ms)
{
	struct fetch *fetch = task->fetch;
	struct cah_error err = {0};
	buf_init(&task->job->body, fetch->options.max_bytes);
	task->redirects = 0;
	task->left_ms = fetch->options.total_timeout_ms;
	int rc = target_parse(&task->target, task->job->url, &err);
	if (rc == CAH_OK)
		fetch_enter(task, now_ms);
	else
		fetch_settle(task,
			     rc == CAH_EINVALIDURL ? CAH_FATE_BAD_URL
						   : CAH_FATE_INTERNAL,
			     err.text);
}

void fetch_take_job(struct fetch *fetch, struct fetch_job *job, int64_t now_ms)
{
	job->fate = CAH_FATE_INTERNAL;
	job->http_status = 0;
	job->tries = 0;
	job->detail[0] = '\0';
	buf_init(&job->body, fetch->options.max_bytes);
	atomic_fetch_add(&fetch->started, 1);
	if (fetch->is_stopping) {
		end_job(fetch, job, CAH_FATE_INTERNAL, fetch->why);
		return;
	}
	struct task *task = calloc(1, sizeof(*task));
	if (task == NULL) {
		end_job(fetch, job, CAH_FATE_INTERNAL, "out of memory");
		return;
	}
	fetch->inside++;
	task->fetch = fetch;
	task->job = job;
	task->tries = 1;
	fetch_start(task, now_ms);
}

void fetch_take_jobs(struct fetch *fetch, struct queue *in, int64_t now_ms)
{
	int window = atomic_load(&fetch->window);
	if (fetch->is_adaptive && window < FETCH_WINDOW_LEAST)
		window = FETCH_WINDOW_LEAST;
	int most = window * FETCH_WINDOW;
	while (fetch->undelivered == NULL && fetch->inside < most) {
		struct fetch_job *job = queue_try_pop(in);
		if (job == NULL)
			return;
		fetch_take_job(fetch, job, now_ms);
	}
}
