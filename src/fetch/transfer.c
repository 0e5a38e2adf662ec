#include "fetch/transfer.h"

#include "base/clock.h"
#include "base/fail.h"
#include "fetch/header.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	TRANSFER_CHUNK = 64 * 1024,         /* bytes libcurl reads at once */
	TRANSFER_IGNORED_MAX = 64 * 1024,   /* read to keep the connection */
	TRANSFER_RESERVE_MAX = 1024 * 1024, /* believed of Content-Length */
	TRANSFER_LOW_S = 5,                 /* seconds below the lowest rate */
	TRANSFER_REST_S = 1,                /* of a host that says 429 */
};

static void set_verdict(struct transfer *transfer, enum fate fate,
			const char *why)
{
	transfer->has_verdict = true;
	transfer->verdict = fate;
	transfer->why = why;
}

static long get_status(const struct transfer *transfer)
{
	long status = 0;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static bool is_success(long status)
{
	return status >= 200 && status < 300;
}

static void look_at_field(struct transfer *transfer, struct slice name,
			  struct slice value)
{
	const struct fetch_options *options = transfer->setup->options;
	int64_t length;
	if (slice_equal_nocase(name, SLICE("x-robots-tag"))) {
		if (!options->ignore_robots_tag &&
		    header_forbids_use(value, transfer->setup->agent))
			transfer->is_forbidden = true;
	} else if (slice_equal_nocase(name, SLICE("retry-after"))) {
		if (!header_parse_retry_after(&transfer->retry_after_s, value,
					      clock_wall_s()))
			transfer->retry_after_s = -1;
	} else if (slice_equal_nocase(name, SLICE("content-length")) &&
		   is_success(get_status(transfer)) &&
		   header_parse_number(&length, value)) {
		if ((uint64_t)length > options->max_bytes)
			set_verdict(transfer, CAH_FATE_TOO_LARGE,
				    "Content-Length is over the limit");
		else if (length <= TRANSFER_RESERVE_MAX &&
			 buf_reserve(transfer->body, (size_t)length) != CAH_OK)
			set_verdict(transfer, CAH_FATE_INTERNAL,
				    "out of memory");
	}
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *transfer = arg;
	struct slice line = {data, size * n};
	struct slice name;
	struct slice value;
	transfer->header_bytes += line.len;
	if (transfer->header_bytes >
	    transfer->setup->options->max_header_bytes) {
		set_verdict(transfer, CAH_FATE_HTTP_BROKEN,
			    "the header is over the limit");
		return 0;
	}
	/* A status line begins an answer; before the last one there may be
	 * others of 100 to 199. Trailers decide nothing. */
	if (slice_starts(line, SLICE("HTTP/"))) {
		transfer->is_forbidden = false;
		transfer->is_answered = false;
		transfer->retry_after_s = -1;
	} else if (!transfer->is_answered &&
		   header_split(line, &name, &value)) {
		look_at_field(transfer, name, value);
	} else if (line.len <= 2 && get_status(transfer) >= 200) {
		transfer->is_answered = true;
		if (transfer->is_forbidden && is_success(get_status(transfer)))
			set_verdict(transfer, CAH_FATE_OPTED_OUT,
				    "X-Robots-Tag forbids it");
	}
	return transfer->has_verdict ? 0 : line.len;
}

/* Whether @len bytes more may be held. */
static bool has_room(const struct transfer *transfer, size_t len)
{
	size_t most = transfer->setup->options->max_held;
	return atomic_load(&transfer->setup->held) + len <= most ||
	       transfer->body->len + len <= most / FETCH_SHARES;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *transfer = arg;
	size_t len = size * n;
	transfer->setup->received += (int64_t)len;
	if (!is_success(get_status(transfer))) {
		transfer->ignored += len;
		return transfer->ignored <= TRANSFER_IGNORED_MAX ? len : 0;
	}
	if (!has_room(transfer, len)) {
		set_verdict(transfer, CAH_FATE_TOO_LARGE,
			    "the bodies together are over the limit");
		transfer->is_crowded_out = true;
		return 0;
	}
	int rc = buf_add(transfer->body, data, len);
	if (rc == CAH_OK) {
		atomic_fetch_add(&transfer->setup->held, len);
		return len;
	}
	if (rc == CAH_ELIMIT)
		set_verdict(transfer, CAH_FATE_TOO_LARGE,
			    "the body is over the limit");
	else
		set_verdict(transfer, CAH_FATE_INTERNAL, "out of memory");
	return 0;
}

/* What is the same for all requests of a handle. */
static int set_up(struct transfer *transfer, struct cah_error *err)
{
	const struct fetch_options *options = transfer->setup->options;
	CURL *easy = transfer->easy;
	int rc = http_setup(easy, &transfer->guard, options->user_agent, err);
	if (rc != CAH_OK)
		return rc;
	transfer->guard.allow_private = options->allow_private;
	/* Where there is a folder, too, libcurl reads the file again for each
	 * connection, 20 ms of processor time; the file alone it keeps. */
	if (options->ca_file != NULL ||
	    curl_version_info(CURLVERSION_NOW)->cainfo != NULL)
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	if (options->ca_file != NULL &&
	    curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file) !=
		    CURLE_OK)
		return cah_fail(err, CAH_ENOMEM, "libcurl: out of memory");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->setup->headers);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
			 (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)TRANSFER_CHUNK);
	/* Addresses come from outside of libcurl; its cache would only grow. */
	curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)options->connect_timeout_ms);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT,
			 (long)options->lowest_rate);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)TRANSFER_LOW_S);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	return CAH_OK;
}

int transfer_new(struct transfer **out, struct transfer_setup *setup,
		 struct cah_error *err)
{
	*out = NULL;
	struct transfer *transfer = calloc(1, sizeof(*transfer));
	if (transfer == NULL)
		return cah_fail(err, CAH_ENOMEM, "transfer: out of memory");
	transfer->setup = setup;
	transfer->easy = curl_easy_init();
	int rc = CAH_ENOMEM;
	if (transfer->easy != NULL)
		rc = set_up(transfer, err);
	else
		cah_fail(err, rc, "libcurl: out of memory");
	if (rc == CAH_OK)
		*out = transfer;
	else
		transfer_free(transfer);
	return rc;
}

void transfer_free(struct transfer *transfer)
{
	if (transfer == NULL)
		return;
	if (transfer->easy != NULL)
		curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->connect_to);
	free(transfer);
}

int transfer_begin(struct transfer *transfer,
		   const struct transfer_request *request,
		   struct cah_error *err)
{
	CURL *easy = transfer->easy;
	struct curl_slist *connect_to =
		http_connect_to(request->address, request->port);
	if (connect_to == NULL)
		return cah_fail(err, CAH_ENOMEM, "libcurl: out of memory");
	curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to);
	curl_slist_free_all(transfer->connect_to);
	transfer->connect_to = connect_to;
	transfer->guard.has_refused = false;
	transfer->guard.errnum = 0;
	transfer->body = request->body;
	transfer->time_ms = request->time_ms;
	transfer->header_bytes = 0;
	transfer->ignored = 0;
	transfer->is_answered = false;
	transfer->is_forbidden = false;
	transfer->has_verdict = false;
	transfer->is_crowded_out = false;
	transfer->retry_after_s = -1;
	atomic_fetch_sub(&transfer->setup->held, request->body->len);
	buf_reset(request->body);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, request->user);
	/* libcurl looks through all connections to the same address, and polls
	 * each: hundreds where hosts share one, as in content networks. */
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT,
			 request->is_first ? 1L : 0L);
	/* Over HTTP/2 one connection will do, and whether it is that only the
	 * first can tell. */
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, request->is_secure ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->time_ms);
	if (curl_easy_setopt(easy, CURLOPT_URL, request->url) != CURLE_OK)
		return cah_fail(err, CAH_ENOMEM, "libcurl: out of memory");
	return CAH_OK;
}

/* libcurl has one code for three limits, of which that for connecting ends
 * with the TLS handshake. */
static enum fate judge_timeout(const struct transfer *transfer,
			       struct transfer_result *out)
{
	curl_off_t total_us = 0;
	curl_off_t connected_us = 0;
	curl_off_t ready_us = 0;
	curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &total_us);
	curl_easy_getinfo(transfer->easy, CURLINFO_CONNECT_TIME_T,
			  &connected_us);
	curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T,
			  &ready_us);
	/* Its clock and its timers may differ by a millisecond. */
	if (total_us / 1000 + 2 >= transfer->time_ms)
		return CAH_FATE_TIMEOUT;
	if (ready_us > 0)
		return CAH_FATE_TOO_SLOW;
	if (connected_us > 0)
		return CAH_FATE_TLS_FAILED;
	out->is_unconnected = true;
	return CAH_FATE_CONNECT_FAILED;
}

/* The first byte of an answer is here. */
static bool has_begun(const struct transfer *transfer)
{
	curl_off_t first_us = 0;
	curl_easy_getinfo(transfer->easy, CURLINFO_STARTTRANSFER_TIME_T,
			  &first_us);
	return first_us > 0;
}

static enum fate judge_code(const struct transfer *transfer,
			    struct transfer_result *out, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return CAH_FATE_KEPT;
	case CURLE_OPERATION_TIMEDOUT:
		return judge_timeout(transfer, out);
	case CURLE_COULDNT_RESOLVE_HOST:
		return CAH_FATE_DNS_FAILED;
	case CURLE_COULDNT_CONNECT:
		if (transfer->guard.errnum != 0 &&
		    transfer->guard.errnum != EAFNOSUPPORT)
			return CAH_FATE_INTERNAL;
		out->is_unconnected = true;
		return transfer->guard.has_refused ? CAH_FATE_PRIVATE_ADDRESS
						   : CAH_FATE_CONNECT_FAILED;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return CAH_FATE_TLS_FAILED;
	case CURLE_URL_MALFORMAT:
		return CAH_FATE_BAD_URL;
	case CURLE_OUT_OF_MEMORY:
		/* What libcurl also says of a line of 100 KB. */
		return has_begun(transfer) ? CAH_FATE_HTTP_BROKEN
					   : CAH_FATE_INTERNAL;
	case CURLE_FAILED_INIT:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ENGINE_INITFAILED:
		return CAH_FATE_INTERNAL;
	default:
		return CAH_FATE_HTTP_BROKEN;
	}
}

/* Statuses that say so themselves (RFC 9110, 15.5.9, 15.6; RFC 6585, 4). */
static bool is_passing_status(long status)
{
	return status == 408 || status == 429 || status == 500 ||
	       (status >= 502 && status <= 504);
}

/* Codes of a connection that broke. */
static bool is_passing_code(CURLcode code)
{
	return code == CURLE_OPERATION_TIMEDOUT || code == CURLE_SEND_ERROR ||
	       code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING ||
	       code == CURLE_PARTIAL_FILE || code == CURLE_COULDNT_CONNECT;
}

/* How long the host is to be left alone. 429 says so without a time, too. */
static int64_t judge_rest(const struct transfer *transfer, long status)
{
	if (status != 429 && status != 503)
		return -1;
	if (transfer->retry_after_s < 0 && status == 429)
		return TRANSFER_REST_S;
	return transfer->retry_after_s;
}

static enum fate judge_status(long status)
{
	if (status == 404 || status == 410)
		return CAH_FATE_HTTP_NOT_FOUND;
	if (status >= 400 && status < 500)
		return CAH_FATE_HTTP_CLIENT_ERROR;
	if (status >= 500 && status < 600)
		return CAH_FATE_HTTP_SERVER_ERROR;
	return CAH_FATE_HTTP_BROKEN;
}

void transfer_judge(struct transfer *transfer, struct transfer_result *out,
		    CURLcode code)
{
	const char *why = curl_easy_strerror(code);
	long status = get_status(transfer);
	*out = (struct transfer_result){
		.http_status = (int)status,
		.retry_after_s = -1,
	};
	if (transfer->has_verdict) {
		out->fate = transfer->verdict;
		out->is_passing = transfer->is_crowded_out;
		why = transfer->why;
	} else if (transfer->is_answered &&
		   (!is_success(status) || status == 206)) {
		/* A part is no answer to a request for the whole. */
		out->fate = judge_status(status);
		out->is_passing = is_passing_status(status);
		out->retry_after_s = judge_rest(transfer, status);
		if (http_is_redirect(status))
			curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL,
					  (char **)&out->redirect);
		(void)snprintf(out->detail, sizeof(out->detail), "status %ld",
			       status);
		return;
	} else if (code == CURLE_OK && !transfer->is_answered) {
		/* libcurl takes a header without an end for one. */
		out->fate = CAH_FATE_HTTP_BROKEN;
		out->is_passing = true;
		why = "the header was cut";
	} else {
		out->fate = judge_code(transfer, out, code);
		out->is_passing = is_passing_code(code) &&
				  out->fate != CAH_FATE_PRIVATE_ADDRESS &&
				  out->fate != CAH_FATE_INTERNAL;
	}
	if (out->fate == CAH_FATE_INTERNAL && transfer->guard.errnum != 0)
		(void)snprintf(out->detail, sizeof(out->detail),
			       "no socket: %s",
			       strerrordesc_np(transfer->guard.errnum));
	else if (out->fate != CAH_FATE_KEPT)
		(void)snprintf(out->detail, sizeof(out->detail), "%s", why);
}
