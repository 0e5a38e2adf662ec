/* ustar (POSIX.1-1988) by libarchive: names are short and files small, so
 * nothing newer is needed, and every reader knows it. No times nor owners: they
 * would only make equal shards differ. */
#include "dataset/tar.h"

#include "base/fail.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>

enum {
	BLOCK_LEN = 256 * 1024, /* bytes of one write */
	MODE = 0644,
};

struct tar {
	struct file *file;
	struct archive *archive;
	struct archive_entry *entry;
	int code; /* of the first write that failed */
	struct cah_error err;
};

/* libarchive leaks its buffer when it is told of a failure (3.6.2: nothing is
 * closed in its state "fatal"), so we keep that to ourselves. */
static la_ssize_t on_write(struct archive *archive, void *arg, const void *data,
			   size_t len)
{
	struct tar *tar = arg;
	(void)archive;
	if (tar->code == CAH_OK)
		tar->code = file_write(tar->file, data, len, &tar->err);
	return (la_ssize_t)len;
}

static int check(const struct tar *tar, struct cah_error *err)
{
	return tar->code == CAH_OK
		       ? CAH_OK
		       : cah_fail(err, tar->code, "%s", tar->err.text);
}

static int fail(const struct tar *tar, struct cah_error *err)
{
	const char *text = archive_error_string(tar->archive);
	return cah_fail(err, CAH_EIO, "cannot write the tar: %s",
			text != NULL ? text : "unknown reason");
}

int tar_new(struct tar **out, struct file *file, struct cah_error *err)
{
	*out = NULL;
	struct tar *tar = calloc(1, sizeof(*tar));
	if (tar == NULL)
		return cah_fail(err, CAH_ENOMEM, "tar: out of memory");
	tar->file = file;
	tar->archive = archive_write_new();
	tar->entry = archive_entry_new();
	if (tar->archive == NULL || tar->entry == NULL) {
		tar_free(tar);
		return cah_fail(err, CAH_ENOMEM, "tar: out of memory");
	}
	if (archive_write_set_format_ustar(tar->archive) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(tar->archive, BLOCK_LEN) !=
		    ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(tar->archive, 1) !=
		    ARCHIVE_OK ||
	    archive_write_open2(tar->archive, tar, NULL, on_write, NULL,
				NULL) != ARCHIVE_OK) {
		int rc = fail(tar, err);
		tar_free(tar);
		return rc;
	}
	*out = tar;
	return CAH_OK;
}

int tar_add(struct tar *tar, const char *name, struct slice content,
	    struct cah_error *err)
{
	archive_entry_clear(tar->entry);
	archive_entry_set_pathname(tar->entry, name);
	archive_entry_set_filetype(tar->entry, AE_IFREG);
	archive_entry_set_perm(tar->entry, MODE);
	archive_entry_set_mtime(tar->entry, 0, 0);
	archive_entry_set_size(tar->entry, (la_int64_t)content.len);
	if (archive_write_header(tar->archive, tar->entry) != ARCHIVE_OK)
		return fail(tar, err);
	if (content.len != 0 &&
	    archive_write_data(tar->archive, content.data, content.len) !=
		    (la_ssize_t)content.len)
		return fail(tar, err);
	return check(tar, err);
}

int tar_finish(struct tar *tar, struct cah_error *err)
{
	if (archive_write_close(tar->archive) != ARCHIVE_OK)
		return fail(tar, err);
	return check(tar, err);
}

void tar_free(struct tar *tar)
{
	if (tar == NULL)
		return;
	/* Freeing writes what is left, which nobody wants any more. */
	if (tar->code == CAH_OK)
		tar->code = CAH_ECANCELLED;
	if (tar->archive != NULL)
		(void)archive_write_free(tar->archive);
	archive_entry_free(tar->entry);
	free(tar);
}
