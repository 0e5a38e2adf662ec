/* One thread a connection, because a slow answer is a sleeping thread here; the
 * demo's worker opens some dozens. */
#include "demo/site.h"

#include "base/fail.h"
#include "base/slice.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct site {
	struct MHD_Daemon *daemon;
	struct site_host hosts[SITE_HOSTS_MAX];
	int count;
	char address[INET_ADDRSTRLEN];
	atomic_llong requests;
};

struct media {
	const char *ending;
	const char *type;
};

static const struct media media_types[] = {
	{".html", "text/html; charset=utf-8"},
	{".css", "text/css"},
	{".jpg", "image/jpeg"},
	{".jpeg", "image/jpeg"},
	{".png", "image/png"},
	{".webp", "image/webp"},
	{".gif", "image/gif"},
	{".svg", "image/svg+xml"},
	{".gz", "application/gzip"},
};

static const char *media_type(const char *path)
{
	if (strncmp(path, "/html/", 6) == 0)
		return "text/html; charset=utf-8";
	for (size_t i = 0; i < sizeof(media_types) / sizeof(media_types[0]);
	     i++)
		if (slice_ends(slice_of(path), slice_of(media_types[i].ending)))
			return media_types[i].type;
	return "application/octet-stream";
}

static enum MHD_Result answer_text(struct MHD_Connection *connection,
				   unsigned status, const char *location)
{
	static const char body[] = "see the status\n";
	struct MHD_Response *response = MHD_create_response_from_buffer(
		sizeof(body) - 1, (void *)body, MHD_RESPMEM_PERSISTENT);
	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", "text/plain");
	if (location != NULL)
		MHD_add_response_header(response, "Location", location);
	enum MHD_Result result =
		MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_file(struct MHD_Connection *connection, int fd,
				   const struct stat *st, const char *path)
{
	struct MHD_Response *response =
		MHD_create_response_from_fd64((uint64_t)st->st_size, fd);
	if (response == NULL) {
		close(fd);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type", media_type(path));
	enum MHD_Result result =
		MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

/* "/slow/500/img/1.jpg": waits, and moves *path on. */
static void wait_where_slow(const char **path)
{
	if (strncmp(*path, "/slow/", 6) != 0)
		return;
	char *rest;
	long ms = strtol(*path + 6, &rest, 10);
	if (*rest != '/' || ms < 0 || ms > SITE_SLOW_MAX_MS)
		return;
	struct timespec wait = {.tv_sec = ms / 1000,
				.tv_nsec = ms % 1000 * 1000000};
	nanosleep(&wait, NULL);
	*path = rest;
}

/* The host that the request is for; its port is not looked at. */
static const char *folder_of(const struct site *site, const char *host)
{
	size_t len = host != NULL ? strcspn(host, ":") : 0;
	for (int i = 0; i < site->count; i++)
		if (slice_equal_nocase((struct slice){host, len},
				       slice_of(site->hosts[i].name)))
			return site->hosts[i].folder;
	return NULL;
}

static enum MHD_Result serve(const struct site *site,
			     struct MHD_Connection *connection,
			     const char *path)
{
	const char *folder =
		folder_of(site, MHD_lookup_connection_value(
					connection, MHD_HEADER_KIND, "Host"));
	if (folder == NULL || path[0] != '/' || strstr(path, "/..") != NULL ||
	    strlen(path) > SITE_PATH_MAX)
		return answer_text(connection, MHD_HTTP_NOT_FOUND, NULL);
	if (strncmp(path, "/redir/", 7) == 0)
		return answer_text(connection, MHD_HTTP_FOUND, path + 6);
	wait_where_slow(&path);

	char name[PATH_MAX];
	int n = snprintf(name, sizeof(name), "%s%s", folder, path);
	int fd = n > 0 && (size_t)n < sizeof(name)
			 ? open(name, O_RDONLY | O_CLOEXEC)
			 : -1;
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		if (fd >= 0)
			close(fd);
		return answer_text(connection, MHD_HTTP_NOT_FOUND, NULL);
	}
	return answer_file(connection, fd, &st, path);
}

/* The signature is the library's.
 * NOLINTNEXTLINE(readability-function-size) */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
				  const char *path, const char *method,
				  const char *version, const char *body,
				  size_t *body_len, void **state)
{
	struct site *site = arg;
	(void)version;
	(void)body;
	/* The first call is made before the request is whole. */
	if (*state == NULL) {
		*state = site;
		return MHD_YES;
	}
	if (*body_len != 0) {
		*body_len = 0;
		return MHD_YES;
	}
	atomic_fetch_add(&site->requests, 1);
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				   NULL);
	return serve(site, connection, path);
}

static struct MHD_Daemon *listen_on(struct site *site, int port, int number)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)number),
	};
	(void)inet_ntop(AF_INET, &address.sin_addr, site->address,
			sizeof(site->address));
	return MHD_start_daemon(
		MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD,
		(uint16_t)port, NULL, NULL, on_request, site,
		MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_TIMEOUT,
		30U, MHD_OPTION_CONNECTION_LIMIT, 1024U, MHD_OPTION_END);
}

int site_start(struct site **out, int port, const struct site_host *hosts,
	       int count, struct cah_error *err)
{
	*out = NULL;
	if (count > SITE_HOSTS_MAX)
		return cah_fail(err, CAH_ELIMIT, "site: more than %d hosts",
				SITE_HOSTS_MAX);
	struct site *site = calloc(1, sizeof(*site));
	if (site == NULL)
		return cah_fail(err, CAH_ENOMEM, "site: out of memory");
	memcpy(site->hosts, hosts, (size_t)count * sizeof(hosts[0]));
	site->count = count;
	for (int k = 0; k < SITE_ADDRESSES && site->daemon == NULL; k++)
		site->daemon = listen_on(site, port, k);
	if (site->daemon == NULL) {
		free(site);
		return cah_fail(err, CAH_EUNAVAILABLE,
				"port %d is taken on 127.0.0.1 to 127.0.0.%d",
				port, SITE_ADDRESSES);
	}
	*out = site;
	return CAH_OK;
}

const char *site_address(const struct site *site)
{
	return site->address;
}

int64_t site_requests(const struct site *site)
{
	return atomic_load(&site->requests);
}

void site_stop(struct site *site)
{
	if (site == NULL)
		return;
	MHD_stop_daemon(site->daemon);
	free(site);
}
