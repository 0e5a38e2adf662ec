/* warc.h: WARC records (ISO 28500:2017, versions 1.0 and 1.1) out of bytes that
 * come in pieces. Forgiving where the meaning is clear (lines that end in LF
 * alone, names in any case, blank lines between records missing or too many);
 * a length that lies costs the record, and the search for the next one begins
 * inside of it. One owner; no locks. */
#ifndef WAT_WARC_H
#define WAT_WARC_H

#include "base/slice.h"

#include <cah/error.h>
#include <stdint.h>

enum {
	WARC_HEAD_MAX = 64 << 10, /* bytes of a record's header lines */
};

struct warc_record {
	struct slice type;         /* WARC-Type, empty where there is none */
	struct slice content_type; /* Content-Type, likewise */
	struct slice body;
};

/* The slices are valid during the call. Not 0: stop with that code. */
typedef int (*warc_fn)(void *arg, const struct warc_record *record);

enum warc_mark {
	WARC_MORE,   /* the records go on behind these bytes */
	WARC_END,    /* a record must end here */
	WARC_BROKEN, /* what was begun cannot be trusted */
};

enum {
	WARC_HOPELESS = 1, /* warc_push: no record in sight for record_max
			      bytes */
};

struct warc_options {
	size_t record_max; /* bytes of a record with its header */
	int64_t start;     /* where in the file the pushed bytes begin; not 0:
			      the first record is that behind the first end of
			      a line */
	int64_t stop;      /* no record that starts behind it is told */
	warc_fn fn;
	void *arg;
};

struct warc;

CAH_MUST_CHECK int warc_new(struct warc **out,
			    const struct warc_options *options,
			    struct cah_error *err);
void warc_free(struct warc *warc);

/* A record is told once what follows shows that its length is right: another
 * one, or WARC_END. Errors: CAH_ENOMEM, what the callback returned. */
CAH_MUST_CHECK int warc_push(struct warc *warc, struct slice bytes,
			     enum warc_mark mark);

/* Records that were begun and not told, and stretches that are no record. Does
 * not count what ends in WARC_BROKEN. */
int64_t warc_broken(const struct warc *warc);

/* True once a record at or after options.stop was seen. */
bool warc_is_done(const struct warc *warc);

/* True where the last WARC_END came in the middle of a record. */
bool warc_is_cut(const struct warc *warc);

#endif
