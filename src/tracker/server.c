/* One thread with an epoll loop owns all connections (libmicrohttpd). A call
 * of the store blocks it for one transaction; more threads would only wait for
 * each other there. */
#include "tracker/server.h"

#include "base/clock.h"
#include "base/fail.h"
#include "tracker/request.h"

#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	/* A client that is still sending does not read its refusal; so much of
	 * a body too long is read and thrown away first, in bytes. */
	DISCARD_MAX = 4 * 1024 * 1024,
	STOP_POLL_MS = 10,
	OTHER_FILES = 64, /* open ones that are no connections */
};

/* Called with the whole request line's URI, before anything is decoded. */
static void *on_uri(void *arg, const char *uri,
		    struct MHD_Connection *connection)
{
	struct tracker *tracker = arg;
	(void)connection;
	atomic_fetch_add(&tracker->active, 1);
	return request_new(tracker, uri);
}

static void on_completed(void *arg, struct MHD_Connection *connection,
			 void **slot, enum MHD_RequestTerminationCode why)
{
	struct tracker *tracker = arg;
	struct request *request = *slot;
	(void)connection;
	(void)why;
	atomic_fetch_sub(&tracker->active, 1);
	*slot = NULL;
	if (request != NULL && request->status != 0)
		log_debug(tracker->log, "%s %s: %d", request->method,
			  request->is_routed ? wire_route_path(request->route)
					     : "(no such page)",
			  request->status);
	request_free(request);
}

static bool is_declared_longer(const struct request *request, size_t max)
{
	const char *length = request_header(request, "Content-Length");
	return length != NULL && strtoull(length, NULL, 10) > max;
}

static enum MHD_Result begin(struct request *request)
{
	request->is_begun = true;
	if (request_begin(request, &request->err) != CAH_OK)
		request->is_refused = true;
	/* Answered before the body is read, the connection is closed after. */
	if (request->is_unframed || is_declared_longer(request, DISCARD_MAX))
		return (enum MHD_Result)request_answer(request);
	return MHD_YES;
}

static enum MHD_Result take_body(struct request *request, const char *data,
				 size_t *len)
{
	size_t max = wire_route_body_max(request->route);
	request->received += *len;
	if (request->received > DISCARD_MAX)
		return MHD_NO;
	if (request->is_refused ||
	    wire_route_method(request->route) != WIRE_POST) {
		*len = 0;
		return MHD_YES;
	}
	int rc = CAH_OK;
	if (request->received > max)
		rc = cah_fail(&request->err, CAH_ELIMIT,
			      "the body is longer than %zu bytes", max);
	else if (buf_add(&request->raw_body, data, *len) != CAH_OK)
		rc = buf_check(&request->raw_body, "body", &request->err);
	request->is_refused = rc != CAH_OK;
	*len = 0;
	return MHD_YES;
}

/* Called when the headers are there, for each piece of the body, and at its
 * end; the parameters are the library's. */
/* NOLINTNEXTLINE(readability-function-size) */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
				  const char *url, const char *method,
				  const char *version, const char *upload_data,
				  size_t *upload_data_size, void **slot)
{
	struct request *request = *slot;
	(void)arg;
	(void)url;
	(void)version;
	if (request == NULL)
		return MHD_NO;
	request->connection = connection;
	request->method = method;
	if (!request->is_begun)
		return begin(request);
	if (*upload_data_size > 0)
		return take_body(request, upload_data, upload_data_size);
	return (enum MHD_Result)request_answer(request);
}

static void on_log(void *arg, const char *fmt, va_list args)
{
	struct tracker *tracker = arg;
	char text[256];
	(void)vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	log_debug(tracker->log, "http: %s", text);
}

/* Each connection takes a descriptor; the usual soft limit is 1,024. */
static void raise_file_limit(struct tracker *tracker)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	rlim_t want = (rlim_t)tracker->max_connections + OTHER_FILES;
	if (limit.rlim_cur >= want)
		return;
	limit.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= want)
		return;
	log_warn(tracker->log,
		 "only %llu files may be open, too few for %lld connections",
		 (unsigned long long)limit.rlim_cur,
		 (long long)tracker->max_connections);
}

int server_start(struct tracker *tracker, struct cah_error *err)
{
	raise_file_limit(tracker);
	unsigned flags =
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG;
	/* The logger comes first, so that it hears of the others. */
	tracker->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, tracker,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, tracker,
		MHD_OPTION_LISTEN_SOCKET, tracker->listen_fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)tracker->max_connections,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TRACKER_CONNECTION_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)TRACKER_HEADERS_MAX,
		MHD_OPTION_URI_LOG_CALLBACK, on_uri, tracker,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, tracker,
		MHD_OPTION_END);
	if (tracker->daemon == NULL)
		return cah_fail(err, CAH_EIO, "the HTTP server cannot start");
	return CAH_OK;
}

void server_stop(struct tracker *tracker)
{
	if (tracker->daemon == NULL)
		return;
	tracker->is_stopping = true;
	int fd = MHD_quiesce_daemon(tracker->daemon);
	int64_t deadline_ms = clock_now_ms() + TRACKER_STOP_MS;
	while (tracker->active > 0 && clock_now_ms() < deadline_ms)
		(void)poll(NULL, 0, STOP_POLL_MS);
	MHD_stop_daemon(tracker->daemon);
	/* The loop may look at it until it has ended. */
	if (fd >= 0)
		close(fd);
	tracker->daemon = NULL;
	tracker->listen_fd = -1;
}
