/* Messages as in RFC 1035, 4. */
#include "nameserver.h"

#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HEADER_BYTES = 12,
	TYPE_A = 1,
	TYPE_AAAA = 28,
};

struct nameserver {
	int fd;
	int stop; /* eventfd */
	pthread_t thread;
	char address[32];
	atomic_int queries;
};

struct message {
	unsigned char bytes[1024];
	size_t len;
};

static void add_answer(struct message *m, int type, const void *data, int len)
{
	/* A pointer to the question's name; class IN; a TTL of a minute. */
	const unsigned char head[] = {
		0xc0, HEADER_BYTES, 0, (unsigned char)type, 0, 1, 0, 0,
		0,    60,           0, (unsigned char)len};
	memcpy(m->bytes + m->len, head, sizeof(head));
	memcpy(m->bytes + m->len + sizeof(head), data, (size_t)len);
	m->len += sizeof(head) + (size_t)len;
	m->bytes[7]++;
}

static bool label_is(const struct message *m, const char *label)
{
	size_t len = strlen(label);
	return m->bytes[HEADER_BYTES] >= len &&
	       memcmp(m->bytes + HEADER_BYTES + 1, label, len) == 0;
}

/* Turns a query into its answer; false for none. */
static bool answer(struct nameserver *server, struct message *m)
{
	static const unsigned char loopback[] = {127, 0, 0, 1};
	static const unsigned char private[] = {10, 1, 1, 1};
	static const unsigned char loopback6[16] = {[15] = 1};
	size_t end = HEADER_BYTES;
	while (end < m->len && m->bytes[end] != 0)
		end += m->bytes[end] + 1u;
	if (end + 5 > m->len || label_is(m, "silent"))
		return false;
	int type = m->bytes[end + 2];
	m->len = end + 5;
	m->bytes[2] = 0x81; /* an answer, recursion was desired */
	m->bytes[3] = 0x80; /* and is available */
	memset(m->bytes + 6, 0, 6);
	if (label_is(m, "nx"))
		m->bytes[3] |= 3;
	else if (label_is(m, "fail"))
		m->bytes[3] |= 2;
	else if (label_is(m, "garbage"))
		memset(m->bytes + 2, 0xff, m->len - 2);
	else if (label_is(m, "six") && type == TYPE_AAAA)
		add_answer(m, TYPE_AAAA, loopback6, 16);
	if (type != TYPE_A)
		return true;
	if (label_is(m, "private") || label_is(m, "mixed"))
		add_answer(m, TYPE_A, private, 4);
	if (label_is(m, "ok") || label_is(m, "mixed"))
		add_answer(m, TYPE_A, loopback, 4);
	if (label_is(m, "ok"))
		atomic_fetch_add(&server->queries, 1);
	return true;
}

static void *serve(void *arg)
{
	struct nameserver *server = arg;
	struct pollfd polled[] = {{.fd = server->stop, .events = POLLIN},
				  {.fd = server->fd, .events = POLLIN}};
	for (;;) {
		struct sockaddr_storage peer;
		socklen_t peer_len = sizeof(peer);
		struct message m = {.len = 0};
		while (poll(polled, 2, -1) < 0)
			continue;
		if (polled[0].revents != 0)
			return NULL;
		/* Room is left for what is added. */
		ssize_t n = recvfrom(server->fd, m.bytes, 512, 0,
				     (struct sockaddr *)&peer, &peer_len);
		if (n < HEADER_BYTES)
			continue;
		m.len = (size_t)n;
		if (answer(server, &m))
			(void)!sendto(server->fd, m.bytes, m.len, 0,
				      (struct sockaddr *)&peer, peer_len);
	}
}

struct nameserver *nameserver_start(void)
{
	struct nameserver *server = calloc(1, sizeof(*server));
	assert(server != NULL);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	server->stop = eventfd(0, EFD_CLOEXEC);
	server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = bind(server->fd, (struct sockaddr *)&address, len);
	assert(rc == 0);
	rc = getsockname(server->fd, (struct sockaddr *)&address, &len);
	assert(rc == 0);
	(void)snprintf(server->address, sizeof(server->address), "127.0.0.1@%d",
		       ntohs(address.sin_port));
	rc = pthread_create(&server->thread, NULL, serve, server);
	assert(rc == 0);
	return server;
}

void nameserver_stop(struct nameserver *server)
{
	eventfd_write(server->stop, 1);
	pthread_join(server->thread, NULL);
	close(server->fd);
	close(server->stop);
	free(server);
}

const char *nameserver_address(const struct nameserver *server)
{
	return server->address;
}

int nameserver_queries(const struct nameserver *server)
{
	return atomic_load(&server->queries);
}
