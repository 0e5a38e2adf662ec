#include "base/file.h"

#include "base/fail.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	READ_STEP = 16 * 1024, /* bytes */
};

struct file {
	int fd;
	char *path;
	char *tmp_path;
};

static void release(struct file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	free(file->tmp_path);
	free(file);
}

/* A rename would put a file in the place of a device, a pipe, or fail at a
 * folder once all is written. A link is replaced, not what it leads to. */
static int check_place(const char *path, struct cah_error *err)
{
	struct stat st;
	if (lstat(path, &st) != 0 || S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
		return CAH_OK;
	return cah_fail(err, CAH_EIO, "%s is there and is no plain file", path);
}

int file_create(struct file **out, const char *path, struct cah_error *err)
{
	static atomic_uint serial;

	*out = NULL;
	int rc = check_place(path, err);
	if (rc != CAH_OK)
		return rc;
	struct file *file = calloc(1, sizeof(*file));
	if (file == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	file->fd = -1;
	file->path = strdup(path);
	if (file->path == NULL ||
	    asprintf(&file->tmp_path, "%s.tmp.%d.%u", path, (int)getpid(),
		     atomic_fetch_add(&serial, 1)) < 0) {
		file->tmp_path = NULL;
		release(file);
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", path);
	}
	file->fd = open(file->tmp_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			0666);
	if (file->fd < 0) {
		int errnum = errno;
		release(file);
		return cah_fail_errno(err, errnum, "cannot create %s", path);
	}
	*out = file;
	return CAH_OK;
}

const char *file_tmp_path(const struct file *file)
{
	return file->tmp_path;
}

int file_fd(const struct file *file)
{
	return file->fd;
}

int file_write(struct file *file, const void *data, size_t len,
	       struct cah_error *err)
{
	const char *p = data;
	while (len > 0) {
		ssize_t n = write(file->fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cah_fail_errno(err, errno, "cannot write %s",
					      file->path);
		p += n;
		len -= (size_t)n;
	}
	return CAH_OK;
}

/* A rename is only durable once its folder is. */
static void sync_folder_of(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		(void)snprintf(folder, sizeof(folder), ".");
	else
		(void)snprintf(folder, sizeof(folder), "%.*s/",
			       (int)(slash - path), path);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

int file_commit(struct file *file, struct cah_error *err)
{
	int rc = CAH_OK;
	if (fsync(file->fd) != 0 || rename(file->tmp_path, file->path) != 0) {
		rc = cah_fail_errno(err, errno, "cannot write %s", file->path);
		(void)unlink(file->tmp_path);
	} else {
		sync_folder_of(file->path);
	}
	release(file);
	return rc;
}

void file_discard(struct file *file)
{
	if (file == NULL)
		return;
	(void)unlink(file->tmp_path);
	release(file);
}

int file_put(const char *path, const void *data, size_t len,
	     struct cah_error *err)
{
	struct file *file;
	int rc = file_create(&file, path, err);
	if (rc != CAH_OK)
		return rc;
	assert(file != NULL);
	rc = file_write(file, data, len, err);
	if (rc != CAH_OK) {
		file_discard(file);
		return rc;
	}
	return file_commit(file, err);
}

static int read_all(struct buf *out, int fd, const char *path,
		    struct cah_error *err)
{
	char step[READ_STEP];
	for (;;) {
		ssize_t n = read(fd, step, sizeof(step));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cah_fail_errno(err, errno, "cannot read %s",
					      path);
		if (n == 0)
			return CAH_OK;
		if (buf_add(out, step, (size_t)n) != CAH_OK)
			return buf_check(out, path, err);
	}
}

int file_read(struct buf *out, const char *path, struct cah_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return cah_fail(err, CAH_ENOTFOUND, "%s: no such file", path);
	if (fd < 0)
		return cah_fail_errno(err, errno, "cannot open %s", path);
	int rc = read_all(out, fd, path, err);
	close(fd);
	return rc;
}

bool file_is_for_all(const char *path)
{
	struct stat got;
	return stat(path, &got) == 0 && (got.st_mode & S_IROTH) != 0;
}

int file_make_dirs(const char *path, struct cah_error *err)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	if (len == 0 || len >= sizeof(part))
		return cah_fail(err, CAH_EINVALID, "folder name of %zu bytes",
				len);
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		char saved = part[i];
		part[i] = '\0';
		if (mkdir(part, 0777) != 0 && errno != EEXIST)
			return cah_fail_errno(err, errno,
					      "cannot make folder %s", part);
		part[i] = saved;
	}
	struct stat st;
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return cah_fail(err, CAH_EIO, "%s is not a folder", path);
	return CAH_OK;
}
