/* libarchive reads; what is written, and where, is decided here. Folders are
 * walked by descriptor with O_NOFOLLOW, so no link leads out, whoever made it.
 */
#include "client/untar.h"

#include "base/fail.h"
#include "base/file.h"
#include "base/table.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	READ_STEP = 256 * 1024, /* bytes */
	ENTRY_TICK = 64,        /* entries between two looks at the switch */
};

enum {
	IS_FILE,
	IS_FOLDER,
};

#define TMP_NAME ".cah-untar.tmp"

struct untar {
	const struct untar_options *options;
	int folder_fd;      /* -1: only look */
	size_t name_bytes;  /* of all paths together */
	struct table *seen; /* what each path is to be: IS_FILE, IS_FOLDER */
	struct archive *archive;
	char *step;
	int64_t bytes;
	int64_t entries;
};

static int check_name(const char *path, struct slice name,
		      struct cah_error *err)
{
	if (name.len > UNTAR_NAME_MAX)
		return cah_fail(err, CAH_ELIMIT,
				"%.100s: a name of more than %d bytes", path,
				UNTAR_NAME_MAX);
	if (slice_equal(name, SLICE(".")) || slice_equal(name, SLICE("..")))
		return cah_fail(err, CAH_EFORMAT,
				"%.200s: leads out of the folder", path);
	return CAH_OK;
}

/* The next name of *path, and *path behind it; empty at the end. */
static struct slice next_name(const char **path)
{
	*path += strspn(*path, "/");
	struct slice name = {*path, strcspn(*path, "/")};
	*path += name.len;
	return name;
}

static const char *skip_dot(const char *path)
{
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	return path;
}

int untar_check_path(const char *path, struct cah_error *err)
{
	if (path[0] == '/')
		return cah_fail(err, CAH_EFORMAT, "%.200s: an absolute path",
				path);
	if (strlen(path) > UNTAR_PATH_MAX)
		return cah_fail(err, CAH_ELIMIT,
				"%.100s: a path of more than %d bytes", path,
				UNTAR_PATH_MAX);
	int depth = 0;
	const char *rest = skip_dot(path);
	for (;;) {
		struct slice name = next_name(&rest);
		if (name.len == 0)
			break;
		int rc = check_name(path, name, err);
		if (rc != CAH_OK)
			return rc;
		if (++depth > UNTAR_DEPTH_MAX)
			return cah_fail(err, CAH_ELIMIT,
					"%.100s: more than %d folders deep",
					path, UNTAR_DEPTH_MAX);
	}
	if (depth == 0)
		return cah_fail(err, CAH_EFORMAT, "an entry has no name");
	return CAH_OK;
}

/* The folder of @path's last name, made as needed; *name is that name. The
 * caller closes *fd. */
static int open_parent(const struct untar *untar, int *fd, struct slice *name,
		       const char *path, struct cah_error *err)
{
	char part[UNTAR_NAME_MAX + 1];
	const char *rest = skip_dot(path);
	int at = fcntl(untar->folder_fd, F_DUPFD_CLOEXEC, 0);

	*name = next_name(&rest);
	while (at >= 0) {
		struct slice next = next_name(&rest);
		if (next.len == 0) {
			*fd = at;
			return CAH_OK;
		}
		memcpy(part, name->data, name->len);
		part[name->len] = '\0';
		if (mkdirat(at, part, 0777) != 0 && errno != EEXIST)
			break;
		int deeper =
			openat(at, part,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int errnum = errno;
		close(at);
		errno = errnum;
		at = deeper;
		*name = next;
	}
	int errnum = errno;
	if (at >= 0)
		close(at);
	return cah_fail_errno(err, errnum, "cannot unpack %.200s", path);
}

static int fail_archive(const struct untar *untar, const char *path,
			struct cah_error *err)
{
	const char *why = archive_error_string(untar->archive);
	return cah_fail(err,
			archive_errno(untar->archive) == ENOMEM ? CAH_ENOMEM
								: CAH_EFORMAT,
			"%s%s%s", path, path[0] != '\0' ? ": " : "",
			why != NULL ? why : "not a tar");
}

static int tick(const struct untar *untar, struct cah_error *err)
{
	const struct untar_options *o = untar->options;
	if (o->tick != NULL && o->tick(o->tick_arg) != 0)
		return cah_fail(err, CAH_ECANCELLED, "cancelled");
	return CAH_OK;
}

static int write_all(int fd, const char *data, size_t len, const char *path,
		     struct cah_error *err)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cah_fail_errno(err, errno, "cannot write %.200s",
					      path);
		data += n;
		len -= (size_t)n;
	}
	return CAH_OK;
}

/* Reads the entry's bytes; @fd is -1 where they are only looked at. */
static int copy_data(struct untar *untar, int fd, const char *path,
		     struct cah_error *err)
{
	for (;;) {
		la_ssize_t n = archive_read_data(untar->archive, untar->step,
						 READ_STEP);
		if (n < 0)
			return fail_archive(untar, path, err);
		if (n == 0)
			return CAH_OK;
		untar->bytes += n;
		if (untar->bytes > untar->options->max_bytes)
			return cah_fail(err, CAH_ELIMIT,
					"more than %lld bytes when unpacked",
					(long long)untar->options->max_bytes);
		int rc = tick(untar, err);
		if (rc == CAH_OK && fd >= 0)
			rc = write_all(fd, untar->step, (size_t)n, path, err);
		if (rc != CAH_OK)
			return rc;
	}
}

static int write_file(struct untar *untar, int parent, const char *name,
		      const char *path, struct cah_error *err)
{
	(void)unlinkat(parent, TMP_NAME, 0);
	int fd = openat(parent, TMP_NAME,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0666);
	if (fd < 0)
		return cah_fail_errno(err, errno, "cannot unpack %.200s", path);
	int rc = copy_data(untar, fd, path, err);
	if (close(fd) != 0 && rc == CAH_OK)
		rc = cah_fail_errno(err, errno, "cannot write %.200s", path);
	if (rc == CAH_OK && renameat(parent, TMP_NAME, parent, name) != 0)
		rc = cah_fail_errno(err, errno, "cannot unpack %.200s", path);
	if (rc != CAH_OK)
		(void)unlinkat(parent, TMP_NAME, 0);
	return rc;
}

static int unpack(struct untar *untar, const char *path, bool is_folder,
		  struct cah_error *err)
{
	char name[UNTAR_NAME_MAX + 1];
	struct slice last;
	int parent = -1;

	int rc = open_parent(untar, &parent, &last, path, err);
	if (rc != CAH_OK)
		return rc;
	memcpy(name, last.data, last.len);
	name[last.len] = '\0';
	if (!is_folder)
		rc = write_file(untar, parent, name, path, err);
	else if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST)
		rc = cah_fail_errno(err, errno, "cannot unpack %.200s", path);
	close(parent);
	return rc;
}

/* Only what holds images: files and folders. */
static int check_entry(struct archive_entry *entry, const char *path,
		       struct cah_error *err)
{
	mode_t type = archive_entry_filetype(entry);
	if (archive_entry_hardlink(entry) != NULL ||
	    archive_entry_symlink(entry) != NULL || type == AE_IFLNK)
		return cah_fail(err, CAH_EFORMAT, "%.200s: a link", path);
	if (type != AE_IFREG && type != AE_IFDIR)
		return cah_fail(err, CAH_EFORMAT,
				"%.200s: neither a file nor a folder", path);
	/* A file of holes is as large as its header likes. */
	if (archive_entry_sparse_count(entry) > 0)
		return cah_fail(err, CAH_EFORMAT, "%.200s: a file with holes",
				path);
	return CAH_OK;
}

/* An archive in which one name is a file here and a folder there could only be
 * unpacked in part. */
static int note_name(struct untar *untar, struct slice name, uint64_t is,
		     const char *path, struct cah_error *err)
{
	uint64_t was;
	if (table_get(untar->seen, name, &was)) {
		if (was == is)
			return CAH_OK;
		return cah_fail(err, CAH_EFORMAT,
				"%.200s: both a file and a folder", path);
	}
	untar->name_bytes += name.len;
	if (untar->name_bytes > UNTAR_NAMES_MAX)
		return cah_fail(err, CAH_ELIMIT,
				"names of more than %d bytes in all",
				UNTAR_NAMES_MAX);
	if (table_set(untar->seen, name, is, NULL) != CAH_OK)
		return cah_fail(err, CAH_ENOMEM, "tar: out of memory");
	return CAH_OK;
}

/* Notes @path and the folders above it. */
static int note_path(struct untar *untar, const char *path, bool is_folder,
		     struct cah_error *err)
{
	struct buf key;
	int rc = CAH_OK;
	const char *rest = skip_dot(path);
	buf_init(&key, UNTAR_PATH_MAX + 1);
	struct slice name = next_name(&rest);
	while (name.len > 0 && rc == CAH_OK) {
		struct slice next = next_name(&rest);
		bool is_above = next.len > 0 || is_folder;
		(void)buf_add_slice(&key, name);
		rc = buf_check(&key, "tar", err);
		if (rc == CAH_OK)
			rc = note_name(untar, buf_slice(&key),
				       is_above ? IS_FOLDER : IS_FILE, path,
				       err);
		(void)buf_add_byte(&key, '/');
		name = next;
	}
	buf_fini(&key);
	return rc;
}

/* "./" is the folder itself; it is there already. */
static bool is_root(struct archive_entry *entry, const char *path)
{
	const char *rest = skip_dot(path);
	return archive_entry_filetype(entry) == AE_IFDIR &&
	       (rest[0] == '\0' || strcmp(rest, ".") == 0) && path[0] != '\0';
}

static int take_entry(struct untar *untar, struct archive_entry *entry,
		      struct cah_error *err)
{
	/* In a locale that is not UTF-8, either of the two may not exist. */
	const char *path = archive_entry_pathname_utf8(entry);
	if (path == NULL)
		path = archive_entry_pathname(entry);
	if (path == NULL)
		return cah_fail(err, CAH_EFORMAT, "a name cannot be read");
	if (++untar->entries > untar->options->max_entries)
		return cah_fail(err, CAH_ELIMIT, "more than %lld entries",
				(long long)untar->options->max_entries);
	int rc = untar->entries % ENTRY_TICK == 0 ? tick(untar, err) : CAH_OK;
	if (rc != CAH_OK || is_root(entry, path))
		return rc;
	rc = untar_check_path(path, err);
	if (rc == CAH_OK)
		rc = check_entry(entry, path, err);
	if (rc != CAH_OK)
		return rc;
	bool is_folder = archive_entry_filetype(entry) == AE_IFDIR;
	if (untar->folder_fd >= 0)
		return unpack(untar, path, is_folder, err);
	rc = note_path(untar, path, is_folder, err);
	return rc == CAH_OK ? copy_data(untar, -1, path, err) : rc;
}

static int open_archive(struct untar *untar, int fd, struct cah_error *err)
{
	struct archive *a = untar->archive;
	if (lseek(fd, 0, SEEK_SET) != 0)
		return cah_fail_errno(err, errno, "cannot read the tar");
	/* Named one by one: some of "all" would start other programs. */
	if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_support_filter_gzip(a) != ARCHIVE_OK ||
	    archive_read_support_filter_bzip2(a) != ARCHIVE_OK ||
	    archive_read_support_filter_xz(a) != ARCHIVE_OK ||
	    archive_read_support_filter_lzma(a) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(a) != ARCHIVE_OK ||
	    archive_read_support_filter_lz4(a) != ARCHIVE_OK ||
	    archive_read_open_fd(a, fd, READ_STEP) != ARCHIVE_OK)
		return fail_archive(untar, "", err);
	return CAH_OK;
}

static int walk(struct untar *untar, int fd, struct cah_error *err)
{
	struct archive_entry *entry;

	untar->archive = archive_read_new();
	if (untar->archive == NULL)
		return cah_fail(err, CAH_ENOMEM, "libarchive: out of memory");
	untar->bytes = 0;
	untar->entries = 0;
	int rc = open_archive(untar, fd, err);
	while (rc == CAH_OK) {
		int code = archive_read_next_header(untar->archive, &entry);
		if (code == ARCHIVE_EOF)
			break;
		if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
			rc = fail_archive(untar, "", err);
		else
			rc = take_entry(untar, entry, err);
	}
	archive_read_free(untar->archive);
	untar->archive = NULL;
	return rc;
}

static int unpack_all(struct untar *untar, const char *folder, int fd,
		      struct cah_error *err)
{
	int rc = file_make_dirs(folder, err);
	if (rc != CAH_OK)
		return rc;
	untar->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (untar->folder_fd < 0)
		return cah_fail_errno(err, errno, "cannot open %s", folder);
	rc = walk(untar, fd, err);
	close(untar->folder_fd);
	return rc;
}

int untar_into(const char *folder, int fd, const struct untar_options *options,
	       struct cah_error *err)
{
	struct untar untar = {.options = options, .folder_fd = -1};

	untar.step = malloc(READ_STEP);
	if (untar.step == NULL)
		return cah_fail(err, CAH_ENOMEM, "tar: out of memory");
	int rc = table_new(&untar.seen, SIZE_MAX, err);
	if (rc == CAH_OK)
		rc = walk(&untar, fd, err);
	table_free(untar.seen);
	untar.seen = NULL;
	if (rc == CAH_OK)
		rc = unpack_all(&untar, folder, fd, err);
	free(untar.step);
	return rc;
}
