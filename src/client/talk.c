/* libcurl's multi interface with a single transfer: an easy handle alone calls
 * back only once a second while nothing arrives. */
#include "client/talk.h"

#include "base/fail.h"
#include "fetch/address.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <unistd.h>

struct talk {
	const struct cah_client_options *options;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *resolve;
	struct curl_slist *json_headers;
	struct curl_slist *text_headers;
	pid_t pid; /* the process that owns the connection */
	char reason[CURL_ERROR_SIZE];
};

static void release_handles(struct talk *talk)
{
	if (talk->multi != NULL && talk->easy != NULL)
		curl_multi_remove_handle(talk->multi, talk->easy);
	curl_easy_cleanup(talk->easy);
	curl_multi_cleanup(talk->multi);
	talk->easy = NULL;
	talk->multi = NULL;
}

static int add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);
	if (longer == NULL)
		return CAH_ENOMEM;
	*list = longer;
	return CAH_OK;
}

static int make_lists(struct talk *talk)
{
	int rc =
		add_line(&talk->json_headers, "Content-Type: application/json");
	/* A body of any size goes out at once: asking first costs a second
	 * with servers that do not know the question. */
	if (rc == CAH_OK)
		rc = add_line(&talk->json_headers, "Expect:");
	if (rc == CAH_OK)
		rc = add_line(&talk->text_headers, "Content-Type: text/plain");
	if (rc == CAH_OK)
		rc = add_line(&talk->text_headers, "Expect:");
	const char *const *entry = talk->options->resolve;
	for (; rc == CAH_OK && entry != NULL && *entry != NULL; entry++)
		rc = add_line(&talk->resolve, *entry);
	return rc;
}

static void set_options(struct talk *talk)
{
	const struct cah_client_options *o = talk->options;
	CURL *easy = talk->easy;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, talk->reason);
	curl_easy_setopt(easy, CURLOPT_USERAGENT,
			 o->user_agent != NULL ? o->user_agent
					       : "crawlingathome/" CAH_VERSION);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)TALK_REDIRECTS);
	curl_easy_setopt(easy, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)(o->connect_timeout_ms > 0
					? o->connect_timeout_ms
					: TALK_CONNECT_TIMEOUT_MS));
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
			 (long)(o->call_timeout_ms > 0 ? o->call_timeout_ms
						       : TALK_CALL_TIMEOUT_MS));
	if (o->ca_file != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, o->ca_file);
	if (talk->resolve != NULL)
		curl_easy_setopt(easy, CURLOPT_RESOLVE, talk->resolve);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Else a cancelled call would wait for the resolver's answer. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
}

static int make_handles(struct talk *talk)
{
	talk->easy = curl_easy_init();
	talk->multi = curl_multi_init();
	if (talk->easy == NULL || talk->multi == NULL) {
		release_handles(talk);
		return CAH_ENOMEM;
	}
	curl_multi_setopt(talk->multi, CURLMOPT_MAXCONNECTS, 1L);
	talk->pid = getpid();
	set_options(talk);
	return CAH_OK;
}

int talk_new(struct talk **out, const struct cah_client_options *options,
	     struct cah_error *err)
{
	*out = NULL;
	struct talk *talk = calloc(1, sizeof(*talk));
	if (talk == NULL)
		return cah_fail(err, CAH_ENOMEM, "talk: out of memory");
	talk->options = options;
	if (make_lists(talk) != CAH_OK || make_handles(talk) != CAH_OK) {
		talk_free(talk);
		return cah_fail(err, CAH_ENOMEM, "talk: out of memory");
	}
	*out = talk;
	return CAH_OK;
}

/* The child of a fork shares the parent's connection. Closing it there would
 * end the parent's TLS session, so the handles are left as they are. */
static void abandon_if_forked(struct talk *talk)
{
	if (talk->pid == getpid())
		return;
	talk->easy = NULL;
	talk->multi = NULL;
}

void talk_free(struct talk *talk)
{
	if (talk == NULL)
		return;
	abandon_if_forked(talk);
	release_handles(talk);
	curl_slist_free_all(talk->resolve);
	curl_slist_free_all(talk->json_headers);
	curl_slist_free_all(talk->text_headers);
	free(talk);
}

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
	struct talk_answer *answer = user;
	size_t len = size * count;
	return buf_add(&answer->body, data, len) == CAH_OK ? len : 0;
}

static void set_request(struct talk *talk, struct talk_answer *answer,
			const struct talk_request *request)
{
	CURL *easy = talk->easy;

	talk->reason[0] = '\0';
	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT,
			 request->is_once ? 1L : 0L);
	if (request->body != NULL) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)strlen(request->body));
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER,
				 request->is_text ? talk->text_headers
						  : talk->json_headers);
	} else {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
	}
}

/* The transfer's end in *code. Errors: CAH_ECANCELLED, CAH_ENOMEM. */
static int drive(struct talk *talk, CURLcode *code, talk_tick_fn tick,
		 void *tick_arg)
{
	for (;;) {
		int active;
		if (tick(tick_arg) != 0)
			return CAH_ECANCELLED;
		if (curl_multi_perform(talk->multi, &active) != CURLM_OK)
			return CAH_ENOMEM;
		int left;
		CURLMsg *message = curl_multi_info_read(talk->multi, &left);
		if (message != NULL && message->msg == CURLMSG_DONE) {
			*code = message->data.result;
			return CAH_OK;
		}
		if (curl_multi_poll(talk->multi, NULL, 0, TALK_TICK_MS, NULL) !=
		    CURLM_OK)
			return CAH_ENOMEM;
	}
}

static enum talk_end judge(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return TALK_ANSWERED;
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_AGAIN:
		return TALK_BROKEN;
	default:
		return TALK_FAILED;
	}
}

static bool is_private_text(const char *ip)
{
	union address address;
	memset(&address, 0, sizeof(address));
	address.v4.sin_family = AF_INET;
	if (inet_pton(AF_INET, ip, &address.v4.sin_addr) == 1)
		return !address_is_public(&address);
	memset(&address, 0, sizeof(address));
	address.v6.sin6_family = AF_INET6;
	if (inet_pton(AF_INET6, ip, &address.v6.sin6_addr) == 1)
		return !address_is_public(&address);
	return false;
}

/* A request without a body has been sent once its header has. */
static bool was_sent(CURL *easy, const struct talk_request *request)
{
	long header_len = 0;
	curl_off_t sent = 0;
	curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &header_len);
	curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &sent);
	size_t body_len = request->body != NULL ? strlen(request->body) : 0;
	return header_len > 0 && sent >= (curl_off_t)body_len;
}

static void conclude(struct talk *talk, struct talk_answer *answer,
		     const struct talk_request *request, CURLcode code)
{
	long status = 0;
	curl_off_t retry_after = 0;
	char *ip = NULL;

	answer->end = judge(code);
	answer->is_sent = was_sent(talk->easy, request);
	curl_easy_getinfo(talk->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(talk->easy, CURLINFO_RETRY_AFTER, &retry_after);
	curl_easy_getinfo(talk->easy, CURLINFO_PRIMARY_IP, &ip);
	answer->status = (int)status;
	answer->retry_after_s = retry_after > 0 ? (int64_t)retry_after : 0;
	answer->is_peer_private = ip != NULL && is_private_text(ip);
	if (answer->body.is_failed)
		(void)snprintf(answer->reason, sizeof(answer->reason),
			       "the answer has more than %d bytes",
			       TALK_BODY_MAX);
	else
		(void)snprintf(answer->reason, sizeof(answer->reason), "%s",
			       talk->reason[0] != '\0'
				       ? talk->reason
				       : curl_easy_strerror(code));
}

int talk_call(struct talk *talk, struct talk_answer *answer,
	      const struct talk_request *request, talk_tick_fn tick,
	      void *tick_arg, struct cah_error *err)
{
	memset(answer, 0, sizeof(*answer));
	buf_init(&answer->body, TALK_BODY_MAX);
	abandon_if_forked(talk);
	if (talk->easy == NULL && make_handles(talk) != CAH_OK)
		return cah_fail(err, CAH_ENOMEM, "talk: out of memory");

	set_request(talk, answer, request);
	if (curl_multi_add_handle(talk->multi, talk->easy) != CURLM_OK)
		return cah_fail(err, CAH_ENOMEM, "talk: out of memory");
	CURLcode code = CURLE_OK;
	int rc = drive(talk, &code, tick, tick_arg);
	if (rc == CAH_OK)
		conclude(talk, answer, request, code);
	curl_multi_remove_handle(talk->multi, talk->easy);
	if (rc == CAH_ECANCELLED)
		return cah_fail(err, rc, "cancelled");
	if (rc != CAH_OK || code == CURLE_OUT_OF_MEMORY)
		return cah_fail(err, CAH_ENOMEM, "talk: out of memory");
	return CAH_OK;
}
