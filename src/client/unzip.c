#include "client/unzip.h"

#include "base/fail.h"
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

enum {
	IN_STEP = 256 * 1024,   /* bytes */
	OUT_STEP = 1024 * 1024, /* bytes */
	GZIP_ONLY = 16,         /* added to the window bits */
};

struct unzip {
	const struct unzip_options *options;
	z_stream z;
	struct file *file;
	int64_t total;   /* plain bytes so far */
	int64_t members; /* begun so far */
	bool is_in_member;
	unsigned char *in;
	unsigned char *out;
};

static int read_step(int fd, unsigned char *in, size_t *len,
		     struct cah_error *err)
{
	ssize_t n;
	do
		n = read(fd, in, IN_STEP);
	while (n < 0 && errno == EINTR);
	*len = n > 0 ? (size_t)n : 0;
	if (n < 0)
		return cah_fail_errno(err, errno, "cannot read the download");
	return CAH_OK;
}

static int write_out(struct unzip *unzip, struct cah_error *err)
{
	size_t len = OUT_STEP - unzip->z.avail_out;
	unzip->total += (int64_t)len;
	if (unzip->total > unzip->options->max)
		return cah_fail(err, CAH_ELIMIT,
				"more than %lld bytes when inflated",
				(long long)unzip->options->max);
	if (unzip->options->tick != NULL &&
	    unzip->options->tick(unzip->options->tick_arg) != 0)
		return cah_fail(err, CAH_ECANCELLED, "cancelled");
	unzip->z.next_out = unzip->out;
	unzip->z.avail_out = OUT_STEP;
	return file_write(unzip->file, unzip->out, len, err);
}

/* Zeros may fill the rest of a file after its last member, as tapes and some
 * archivers do; a member begins with anything but zero. */
static bool skip_padding(z_stream *z)
{
	while (z->avail_in > 0 && *z->next_in == 0) {
		z->next_in++;
		z->avail_in--;
	}
	return z->avail_in > 0;
}

static int inflate_step(struct unzip *unzip, struct cah_error *err)
{
	z_stream *z = &unzip->z;
	while (z->avail_in > 0) {
		if (!unzip->is_in_member) {
			if (unzip->members > 0 && !skip_padding(z))
				return CAH_OK;
			(void)inflateReset(z);
			unzip->is_in_member = true;
			unzip->members++;
		}
		int code = inflate(z, Z_NO_FLUSH);
		if (code == Z_STREAM_END)
			unzip->is_in_member = false;
		else if (code == Z_MEM_ERROR)
			return cah_fail(err, CAH_ENOMEM, "zlib: out of memory");
		else if (code != Z_OK && code != Z_BUF_ERROR)
			return cah_fail(err, CAH_EFORMAT,
					"not gzip, or damaged: %s",
					z->msg != NULL ? z->msg : "no reason");
		if (z->avail_out == 0) {
			int rc = write_out(unzip, err);
			if (rc != CAH_OK)
				return rc;
		}
	}
	return CAH_OK;
}

static int inflate_all(struct unzip *unzip, int fd, struct cah_error *err)
{
	for (;;) {
		size_t len;
		int rc = read_step(fd, unzip->in, &len, err);
		if (rc != CAH_OK)
			return rc;
		if (len == 0)
			break;
		unzip->z.next_in = unzip->in;
		unzip->z.avail_in = (uInt)len;
		rc = inflate_step(unzip, err);
		if (rc != CAH_OK)
			return rc;
	}
	if (unzip->members == 0)
		return cah_fail(err, CAH_EFORMAT, "not gzip: no bytes");
	if (unzip->is_in_member)
		return cah_fail(err, CAH_EFORMAT,
				"gzip ends in the middle of a member");
	return write_out(unzip, err);
}

static int run(struct unzip *unzip, int fd, const char *path,
	       struct cah_error *err)
{
	int rc = file_create(&unzip->file, path, err);
	if (rc != CAH_OK)
		return rc;
	rc = inflate_all(unzip, fd, err);
	if (rc == CAH_OK)
		return file_commit(unzip->file, err);
	file_discard(unzip->file);
	return rc;
}

int unzip_file(int fd, const char *path, const struct unzip_options *options,
	       struct cah_error *err)
{
	struct unzip unzip = {.options = options};
	int rc = CAH_ENOMEM;

	unzip.in = malloc(IN_STEP);
	unzip.out = malloc(OUT_STEP);
	if (unzip.in != NULL && unzip.out != NULL &&
	    inflateInit2(&unzip.z, GZIP_ONLY + MAX_WBITS) == Z_OK) {
		unzip.z.next_out = unzip.out;
		unzip.z.avail_out = OUT_STEP;
		rc = run(&unzip, fd, path, err);
		inflateEnd(&unzip.z);
	} else {
		cah_fail(err, rc, "zlib: out of memory");
	}
	free(unzip.in);
	free(unzip.out);
	return rc;
}
