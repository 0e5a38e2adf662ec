/* sink.h: where a command writes its lines: standard output as they come, or a
 * file that appears whole at the end. Main thread. */
#ifndef CLI_SINK_H
#define CLI_SINK_H

#include "base/buf.h"

#include <cah/error.h>

struct sink;

/* @path NULL: standard output. The caller ends it with sink_commit or
 * sink_discard. Errors: CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int sink_open(struct sink **out, const char *path,
			     struct cah_error *err);

/* What is to be written next; the caller appends to it and calls sink_flush
 * now and then. */
struct buf *sink_buf(struct sink *sink);

/* Writes what is in the buffer where that is much, or @is_forced. Errors:
 * CAH_EIO, CAH_ELIMIT, CAH_ENOMEM. */
CAH_MUST_CHECK int sink_flush(struct sink *sink, bool is_forced,
			      struct cah_error *err);

/* True when the reader of standard output has gone: no failure to speak of. */
bool sink_is_unread(const struct sink *sink);

/* Writes the rest, gives a file its name, frees @sink whatever comes. */
CAH_MUST_CHECK int sink_commit(struct sink *sink, struct cah_error *err);

/* Leaves no file; NULL is fine. */
void sink_discard(struct sink *sink);

#endif
