/* Where a job's data comes from, and whether it may. */
#include "client/base_url.h"
#include "client/call.h"
#include "client/part.h"
#include "client/untar.h"
#include "client/unzip.h"

#include "base/fail.h"
#include "base/file.h"
#include "fetch/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define GIB (INT64_C(1) << 30)

/* A WAT has 0.4 GB packed and 1.3 GB inflated, a tar of images some GB; what is
 * far beyond that would only fill the volunteer's disk. */
#define WAT_PACKED_MAX (4 * GIB)
#define WAT_MAX (8 * GIB)
#define TAR_PACKED_MAX (64 * GIB)
#define TAR_MAX (64 * GIB)
#define TAR_ENTRIES_MAX 10000000

static int allow_private(struct cah_client *client, bool *allow,
			 struct cah_error *err)
{
	*allow = client->options.allow_private ||
		 base_url_is_private(client->url);
	if (*allow)
		return CAH_OK;
	int rc = call_find_peer(client, err);
	*allow = client->peer == PEER_PRIVATE;
	return rc;
}

static int fetch(struct cah_client *client, struct part *part, int64_t max,
		 struct cah_error *err)
{
	struct stream_options options = {
		.user_agent = client->options.user_agent,
		.pins = client->pins,
		.tick = client_tick,
		.tick_arg = client,
		.ca_file = client->options.ca_file,
		.patience_s = call_retry_s(client),
	};
	int rc = allow_private(client, &options.allow_private, err);
	if (rc == CAH_OK)
		rc = part_fetch(part, client->jobs.list[0].url, &options, max,
				err);
	return rc;
}

/* What cannot be used will not be of use later, but a disk that is full or a
 * server that is away may pass. */
static void end_part(struct part *part, int rc)
{
	static const int passing[] = {CAH_EIO, CAH_ENOMEM, CAH_ECANCELLED,
				      CAH_EUNAVAILABLE, CAH_ESERVER};
	bool is_wanted = false;
	struct stat st;
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		is_wanted = is_wanted || rc == passing[i];
	if (!is_wanted || fstat(part_fd(part), &st) != 0 || st.st_size == 0)
		part_remove(part);
	part_close(part);
}

static bool is_file(const char *url)
{
	return local_is(url) && strcmp(url, "-") != 0;
}

/* A pipe or a device could make the reader wait for ever. */
static int open_local(int *fd, const char *location, struct cah_error *err)
{
	struct stat st;
	char *path;
	int rc = local_path(&path, location, err);
	if (rc != CAH_OK)
		return rc;
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (*fd < 0)
		rc = errno == ENOENT || errno == ENOTDIR
			     ? cah_fail(err, CAH_ENOTFOUND, "no such file")
			     : cah_fail_errno(err, errno, "cannot open it");
	else if (fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode))
		rc = cah_fail(err, CAH_EINVALIDURL, "not a file");
	if (rc != CAH_OK && *fd >= 0)
		close(*fd);
	free(path);
	return rc;
}

static int unzip_local(const char *location, const char *path,
		       const struct unzip_options *options,
		       struct cah_error *err)
{
	int fd;
	int rc = open_local(&fd, location, err);
	if (rc != CAH_OK)
		return rc;
	rc = unzip_file(fd, path, options, err);
	close(fd);
	return rc;
}

static int unzip_remote(struct cah_client *client, const char *path,
			const struct unzip_options *options,
			struct cah_error *err)
{
	struct part *part;
	int rc = part_open(&part, path, err);
	if (rc != CAH_OK)
		return rc;
	rc = fetch(client, part, WAT_PACKED_MAX, err);
	if (rc == CAH_OK)
		rc = unzip_file(part_fd(part), path, options, err);
	end_part(part, rc);
	return rc;
}

/* A WAT that is a local file makes sense where tracker and worker share a
 * machine or a network; nobody else has to name files of this one. */
static int download_wat(struct cah_client *client, const char *path,
			struct cah_error *err)
{
	struct unzip_options options = {WAT_MAX, client_tick, client};
	const char *url = client->jobs.list[0].url;
	bool allow = false;

	if (base_url_is_http(url))
		return unzip_remote(client, path, &options, err);
	int rc = allow_private(client, &allow, err);
	if (rc != CAH_OK)
		return rc;
	if (allow && is_file(url))
		return unzip_local(url, path, &options, err);
	return cah_fail(err, CAH_EINVALIDURL, "not an http or https URL");
}

static int unpack_local(const char *location, const char *folder,
			const struct untar_options *options,
			struct cah_error *err)
{
	int fd;
	int rc = open_local(&fd, location, err);
	if (rc != CAH_OK)
		return rc;
	rc = untar_into(folder, fd, options, err);
	close(fd);
	return rc;
}

/* The part is there before the folder. */
static int make_parent(const char *folder, struct cah_error *err)
{
	const char *slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return CAH_OK;
	char *parent = strndup(folder, (size_t)(slash - folder));
	if (parent == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	int rc = file_make_dirs(parent, err);
	free(parent);
	return rc;
}

static int unpack_remote(struct cah_client *client, const char *folder,
			 const struct untar_options *options,
			 struct cah_error *err)
{
	struct part *part;
	int rc = make_parent(folder, err);
	if (rc == CAH_OK)
		rc = part_open(&part, folder, err);
	if (rc != CAH_OK)
		return rc;
	rc = fetch(client, part, TAR_PACKED_MAX, err);
	if (rc == CAH_OK)
		rc = untar_into(folder, part_fd(part), options, err);
	end_part(part, rc);
	return rc;
}

static int download_tar(struct cah_client *client, const char *path,
			struct cah_error *err)
{
	struct untar_options options = {TAR_MAX, TAR_ENTRIES_MAX, client_tick,
					client};
	const char *url = client->jobs.list[0].url;
	/* The part lies beside the folder, so "images/" has to be "images". */
	size_t len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		len--;
	char *folder = strndup(path, len);
	if (folder == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	int rc;
	if (base_url_is_http(url))
		rc = unpack_remote(client, folder, &options, err);
	else if (is_file(url))
		rc = unpack_local(url, folder, &options, err);
	else
		rc = cah_fail(err, CAH_EINVALIDURL,
			      "neither an http nor https URL nor a file");
	free(folder);
	return rc;
}

int cah_client_download_shard(struct cah_client *client, const char *path,
			      struct cah_error *err)
{
	if (client->jobs.count == 0)
		return cah_fail(err, CAH_ENOJOB, "no job is held");
	if (path != NULL && path[0] == '\0')
		return cah_fail(err, CAH_EINVALID, "path is empty");
	int rc = client_check(client, err);
	if (rc != CAH_OK)
		return rc;
	if (client->type == CAH_GPU)
		rc = download_tar(client, path != NULL ? path : "./images",
				  err);
	else
		rc = download_wat(client, path != NULL ? path : "./shard.wat",
				  err);
	if (rc != CAH_OK && rc != CAH_ECANCELLED)
		cah_fail_prefix(err, rc, "%.200s", client->jobs.list[0].url);
	/* What it leads to must not be asked: as good as no URL. */
	if (rc == CAH_EDENIED) {
		rc = CAH_EINVALIDURL;
		if (err != NULL)
			err->code = rc;
	}
	return rc;
}
