/* stream.h: one resource from its start (or a byte in it) to its end, over HTTP
 * or from a file, at the reader's pace, with patience: what breaks is resumed
 * by Range, 403, 429 and 503 are waited out (Retry-After, else exponential
 * back-off with jitter). Blocks; one owner thread. */
#ifndef FETCH_STREAM_H
#define FETCH_STREAM_H

#include "base/cancel.h"
#include "fetch/address.h"

#include <cah/error.h>
#include <stdint.h>

enum {
	STREAM_TRIES = 8,           /* attempts in a row without a new byte */
	STREAM_STALL_S = 30,        /* seconds below STREAM_LOWEST_RATE */
	STREAM_LOWEST_RATE = 1024,  /* bytes a second */
	STREAM_BACKOFF_S = 1,       /* first wait; doubles each time */
	STREAM_BACKOFF_MAX_S = 120, /* longest wait, Retry-After's too */
	STREAM_REDIRECTS = 5,
};

/* Called on the reader's thread at least every 100 ms while the stream waits;
 * not 0 ends the call with CAH_ECANCELLED. */
typedef int (*stream_tick_fn)(void *arg);

struct stream_options {
	const char *user_agent;  /* NULL: the project's own */
	const struct pins *pins; /* may be NULL; borrowed */
	struct cancel *cancel;   /* may be NULL; borrowed */
	int64_t start;           /* the first byte wanted */
	bool allow_private;      /* addresses that are not public */
	bool allow_files;        /* paths and file: URLs beside http(s) */
	int tries;               /* 0: STREAM_TRIES */
	int64_t patience_s;  /* not 0: what may pass, a connection error, 429
				and 503, is tried again for so many seconds
				without a new byte whatever @tries says;
				-1: for ever */
	stream_tick_fn tick; /* looked at beside @cancel; may be NULL */
	void *tick_arg;
	const char *ca_file;   /* certificates; NULL: the system's */
	const char *validator; /* what stream_validator said when an earlier
				  stream read the bytes before @start: where
				  the resource is another one by now,
				  CAH_EFORMAT. May be NULL; borrowed */
};

struct stream;

/* Opens @location (an http or https URL, or, where allowed, a path, a file: URL
 * or "-" for standard input) and waits for the first answer. The caller ends it
 * with stream_close. Errors: CAH_EINVALIDURL, CAH_ENOTFOUND (404, no file),
 * CAH_ESERVER (another status, http_status set), CAH_EUNAVAILABLE (tries used
 * up), CAH_EDENIED (private address or file not allowed), CAH_ECANCELLED,
 * CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int stream_open(struct stream **out, const char *location,
			       const struct stream_options *options,
			       struct cah_error *err);

/* Bytes of the whole resource, whatever the start; -1 where unknown. */
int64_t stream_size(const struct stream *stream);

/* True for a file on disk, which may be opened and read at many places at a
 * time; false for standard input, whatever it is. */
bool stream_is_file(const struct stream *stream);

/* What tells this version of the resource from later ones and goes into
 * If-Range (a strong ETag, else Last-Modified); "" where the server gave
 * neither and for files. Borrowed from the stream. */
const char *stream_validator(const struct stream *stream);

/* Reads at least one byte into @data, at most @cap; *len is 0 at the end.
 * Errors as stream_open, and CAH_EFORMAT (the resource changed on the way). */
CAH_MUST_CHECK int stream_read(struct stream *stream, void *data, size_t cap,
			       size_t *len, struct cah_error *err);

/* NULL is fine. */
void stream_close(struct stream *stream);

#endif
