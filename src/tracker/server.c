/* One thread with an epoll loop owns all connections (libmicrohttpd). A request
 * whose call needs the book is suspended and waits at the desk (desk.h); all
 * that one round of the loop has read go there together, and all that the desk
 * has done come back together. */
#include "tracker/server.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "tracker/desk.h"
#include "tracker/gate.h"
#include "tracker/request.h"
#include "tracker/sifter.h"
#include "tracker/tls.h"
#include "tracker/watch.h"

#include <limits.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	/* A round hands so many to the desk before it is at its end, so that
	 * both threads have something to do. */
	HAND_OVER_AT = 32,
	STOP_POLL_MS = 10,
	LOOK_MS = 1000,   /* between two looks for slow clients */
	TLS_OPTIONS = 3,  /* of the library, with the end */
	OTHER_FILES = 64, /* open ones that are no connections */
};

struct server {
	struct tracker *tracker;
	struct MHD_Daemon *daemon;
	pthread_t thread;
	bool is_running;
	int epoll_fd;          /* of the library */
	struct chain gathered; /* in this round, for the desk */
	struct chain lists;    /* in this round, for the sifter */
	size_t at_desk;        /* of both, not taken back yet */
	int64_t connections;
	bool is_shut;    /* the desk takes nothing any more */
	bool has_room;   /* since this round, after there was none */
	int64_t now_ms;  /* when this round began */
	int64_t look_ms; /* when the gate was last asked for slow clients */
};

static struct guard_conn *conn_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info != NULL ? info->socket_context : NULL;
}

static enum MHD_Result on_accept(void *arg, const struct sockaddr *address,
				 socklen_t len)
{
	struct server *server = arg;
	(void)len;
	if (gate_admits(server->tracker->gate, address))
		return MHD_YES;
	watch_refused(server->tracker->watch, REFUSAL_CROWDED, 1);
	return MHD_NO;
}

/* Called with the whole request line's URI, before anything is decoded. */
static void *on_uri(void *arg, const char *uri,
		    struct MHD_Connection *connection)
{
	struct server *server = arg;
	struct guard_conn *conn = conn_of(connection);
	server->tracker->active++;
	gate_enter(server->tracker->gate, conn, GUARD_HEAD, 0, server->now_ms);
	struct request *request = request_new(server->tracker, uri);
	if (request != NULL)
		request->conn = conn;
	return request;
}

static void on_completed(void *arg, struct MHD_Connection *connection,
			 void **slot, enum MHD_RequestTerminationCode why)
{
	struct server *server = arg;
	struct request *request = *slot;
	struct gate *gate = server->tracker->gate;
	(void)why;
	server->tracker->active--;
	gate_enter(gate, conn_of(connection), GUARD_IDLE, 0, server->now_ms);
	if (request != NULL)
		gate_leave(gate, request, server->now_ms);
	*slot = NULL;
	request_free(request);
}

static enum MHD_Result answer(struct server *server, struct request *request)
{
	const struct request *from =
		request->same != NULL ? request->same : request;
	gate_enter(server->tracker->gate, request->conn, GUARD_ANSWER,
		   (int64_t)from->out.len, server->now_ms);
	return (enum MHD_Result)request_answer(request);
}

/* A refusal tells what is wrong with the request, unless the gate has one. */
static enum MHD_Result begin(struct server *server, struct request *request)
{
	struct gate *gate = server->tracker->gate;
	struct cah_error err;
	request->is_begun = true;
	if (request_begin(request, &request->err) != CAH_OK)
		request->is_refused = true;
	if (gate_pass(gate, request, server->now_ms, &err) != CAH_OK) {
		request->is_refused = true;
		request->err = err;
	}
	gate_enter(gate, request->conn, GUARD_BODY, 0, server->now_ms);
	if (!request_is_unread(request) && !request->is_last)
		return MHD_YES;
	if (!request->is_refused)
		(void)cah_fail(&request->err, CAH_ELIMIT,
			       "the body is too long");
	request->is_refused = true;
	(void)request_take(request);
	return answer(server, request);
}

static enum MHD_Result finish(struct server *server, struct request *request)
{
	struct cah_error err;
	if (request->is_done || !request_take(request))
		return answer(server, request);
	if (server->is_shut) {
		(void)cah_fail(&err, CAH_EUNAVAILABLE, "the tracker stops");
		request_refuse(request, &err);
		return answer(server, request);
	}
	if (server->at_desk >= (size_t)server->tracker->max_waiting) {
		(void)cah_fail(&err, CAH_EUNAVAILABLE,
			       "too many requests at one time, try again");
		request_refuse(request, &err);
		watch_refused(server->tracker->watch, REFUSAL_WAITING, 1);
		return answer(server, request);
	}
	gate_enter(server->tracker->gate, request->conn, GUARD_WORK, 0,
		   server->now_ms);
	MHD_suspend_connection(request->connection);
	server->at_desk++;
	if (wire_route_book(request->route) == WIRE_SIFTS) {
		chain_add(&server->lists, request);
		return MHD_YES;
	}
	chain_add(&server->gathered, request);
	if (server->gathered.count >= HAND_OVER_AT)
		desk_put(server->tracker->desk, &server->gathered);
	return MHD_YES;
}

/* Called when the headers are there, for each piece of the body, at its end,
 * and once more when it comes back from the desk; the parameters are the
 * library's. */
/* NOLINTNEXTLINE(readability-function-size) */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
				  const char *url, const char *method,
				  const char *version, const char *upload_data,
				  size_t *upload_data_size, void **slot)
{
	struct server *server = arg;
	struct request *request = *slot;
	(void)url;
	(void)version;
	if (request == NULL)
		return MHD_NO;
	request->connection = connection;
	request->method = method;
	if (!request->is_begun)
		return begin(server, request);
	if (*upload_data_size == 0)
		return finish(server, request);
	gate_received(request->conn, *upload_data_size);
	struct slice piece = {upload_data, *upload_data_size};
	*upload_data_size = 0;
	return request_add_body(request, piece) ? MHD_YES : MHD_NO;
}

/* The library listens no more while it has all the connections that it may
 * have, and looks whether it has when its loop begins. */
static void on_connection(void *arg, struct MHD_Connection *connection,
			  void **slot, enum MHD_ConnectionNotificationCode what)
{
	struct server *server = arg;
	struct gate *gate = server->tracker->gate;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		int fd = MHD_get_connection_info(
				 connection, MHD_CONNECTION_INFO_CONNECTION_FD)
				 ->connect_fd;
		const struct sockaddr *address =
			MHD_get_connection_info(
				connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
				->client_addr;
		*slot = gate_open(gate, fd, address, server->now_ms);
		server->connections++;
		return;
	}
	gate_close(gate, *slot);
	*slot = NULL;
	if (server->connections >= gate_conns_max(gate))
		server->has_room = true;
	server->connections--;
}

static void on_log(void *arg, const char *fmt, va_list args)
{
	struct server *server = arg;
	char text[256];
	(void)vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	log_debug(server->tracker->log, "http: %s", text);
}

/* Each connection takes a descriptor; the usual soft limit is 1,024. */
static void raise_file_limit(struct tracker *tracker)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	rlim_t want = (rlim_t)gate_conns_max(tracker->gate) + OTHER_FILES;
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

static void set_tls_options(struct MHD_OptionItem out[TLS_OPTIONS], bool is_tls)
{
	static char priorities[] = TLS_PRIORITIES;
	/* The library takes a function in an object pointer, as POSIX lets. */
	gnutls_certificate_retrieve_function2 *retrieve = tls_retrieve;
	void *pointer;
	memcpy(&pointer, &retrieve, sizeof(pointer));
	struct MHD_OptionItem *end = out;
	if (is_tls) {
		*end++ = (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK,
						 0, pointer};
		*end++ = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0,
						 priorities};
	}
	*end = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}

static int start_daemon(struct server *server, struct cah_error *err)
{
	struct tracker *tracker = server->tracker;
	unsigned flags =
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem of_tls[TLS_OPTIONS];
	set_tls_options(of_tls, tracker->tls != NULL);
	if (tracker->tls != NULL)
		flags |= MHD_USE_TLS;
	/* The logger comes first, so that it hears of the others. */
	server->daemon = MHD_start_daemon(
		flags, 0, on_accept, server, on_request, server,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, server,
		MHD_OPTION_LISTEN_SOCKET, tracker->listen_fd, MHD_OPTION_ARRAY,
		of_tls, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)gate_conns_max(tracker->gate),
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)TRACKER_HEADERS_MAX,
		MHD_OPTION_URI_LOG_CALLBACK, on_uri, server,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
		MHD_OPTION_END);
	if (server->daemon == NULL)
		return cah_fail(err, CAH_EIO, "the HTTP server cannot start");
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	server->epoll_fd = info->epoll_fd;
	return CAH_OK;
}

/* ---- the loop ---- */

static int wait_ms(struct server *server)
{
	MHD_UNSIGNED_LONG_LONG ms;
	int limit = server->connections > 0 ? LOOK_MS : -1;
	if (server->tracker->is_stopping)
		limit = STOP_POLL_MS;
	if (server->has_room)
		return 0;
	if (MHD_get_timeout(server->daemon, &ms) != MHD_YES)
		return limit;
	if (limit >= 0 && ms > (unsigned)limit)
		return limit;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

static void wait_for_events(struct server *server)
{
	struct tracker *tracker = server->tracker;
	struct pollfd fds[] = {
		{.fd = server->epoll_fd, .events = POLLIN},
		{.fd = desk_fd(tracker->desk), .events = POLLIN},
		{.fd = tracker->sifter != NULL ? sifter_fd(tracker->sifter)
					       : -1,
		 .events = POLLIN},
		/* It stays readable. */
		{.fd = tracker->is_stopping ? -1 : cancel_fd(tracker->stop),
		 .events = POLLIN},
	};
	(void)poll(fds, sizeof(fds) / sizeof(fds[0]), wait_ms(server));
}

static void take_back(struct server *server)
{
	struct chain done = {NULL, NULL, 0};
	desk_take(server->tracker->desk, &done);
	if (server->tracker->sifter != NULL)
		sifter_take(server->tracker->sifter, &done);
	server->at_desk -= done.count;
	for (struct request *r = done.first; r != NULL; r = r->next)
		MHD_resume_connection(r->connection);
}

static void go_round(struct server *server)
{
	server->now_ms = clock_now_ms();
	if (server->now_ms - server->look_ms >= LOOK_MS) {
		server->look_ms = server->now_ms;
		watch_refused(server->tracker->watch, REFUSAL_SLOW,
			      gate_look(server->tracker->gate, server->now_ms));
	}
	take_back(server);
	server->has_room = false;
	(void)MHD_run(server->daemon);
	if (server->gathered.count > 0)
		desk_put(server->tracker->desk, &server->gathered);
	if (server->lists.count > 0)
		sifter_put(server->tracker->sifter, &server->lists);
}

/* Takes no new connection from now on. */
static void close_door(struct server *server)
{
	if (server->tracker->listen_fd < 0)
		return;
	int fd = MHD_quiesce_daemon(server->daemon);
	if (fd >= 0)
		close(fd);
	server->tracker->listen_fd = -1;
}

static void *serve(void *arg)
{
	struct server *server = arg;
	struct tracker *tracker = server->tracker;
	while (!cancel_is_set(tracker->stop)) {
		wait_for_events(server);
		go_round(server);
	}
	tracker->is_stopping = true;
	close_door(server);
	int64_t deadline_ms = clock_now_ms() + TRACKER_STOP_MS;
	while (tracker->active > 0 && clock_now_ms() < deadline_ms) {
		wait_for_events(server);
		go_round(server);
	}
	return NULL;
}

int64_t server_connections(const struct server *server)
{
	return server != NULL ? server->connections : 0;
}

int server_start(struct tracker *tracker, struct cah_error *err)
{
	raise_file_limit(tracker);
	struct server *server = calloc(1, sizeof(*server));
	if (server == NULL)
		return cah_fail(err, CAH_ENOMEM, "server");
	tracker->server = server;
	server->tracker = tracker;
	int rc = start_daemon(server, err);
	if (rc != CAH_OK)
		return rc;
	int why = pthread_create(&server->thread, NULL, serve, server);
	if (why != 0)
		return cah_fail_errno(err, why, "server: thread");
	server->is_running = true;
	(void)pthread_setname_np(server->thread, "cah-http");
	return CAH_OK;
}

/* What is still at the desk is refused: the library wants no suspended
 * connection at its end. */
void server_stop(struct tracker *tracker)
{
	struct server *server = tracker->server;
	if (server == NULL)
		return;
	cancel_set(tracker->stop);
	if (server->is_running)
		pthread_join(server->thread, NULL);
	desk_stop(tracker->desk);
	if (tracker->sifter != NULL)
		sifter_stop(tracker->sifter);
	/* Nor one for a request that comes just now. */
	server->is_shut = true;
	if (server->daemon != NULL) {
		close_door(server);
		go_round(server);
		MHD_stop_daemon(server->daemon);
	}
	free(server);
	tracker->server = NULL;
}
