#include "tracker/listen.h"

#include "base/fail.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HOST_MAX = 256, /* bytes of ADDR with its NUL */
	PORT_MAX = 8,   /* bytes of PORT with its NUL */
	BACKLOG = 1024, /* connections that wait to be accepted */
};

struct where {
	char host[HOST_MAX];
	char port[PORT_MAX];
};

static int bad_address(const char *address, struct cah_error *err)
{
	return cah_fail(err, CAH_EINVALID, "listen: '%s' is not ADDR:PORT",
			address);
}

static int split(struct where *out, const char *address, struct cah_error *err)
{
	const char *colon = strrchr(address, ':');
	if (colon == NULL)
		return bad_address(address, err);
	const char *host = address;
	size_t len = (size_t)(colon - address);
	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	} else if (memchr(host, ':', len) != NULL) {
		return bad_address(address, err); /* an IPv6 one, unbracketed */
	}
	const char *port = colon + 1;
	size_t digits = strspn(port, "0123456789");
	if (len == 0 || len >= HOST_MAX || digits == 0 || digits >= PORT_MAX ||
	    port[digits] != '\0' || strtol(port, NULL, 10) > 65535)
		return bad_address(address, err);
	memcpy(out->host, host, len);
	out->host[len] = '\0';
	memcpy(out->port, port, digits + 1);
	return CAH_OK;
}

static int open_socket(const struct addrinfo *info)
{
	int fd = socket(info->ai_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	int on = 1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	int why = errno;
	close(fd);
	errno = why;
	return -1;
}

static char *write_url(int fd, const struct where *where, bool is_tls)
{
	struct sockaddr_storage got;
	socklen_t len = sizeof(got);
	char port[PORT_MAX];
	char *url = NULL;
	bool is_v6 = strchr(where->host, ':') != NULL;
	if (getsockname(fd, (struct sockaddr *)&got, &len) != 0 ||
	    getnameinfo((struct sockaddr *)&got, len, NULL, 0, port,
			sizeof(port), NI_NUMERICSERV) != 0)
		return NULL;
	if (asprintf(&url, "%s://%s%s%s:%s/", is_tls ? "https" : "http",
		     is_v6 ? "[" : "", where->host, is_v6 ? "]" : "", port) < 0)
		return NULL;
	return url;
}

int listen_open(int *fd, char **url, const char *address, bool is_tls,
		struct cah_error *err)
{
	struct where where;
	*fd = -1;
	*url = NULL;
	int rc = split(&where, address, err);
	if (rc != CAH_OK)
		return rc;
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *found;
	int why = getaddrinfo(where.host, where.port, &hints, &found);
	if (why != 0)
		return cah_fail(err, CAH_EUNAVAILABLE, "listen: %s: %s",
				where.host, gai_strerror(why));
	*fd = open_socket(found);
	freeaddrinfo(found);
	if (*fd < 0) {
		(void)cah_fail_errno(err, errno, "cannot listen on %s",
				     address);
		if (err != NULL)
			err->code = CAH_EUNAVAILABLE;
		return CAH_EUNAVAILABLE;
	}
	*url = write_url(*fd, &where, is_tls);
	if (*url != NULL)
		return CAH_OK;
	close(*fd);
	*fd = -1;
	return cah_fail(err, CAH_ENOMEM, "listen: %s", address);
}
