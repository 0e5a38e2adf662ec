/* hostile.h: an HTTP server inside the test that answers whatever the test
 * says, byte by byte: one thread a connection, on loopback. */
#ifndef TESTS_HOSTILE_H
#define TESTS_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	HOSTILE_HEAD_MAX = 8192, /* bytes of a request */
	HOSTILE_VALUE_MAX = 256,
};

struct hostile;

struct hostile_request {
	struct hostile *server;
	int fd;
	int number; /* of the requests to this server, from 1 */
	char path[1024];
	char head[HOSTILE_HEAD_MAX];
};

/* Answers one request by the functions below; returns whether the connection
 * stays. Called from many threads. */
typedef bool (*hostile_fn)(const struct hostile_request *request, void *arg);

/* The caller ends it with hostile_stop. */
struct hostile *hostile_start(hostile_fn fn, void *arg);
void hostile_stop(struct hostile *server);

int hostile_port(const struct hostile *server);

/* Requests so far. */
int hostile_requests(const struct hostile *server);

/* The value of a header field; "" where there is none. */
void hostile_header(char out[HOSTILE_VALUE_MAX],
		    const struct hostile_request *request, const char *name);

/* Sends all of it; false when the other side is gone. */
bool hostile_send(const struct hostile_request *request, const void *data,
		  size_t len);
bool hostile_printf(const struct hostile_request *request, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Waits @ms, or until the server is stopped. */
void hostile_sleep(const struct hostile_request *request, int ms);

#endif
