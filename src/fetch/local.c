#include "fetch/local.h"

#include "base/ascii.h"
#include "base/fail.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SKIP_STEP = 65536, /* bytes read at once where nothing can be sought */
};

static bool may_continue_scheme(char c)
{
	return ascii_is_letter(c) || ascii_is_digit(c) || c == '+' ||
	       c == '-' || c == '.';
}

bool local_has_scheme(struct slice location)
{
	if (location.len == 0 || !ascii_is_letter(location.data[0]))
		return false;
	size_t i = 1;
	while (i < location.len && may_continue_scheme(location.data[i]))
		i++;
	return slice_starts(slice_from(location, i), SLICE("://"));
}

static bool is_file_url(const char *location)
{
	return strncasecmp(location, "file:", 5) == 0;
}

bool local_is(const char *location)
{
	return location[0] != '\0' &&
	       (is_file_url(location) || !local_has_scheme(slice_of(location)));
}

/* The path of a file: URL (RFC 8089), which the caller frees with free. */
static int read_file_url(char **out, const char *url, struct cah_error *err)
{
	CURLU *parts = curl_url();
	char *path = NULL;
	int rc = CAH_OK;
	if (parts == NULL)
		return cah_fail(err, CAH_ENOMEM, "URL: out of memory");
	/* libcurl refuses other hosts than localhost by itself. */
	if (curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(parts, CURLUPART_PATH, &path, CURLU_URLDECODE) !=
		    CURLUE_OK)
		rc = cah_fail(err, CAH_EINVALIDURL,
			      "%s: not a file URL of this host", url);
	else if ((*out = strdup(path)) == NULL)
		rc = cah_fail(err, CAH_ENOMEM, "URL: out of memory");
	curl_free(path);
	curl_url_cleanup(parts);
	return rc;
}

static int open_path(int *fd, const char *path, struct cah_error *err)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd >= 0)
		return CAH_OK;
	if (errno == ENOENT || errno == ENOTDIR)
		return cah_fail(err, CAH_ENOTFOUND, "%s: no such file", path);
	return cah_fail_errno(err, errno, "%s", path);
}

int local_path(char **out, const char *location, struct cah_error *err)
{
	*out = NULL;
	if (is_file_url(location))
		return read_file_url(out, location, err);
	*out = strdup(location);
	if (*out == NULL)
		return cah_fail(err, CAH_ENOMEM, "path: out of memory");
	return CAH_OK;
}

static int open_location(int *fd, const char *location, struct cah_error *err)
{
	if (strcmp(location, "-") == 0) {
		*fd = STDIN_FILENO;
		return CAH_OK;
	}
	char *path;
	int rc = local_path(&path, location, err);
	if (rc == CAH_OK && path != NULL)
		rc = open_path(fd, path, err);
	free(path);
	return rc;
}

/* Pipes cannot seek, so what comes before the start is read and dropped. */
static int skip(int fd, int64_t bytes, const char *location,
		const struct stop *stop, struct cah_error *err)
{
	char dropped[SKIP_STEP];
	if (bytes == 0 || lseek(fd, bytes, SEEK_SET) >= 0)
		return CAH_OK;
	while (bytes > 0) {
		size_t len = bytes < SKIP_STEP ? (size_t)bytes : SKIP_STEP;
		int rc = local_read(fd, dropped, &len, location, stop, err);
		if (rc != CAH_OK || len == 0)
			return rc;
		bytes -= (int64_t)len;
	}
	return CAH_OK;
}

int local_open(int *fd, int64_t *size, const char *location, int64_t start,
	       const struct stop *stop, struct cah_error *err)
{
	struct stat st;
	*size = -1;
	int rc = open_location(fd, location, err);
	if (rc != CAH_OK)
		return rc;
	if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode))
		*size = st.st_size;
	rc = skip(*fd, start, location, stop, err);
	if (rc != CAH_OK && *fd != STDIN_FILENO)
		close(*fd);
	return rc;
}

int local_read(int fd, void *data, size_t *len, const char *location,
	       const struct stop *stop, struct cah_error *err)
{
	struct pollfd polled[] = {
		{.fd = fd, .events = POLLIN},
		{.fd = cancel_fd(stop->cancel), .events = POLLIN},
	};
	for (;;) {
		if (stop_is_set(stop))
			return cah_fail(err, CAH_ECANCELLED, "%s: cancelled",
					location);
		if (poll(polled, 2, stop_nap_ms(stop, INT64_MAX)) < 0 &&
		    errno != EINTR)
			return cah_fail_errno(err, errno, "%s", location);
		if (polled[0].revents == 0)
			continue;
		ssize_t n = read(fd, data, *len);
		if (n >= 0) {
			*len = (size_t)n;
			return CAH_OK;
		}
		if (errno != EINTR && errno != EAGAIN)
			return cah_fail_errno(err, errno, "%s", location);
	}
}
