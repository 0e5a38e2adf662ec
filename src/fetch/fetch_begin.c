/* Transfers: their beginning, and what comes of them. */
#include "fetch/fetch_priv.h"

#include "base/fail.h"

static struct transfer *get_transfer(struct fetch *fetch)
{
	struct transfer *transfer = fetch->spare;
	if (transfer != NULL)
		fetch->spare = transfer->next;
	else if (transfer_new(&transfer, &fetch->setup, NULL) != CAH_OK)
		return NULL;
	return transfer;
}

void fetch_leave(struct task *task)
{
	struct fetch *fetch = task->fetch;
	struct site *site = task->site;
	curl_multi_remove_handle(loop_multi(fetch->loop), task->transfer->easy);
	task->transfer->next = fetch->spare;
	fetch->spare = task->transfer;
	task->transfer = NULL;
	fetch_leave_window(task);
	site->running--;
	fetch_leave_place(task);
	fetch_make_ready(fetch, site);
	sites_release(fetch->sites, site);
}

/* One request to the site's address whose turn it is. */
static bool request(struct task *task, int64_t now_ms)
{
	char address[ADDRESS_TEXT];
	address_write(address, &task->site->answer.addresses[task->address_at]);
	bool is_secure = strncmp(task->target.url, "https", 5) == 0;
	struct transfer_request request = {
		.url = task->target.url,
		.address = address,
		.port = task->target.port,
		.time_ms = task->left_ms,
		.is_first = !task->site->was_used &&
			    (!is_secure || task->site->running == 1),
		.is_secure = is_secure,
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
		fetch_fail(task, CAH_FATE_TIMEOUT, "the name took all the time",
			   now_ms);
		return;
	}
	task->transfer = get_transfer(fetch);
	if (task->transfer == NULL) {
		fetch_settle(task, CAH_FATE_INTERNAL, "out of memory");
		return;
	}
	fetch_enter_window(task);
	task->site->running++;
	if (!fetch_take_place(task, now_ms) || !request(task, now_ms)) {
		fetch_leave(task);
		fetch_settle(task, CAH_FATE_INTERNAL, "out of memory");
	}
}

void fetch_begin_ready(struct fetch *fetch, int64_t now_ms)
{
	while (!fetch_is_held(fetch) && !TAILQ_EMPTY(&fetch->ready) &&
	       fetch_is_open(fetch)) {
		struct site *site = TAILQ_FIRST(&fetch->ready);
		struct task *task = TAILQ_FIRST(&site->waiting);
		TAILQ_REMOVE(&fetch->ready, site, link);
		site->place = SITE_NOWHERE;
		if (task != NULL && fetch_may_begin(site, now_ms)) {
			TAILQ_REMOVE(&site->waiting, task, link);
			begin(task, now_ms);
		}
		fetch_make_ready(fetch, site);
		fetch_wake_crowd(fetch, site->machine);
		sites_release(fetch->sites, site);
	}
	fetch->was_full = !TAILQ_EMPTY(&fetch->ready) && !fetch_is_open(fetch);
}

static void redirect(struct task *task, const char *url, int64_t now_ms)
{
	struct target target;
	struct cah_error err = {0};
	int rc = target_parse(&target, url, &err);
	fetch_leave(task);
	target_fini(&task->target);
	task->target = target;
	task->redirects++;
	if (rc == CAH_ENOMEM)
		fetch_settle(task, CAH_FATE_INTERNAL, err.text);
	else if (rc != CAH_OK)
		fetch_settle(task, CAH_FATE_HTTP_BROKEN, err.text);
	else if (task->redirects > task->fetch->options.max_redirects)
		fetch_settle(task, CAH_FATE_TOO_MANY_REDIRECTS,
			     "more redirects than the limit");
	else if (task->left_ms <= 0)
		fetch_fail(task, CAH_FATE_TIMEOUT,
			   "redirects took all the time", now_ms);
	else
		fetch_enter(task, now_ms);
}

/* The try's last answer or failure, and what it means for the host. */
static void end_try(struct task *task, const struct transfer_result *result,
		    int64_t now_ms)
{
	struct site *site = task->site;
	bool is_patient = true;
	if (result->retry_after_s >= 0) {
		site->rest_fate = result->fate;
		site->rest_status = result->http_status;
		is_patient =
			fetch_let_rest(site, result->retry_after_s, now_ms);
	}
	fetch_leave(task);
	if (result->is_passing && is_patient)
		fetch_fail(task, result->fate, result->detail, now_ms);
	else
		fetch_settle(task, result->fate, result->detail);
}

static void finish_transfer(struct task *task, CURLcode code, int64_t now_ms)
{
	struct transfer_result result;
	transfer_judge(task->transfer, &result, code);
	task->site->was_used |= code == CURLE_OK;
	task->job->http_status = result.http_status;
	task->left_ms -= now_ms - task->begun_ms;
	fetch_count_end(task->fetch, &result, now_ms - task->begun_ms);
	if (result.redirect != NULL) {
		redirect(task, result.redirect, now_ms);
		return;
	}
	if (result.is_unconnected && task->left_ms > 0 &&
	    task->address_at + 1 < task->site->answer.count) {
		task->address_at++;
		curl_multi_remove_handle(loop_multi(task->fetch->loop),
					 task->transfer->easy);
		fetch_leave_place(task);
		if (fetch_take_place(task, now_ms) && request(task, now_ms))
			return;
		result.fate = CAH_FATE_INTERNAL;
		result.is_passing = false;
	}
	end_try(task, &result, now_ms);
}

void fetch_finish_transfers(struct fetch *fetch, int64_t now_ms)
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
