#include "client/call.h"

#include "base/clock.h"
#include "base/fail.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>

int64_t call_backoff_ms(int tries, uint32_t random)
{
	int64_t bound = CALL_BACKOFF_MS;
	for (int i = 0; i < tries && bound < CALL_BACKOFF_MAX_MS; i++)
		bound *= 2;
	if (bound > CALL_BACKOFF_MAX_MS)
		bound = CALL_BACKOFF_MAX_MS;
	return (int64_t)(random % (uint32_t)(bound + 1));
}

int call_judge(int status, int flags)
{
	if (status >= 200 && status < 300)
		return CAH_OK;
	switch (status) {
	case 400:
	case 422:
		return CAH_EINVALID;
	case 403:
		return (flags & CALL_JOB) != 0 ? CAH_ENOJOB : CAH_ESERVER;
	case 404:
		return (flags & CALL_NEW) != 0 ? CAH_ESERVER : CAH_ETIMEDOUT;
	case 429:
	case 503:
		return CAH_EUNAVAILABLE;
	default:
		return CAH_ESERVER;
	}
}

static uint32_t random_number(void)
{
	uint32_t value = 0;
	(void)!getrandom(&value, sizeof(value), GRND_NONBLOCK);
	return value;
}

/* Sleeps in steps, for the switches are looked at between them. */
static int wait_ms(struct cah_client *client, int64_t ms, struct cah_error *err)
{
	int64_t deadline = clock_now_ms() + ms;
	for (;;) {
		int rc = client_check(client, err);
		int64_t left = deadline - clock_now_ms();
		if (rc != CAH_OK || left <= 0)
			return rc;
		/* Returns early on a signal, which is just as well. */
		(void)poll(NULL, 0,
			   left < TALK_TICK_MS ? (int)left : TALK_TICK_MS);
	}
}

/* The state of a call over its tries. */
struct effort {
	int64_t deadline_ms; /* the last time a try may begin; -1: never */
	int tries;
	bool may_have_counted;
};

int64_t call_retry_s(const struct cah_client *client)
{
	int64_t seconds = client->options.retry_s;
	if (seconds > RETRY_MAX_S)
		return -1;
	return seconds == 0 ? RETRY_S : seconds;
}

static int fail_answer(const struct cah_client *client,
		       const struct talk_answer *answer, int code,
		       struct cah_error *err)
{
	char text[ANSWER_TEXT_MAX];
	answer_error_text(text, buf_slice(&answer->body));
	if (text[0] == '\0')
		cah_fail(err, code, "%s at %.100s (status %d)",
			 cah_code_text(code), client->url, answer->status);
	else
		cah_fail(err, code, "%s (status %d)", text, answer->status);
	if (err != NULL)
		err->http_status = answer->status;
	return code;
}

static int give_up(const struct cah_client *client,
		   const struct talk_answer *answer, struct cah_error *err)
{
	if (answer->end == TALK_ANSWERED)
		return fail_answer(client, answer, CAH_EUNAVAILABLE, err);
	return cah_fail(err, CAH_EUNAVAILABLE, "no answer from %.100s: %s",
			client->url, answer->reason);
}

/* Waits before the next try, or gives up: at once where the tracker names a
 * time that lies past the end, else after a last try at the end. */
static int wait_or_give_up(struct cah_client *client, struct effort *effort,
			   const struct talk_answer *answer,
			   struct cah_error *err)
{
	int64_t ms = call_backoff_ms(effort->tries++, random_number());
	if (client->backoff_max_ms > 0)
		ms %= client->backoff_max_ms + 1;
	int64_t now_ms = clock_now_ms();
	int64_t after_s =
		answer->end == TALK_ANSWERED ? answer->retry_after_s : 0;
	if (after_s > CALL_RETRY_AFTER_MAX_S)
		after_s = CALL_RETRY_AFTER_MAX_S;
	/* All who were told the same time shall not come at the same time. */
	if (after_s > 0)
		ms = after_s * 1000 + ms % 1000;
	if (effort->deadline_ms >= 0) {
		int64_t left = effort->deadline_ms - now_ms;
		if (left <= 0 || left < after_s * 1000)
			return give_up(client, answer, err);
		if (ms > left)
			ms = left;
	}
	return wait_ms(client, ms, err);
}

/* CAH_OK with *is_done, CAH_OK to try again, or the call's end. */
static int digest(struct cah_client *client, struct effort *effort,
		  const struct talk_answer *answer, const struct call *call,
		  bool *is_done, struct cah_error *err)
{
	*is_done = true;
	if (answer->end == TALK_FAILED)
		return cah_fail(err, CAH_ESERVER, "%.100s: %s", client->url,
				answer->reason);
	if (answer->end == TALK_ANSWERED) {
		int code = call_judge(answer->status, call->flags);
		client->peer =
			answer->is_peer_private ? PEER_PRIVATE : PEER_PUBLIC;
		if (code == CAH_OK || (effort->may_have_counted &&
				       answer->status == call->repeat_status))
			return CAH_OK;
		if (code != CAH_EUNAVAILABLE)
			return fail_answer(client, answer, code, err);
	} else if (answer->is_sent) {
		effort->may_have_counted = true;
	}
	*is_done = false;
	if ((call->flags & CALL_IMPATIENT) != 0)
		return give_up(client, answer, err);
	return wait_or_give_up(client, effort, answer, err);
}

static int try_until_done(struct cah_client *client, struct buf *answer_body,
			  const struct talk_request *request,
			  const struct call *call, struct cah_error *err)
{
	struct effort effort = {.deadline_ms = -1};
	int64_t retry_s = call_retry_s(client);
	if (retry_s >= 0)
		effort.deadline_ms = clock_now_ms() + retry_s * 1000;
	for (;;) {
		struct talk_answer answer;
		bool is_done = false;
		int rc = talk_call(client->talk, &answer, request, client_tick,
				   client, err);
		if (rc == CAH_OK)
			rc = digest(client, &effort, &answer, call, &is_done,
				    err);
		if (rc == CAH_OK && is_done &&
		    call_judge(answer.status, call->flags) == CAH_OK) {
			(void)buf_add_slice(answer_body,
					    buf_slice(&answer.body));
			rc = buf_check(answer_body, "answer", err);
		}
		buf_fini(&answer.body);
		if (rc != CAH_OK || is_done)
			return rc;
	}
}

int call_run(struct cah_client *client, struct buf *answer,
	     const struct call *call, struct cah_error *err)
{
	struct talk_request request = {.is_once = call->repeat_status != 0};
	char *url = NULL;
	char *body = NULL;
	int rc = CAH_ENOMEM;

	if (call->is_post && call->body != NULL)
		body = json_dumps(call->body, JSON_COMPACT);
	json_decref(call->body);
	if (asprintf(&url, "%s%s", client->base, call->path) < 0)
		url = NULL;
	bool has_body = body != NULL || call->text != NULL;
	if (url == NULL || (call->is_post && !has_body)) {
		rc = cah_fail(err, CAH_ENOMEM, "call: out of memory");
	} else {
		request.url = url;
		request.body = call->text != NULL ? call->text : body;
		request.is_text = call->text != NULL;
		rc = try_until_done(client, answer, &request, call, err);
	}
	free(body);
	free(url);
	return rc;
}
