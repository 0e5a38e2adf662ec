#include "cli/monitor.h"

#include "base/fail.h"
#include "base/metrics.h"
#include "tracker/listen.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct monitor {
	struct account *account;
	struct MHD_Daemon *daemon;
	char *url;
	int fd; /* the library's once there is a daemon */
};

static enum MHD_Result answer(struct MHD_Connection *connection,
			      unsigned status, struct slice text,
			      const char *type)
{
	/* The library takes a copy. */
	struct MHD_Response *response = MHD_create_response_from_buffer(
		text.len, (void *)text.data, MHD_RESPMEM_MUST_COPY);
	if (response == NULL)
		return MHD_NO;
	(void)MHD_add_response_header(response, "Content-Type", type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, "Allow", "GET, HEAD");
	enum MHD_Result queued =
		MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return queued;
}

static enum MHD_Result tell(const struct monitor *m,
			    struct MHD_Connection *connection)
{
	struct buf text;
	enum MHD_Result done = MHD_NO;
	buf_init(&text, ACCOUNT_TEXT_MAX);
	account_write(m->account, &text);
	if (!text.is_failed)
		done = answer(connection, MHD_HTTP_OK, buf_slice(&text),
			      METRICS_CONTENT_TYPE);
	buf_fini(&text);
	return done;
}

/* The parameters are the library's. */
/* NOLINTNEXTLINE(readability-function-size) */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
				  const char *url, const char *method,
				  const char *version, const char *upload_data,
				  size_t *upload_data_size, void **slot)
{
	const struct monitor *m = arg;
	const char *plain = "text/plain; charset=utf-8";
	static int seen;
	(void)version;
	(void)upload_data;
	/* Bodies are for nobody, and read to their end. */
	bool is_whole = *slot != NULL && *upload_data_size == 0;
	*upload_data_size = 0;
	*slot = &seen;
	if (!is_whole)
		return MHD_YES;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			      SLICE("this call takes GET"), plain);
	if (strcmp(url, "/metrics") != 0)
		return answer(connection, MHD_HTTP_NOT_FOUND,
			      SLICE("there is no such page"), plain);
	return tell(m, connection);
}

static int start(struct monitor *m, const char *address, struct cah_error *err)
{
	char local[64];
	if (strchr(address, ':') == NULL) {
		(void)snprintf(local, sizeof(local), "127.0.0.1:%s", address);
		address = local;
	}
	int rc = listen_open(&m->fd, &m->url, address, false, err);
	if (rc != CAH_OK)
		return cah_fail_prefix(err, rc, "--metrics");
	m->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, m,
		MHD_OPTION_LISTEN_SOCKET, m->fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)MONITOR_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)MONITOR_TIMEOUT_S, MHD_OPTION_END);
	if (m->daemon == NULL)
		return cah_fail(err, CAH_EIO,
				"--metrics: the HTTP server cannot start");
	m->fd = -1;
	return CAH_OK;
}

int monitor_new(struct monitor **out, const char *address,
		struct account *account, struct log *log, struct cah_error *err)
{
	*out = NULL;
	struct monitor *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return cah_fail(err, CAH_ENOMEM, "--metrics: out of memory");
	m->account = account;
	m->fd = -1;
	int rc = start(m, address, err);
	if (rc != CAH_OK) {
		monitor_free(m);
		return rc;
	}
	log_info(log, "metrics at %smetrics", m->url);
	*out = m;
	return CAH_OK;
}

void monitor_free(struct monitor *m)
{
	if (m == NULL)
		return;
	if (m->daemon != NULL)
		MHD_stop_daemon(m->daemon);
	if (m->fd >= 0)
		close(m->fd);
	free(m->url);
	free(m);
}
