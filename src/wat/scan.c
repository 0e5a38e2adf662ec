/* Bytes go through members (where the file is gzip), records, links and the
 * judge; each hands on to the next by a call, so nothing is copied that need
 * not be. */
#include "wat/scan.h"

#include "base/fail.h"
#include "wat/judge.h"
#include "wat/links.h"
#include "wat/member.h"
#include "wat/warc.h"

#include <stdlib.h>

enum {
	SIGNATURE = 5,      /* bytes that tell plain WARC from gzip */
	PUSH_MAX = 1 << 20, /* plain bytes looked at in one go */
};

struct scan {
	struct scan_counts counts;
	struct scan_options options;
	struct judge *judge;
	struct links *links;
	struct warc *warc;       /* NULL until the kind of file is known */
	struct members *members; /* NULL where it is plain */
	char first[SIGNATURE];   /* until the kind is known */
	size_t first_len;
	int64_t broken_json;
	candidate_fn fn;
	void *arg;
	int fn_code; /* what `fn` stopped the scan with */
};

struct scan_options scan_options_default(void)
{
	return (struct scan_options){.rules = text_rules_default(),
				     .has_rules = true,
				     .stop = INT64_MAX};
}

/* A warcinfo record describes the file, and what is not JSON is not a WAT's. */
static bool is_wat_record(const struct warc_record *record)
{
	struct slice json = SLICE("application/json");
	if (slice_equal_nocase(record->type, SLICE("warcinfo")))
		return false;
	/* Where nothing says what it is, its first brace does. */
	if (record->content_type.len == 0)
		return record->body.len > 0 && record->body.data[0] == '{';
	/* Parameters may follow: "application/json; charset=utf-8". */
	struct slice type = record->content_type;
	if (type.len > json.len)
		type.len = json.len;
	return slice_equal_nocase(type, json);
}

static int on_record(void *arg, const struct warc_record *record)
{
	struct scan *scan = arg;
	if (!is_wat_record(record)) {
		scan->counts.records++;
		return CAH_OK;
	}
	judge_begin_page(scan->judge);
	int rc =
		links_parse(scan->links, record->body, judge_link, scan->judge);
	/* One bad record is no reason to lose the thousands behind it. */
	if (rc == CAH_EFORMAT) {
		scan->broken_json++;
		return CAH_OK;
	}
	scan->counts.records++;
	if (links_count(scan->links) > 0)
		scan->counts.pages++;
	return rc;
}

static int on_inflated(void *arg, struct slice bytes, enum warc_mark mark)
{
	struct scan *scan = arg;
	scan->counts.raw_bytes += (int64_t)bytes.len;
	return warc_push(scan->warc, bytes, mark);
}

static int on_candidate(void *arg, const struct candidate *candidate)
{
	struct scan *scan = arg;
	scan->fn_code = scan->fn(scan->arg, candidate);
	/* Its own code might mean something to who is in between. */
	return scan->fn_code != CAH_OK ? CAH_ECANCELLED : CAH_OK;
}

/* Where the file is gzip, places in it are for the members to judge. */
static int make_readers(struct scan *scan, bool is_plain)
{
	struct warc_options warc = {
		.record_max = SCAN_RECORD_MAX,
		.start = is_plain ? scan->options.start : 0,
		.stop = is_plain ? scan->options.stop : INT64_MAX,
		.fn = on_record,
		.arg = scan,
	};
	struct member_options members = {
		.start = scan->options.start,
		.stop = scan->options.stop,
		.packed_max = SCAN_PACKED_MAX,
		.raw_max = SCAN_RECORD_MAX,
		.fn = on_inflated,
		.arg = scan,
	};
	int rc = warc_new(&scan->warc, &warc, NULL);
	if (rc == CAH_OK && !is_plain)
		rc = members_new(&scan->members, &members, NULL);
	return rc;
}

int scan_new(struct scan **out, const struct scan_options *options,
	     candidate_fn fn, void *arg, struct cah_error *err)
{
	*out = NULL;
	struct scan *scan = calloc(1, sizeof(*scan));
	if (scan == NULL)
		return cah_fail(err, CAH_ENOMEM, "scan: out of memory");
	scan->options = *options;
	scan->fn = fn;
	scan->arg = arg;
	int rc = judge_new(&scan->judge, options, &scan->counts, err);
	if (rc == CAH_OK)
		rc = links_new(&scan->links, err);
	if (rc != CAH_OK) {
		scan_free(scan);
		return rc;
	}
	judge_set_fn(scan->judge, on_candidate, scan);
	*out = scan;
	return CAH_OK;
}

void scan_free(struct scan *scan)
{
	if (scan == NULL)
		return;
	judge_free(scan->judge);
	links_free(scan->links);
	warc_free(scan->warc);
	members_free(scan->members);
	free(scan);
}

/* Some bytes at a time, for what is not a whole record yet is copied. */
static int feed_plain(struct scan *scan, struct slice bytes, bool is_last)
{
	do {
		size_t n = bytes.len < PUSH_MAX ? bytes.len : PUSH_MAX;
		struct slice some = {bytes.data, n};
		bytes = slice_from(bytes, n);
		scan->counts.raw_bytes += (int64_t)n;
		int rc = warc_push(scan->warc, some,
				   is_last && bytes.len == 0 ? WARC_END
							     : WARC_MORE);
		if (rc != CAH_OK && rc != WARC_HOPELESS)
			return rc;
	} while (bytes.len > 0);
	return CAH_OK;
}

static int feed(struct scan *scan, struct slice bytes, bool is_last)
{
	if (scan->members != NULL)
		return members_push(scan->members, bytes, is_last);
	return feed_plain(scan, bytes, is_last);
}

/* Takes bytes until they tell what the file is; in its middle the caller must
 * know. */
static int learn_kind(struct scan *scan, struct slice *bytes, bool is_last)
{
	if (scan->options.start != 0)
		return make_readers(scan, scan->options.is_plain);
	size_t n = sizeof(scan->first) - scan->first_len;
	if (n > bytes->len)
		n = bytes->len;
	if (n > 0)
		memcpy(scan->first + scan->first_len, bytes->data, n);
	scan->first_len += n;
	*bytes = slice_from(*bytes, n);
	if (scan->first_len < sizeof(scan->first) && !is_last)
		return CAH_OK;
	/* Never the last: the rest of @bytes, if only the end, comes behind. */
	struct slice first = {scan->first, scan->first_len};
	int rc = make_readers(scan, slice_equal(first, SLICE("WARC/")));
	return rc != CAH_OK ? rc : feed(scan, first, false);
}

/* Three readers count what each of them found broken. */
static void count(struct scan *scan)
{
	struct scan_counts *c = &scan->counts;
	c->broken_records = scan->broken_json;
	if (scan->warc != NULL)
		c->broken_records += warc_broken(scan->warc);
	if (scan->members != NULL)
		c->broken_records += members_broken(scan->members);
	c->is_cut = scan->members != NULL
			    ? members_is_cut(scan->members)
			    : scan->warc != NULL && warc_is_cut(scan->warc);
}

static int take(struct scan *scan, struct slice bytes, bool is_last,
		struct cah_error *err)
{
	scan->counts.packed_bytes += (int64_t)bytes.len;
	int rc = CAH_OK;
	if (scan->warc == NULL)
		rc = learn_kind(scan, &bytes, is_last);
	if (rc == CAH_OK && scan->warc != NULL && !scan_is_done(scan))
		rc = feed(scan, bytes, is_last);
	count(scan);
	if (scan->fn_code != CAH_OK)
		return cah_fail(err, scan->fn_code, "the scan was stopped");
	if (rc != CAH_OK)
		return cah_fail(err, rc, "scan: out of memory");
	return CAH_OK;
}

int scan_push(struct scan *scan, struct slice bytes, struct cah_error *err)
{
	return take(scan, bytes, false, err);
}

bool scan_is_done(const struct scan *scan)
{
	if (scan->options.stop <= scan->options.start)
		return true;
	if (scan->members != NULL)
		return members_is_done(scan->members);
	return scan->warc != NULL && warc_is_done(scan->warc);
}

int scan_finish(struct scan *scan, struct cah_error *err)
{
	return take(scan, (struct slice){NULL, 0}, true, err);
}

const struct scan_counts *scan_counts(const struct scan *scan)
{
	return &scan->counts;
}

struct scan_place scan_place(const struct scan *scan)
{
	const struct members *m = scan->members;
	if (m == NULL)
		return (struct scan_place){.first = -1,
					   .at = scan->options.start,
					   .is_searching = true};
	return (struct scan_place){.first = members_first(m),
				   .at = members_at(m),
				   .is_searching = members_is_searching(m),
				   .has_begun = members_has_begun(m)};
}

void scan_extend(struct scan *scan, int64_t stop)
{
	scan->options.stop = stop;
	if (scan->members != NULL)
		members_extend(scan->members, stop);
}

void scan_piece(int piece, int64_t size, int64_t *start, int64_t *stop)
{
	*start = piece == 1 ? size / 2 : 0;
	*stop = piece == 0 ? size / 2 : INT64_MAX;
}
