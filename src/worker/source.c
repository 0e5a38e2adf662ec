#include "worker/source.h"

#include "base/fail.h"
#include "worker/ranges.h"

#include <stdlib.h>

enum {
	READ_STEP = 256 * 1024, /* bytes */
	SIGNATURE = 5,          /* bytes that tell gzip from plain WARC */
};

struct source {
	const struct source_request *request;
	struct stream_options stream_options;
	struct scan_options scan_options;
	struct stream *stream;
	struct scan *scan;
	char *step;
	int64_t total; /* bytes of the piece, -1 where unknown */
	int64_t done;
};

static int reopen(struct source *s, int64_t start, struct cah_error *err)
{
	stream_close(s->stream);
	s->stream = NULL;
	s->stream_options.start = start;
	return stream_open(&s->stream, s->request->location, &s->stream_options,
			   err);
}

/* In the middle of a file nothing tells what it is, so its beginning must. */
static int look_at_start(struct source *s, struct cah_error *err)
{
	char head[SIGNATURE];
	size_t have = 0;
	while (have < sizeof(head)) {
		size_t n;
		int rc = stream_read(s->stream, head + have,
				     sizeof(head) - have, &n, err);
		if (rc != CAH_OK)
			return rc;
		if (n == 0)
			break;
		have += n;
	}
	struct slice start = {head, have};
	s->scan_options.is_plain = slice_starts(start, SLICE("WARC/"));
	if (!s->scan_options.is_plain &&
	    !slice_starts(start, SLICE("\x1f\x8b")))
		return cah_fail(err, CAH_EFORMAT,
				"%s: neither gzip nor WARC at its start",
				s->request->location);
	return CAH_OK;
}

/* The size is only known once the resource is open. */
static int cut_piece(struct source *s, struct cah_error *err)
{
	int64_t size = stream_size(s->stream);
	s->scan_options.start = 0;
	s->scan_options.stop = INT64_MAX;
	s->total = size;
	if (s->request->piece < 0)
		return CAH_OK;
	if (size < 0)
		return cah_fail(
			err, CAH_EFORMAT,
			"%s: its size is not known, so it cannot be cut "
			"into pieces",
			s->request->location);
	scan_piece(s->request->piece, size, &s->scan_options.start,
		   &s->scan_options.stop);
	if (s->request->piece == 0) {
		s->total = s->scan_options.stop;
		return CAH_OK;
	}
	s->total = size - s->scan_options.start;
	if (size == 0)
		return CAH_OK;
	int rc = look_at_start(s, err);
	return rc != CAH_OK ? rc : reopen(s, s->scan_options.start, err);
}

static int64_t range_len(const struct source *s)
{
	int64_t range = s->request->range;
	return range > 0 ? range : ranges_len(s->total, s->request->threads);
}

/* Where the threads' ranges end only gzip can tell, by its members. */
static int look_for_ranges(struct source *s, bool *has_ranges,
			   struct cah_error *err)
{
	int64_t start = s->scan_options.start;
	char head[2];
	size_t n = 0;
	*has_ranges = false;
	if (s->request->threads < 2 || !stream_is_file(s->stream) ||
	    s->total <= range_len(s))
		return CAH_OK;
	int rc = reopen(s, 0, err);
	if (rc == CAH_OK)
		rc = stream_read(s->stream, head, sizeof(head), &n, err);
	*has_ranges = n == sizeof(head) && head[0] == '\x1f' &&
		      (unsigned char)head[1] == 0x8b;
	return rc != CAH_OK || *has_ranges ? rc : reopen(s, start, err);
}

static int feed_ranges(struct source *s, struct scan_counts *out,
		       struct cah_error *err)
{
	int64_t size = stream_size(s->stream);
	int rc = ranges_run(s->request, &s->scan_options, size, range_len(s),
			    out, err);
	s->done = out->packed_bytes;
	return rc;
}

static void tell_progress(const struct source *s)
{
	if (s->request->progress == NULL)
		return;
	/* The last member of piece 0 ends behind the cut. */
	int64_t done = s->total >= 0 && s->done > s->total ? s->total : s->done;
	s->request->progress(s->request->arg, done, s->total);
}

static int feed(struct source *s, struct cah_error *err)
{
	while (!scan_is_done(s->scan)) {
		if (cancel_is_set(s->request->stream.cancel))
			return cah_fail(err, CAH_ECANCELLED, "%s: cancelled",
					s->request->location);
		size_t n;
		int rc = stream_read(s->stream, s->step, READ_STEP, &n, err);
		if (rc != CAH_OK)
			return rc;
		if (n == 0)
			break;
		s->done += (int64_t)n;
		rc = scan_push(s->scan, (struct slice){s->step, n}, err);
		if (rc != CAH_OK)
			return rc;
		tell_progress(s);
	}
	return scan_finish(s->scan, err);
}

static int feed_alone(struct source *s, struct scan_counts *out,
		      struct cah_error *err)
{
	const struct source_request *request = s->request;
	int rc = scan_new(&s->scan, &s->scan_options, request->fn, request->arg,
			  err);
	if (rc != CAH_OK)
		return rc;
	rc = feed(s, err);
	*out = *scan_counts(s->scan);
	scan_free(s->scan);
	return rc;
}

static int check_counts(const struct source *s, const struct scan_counts *c,
			struct cah_error *err)
{
	const char *location = s->request->location;
	if (s->done == 0)
		return cah_fail(err, CAH_EFORMAT, "%s: empty", location);
	/* A short file may have no member that starts in its second half. */
	if (c->records == 0 && s->scan_options.start == 0 &&
	    s->scan_options.stop > 0)
		return cah_fail(err, CAH_EFORMAT,
				"%s: no WARC record in its %lld bytes",
				location, (long long)s->done);
	return CAH_OK;
}

int source_run(const struct source_request *request, struct scan_counts *out,
	       struct cah_error *err)
{
	*out = (struct scan_counts){0};
	if (request->piece >= 0 && strcmp(request->location, "-") == 0)
		return cah_fail(err, CAH_EINVALID,
				"standard input cannot be cut into pieces");
	/* A mistake in the options is told before anybody is asked. */
	struct scan *trial;
	int rc = scan_new(&trial, &request->scan, request->fn, request->arg,
			  err);
	if (rc != CAH_OK)
		return rc;
	scan_free(trial);
	struct source s = {.request = request,
			   .stream_options = request->stream,
			   .scan_options = request->scan};
	s.step = malloc(READ_STEP);
	if (s.step == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory",
				request->location);
	rc = reopen(&s, 0, err);
	if (rc == CAH_OK)
		rc = cut_piece(&s, err);
	bool has_ranges = false;
	if (rc == CAH_OK)
		rc = look_for_ranges(&s, &has_ranges, err);
	if (rc == CAH_OK)
		rc = has_ranges ? feed_ranges(&s, out, err)
				: feed_alone(&s, out, err);
	if (rc == CAH_OK)
		rc = check_counts(&s, out, err);
	stream_close(s.stream);
	free(s.step);
	return rc;
}
