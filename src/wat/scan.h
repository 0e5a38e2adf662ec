/* scan.h: from the bytes of a WAT file (gzip members, one WARC record each; or
 * plain WARC) to candidates. Bytes are pushed in as they come, candidates come
 * out by a call; nothing is kept but the record in hand. One owner thread.
 *
 * Formats: RFC 1952 (gzip), WARC 1.0/1.1 (ISO 28500), Common Crawl's WAT. */
#ifndef WAT_SCAN_H
#define WAT_SCAN_H

#include "base/fate.h"
#include "base/slice.h"
#include "wat/text.h"

#include <cah/error.h>
#include <stdint.h>

enum {
	SCAN_PACKED_MAX = 32 << 20,  /* bytes of a gzip member that are kept, to
					go back to where it proves broken */
	SCAN_RECORD_MAX = 128 << 20, /* bytes of one record, inflated */
	SCAN_LANGUAGES_MAX = 32,     /* languages that are wanted */
	SCAN_KEY_LEN = 16,           /* bytes of a pair's key: an MD5 */
	SCAN_SEEN_MAX = 4 << 20,     /* pairs that dedup remembers */
	SCAN_PUSH_MAX = 1 << 20,     /* bytes; see scan_place */
};

/* An image link with an alternative text that is not blank. All slices are
 * valid during the call. */
struct candidate {
	struct slice url;      /* absolute; the link's own text where fate is
				  bad_url */
	struct slice text;     /* clean */
	struct slice page_url; /* of the page that it stands on */
	struct slice licence; /* last Creative Commons link before it, or "?" */
	struct slice language; /* "en"; "un" where unknown or not asked */
	bool is_language_sure; /* not only the best guess of CLD2 */
	unsigned char key[SCAN_KEY_LEN]; /* MD5 of url and text, one after the
				  other; zeros where dropped before dedup */
	char md5[33];                    /* the same, hexadecimal; or empty */
	enum fate fate; /* CAH_FATE_KEPT: goes on to the fetch */
};

/* Called for every candidate, dropped ones too; not 0: the scan stops with that
 * code. */
typedef int (*candidate_fn)(void *arg, const struct candidate *candidate);

/* Whether the pair with this key (candidate.key) was taken in an earlier shard.
 */
typedef bool (*seen_fn)(void *arg, const unsigned char *key);

struct scan_options {
	struct text_rules rules;
	const char *languages[SCAN_LANGUAGES_MAX]; /* codes, borrowed; none:
						      any language */
	int language_count;
	bool tells_language;      /* also where any is wanted */
	bool wants_sure_language; /* where it is told, a guess will not do */
	bool has_rules;           /* false: neither rules, language nor dedup */
	seen_fn was_seen;         /* asked last of all; NULL: nobody knows */
	void *seen_arg;
	const struct blocklist *blocked; /* NULL: nothing is; borrowed */
	bool leaves_twins; /* this is a part of a file: duplicates are told, and
			   was_seen is asked, where the parts are joined */
	bool is_plain; /* the file is plain WARC; looked at only where start is
			  not 0, for at 0 the file itself tells */
	int64_t start; /* where in the file the pushed bytes begin */
	int64_t stop;  /* no member that starts at or after it is read, in
			  plain WARC no record that starts after it;
			  INT64_MAX: all */
};

struct scan_options scan_options_default(void);

/* What was seen. Candidates are counted in fates: fate_total is their number.
 */
struct scan_counts {
	int64_t packed_bytes;
	int64_t raw_bytes;
	int64_t records;
	int64_t broken_records; /* gzip, WARC or JSON broken: cost themselves */
	int64_t pages;          /* responses with HTML links */
	int64_t image_links;    /* candidates and those without a text */
	bool is_cut;            /* the end came in the middle of a record */
	struct fate_counts fates;
};

struct scan;

/* The caller frees *out. Errors: CAH_EINVALID (an unknown language),
 * CAH_ENOMEM. */
CAH_MUST_CHECK int scan_new(struct scan **out,
			    const struct scan_options *options, candidate_fn fn,
			    void *arg, struct cah_error *err);
void scan_free(struct scan *scan);

/* Pushes bytes. When options.start is not 0 the scan first looks for the gzip
 * member that starts at or after it (signature, then a member that inflates to
 * "WARC/"). Errors: what @fn returned, CAH_ENOMEM. Broken input is counted. */
CAH_MUST_CHECK int scan_push(struct scan *scan, struct slice bytes,
			     struct cah_error *err);

/* True when nothing more is wanted: the first member at or after options.stop
 * has been reached. */
bool scan_is_done(const struct scan *scan);

/* No more bytes will come: reads what is left; a cut record is counted as
 * broken. Errors as scan_push. */
CAH_MUST_CHECK int scan_finish(struct scan *scan, struct cah_error *err);

/* Borrowed; valid until scan_free. */
const struct scan_counts *scan_counts(const struct scan *scan);

/* Where a scan of gzip has come to: of use where parts of a file are scanned
 * each by itself, and it has to be found out whether one ends where the next
 * began. A scan of parts must get no push above SCAN_PUSH_MAX bytes. */
struct scan_place {
	int64_t first;     /* where the first member was found that had to be
			      looked for, -1: none was */
	int64_t at;        /* what is looked at next */
	bool is_searching; /* there: for a member, none need begin there */
	bool has_begun;    /* false: nothing was scanned, so what is_cut says
			      of the file before it holds still */
};

struct scan_place scan_place(const struct scan *scan);

/* Goes on, from where it was done, to members that start before @stop: with the
 * next push or scan_finish. */
void scan_extend(struct scan *scan, int64_t stop);

/* Where the piece of a WAT of @size packed bytes begins and stops, for
 * options.start and options.stop: piece 0 has the members that start before
 * size/2, piece 1 the others; @piece -1 is the whole. */
void scan_piece(int piece, int64_t size, int64_t *start, int64_t *stop);

#endif
