#include "wat/scan.h"

#include "base/buf.h"
#include "base/fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <libdeflate.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	FILE_MAX = 4 << 20,
	LEVEL_STORED = 0, /* the bytes as they are, in gzip's frame */
};

/* ---- files to scan ---- */

static const char *const page_links =
	"{\"path\":\"IMG@/src\",\"url\":\"%d.png\",\"alt\":\"picture %d\"},"
	"{\"path\":\"A@/href\",\"url\":\"/\"},"
	"{\"path\":\"IMG@/src\",\"url\":\"/x.png\",\"alt\":\" \"},"
	"{\"path\":\"IMG@/src\",\"url\":\"/y.png\"}";

static void add_json(struct buf *out, int number, const char *links)
{
	buf_printf(out,
		   "{\"Envelope\":{\"Payload-Metadata\":{\"HTTP-Response-"
		   "Metadata\":{\"HTML-Metadata\":{\"Links\":[%s]}}},\"WARC-"
		   "Header-Metadata\":{\"WARC-Target-URI\":\"http://site/%d/"
		   "\"}}}",
		   links, number);
}

/* A WARC record with @head for its further header lines. */
static void add_record(struct buf *out, struct slice head, struct slice body)
{
	buf_add_text(out, "WARC/1.0\r\nWARC-Type: metadata\r\n");
	buf_add_slice(out, head);
	buf_printf(out, "Content-Type: application/json\r\nContent-Length: %zu",
		   body.len);
	buf_add_text(out, "\r\n\r\n");
	buf_add_slice(out, body);
	buf_add_text(out, "\r\n\r\n");
}

static void add_page(struct buf *out, int number, struct slice head)
{
	char links[512];
	(void)snprintf(links, sizeof(links), page_links, number, number);
	struct buf json;
	buf_init(&json, FILE_MAX);
	add_json(&json, number, links);
	add_record(out, head, buf_slice(&json));
	buf_fini(&json);
}

static void add_member(struct buf *out, struct slice raw, int level)
{
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
	assert_non_null(c);
	size_t bound = libdeflate_gzip_compress_bound(c, raw.len);
	assert_int_equal(buf_reserve(out, bound), CAH_OK);
	size_t len = libdeflate_gzip_compress(c, raw.data, raw.len,
					      out->data + out->len, bound);
	assert_true(len > 0);
	out->len += len;
	libdeflate_free_compressor(c);
}

static void add_page_member(struct buf *out, int number, int level)
{
	struct buf record;
	buf_init(&record, FILE_MAX);
	add_page(&record, number, SLICE(""));
	add_member(out, buf_slice(&record), level);
	buf_fini(&record);
}

/* ---- the scan of one ---- */

struct seen {
	struct buf urls; /* a line each */
	struct buf last; /* of the last one: all fields */
	int count;
	int stop_after; /* 0: never */
};

static int note(void *arg, const struct candidate *c)
{
	struct seen *seen = arg;
	buf_printf(&seen->urls, "%.*s\n", SLICE_FMT(c->url));
	buf_reset(&seen->last);
	buf_printf(&seen->last, "%s %.*s [%.*s] %.*s %.*s %.*s %s",
		   fate_key(c->fate), SLICE_FMT(c->url), SLICE_FMT(c->text),
		   SLICE_FMT(c->page_url), SLICE_FMT(c->licence),
		   SLICE_FMT(c->language), c->md5);
	return ++seen->count == seen->stop_after ? 99 : CAH_OK;
}

static struct seen seen;
static struct scan_counts counts;

static int set_up(void **state)
{
	(void)state;
	seen = (struct seen){0};
	buf_init(&seen.urls, FILE_MAX);
	buf_init(&seen.last, FILE_MAX);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	buf_fini(&seen.urls);
	buf_fini(&seen.last);
	return 0;
}

static struct scan_options plain_options(void)
{
	struct scan_options options = scan_options_default();
	options.rules = (struct text_rules){.max_characters = INT_MAX,
					    .max_repeated = 1};
	return options;
}

/* Pushes @bytes from options.start on, @step at a time. */
static int run(const struct scan_options *options, struct slice bytes,
	       size_t step)
{
	struct scan *scan;
	struct cah_error err;
	assert_int_equal(scan_new(&scan, options, note, &seen, &err), CAH_OK);
	int rc = CAH_OK;
	bytes = slice_from(bytes, (size_t)options->start);
	while (rc == CAH_OK && bytes.len > 0 && !scan_is_done(scan)) {
		size_t n = bytes.len < step ? bytes.len : step;
		rc = scan_push(scan, (struct slice){bytes.data, n}, &err);
		bytes = slice_from(bytes, n);
	}
	if (rc == CAH_OK)
		rc = scan_finish(scan, &err);
	counts = *scan_counts(scan);
	scan_free(scan);
	return rc;
}

static void scan_all(struct slice bytes, size_t step)
{
	struct scan_options options = plain_options();
	seen.count = 0;
	buf_reset(&seen.urls);
	assert_int_equal(run(&options, bytes, step), CAH_OK);
}

/* The URLs of pages @from to @to, without @but. */
static void assert_pages(int from, int to, int but)
{
	struct buf want;
	buf_init(&want, FILE_MAX);
	buf_add_text(&want, "");
	for (int i = from; i <= to; i++)
		if (i != but)
			buf_printf(&want, "http://site/%d/%d.png\n", i, i);
	assert_string_equal(seen.urls.data != NULL ? seen.urls.data : "",
			    want.data);
	buf_fini(&want);
}

/* ---- members and records ---- */

static void scan__reads_members_whatever_the_size_of_the_pieces(void **state)
{
	(void)state;
	static const size_t steps[] = {1, 7, 1000, SIZE_MAX};
	struct buf file;
	buf_init(&file, FILE_MAX);
	for (int i = 1; i <= 20; i++)
		add_page_member(&file, i, i % 3);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		scan_all(buf_slice(&file), steps[i]);
		assert_pages(1, 20, 0);
		assert_int_equal(counts.records, 20);
		assert_int_equal(counts.pages, 20);
		assert_int_equal(counts.image_links, 60);
		assert_int_equal(counts.broken_records, 0);
		assert_int_equal(counts.packed_bytes, file.len);
		assert_false(counts.is_cut);
	}
	buf_fini(&file);
}

static void scan__reads_one_member_of_many_records_and_plain_warc(void **state)
{
	(void)state;
	static const size_t steps[] = {1, 1000, SIZE_MAX};
	struct buf plain, file;
	buf_init(&plain, FILE_MAX);
	buf_init(&file, FILE_MAX);
	for (int i = 1; i <= 20; i++)
		add_page(&plain, i, SLICE(""));
	add_member(&file, buf_slice(&plain), 6);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		scan_all(buf_slice(&plain), steps[i]);
		assert_pages(1, 20, 0);
		assert_int_equal(counts.broken_records, 0);
		scan_all(buf_slice(&file), steps[i]);
		assert_pages(1, 20, 0);
		assert_int_equal(counts.broken_records, 0);
	}
	buf_fini(&plain);
	buf_fini(&file);
}

/* What is too long to wait for goes through zlib, bit by bit. */
static void scan__reads_members_longer_than_it_waits_for(void **state)
{
	(void)state;
	struct buf record, body, file;
	buf_init(&record, FILE_MAX);
	buf_init(&body, FILE_MAX);
	buf_init(&file, FILE_MAX);
	buf_add_text(&body, "{\"a\":\"");
	for (int i = 0; i < 600000; i++)
		buf_add_byte(&body, (char)('A' + rand() % 26));
	buf_add_text(&body, "\"}");
	add_record(&record, SLICE(""), buf_slice(&body));
	for (int i = 1; i <= 3; i++) {
		add_page_member(&file, i, 6);
		add_member(&file, buf_slice(&record), LEVEL_STORED);
	}
	scan_all(buf_slice(&file), 10000);
	assert_pages(1, 3, 0);
	assert_int_equal(counts.records, 6);
	assert_int_equal(counts.broken_records, 0);
	buf_fini(&record);
	buf_fini(&body);
	buf_fini(&file);
}

static void scan__loses_only_the_member_that_is_broken(void **state)
{
	(void)state;
	struct buf file;
	buf_init(&file, FILE_MAX);
	size_t start = 0, end = 0;
	for (int i = 1; i <= 9; i++) {
		if (i == 5)
			start = file.len;
		add_page_member(&file, i, 6);
		if (i == 5)
			end = file.len;
	}
	for (size_t at = start; at < end; at++) {
		/* Time, flags of compression and system mean nothing. */
		if (at - start >= 4 && at - start < 10)
			continue;
		char *p = file.data + at;
		*p = (char)~*p;
		scan_all(buf_slice(&file), at % 2 ? 50 : SIZE_MAX);
		*p = (char)~*p;
		assert_pages(1, 9, 5);
		assert_int_equal(counts.broken_records, 1);
		assert_false(counts.is_cut);
	}
	buf_fini(&file);
}

static void scan__passes_over_what_is_no_member(void **state)
{
	(void)state;
	struct buf file;
	buf_init(&file, FILE_MAX);
	add_page_member(&file, 1, 6);
	buf_add(&file, "\0\0\0\0\0", 5);
	add_page_member(&file, 2, 6);
	buf_add_text(&file, "junk \x1f\x8b\x08 junk \x1f\x8b");
	add_page_member(&file, 3, 6);
	buf_add(&file, "\0\0", 2);
	scan_all(buf_slice(&file), 3);
	assert_pages(1, 3, 0);
	assert_int_equal(counts.broken_records, 1);
	scan_all(SLICE("<html>Not found</html>"), SIZE_MAX);
	assert_int_equal(counts.records, 0);
	assert_int_equal(counts.broken_records, 1);
	scan_all(SLICE(""), 1);
	assert_int_equal(counts.broken_records, 0);
	buf_fini(&file);
}

static void scan__says_where_a_file_is_cut(void **state)
{
	(void)state;
	struct buf file, plain;
	buf_init(&file, FILE_MAX);
	buf_init(&plain, FILE_MAX);
	add_page_member(&file, 1, 6);
	add_page_member(&file, 2, 6);
	size_t start = file.len;
	add_page_member(&file, 3, 6);
	for (size_t len = start + 1; len < file.len; len++) {
		scan_all((struct slice){file.data, len}, 100);
		assert_pages(1, 2, 0);
		assert_int_equal(counts.broken_records, 1);
		assert_true(counts.is_cut);
	}
	add_page(&plain, 1, SLICE(""));
	add_page(&plain, 2, SLICE(""));
	scan_all((struct slice){plain.data, plain.len - 10}, 100);
	assert_pages(1, 1, 0);
	assert_int_equal(counts.broken_records, 1);
	assert_true(counts.is_cut);
	buf_fini(&file);
	buf_fini(&plain);
}

static void scan__forgives_headers_whose_meaning_is_clear(void **state)
{
	(void)state;
	struct buf file, json;
	buf_init(&file, FILE_MAX);
	buf_init(&json, FILE_MAX);
	add_json(&json, 2,
		 "{\"path\":\"IMG@/src\",\"url\":\"2.png\",\"alt\":\"b\"}");
	add_page(&file, 1, SLICE("X: y\nno colon\r\n:\r\n"));
	buf_printf(&file,
		   "WARC/1.1\ncontent-LENGTH :\t%zu \nCONTENT-type:"
		   "Application/JSON;charset=utf-8\n\n%s",
		   json.len, json.data);
	buf_add_text(&file, "\n\n\r\n\n");
	buf_printf(&file, "WARC/1.0\r\nContent-Length: %zu\r\n\r\n%s", json.len,
		   json.data);
	add_page(&file, 3, SLICE("WARC-Type: warcinfo\r\n"));
	add_page(&file, 4, SLICE("Content-Type: text/plain\r\n"));
	scan_all(buf_slice(&file), 11);
	assert_string_equal(seen.urls.data,
			    "http://site/1/1.png\nhttp://site/2/2.png\n"
			    "http://site/2/2.png\nhttp://site/4/4.png\n");
	assert_int_equal(counts.fates.n[CAH_FATE_DUPLICATE], 1);
	assert_int_equal(counts.records, 5);
	assert_int_equal(counts.broken_records, 0);
	buf_fini(&file);
	buf_fini(&json);
}

static void scan__loses_only_the_record_whose_length_lies(void **state)
{
	(void)state;
	static const char *const lengths[] = {
		"5", "100000", "99999999999999999999999", "-1", "", "12x"};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct buf plain, file;
		buf_init(&plain, FILE_MAX);
		buf_init(&file, FILE_MAX);
		add_page(&plain, 1, SLICE(""));
		buf_printf(&plain,
			   "WARC/1.0\r\nContent-Length: %s\r\n\r\n{\"a\":1}"
			   "\r\n\r\n",
			   lengths[i]);
		for (int k = 3; k <= 5; k++)
			add_page(&plain, k, SLICE(""));
		scan_all(buf_slice(&plain), 64);
		assert_pages(1, 5, 2);
		assert_int_equal(counts.broken_records, 1);
		add_member(&file, buf_slice(&plain), 6);
		scan_all(buf_slice(&file), 64);
		assert_pages(1, 5, 2);
		assert_int_equal(counts.broken_records, 1);
		buf_fini(&plain);
		buf_fini(&file);
	}
}

static void scan__counts_broken_json_and_goes_on(void **state)
{
	(void)state;
	struct buf file;
	buf_init(&file, FILE_MAX);
	add_page(&file, 1, SLICE(""));
	add_record(&file, SLICE(""), SLICE("{\"Envelope\":{"));
	add_record(&file, SLICE(""), SLICE(""));
	add_page(&file, 3, SLICE(""));
	scan_all(buf_slice(&file), 100);
	assert_pages(1, 3, 2);
	assert_int_equal(counts.records, 2);
	assert_int_equal(counts.broken_records, 2);
	buf_fini(&file);
}

/* Each first line is in the header of the one before, each record ends in the
 * same blank lines: read again and again, these would take hours. */
static void scan__reads_what_is_laid_into_itself_only_once(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"WARC/1.0\n", "WARC/1.0\nContent-Length: 4000000\n\n"};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct buf file;
		buf_init(&file, 4 * FILE_MAX);
		while (file.len < FILE_MAX)
			buf_add_text(&file, lines[i]);
		assert_int_equal(buf_reserve(&file, FILE_MAX), CAH_OK);
		memset(file.data + file.len, '\n', FILE_MAX);
		file.len += FILE_MAX;
		scan_all(buf_slice(&file), SIZE_MAX);
		assert_int_equal(seen.count, 0);
		assert_true(counts.broken_records > 1000);
		buf_fini(&file);
	}
}

/* A record that says how long it is, and one that lies about it: 200 MB each
 * out of a few hundred kilobytes. */
static void scan__gives_up_what_inflates_without_end(void **state)
{
	(void)state;
	static const char *const lengths[] = {"200000000", "1000"};
	size_t zeros = 200000000;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char head[100];
		int len = snprintf(head, sizeof(head),
				   "WARC/1.0\r\nContent-Length: %s\r\n\r\n",
				   lengths[i]);
		char *raw = calloc(1, zeros);
		assert_non_null(raw);
		memcpy(raw, head, (size_t)len);
		struct buf file;
		buf_init(&file, 256 << 20);
		add_page_member(&file, 1, 6);
		add_member(&file, (struct slice){raw, zeros}, 1);
		free(raw);
		add_page_member(&file, 2, 6);
		scan_all(buf_slice(&file), SIZE_MAX);
		assert_pages(1, 2, 0);
		assert_in_range(counts.broken_records, 1, 2);
		buf_fini(&file);
	}
}

/* ---- pieces ---- */

static void scan_part(struct slice bytes, int64_t start, int64_t stop,
		      bool is_plain)
{
	struct scan_options options = plain_options();
	options.start = start;
	options.stop = stop;
	options.is_plain = is_plain;
	assert_int_equal(run(&options, bytes, 300), CAH_OK);
}

/* Cut at every place, the parts together are the whole, nothing twice. */
static void assert_cuts(struct slice bytes, int pages, bool is_plain)
{
	for (size_t cut = 0; cut <= bytes.len; cut++) {
		seen.count = 0;
		buf_reset(&seen.urls);
		scan_part(bytes, 0, (int64_t)cut, is_plain);
		int64_t broken = counts.broken_records;
		scan_part(bytes, (int64_t)cut, INT64_MAX, is_plain);
		assert_pages(1, pages, 0);
		assert_int_equal(broken + counts.broken_records, 0);
	}
}

static void scan__parts_are_disjoint_and_complete_at_any_cut(void **state)
{
	(void)state;
	struct buf file, head, inner;
	buf_init(&file, FILE_MAX);
	buf_init(&head, FILE_MAX);
	buf_init(&inner, FILE_MAX);
	/* What looks like the start of a member, and what is one, but not of
	 * a WAT, inside of a member. */
	add_member(&inner, SLICE("hello"), 6);
	assert_null(memchr(inner.data, '\n', inner.len));
	buf_add_text(&head, "X: \x1f\x8b\x08");
	buf_add(&head, "\0\0\0\0\0", 5);
	buf_add_slice(&head, buf_slice(&inner));
	buf_add_text(&head, "\x1f\x8b\x08\r\n");
	for (int i = 1; i <= 8; i++) {
		struct buf record;
		buf_init(&record, FILE_MAX);
		add_page(&record, i, buf_slice(&head));
		add_member(&file, buf_slice(&record), i % 2 ? LEVEL_STORED : 6);
		buf_fini(&record);
	}
	assert_non_null(memmem(file.data, file.len, inner.data, inner.len));
	assert_cuts(buf_slice(&file), 8, false);
	buf_fini(&file);
	buf_fini(&head);
	buf_fini(&inner);
}

static void scan__parts_of_plain_warc_are_so_too(void **state)
{
	(void)state;
	struct buf file;
	buf_init(&file, FILE_MAX);
	for (int i = 1; i <= 6; i++)
		add_page(&file, i, SLICE("X: WARC/1.0\r\n"));
	assert_cuts(buf_slice(&file), 6, true);
	buf_fini(&file);
}

static void scan__piece_halves_the_file(void **state)
{
	(void)state;
	int64_t start, stop;
	scan_piece(-1, 101, &start, &stop);
	assert_true(start == 0 && stop == INT64_MAX);
	scan_piece(0, 101, &start, &stop);
	assert_true(start == 0 && stop == 50);
	scan_piece(1, 101, &start, &stop);
	assert_true(start == 50 && stop == INT64_MAX);
}

/* ---- candidates ---- */

/* Scans one page with @links (and @head for its Head). */
static void scan_page(const struct scan_options *options, const char *head,
		      const char *links)
{
	struct buf json, file;
	buf_init(&json, FILE_MAX);
	buf_init(&file, FILE_MAX);
	buf_printf(&json,
		   "{\"Envelope\":{\"Payload-Metadata\":{\"HTTP-Response-"
		   "Metadata\":{\"HTML-Metadata\":{\"Links\":[%s],\"Head\":{%s"
		   "}}}},\"WARC-Header-Metadata\":{\"WARC-Target-URI\":"
		   "\"http://site/dir/page\"}}}",
		   links, head);
	add_record(&file, SLICE(""), buf_slice(&json));
	seen.count = 0;
	buf_reset(&seen.urls);
	buf_reset(&seen.last);
	assert_int_equal(run(options, buf_slice(&file), SIZE_MAX), CAH_OK);
	assert_int_equal(counts.broken_records, 0);
	assert_int_equal(fate_total(&counts.fates), seen.count);
	buf_fini(&json);
	buf_fini(&file);
}

static void scan_image(const char *head, const char *url, const char *alt)
{
	struct scan_options options = plain_options();
	struct buf link;
	buf_init(&link, FILE_MAX);
	buf_printf(&link,
		   "{\"path\":\"IMG@/src\",\"url\":\"%s\",\"alt\":\"%s\"}", url,
		   alt);
	scan_page(&options, head, link.data);
	buf_fini(&link);
}

static void scan__candidates_have_absolute_urls_and_clean_texts(void **state)
{
	(void)state;
	scan_image("", "a.png", "  Caf\\u00e9 &amp; \\n tea ");
	/* printf 'http://site/dir/a.pngCafé & tea' | md5sum */
	assert_string_equal(seen.last.data,
			    "kept http://site/dir/a.png [Caf\xc3\xa9 & tea] "
			    "http://site/dir/page ? un "
			    "6bcc705f36e6c8ef199a249752f4e577");
	scan_image("", "", " &nbsp; \\u200b");
	assert_int_equal(seen.count, 0);
	assert_int_equal(counts.image_links, 1);
}

static void scan__resolves_against_the_base_of_the_page(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"", "http://site/dir/a.png"},
		{"\"Base\":\"/b/\"", "http://site/b/a.png"},
		{"\"Base\":\"//cdn/x/y\"", "http://cdn/x/a.png"},
		{"\"Base\":\" \"", "http://site/dir/a.png"},
		{"\"Base\":\"http://[bad\"", "http://site/dir/a.png"},
		{"\"Base\":\"javascript:x\"", "http://site/dir/a.png"},
		{"\"Base\":\"data:,x\"", "http://site/dir/a.png"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		scan_image(rows[i][0], "a.png", "x");
		buf_add_text(&seen.urls, "");
		assert_memory_equal(seen.urls.data, rows[i][1],
				    strlen(rows[i][1]));
	}
}

static void scan__urls_have_their_fates(void **state)
{
	(void)state;
	static const struct {
		const char *url;
		enum fate fate;
	} rows[] = {
		{"http://[bad/a.png", CAH_FATE_BAD_URL},
		{"", CAH_FATE_BAD_URL},
		{" \\t", CAH_FATE_BAD_URL},
		{"data:image/png;base64,AAAA", CAH_FATE_NOT_HTTP},
		{" DATA:x", CAH_FATE_NOT_HTTP},
		{"ftp://h/a.png", CAH_FATE_NOT_HTTP},
		{"about:blank", CAH_FATE_NOT_HTTP},
		{"a.svg", CAH_FATE_UNWANTED_TYPE},
		{"/x/A.GIF?b.png", CAH_FATE_UNWANTED_TYPE},
		{"a.gif#x", CAH_FATE_UNWANTED_TYPE},
		{"a.png?b.gif", CAH_FATE_KEPT},
		{"agif", CAH_FATE_KEPT},
		{"HTTPS://h/a", CAH_FATE_KEPT},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		scan_image("", rows[i].url, "x");
		assert_int_equal(seen.count, 1);
		if (counts.fates.n[rows[i].fate] != 1)
			fail_msg("%s: %s", rows[i].url, seen.last.data);
	}
}

static void scan__takes_leftover_ampersands_out_of_urls(void **state)
{
	(void)state;
	scan_image("", "?a=1&amp;b=2&#038;c=3&#38;copy=4&copy=5&", "x");
	assert_string_equal(
		seen.urls.data,
		"http://site/dir/page?a=1&b=2&c=3&copy=4&copy=5&\n");
}

static void scan__drops_urls_longer_than_the_limit(void **state)
{
	(void)state;
	char url[3000];
	memset(url, 'a', sizeof(url));
	url[sizeof(url) - 1] = '\0';
	scan_image("", url, "x");
	assert_int_equal(counts.fates.n[CAH_FATE_BAD_URL], 1);
	memcpy(url, "data:", 5);
	scan_image("", url, "x");
	assert_int_equal(counts.fates.n[CAH_FATE_NOT_HTTP], 1);
}

static void scan__licence_is_the_last_one_before_the_image(void **state)
{
	(void)state;
	static const char image[] =
		"{\"path\":\"IMG@/src\",\"url\":\"a\",\"alt\":\"x\"}";
	static const char by[] = "{\"path\":\"A@/href\",\"url\":"
				 "\"//creativecommons.org/licenses/by/4.0/\"}";
	struct scan_options options = plain_options();
	char links[512];
	(void)snprintf(links, sizeof(links), "%s,%s", image, by);
	scan_page(&options, "", links);
	assert_non_null(strstr(seen.last.data, " ? un "));
	(void)snprintf(links, sizeof(links), "%s,%s", by, image);
	scan_page(&options, "", links);
	assert_non_null(
		strstr(seen.last.data,
		       " http://creativecommons.org/licenses/by/4.0/ un "));
	scan_page(&options,
		  "\"Link\":[{\"path\":\"LINK@/href\",\"rel\":\"license\","
		  "\"url\":\"https://creativecommons.org/licenses/by-sa/3.0/\""
		  "}]",
		  image);
	assert_non_null(strstr(seen.last.data, "/by-sa/3.0/ un "));
	/* It does not pass on to the next page. */
	scan_page(&options, "", image);
	assert_non_null(strstr(seen.last.data, " ? un "));
}

static void scan__judges_texts_languages_and_twins_in_this_order(void **state)
{
	(void)state;
	static const char text[] = "a small red house beside the old river";
	struct scan_options options = scan_options_default();
	char links[512];
	options.languages[0] = "en";
	options.language_count = 1;
	(void)snprintf(
		links, sizeof(links),
		"{\"path\":\"IMG@/src\",\"url\":\"a\",\"alt\":\"%s\"},"
		"{\"path\":\"IMG@/src\",\"url\":\"./a\",\"alt\":\" %s\"}",
		text, text);
	scan_page(&options, "", links);
	assert_int_equal(counts.fates.n[CAH_FATE_KEPT], 1);
	assert_int_equal(counts.fates.n[CAH_FATE_DUPLICATE], 1);
	assert_non_null(strstr(seen.last.data, " en "));
	options.languages[0] = "de";
	scan_page(&options, "", links);
	assert_int_equal(counts.fates.n[CAH_FATE_LANGUAGE], 2);
	options.rules.min_characters = 1000;
	scan_page(&options, "", links);
	assert_int_equal(counts.fates.n[CAH_FATE_TEXT_TOO_SHORT], 2);
	options.has_rules = false;
	scan_page(&options, "", links);
	assert_int_equal(counts.fates.n[CAH_FATE_KEPT], 2);
}

static void scan__drops_texts_without_measure(void **state)
{
	(void)state;
	static char alt[(3 << 20) + 1];
	memset(alt, 'x', sizeof(alt) - 1);
	scan_image("", "a.png", alt);
	assert_int_equal(counts.fates.n[CAH_FATE_TEXT_TOO_LONG], 1);
}

static void scan__stops_with_the_callers_code(void **state)
{
	(void)state;
	struct buf file;
	buf_init(&file, FILE_MAX);
	for (int i = 1; i <= 9; i++)
		add_page_member(&file, i, 6);
	struct scan_options options = plain_options();
	seen.stop_after = 4;
	assert_int_equal(run(&options, buf_slice(&file), SIZE_MAX), 99);
	assert_int_equal(seen.count, 4);
	buf_fini(&file);
}

static void scan__refuses_what_is_no_language(void **state)
{
	(void)state;
	static const char *const codes[] = {"",        "e",   "xx",
					    "english", "en-", "x1"};
	struct scan *scan;
	struct cah_error err;
	struct scan_options options = scan_options_default();
	options.language_count = 1;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		options.languages[0] = codes[i];
		assert_int_equal(scan_new(&scan, &options, note, NULL, &err),
				 CAH_EINVALID);
		assert_null(scan);
	}
}

/* The genuine WAT of a real site. */
static void scan__finds_in_a_real_file_what_is_known_to_be_there(void **state)
{
	(void)state;
	char path[4096];
	(void)snprintf(path, sizeof(path), "%s/demo/docs-en.warc.wat.gz",
		       getenv("CAH_TEST_SOURCE"));
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	struct buf file;
	buf_init(&file, FILE_MAX);
	assert_int_equal(buf_reserve(&file, FILE_MAX - 1), CAH_OK);
	file.len = fread(file.data, 1, FILE_MAX - 1, f);
	fclose(f);
	scan_all(buf_slice(&file), 10000);
	assert_int_equal(counts.pages, 685);
	assert_int_equal(counts.image_links, 6785);
	assert_int_equal(fate_total(&counts.fates), 6242);
	assert_int_equal(counts.fates.n[CAH_FATE_KEPT], 1721);
	assert_int_equal(counts.fates.n[CAH_FATE_DUPLICATE], 6242 - 1721);
	assert_int_equal(counts.broken_records, 0);
	buf_fini(&file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(scan__reads_members_whatever_the_size_of_the_pieces),
		TEST(scan__reads_one_member_of_many_records_and_plain_warc),
		TEST(scan__reads_members_longer_than_it_waits_for),
		TEST(scan__loses_only_the_member_that_is_broken),
		TEST(scan__passes_over_what_is_no_member),
		TEST(scan__says_where_a_file_is_cut),
		TEST(scan__forgives_headers_whose_meaning_is_clear),
		TEST(scan__loses_only_the_record_whose_length_lies),
		TEST(scan__counts_broken_json_and_goes_on),
		TEST(scan__reads_what_is_laid_into_itself_only_once),
		TEST(scan__gives_up_what_inflates_without_end),
		TEST(scan__parts_are_disjoint_and_complete_at_any_cut),
		TEST(scan__parts_of_plain_warc_are_so_too),
		TEST(scan__piece_halves_the_file),
		TEST(scan__candidates_have_absolute_urls_and_clean_texts),
		TEST(scan__resolves_against_the_base_of_the_page),
		TEST(scan__urls_have_their_fates),
		TEST(scan__takes_leftover_ampersands_out_of_urls),
		TEST(scan__drops_urls_longer_than_the_limit),
		TEST(scan__licence_is_the_last_one_before_the_image),
		TEST(scan__judges_texts_languages_and_twins_in_this_order),
		TEST(scan__drops_texts_without_measure),
		TEST(scan__stops_with_the_callers_code),
		TEST(scan__refuses_what_is_no_language),
		TEST(scan__finds_in_a_real_file_what_is_known_to_be_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
