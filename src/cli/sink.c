#include "cli/sink.h"

#include "base/fail.h"
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	FLUSH_AT = 64 << 10, /* bytes */
	BUF_MAX = 64 << 20,  /* bytes of what is added between two looks */
};

struct sink {
	struct file *file; /* NULL: standard output */
	struct buf buf;
	bool is_unread;
};

int sink_open(struct sink **out, const char *path, struct cah_error *err)
{
	*out = NULL;
	struct sink *sink = calloc(1, sizeof(*sink));
	if (sink == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	buf_init(&sink->buf, BUF_MAX);
	int rc = path != NULL ? file_create(&sink->file, path, err) : CAH_OK;
	if (rc != CAH_OK) {
		sink_discard(sink);
		return rc;
	}
	*out = sink;
	return CAH_OK;
}

struct buf *sink_buf(struct sink *sink)
{
	return &sink->buf;
}

static int write_stdout(struct sink *sink, struct cah_error *err)
{
	const char *p = sink->buf.data;
	size_t left = sink->buf.len;
	while (left > 0) {
		ssize_t n = write(STDOUT_FILENO, p, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			sink->is_unread = errno == EPIPE;
			return cah_fail_errno(err, errno,
					      "cannot write standard output");
		}
		p += n;
		left -= (size_t)n;
	}
	return CAH_OK;
}

int sink_flush(struct sink *sink, bool is_forced, struct cah_error *err)
{
	int rc = buf_check(&sink->buf, "output", err);
	if (rc != CAH_OK || sink->buf.len == 0 ||
	    (!is_forced && sink->buf.len < FLUSH_AT))
		return rc;
	if (sink->file != NULL)
		rc = file_write(sink->file, sink->buf.data, sink->buf.len, err);
	else
		rc = write_stdout(sink, err);
	buf_reset(&sink->buf);
	return rc;
}

bool sink_is_unread(const struct sink *sink)
{
	return sink->is_unread;
}

int sink_commit(struct sink *sink, struct cah_error *err)
{
	int rc = sink_flush(sink, true, err);
	if (rc == CAH_OK && sink->file != NULL) {
		rc = file_commit(sink->file, err);
		sink->file = NULL;
	}
	sink_discard(sink);
	return rc;
}

void sink_discard(struct sink *sink)
{
	if (sink == NULL)
		return;
	file_discard(sink->file);
	buf_fini(&sink->buf);
	free(sink);
}
