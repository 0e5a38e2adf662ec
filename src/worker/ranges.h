/* ranges.h: a gzip file on disk scanned by several threads, each a range of it,
 * with the candidates and counts that one thread would give, in its order.
 * Blocks; the caller's thread is the one that candidates go out on. */
#ifndef WORKER_RANGES_H
#define WORKER_RANGES_H

#include "worker/source.h"

enum {
	RANGES_READ = 256 << 10, /* bytes read at a time, and what a range's
				    length is a multiple of */
	RANGES_THREADS_MAX = 64,
};

/* How long the ranges of @len bytes are for so many threads: whole reads. */
int64_t ranges_len(int64_t len, int threads);

/* Scans from @scan->start to @scan->stop (at the latest @size, the file's),
 * cut every @range bytes. Errors: those of source_run. */
CAH_MUST_CHECK int ranges_run(const struct source_request *request,
			      const struct scan_options *scan, int64_t size,
			      int64_t range, struct scan_counts *out,
			      struct cah_error *err);

#endif
