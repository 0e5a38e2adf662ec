#include "gather/tree.h"

#include "base/fail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct tree {
	int fd; /* of the folder that is written */
	char path[PATH_MAX];
	char tmp_path[PATH_MAX];
};

int tree_new(struct tree **out, const char *folder, const char *name,
	     struct cah_error *err)
{
	*out = NULL;
	struct tree *tree = calloc(1, sizeof(*tree));
	if (tree == NULL)
		return cah_fail(err, CAH_ENOMEM, "folder: out of memory");
	int len = snprintf(tree->path, PATH_MAX, "%s/%s", folder, name);
	int tmp_len = snprintf(tree->tmp_path, PATH_MAX, "%s/%s.tmp.%d.0",
			       folder, name, (int)getpid());
	tree->fd = -1;
	int rc = tree_remove(tree->tmp_path, err);
	if (rc == CAH_OK && (len >= PATH_MAX || tmp_len >= PATH_MAX ||
			     mkdir(tree->tmp_path, 0777) != 0))
		rc = cah_fail_errno(err, errno, "cannot make %s", tree->path);
	if (rc == CAH_OK) {
		tree->fd = open(tree->tmp_path,
				O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (tree->fd < 0)
			rc = cah_fail_errno(err, errno, "cannot open %s",
					    tree->tmp_path);
	}
	if (rc != CAH_OK) {
		tree_discard(tree);
		return rc;
	}
	*out = tree;
	return CAH_OK;
}

static int write_all(int fd, struct slice content)
{
	while (content.len > 0) {
		ssize_t n = write(fd, content.data, content.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		content = slice_from(content, (size_t)n);
	}
	return 0;
}

int tree_add(struct tree *tree, const char *name, struct slice content,
	     struct cah_error *err)
{
	int fd = openat(tree->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			0666);
	bool is_written = fd >= 0 && write_all(fd, content) == 0;
	int errnum = errno;
	if (fd >= 0 && close(fd) != 0 && is_written) {
		errnum = errno;
		is_written = false;
	}
	return is_written ? CAH_OK
			  : cah_fail_errno(err, errnum, "cannot write %s/%s",
					   tree->tmp_path, name);
}

int tree_sync(struct tree *tree, struct cah_error *err)
{
	/* One call for thirty thousand files, not thirty thousand. */
	if (syncfs(tree->fd) != 0)
		return cah_fail_errno(err, errno, "cannot write %s",
				      tree->tmp_path);
	return CAH_OK;
}

int tree_commit(struct tree *tree, struct cah_error *err)
{
	if (rename(tree->tmp_path, tree->path) != 0) {
		int rc = cah_fail_errno(err, errno, "cannot rename to %s",
					tree->path);
		tree_discard(tree);
		return rc;
	}
	(void)close(tree->fd);
	free(tree);
	return CAH_OK;
}

void tree_discard(struct tree *tree)
{
	if (tree == NULL)
		return;
	if (tree->fd >= 0) {
		(void)close(tree->fd);
		(void)tree_remove(tree->tmp_path, NULL);
	}
	free(tree);
}

int tree_remove(const char *path, struct cah_error *err)
{
	DIR *dir = opendir(path);
	if (dir == NULL && errno == ENOENT)
		return CAH_OK;
	if (dir == NULL)
		return cah_fail_errno(err, errno, "cannot remove %s", path);
	for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
		(void)unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
	if (rmdir(path) != 0)
		return cah_fail_errno(err, errno, "cannot remove %s", path);
	return CAH_OK;
}
