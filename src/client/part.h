/* part.h: a download that outlives its process. The packed bytes grow in
 * PATH.part; PATH.part.json tells what they are the beginning of. One owner, in
 * all processes: the file is locked. */
#ifndef CLIENT_PART_H
#define CLIENT_PART_H

#include "fetch/stream.h"

struct part;

/* Opens or makes the part of @path and waits for no one else's.
 * Errors: CAH_EIO (in use by another process among them), CAH_ENOMEM. */
CAH_MUST_CHECK int part_open(struct part **out, const char *path,
			     struct cah_error *err);

/* Gets what is missing of @url. @options as for stream_open; start and
 * validator are set here. At most @max bytes. A failure leaves what came so far
 * for the next time. Errors: as stream_open and stream_read, CAH_ELIMIT. */
CAH_MUST_CHECK int part_fetch(struct part *part, const char *url,
			      const struct stream_options *options, int64_t max,
			      struct cah_error *err);

/* To read the bytes from; at their beginning after part_fetch. */
int part_fd(const struct part *part);

/* Deletes the files: they are used up, or of no use. */
void part_remove(struct part *part);

/* NULL is fine. */
void part_close(struct part *part);

#endif
