/* source.h: a WAT from where it lies to candidates: opens the location, cuts
 * the piece out of it, feeds the scan. `cah wat` and the worker's first stage
 * are this. Blocks; one owner thread. */
#ifndef WORKER_SOURCE_H
#define WORKER_SOURCE_H

#include "fetch/stream.h"
#include "wat/scan.h"

/* Called after each read: @done of @total bytes of the piece; @total is -1
 * where it is not known. */
typedef void (*source_progress_fn)(void *arg, int64_t done, int64_t total);

struct source_request {
	const char *location; /* URL; path, file: URL or "-" where files are
				 allowed */
	int piece;            /* 0 or 1; -1: the whole */
	int threads;   /* that scan a gzip file on disk, beside the caller's, on
			  which everything is told; 0 and 1: the caller's alone.
			  What comes by a stream or is plain has one always */
	int64_t range; /* bytes of it that a thread takes at a time; 0: as is
			  good */
	struct scan_options scan;     /* start, stop and is_plain are set here
				       */
	struct stream_options stream; /* start is set here */
	candidate_fn fn;
	source_progress_fn progress; /* may be NULL */
	void *arg;                   /* of both */
};

/* Reads the piece to its end. @out has the counts so far, also on failure.
 * A WAT that is cut is no error: out->is_cut says so. Errors: those of
 * stream_open and stream_read, CAH_EFORMAT (no WARC record in it; a piece of
 * something whose size is not known), CAH_ECANCELLED, CAH_EINVALID, what
 * request->fn returned (its text then says no more than that). */
CAH_MUST_CHECK int source_run(const struct source_request *request,
			      struct scan_counts *out, struct cah_error *err);

#endif
