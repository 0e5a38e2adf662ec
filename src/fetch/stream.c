/* The reader pulls: libcurl is driven only while the reader waits for bytes, so
 * what is read ahead is bounded by one buffer here and the kernel's. Each
 * attempt is one request from the next byte on; what it answers is judged
 * before a byte of it counts. Ranges: RFC 9110, 13.1.5, 14 and 15.3.7. */
#include "fetch/stream.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/fail.h"
#include "fetch/header.h"
#include "fetch/http.h"
#include "fetch/local.h"
#include "fetch/stop.h"
#include "fetch/target.h"

#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	STREAM_BUFFER = 256 * 1024,     /* bytes before the transfer pauses */
	STREAM_CHUNK = 128 * 1024,      /* bytes libcurl reads at once */
	STREAM_HEADER_MAX = 64 * 1024,  /* bytes of one answer's header */
	STREAM_IGNORED_MAX = 64 * 1024, /* of a body that nobody reads */
	STREAM_FIELD_MAX = 255,         /* of a validator */
	STREAM_CONNECT_MS = 30 * 1000,
	STREAM_POLL_MS = 1000, /* at most */
};

/* What is to be done with the body of an answer. */
enum verdict {
	VERDICT_NONE,   /* not judged yet */
	VERDICT_TAKE,   /* the bytes that were asked for */
	VERDICT_IGNORE, /* a redirect or an error's page */
	VERDICT_FATAL,  /* stream->error says why */
};

/* Tells whether two answers are of the same resource. */
struct validator {
	char etag[STREAM_FIELD_MAX + 1];
	char modified[STREAM_FIELD_MAX + 1];
};

struct answer {
	long status;
	int64_t retry_after_s; /* -1 where not given */
	bool has_range;
	struct content_range range;
	struct validator validator;
	size_t header_bytes;
	bool is_whole; /* the header came to its end */
};

struct stream {
	char *location;
	char *user_agent;
	const struct pins *pins;
	char *ca_file;
	struct stop stop;
	int tries;
	int64_t patience_s;
	int64_t fruitless_since_ms; /* without a new byte */

	int fd; /* of a file, -1 for HTTP */
	CURLM *multi;
	CURL *easy;
	bool is_added; /* the easy handle is in the multi handle */
	bool is_paused;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	struct http_guard guard;
	struct target target; /* of this attempt */
	int redirects;        /* so far in this attempt */

	struct answer answer;
	enum verdict verdict;
	struct validator validator; /* of the first answer taken */
	struct cah_error error;     /* the end, when its code is not 0 */

	struct buf data;  /* received */
	size_t taken;     /* of it, by the reader */
	int64_t position; /* the next byte to be received */
	int64_t skip;     /* bytes to drop before it, where Range is ignored */
	size_t ignored;
	int64_t size; /* of the whole, -1 where unknown */
	bool is_end;
	int64_t attempt_start; /* position when the attempt began */
	int failures;          /* in a row */
	int64_t received;      /* bytes in this attempt, skipped ones too */
	int64_t waited_ms;     /* in poll, since the rate was judged last */
	int64_t waited_from;   /* received then */
};

static void copy_field(char out[STREAM_FIELD_MAX + 1], struct slice value)
{
	/* A cut validator would equal none; better to have none. */
	if (value.len > STREAM_FIELD_MAX)
		value.len = 0;
	if (value.len > 0)
		memcpy(out, value.data, value.len);
	out[value.len] = '\0';
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct stream *stream = arg;
	struct answer *answer = &stream->answer;
	struct slice line = {data, size * n};
	struct slice name;
	struct slice value;
	size_t bytes = answer->header_bytes + line.len;
	if (bytes > STREAM_HEADER_MAX)
		return 0;
	if (slice_starts(line, SLICE("HTTP/")))
		*answer = (struct answer){.retry_after_s = -1};
	answer->header_bytes = bytes;
	if (line.len <= 2)
		answer->is_whole = true;
	/* Trailers come after the body: too late to change anything. */
	if (stream->verdict != VERDICT_NONE ||
	    !header_split(line, &name, &value))
		return line.len;
	if (slice_equal_nocase(name, SLICE("etag")))
		copy_field(answer->validator.etag, value);
	else if (slice_equal_nocase(name, SLICE("last-modified")))
		copy_field(answer->validator.modified, value);
	else if (slice_equal_nocase(name, SLICE("content-range")))
		answer->has_range =
			header_parse_content_range(&answer->range, value);
	else if (slice_equal_nocase(name, SLICE("retry-after")) &&
		 !header_parse_retry_after(&answer->retry_after_s, value,
					   clock_wall_s()))
		answer->retry_after_s = -1;
	return line.len;
}

static bool differs(const char *a, const char *b)
{
	return a[0] != '\0' && b[0] != '\0' && strcmp(a, b) != 0;
}

/* Whether the answer can be of the resource that was begun: the first
 * validator that both have decides, and the sizes must agree. */
static bool is_same(const struct stream *stream, int64_t total)
{
	const struct validator *a = &stream->validator;
	const struct validator *b = &stream->answer.validator;
	if (stream->size >= 0 && total >= 0 && stream->size != total)
		return false;
	if (a->etag[0] != '\0' && b->etag[0] != '\0')
		return strcmp(a->etag, b->etag) == 0;
	return !differs(a->modified, b->modified);
}

static int cancelled(const struct stream *stream, struct cah_error *err)
{
	return cah_fail(err, CAH_ECANCELLED, "%s: cancelled", stream->location);
}

/* @rc with @status in @err, after a cah_fail. */
static int with_status(int rc, long status, struct cah_error *err)
{
	if (err != NULL)
		err->http_status = (int)status;
	return rc;
}

static enum verdict refuse(struct stream *stream, const char *why)
{
	cah_fail(&stream->error, CAH_EFORMAT, "%s: %s at byte %lld",
		 stream->location, why, (long long)stream->position);
	return VERDICT_FATAL;
}

static enum verdict take(struct stream *stream, int64_t total, int64_t skip)
{
	if (!is_same(stream, total))
		return refuse(stream, "the resource changed on the way");
	if (total >= 0 && total < stream->position)
		return refuse(stream, "the resource ends before the start");
	if (stream->validator.etag[0] == '\0' &&
	    stream->validator.modified[0] == '\0')
		stream->validator = stream->answer.validator;
	if (total >= 0)
		stream->size = total;
	stream->skip = skip;
	return VERDICT_TAKE;
}

static enum verdict judge(struct stream *stream)
{
	struct answer *answer = &stream->answer;
	curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE,
			  &answer->status);
	if (answer->status == 206) {
		if (!answer->has_range ||
		    answer->range.first != stream->position)
			return refuse(stream, "not the range asked for");
		return take(stream, answer->range.total, 0);
	}
	if (answer->status != 200)
		return VERDICT_IGNORE;
	curl_off_t length = -1;
	curl_easy_getinfo(stream->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
			  &length);
	return take(stream, length, stream->position);
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct stream *stream = arg;
	size_t len = size * n;
	if (stream->verdict == VERDICT_NONE)
		stream->verdict = judge(stream);
	if (stream->verdict == VERDICT_IGNORE) {
		stream->ignored += len;
		return stream->ignored <= STREAM_IGNORED_MAX ? len : 0;
	}
	if (stream->verdict == VERDICT_FATAL)
		return 0;
	if (stream->data.len - stream->taken >= STREAM_BUFFER) {
		stream->is_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	size_t skipped =
		stream->skip < (int64_t)len ? (size_t)stream->skip : len;
	stream->skip -= (int64_t)skipped;
	stream->received += (int64_t)len;
	size_t fresh = len - skipped;
	if (stream->size >= 0 &&
	    (int64_t)fresh > stream->size - stream->position) {
		stream->verdict = refuse(stream, "more bytes than announced");
		return 0;
	}
	if (buf_add(&stream->data, data + skipped, fresh) != CAH_OK) {
		stream->verdict = VERDICT_FATAL;
		cah_fail(&stream->error, stream->data.code,
			 "%s: no room for the answer", stream->location);
		return 0;
	}
	stream->position += (int64_t)fresh;
	return len;
}

/* What may stand in If-Range: an ETag that is not weak, else the date. */
static const char *pick_validator(const struct validator *validator)
{
	return validator->etag[0] == '"' ? validator->etag
					 : validator->modified;
}

/* Range, and If-Range where there is something to compare. */
static int set_range(struct stream *stream, struct cah_error *err)
{
	char range[32];
	char condition[STREAM_FIELD_MAX + 16];
	struct curl_slist *headers =
		curl_slist_append(NULL, "Accept-Encoding: identity");
	const char *value = pick_validator(&stream->validator);
	if (headers != NULL && stream->position > 0 && value[0] != '\0') {
		(void)snprintf(condition, sizeof(condition), "If-Range: %s",
			       value);
		struct curl_slist *more = curl_slist_append(headers, condition);
		if (more == NULL)
			curl_slist_free_all(headers);
		headers = more;
	}
	if (headers == NULL)
		return cah_fail(err, CAH_ENOMEM, "libcurl: out of memory");
	(void)snprintf(range, sizeof(range), "%lld-",
		       (long long)stream->position);
	curl_easy_setopt(stream->easy, CURLOPT_HTTPHEADER, headers);
	curl_slist_free_all(stream->headers);
	stream->headers = headers;
	if (curl_easy_setopt(stream->easy, CURLOPT_RANGE,
			     stream->position > 0 ? range : NULL) != CURLE_OK)
		return cah_fail(err, CAH_ENOMEM, "libcurl: out of memory");
	return CAH_OK;
}

static int set_pin(struct stream *stream, struct cah_error *err)
{
	struct curl_slist *connect_to = NULL;
	const char *pin = pins_find(stream->pins, slice_of(stream->target.host),
				    stream->target.port);
	if (pin != NULL) {
		connect_to = http_connect_to(pin, stream->target.port);
		if (connect_to == NULL)
			return cah_fail(err, CAH_ENOMEM,
					"libcurl: out of memory");
	}
	curl_easy_setopt(stream->easy, CURLOPT_CONNECT_TO, connect_to);
	curl_slist_free_all(stream->connect_to);
	stream->connect_to = connect_to;
	return CAH_OK;
}

/* One request for @url; stream->target is what it was parsed into. */
static int request(struct stream *stream, const char *url,
		   struct cah_error *err)
{
	struct target target;
	int rc = target_parse(&target, url, err);
	if (rc != CAH_OK) {
		target_fini(&target);
		return rc;
	}
	target_fini(&stream->target);
	stream->target = target;
	stream->answer = (struct answer){.retry_after_s = -1};
	stream->verdict = VERDICT_NONE;
	stream->ignored = 0;
	stream->is_paused = false;
	stream->guard.has_refused = false;
	rc = set_range(stream, err);
	if (rc == CAH_OK)
		rc = set_pin(stream, err);
	if (rc != CAH_OK)
		return rc;
	if (curl_easy_setopt(stream->easy, CURLOPT_URL, target.url) !=
		    CURLE_OK ||
	    curl_multi_add_handle(stream->multi, stream->easy) != CURLM_OK)
		return cah_fail(err, CAH_ENOMEM, "libcurl: out of memory");
	stream->is_added = true;
	return CAH_OK;
}

/* Redirects are followed anew each time: what they lead to may be signed and
 * run out. */
static int begin(struct stream *stream, struct cah_error *err)
{
	stream->attempt_start = stream->position;
	stream->redirects = 0;
	stream->waited_ms = 0;
	stream->received = 0;
	stream->waited_from = 0;
	return request(stream, stream->location, err);
}

static void leave(struct stream *stream)
{
	if (stream->is_added)
		curl_multi_remove_handle(stream->multi, stream->easy);
	stream->is_added = false;
}

/* Exponential back-off, of which up to half is left to chance so that many
 * clients do not come back together. */
static int64_t backoff_ms(const struct stream *stream)
{
	int64_t longest = STREAM_BACKOFF_MAX_S;
	int64_t ms = STREAM_BACKOFF_S * 1000;
	unsigned short dice = 0;
	if (stream->answer.retry_after_s >= 0) {
		ms = stream->answer.retry_after_s;
		return (ms < longest ? ms : longest) * 1000;
	}
	for (int i = 1; i < stream->failures && ms < longest * 1000; i++)
		ms *= 2;
	if (ms > longest * 1000)
		ms = longest * 1000;
	(void)!getrandom(&dice, sizeof(dice), GRND_NONBLOCK);
	return ms / 2 + ms / 2 * dice / 0xffff;
}

/* How long to wait before the next attempt; -1 to give up. */
static int64_t next_wait_ms(const struct stream *stream, long status)
{
	bool may_pass = status == 0 || status == 429 || status == 503;
	int64_t ms = backoff_ms(stream);
	if (stream->patience_s == 0 || !may_pass)
		if (stream->failures >= stream->tries)
			return -1;
	/* Not even one that says 0 every time is asked without end. */
	if (stream->failures >= stream->tries && ms < STREAM_BACKOFF_S * 1000)
		ms = STREAM_BACKOFF_S * 1000;
	if (stream->patience_s <= 0)
		return ms;
	int64_t left_ms = stream->fruitless_since_ms +
			  stream->patience_s * 1000 - clock_now_ms();
	/* A server that names a time past the end need not be asked again. */
	if (left_ms <= 0 || (ms > left_ms && stream->answer.retry_after_s >= 0))
		return -1;
	return ms < left_ms ? ms : left_ms;
}

static int retry(struct stream *stream, const char *why, struct cah_error *err)
{
	long status =
		stream->verdict == VERDICT_IGNORE ? stream->answer.status : 0;
	if (stream->position > stream->attempt_start) {
		stream->failures = 0;
		stream->fruitless_since_ms = clock_now_ms();
	}
	stream->failures++;
	int64_t wait_ms = next_wait_ms(stream, status);
	if (wait_ms < 0)
		return with_status(cah_fail(err, CAH_EUNAVAILABLE,
					    "%s: given up after %d tries: %s",
					    stream->location, stream->failures,
					    why),
				   status, err);
	int64_t end_ms = clock_now_ms() + wait_ms;
	int64_t left_ms = end_ms - clock_now_ms();
	while (left_ms > 0) {
		if (stop_is_set(&stream->stop))
			return cancelled(stream, err);
		(void)cancel_sleep(stream->stop.cancel,
				   stop_nap_ms(&stream->stop, left_ms));
		left_ms = end_ms - clock_now_ms();
	}
	return begin(stream, err);
}

static int follow(struct stream *stream, struct cah_error *err)
{
	char *url = NULL;
	curl_easy_getinfo(stream->easy, CURLINFO_REDIRECT_URL, &url);
	if (url == NULL || stream->redirects >= STREAM_REDIRECTS)
		return with_status(cah_fail(err, CAH_ESERVER, "%s: %s",
					    stream->location,
					    url == NULL ? "redirect to nowhere"
							: "too many redirects"),
				   stream->answer.status, err);
	stream->redirects++;
	/* The text is libcurl's until the next transfer of this handle. */
	char *copy = strdup(url);
	if (copy == NULL)
		return cah_fail(err, CAH_ENOMEM, "URL: out of memory");
	int rc = request(stream, copy, err);
	free(copy);
	return rc;
}

/* The answer's status is neither 200 nor 206. */
static int settle_status(struct stream *stream, struct cah_error *err)
{
	const struct answer *answer = &stream->answer;
	long status = answer->status;
	char why[32];
	(void)snprintf(why, sizeof(why), "status %ld", status);
	if (http_is_redirect(status))
		return follow(stream, err);
	if (status == 403 || status == 408 || status == 429 || status >= 500)
		return retry(stream, why, err);
	/* Nothing follows the last byte: that was known only to the server. */
	if (status == 416 && stream->position > 0 && answer->has_range &&
	    answer->range.total == stream->position) {
		stream->size = stream->position;
		stream->is_end = true;
		return CAH_OK;
	}
	bool is_missing = status == 404 || status == 410;
	return with_status(cah_fail(err,
				    is_missing ? CAH_ENOTFOUND : CAH_ESERVER,
				    "%s: %s", stream->location, why),
			   status, err);
}

/* The transfer ended while or before its bytes were taken. */
static int settle_body(struct stream *stream, CURLcode code,
		       struct cah_error *err)
{
	if (stream->size >= 0 && stream->position == stream->size) {
		stream->is_end = true;
		return CAH_OK;
	}
	/* Without a size the end is where the server says so. */
	if (stream->size < 0 && code == CURLE_OK && stream->skip == 0) {
		stream->size = stream->position;
		stream->is_end = true;
		return CAH_OK;
	}
	return retry(stream,
		     code == CURLE_OK ? "the answer was cut"
				      : curl_easy_strerror(code),
		     err);
}

/* No answer came, or one that is not HTTP. */
static int settle_failure(struct stream *stream, CURLcode code,
			  struct cah_error *err)
{
	const char *why = curl_easy_strerror(code);
	if (stream->guard.has_refused && code == CURLE_COULDNT_CONNECT)
		return cah_fail(err, CAH_EDENIED,
				"%s: %s is not a public address",
				stream->target.url, stream->guard.refused);
	switch (code) {
	case CURLE_URL_MALFORMAT:
		return cah_fail(err, CAH_EINVALIDURL, "%s: %s",
				stream->target.url, why);
	case CURLE_PEER_FAILED_VERIFICATION:
		return cah_fail(err, CAH_EUNAVAILABLE, "%s: %s",
				stream->target.url, why);
	default:
		return retry(stream, why, err);
	}
}

static int settle(struct stream *stream, CURLcode code, struct cah_error *err)
{
	leave(stream);
	if (stream->verdict == VERDICT_NONE && code == CURLE_OK) {
		/* libcurl takes a header without an end for one. */
		if (!stream->answer.is_whole)
			return retry(stream, "the header was cut", err);
		stream->verdict = judge(stream);
	}
	switch (stream->verdict) {
	case VERDICT_TAKE:
		return settle_body(stream, code, err);
	case VERDICT_IGNORE:
		return settle_status(stream, err);
	case VERDICT_FATAL:
		if (err != NULL)
			*err = stream->error;
		return stream->error.code;
	default:
		return settle_failure(stream, code, err);
	}
}

/* Only time spent waiting counts: a slow reader makes no slow server. */
static bool is_stalled(struct stream *stream, int64_t waited_ms)
{
	stream->waited_ms += waited_ms;
	if (stream->waited_ms < STREAM_STALL_S * 1000)
		return false;
	bool is_slow = stream->received - stream->waited_from <
		       (int64_t)STREAM_STALL_S * STREAM_LOWEST_RATE;
	stream->waited_ms = 0;
	stream->waited_from = stream->received;
	return is_slow;
}

static int wait_for_socket(struct stream *stream, struct cah_error *err)
{
	struct curl_waitfd extra = {.fd = cancel_fd(stream->stop.cancel),
				    .events = CURL_WAIT_POLLIN};
	int64_t before = clock_now_ms();
	CURLMcode code = curl_multi_poll(
		stream->multi, &extra, stream->stop.cancel != NULL ? 1 : 0,
		stop_nap_ms(&stream->stop, STREAM_POLL_MS), NULL);
	if (code != CURLM_OK)
		return cah_fail(err, CAH_EIO, "%s: %s", stream->location,
				curl_multi_strerror(code));
	if (!is_stalled(stream, clock_now_ms() - before))
		return CAH_OK;
	leave(stream);
	return retry(stream, "too slow", err);
}

/* One step towards more bytes, an answer or the end. */
static int advance(struct stream *stream, struct cah_error *err)
{
	int running = 0;
	int left = 0;
	if (stop_is_set(&stream->stop))
		return cancelled(stream, err);
	buf_reset(&stream->data);
	stream->taken = 0;
	if (stream->is_paused) {
		stream->is_paused = false;
		curl_easy_pause(stream->easy, CURLPAUSE_CONT);
	}
	CURLMcode code = curl_multi_perform(stream->multi, &running);
	if (code != CURLM_OK)
		return cah_fail(err, CAH_EIO, "%s: %s", stream->location,
				curl_multi_strerror(code));
	/* How the transfer ended, if it did, is for the next call: what came
	 * before is whole, and settling may have to wait. */
	if (stream->data.len > 0)
		return CAH_OK;
	const CURLMsg *message = curl_multi_info_read(stream->multi, &left);
	if (message != NULL && message->msg == CURLMSG_DONE)
		return settle(stream, message->data.result, err);
	return wait_for_socket(stream, err);
}

static int open_http(struct stream *stream, struct cah_error *err)
{
	int rc = http_init(err);
	if (rc != CAH_OK)
		return rc;
	stream->multi = curl_multi_init();
	stream->easy = curl_easy_init();
	if (stream->multi == NULL || stream->easy == NULL)
		return cah_fail(err, CAH_ENOMEM, "libcurl: out of memory");
	rc = http_setup(stream->easy, &stream->guard, stream->user_agent, err);
	if (rc != CAH_OK)
		return rc;
	if (stream->ca_file != NULL &&
	    curl_easy_setopt(stream->easy, CURLOPT_CAINFO, stream->ca_file) !=
		    CURLE_OK)
		return cah_fail(err, CAH_ENOMEM, "libcurl: out of memory");
	/* Else closing waits for the system's resolver, which takes its time
	 * where no name server answers. */
	curl_easy_setopt(stream->easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(stream->easy, CURLOPT_HTTP_VERSION,
			 CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(stream->easy, CURLOPT_BUFFERSIZE, (long)STREAM_CHUNK);
	curl_easy_setopt(stream->easy, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)STREAM_CONNECT_MS);
	curl_easy_setopt(stream->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(stream->easy, CURLOPT_HEADERDATA, stream);
	curl_easy_setopt(stream->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(stream->easy, CURLOPT_WRITEDATA, stream);
	rc = begin(stream, err);
	while (rc == CAH_OK && stream->verdict != VERDICT_TAKE &&
	       !stream->is_end)
		rc = advance(stream, err);
	return rc;
}

static int open_any(struct stream *stream, const struct stream_options *options,
		    struct cah_error *err)
{
	if (!local_is(stream->location))
		return open_http(stream, err);
	if (!options->allow_files)
		return cah_fail(err, CAH_EDENIED,
				"%s: files are not allowed here",
				stream->location);
	return local_open(&stream->fd, &stream->size, stream->location,
			  stream->position, &stream->stop, err);
}

/* Copies what the stream keeps; false when out of memory. */
static bool copy_options(struct stream *stream, const char *location,
			 const struct stream_options *options)
{
	stream->pins = options->pins;
	stream->stop = (struct stop){options->cancel, options->tick,
				     options->tick_arg};
	stream->position = options->start;
	stream->guard.allow_private = options->allow_private;
	stream->tries = options->tries > 0 ? options->tries : STREAM_TRIES;
	stream->patience_s = options->patience_s;
	stream->fruitless_since_ms = clock_now_ms();
	if (options->validator != NULL && options->start > 0) {
		struct slice validator = slice_of(options->validator);
		if (slice_starts(validator, SLICE("\"")))
			copy_field(stream->validator.etag, validator);
		else
			copy_field(stream->validator.modified, validator);
	}
	stream->location = strdup(location);
	if (options->user_agent != NULL)
		stream->user_agent = strdup(options->user_agent);
	if (options->ca_file != NULL)
		stream->ca_file = strdup(options->ca_file);
	return stream->location != NULL &&
	       (options->user_agent == NULL || stream->user_agent != NULL) &&
	       (options->ca_file == NULL || stream->ca_file != NULL);
}

int stream_open(struct stream **out, const char *location,
		const struct stream_options *options, struct cah_error *err)
{
	*out = NULL;
	if (options->start < 0)
		return cah_fail(err, CAH_EINVALID, "%s: start at byte %lld",
				location, (long long)options->start);
	struct stream *stream = calloc(1, sizeof(*stream));
	if (stream == NULL)
		return cah_fail(err, CAH_ENOMEM, "stream: out of memory");
	stream->fd = -1;
	stream->size = -1;
	buf_init(&stream->data, STREAM_BUFFER + STREAM_CHUNK);
	int rc = CAH_OK;
	if (copy_options(stream, location, options))
		rc = open_any(stream, options, err);
	else
		rc = cah_fail(err, CAH_ENOMEM, "stream: out of memory");
	if (rc == CAH_OK)
		*out = stream;
	else
		stream_close(stream);
	return rc;
}

int64_t stream_size(const struct stream *stream)
{
	return stream->size;
}

bool stream_is_file(const struct stream *stream)
{
	return stream->fd >= 0 && stream->size >= 0 &&
	       strcmp(stream->location, "-") != 0;
}

const char *stream_validator(const struct stream *stream)
{
	return pick_validator(&stream->validator);
}

int stream_read(struct stream *stream, void *data, size_t cap, size_t *len,
		struct cah_error *err)
{
	*len = 0;
	if (stream->fd >= 0) {
		*len = cap;
		return local_read(stream->fd, data, len, stream->location,
				  &stream->stop, err);
	}
	if (stream->error.code != CAH_OK) {
		if (err != NULL)
			*err = stream->error;
		return stream->error.code;
	}
	while (stream->data.len == stream->taken && !stream->is_end) {
		int rc = advance(stream, &stream->error);
		if (rc != CAH_OK && err != NULL)
			*err = stream->error;
		if (rc != CAH_OK)
			return rc;
	}
	size_t n = stream->data.len - stream->taken;
	if (n > cap)
		n = cap;
	if (n > 0)
		memcpy(data, stream->data.data + stream->taken, n);
	stream->taken += n;
	*len = n;
	return CAH_OK;
}

void stream_close(struct stream *stream)
{
	if (stream == NULL)
		return;
	leave(stream);
	if (stream->easy != NULL)
		curl_easy_cleanup(stream->easy);
	if (stream->multi != NULL)
		curl_multi_cleanup(stream->multi);
	curl_slist_free_all(stream->headers);
	curl_slist_free_all(stream->connect_to);
	target_fini(&stream->target);
	buf_fini(&stream->data);
	if (stream->fd > STDIN_FILENO)
		close(stream->fd);
	free(stream->user_agent);
	free(stream->ca_file);
	free(stream->location);
	free(stream);
}
