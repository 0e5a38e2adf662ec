#include "hostile.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 4096, /* in the life of one server */
	STACK_BYTES = 256 * 1024,
};

struct hostile {
	hostile_fn fn;
	void *arg;
	int fd;
	int stop; /* eventfd */
	int port;
	pthread_t acceptor;
	atomic_int requests;
	int connections; /* the acceptor's */
	pthread_t threads[CONNECTIONS_MAX];
};

struct connection {
	struct hostile *server;
	int fd;
};

/* False when the server stops first. */
static bool wait_readable(const struct hostile *server, int fd)
{
	struct pollfd polled[] = {{.fd = server->stop, .events = POLLIN},
				  {.fd = fd, .events = POLLIN}};
	while (poll(polled, 2, -1) < 0)
		continue;
	return polled[0].revents == 0;
}

static bool read_request(struct hostile_request *request)
{
	size_t len = 0;
	while (len + 1 < sizeof(request->head)) {
		if (!wait_readable(request->server, request->fd))
			return false;
		/* Byte by byte: pipelined requests stay in the kernel. */
		if (read(request->fd, request->head + len, 1) != 1)
			return false;
		/* TLS, for example. */
		if (len == 0 && request->head[0] < 'A')
			return false;
		len++;
		request->head[len] = '\0';
		if (len >= 4 &&
		    memcmp(request->head + len - 4, "\r\n\r\n", 4) == 0)
			return sscanf(request->head, "%*s %1023s",
				      request->path) == 1;
	}
	return false;
}

static void *serve(void *arg)
{
	struct connection *connection = arg;
	struct hostile *server = connection->server;
	struct hostile_request *request = calloc(1, sizeof(*request));
	bool stays = request != NULL;
	while (stays) {
		request->server = server;
		request->fd = connection->fd;
		stays = read_request(request);
		if (!stays)
			break;
		request->number = atomic_fetch_add(&server->requests, 1) + 1;
		stays = server->fn(request, server->arg);
	}
	close(connection->fd);
	free(request);
	free(connection);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct hostile *server = arg;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	while (wait_readable(server, server->fd)) {
		int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		int on = 1;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		assert(server->connections < CONNECTIONS_MAX);
		struct connection *connection = calloc(1, sizeof(*connection));
		assert(connection != NULL);
		*connection = (struct connection){server, fd};
		int rc = pthread_create(&server->threads[server->connections],
					&attr, serve, connection);
		assert(rc == 0);
		server->connections++;
	}
	pthread_attr_destroy(&attr);
	return NULL;
}

struct hostile *hostile_start(hostile_fn fn, void *arg)
{
	struct hostile *server = calloc(1, sizeof(*server));
	assert(server != NULL);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	server->fn = fn;
	server->arg = arg;
	server->stop = eventfd(0, EFD_CLOEXEC);
	server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = bind(server->fd, (struct sockaddr *)&address, len);
	assert(rc == 0);
	rc = listen(server->fd, 512);
	assert(rc == 0);
	rc = getsockname(server->fd, (struct sockaddr *)&address, &len);
	assert(rc == 0);
	server->port = ntohs(address.sin_port);
	rc = pthread_create(&server->acceptor, NULL, accept_all, server);
	assert(rc == 0);
	return server;
}

void hostile_stop(struct hostile *server)
{
	eventfd_write(server->stop, 1);
	pthread_join(server->acceptor, NULL);
	for (int i = 0; i < server->connections; i++)
		pthread_join(server->threads[i], NULL);
	close(server->fd);
	close(server->stop);
	free(server);
}

int hostile_port(const struct hostile *server)
{
	return server->port;
}

int hostile_requests(const struct hostile *server)
{
	return atomic_load(&server->requests);
}

void hostile_header(char out[HOSTILE_VALUE_MAX],
		    const struct hostile_request *request, const char *name)
{
	size_t len = strlen(name);
	out[0] = '\0';
	for (const char *line = strstr(request->head, "\r\n"); line != NULL;
	     line = strstr(line + 2, "\r\n")) {
		if (strncasecmp(line + 2, name, len) != 0 ||
		    line[2 + len] != ':')
			continue;
		(void)sscanf(line + 3 + len, " %255[^\r\n]", out);
		return;
	}
}

bool hostile_send(const struct hostile_request *request, const void *data,
		  size_t len)
{
	const char *p = data;
	while (len > 0) {
		struct pollfd polled[] = {
			{.fd = request->server->stop, .events = POLLIN},
			{.fd = request->fd, .events = POLLOUT}};
		if (poll(polled, 2, -1) < 0 || polled[0].revents != 0)
			return false;
		ssize_t n =
			send(request->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

bool hostile_printf(const struct hostile_request *request, const char *fmt, ...)
{
	char text[4096];
	va_list args;
	va_start(args, fmt);
	int len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	assert(len >= 0 && (size_t)len < sizeof(text));
	return hostile_send(request, text, (size_t)len);
}

void hostile_sleep(const struct hostile_request *request, int ms)
{
	struct pollfd polled = {.fd = request->server->stop, .events = POLLIN};
	(void)poll(&polled, 1, ms);
}
