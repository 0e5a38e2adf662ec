/* What libmicrohttpd does at most: it answers every request with the same
 * bytes, in one thread with an epoll loop, and does nothing else:
 *
 *     bare_http BYTES
 *
 * Prints "http://127.0.0.1:PORT/"; ends with its standard input. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum {
	BYTES_MAX = 1024 * 1024,
	CONNECTIONS = 20000,
	MEMORY = 16 * 1024, /* bytes of a connection, as the tracker's */
	BACKLOG = 1024,
};

/* The parameters are the library's. */
/* NOLINTNEXTLINE(readability-function-size) */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
				  const char *url, const char *method,
				  const char *version, const char *upload_data,
				  size_t *upload_data_size, void **slot)
{
	(void)url;
	(void)method;
	(void)version;
	(void)upload_data;
	/* Called for the head first, then for the body. */
	if (*slot == NULL) {
		*slot = arg;
		return MHD_YES;
	}
	if (*upload_data_size > 0) {
		*upload_data_size = 0;
		return MHD_YES;
	}
	return MHD_queue_response(connection, MHD_HTTP_OK, arg);
}

static int listen_anywhere(unsigned *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
	    listen(fd, BACKLOG) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) != 0)
		return -1;
	*port = ntohs(address.sin_port);
	return fd;
}

int main(int argc, char **argv)
{
	unsigned port;
	struct rlimit files;
	size_t len = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	static char bytes[BYTES_MAX];
	int fd = listen_anywhere(&port);
	if (len < 1 || len > BYTES_MAX || fd < 0) {
		(void)fprintf(stderr, "usage: bare_http BYTES\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	memset(bytes, 'x', len);
	struct MHD_Response *response = MHD_create_response_from_buffer(
		len, bytes, MHD_RESPMEM_PERSISTENT);
	struct MHD_Daemon *daemon =
		MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL,
				 on_request, response, MHD_OPTION_LISTEN_SOCKET,
				 fd, MHD_OPTION_CONNECTION_LIMIT,
				 (unsigned)CONNECTIONS, MHD_OPTION_END);
	if (response == NULL || daemon == NULL)
		return 1;
	printf("http://127.0.0.1:%u/\n", port);
	(void)fflush(stdout);
	while (getchar() != EOF)
		;
	MHD_stop_daemon(daemon);
	MHD_destroy_response(response);
	return 0;
}
