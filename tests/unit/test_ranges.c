#include "worker/ranges.h"

#include "base/buf.h"
#include "base/fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	FILE_MAX = 16 << 20,
	RAW_MAX = 128 << 20,
	LEVEL_STORED = 0, /* the bytes as they are, in gzip's frame */
	LEVEL = 6,
	THREADS = 3,
};

/* ---- files ---- */

static void add_page(struct buf *out, int number)
{
	char json[512];
	/* Every fifth pair was there before. */
	int pair = number % 5 == 4 ? number - 4 : number;
	int len = snprintf(
		json, sizeof(json),
		"{\"Envelope\":{\"Payload-Metadata\":{\"HTTP-Response-Metadata"
		"\":{\"HTML-Metadata\":{\"Links\":[{\"path\":\"IMG@/src\",\"url"
		"\":\"http://site/%d.png\",\"alt\":\"a castle on hill %d\"},{\""
		"path\":\"IMG@/src\",\"url\":\"/x.gif\",\"alt\":\"dropped\"}]}}"
		"},\"WARC-Header-Metadata\":{\"WARC-Target-URI\":\"http://page/"
		"%d/\"}}}",
		pair, pair, number);
	buf_printf(out,
		   "WARC/1.0\r\nWARC-Type: metadata\r\nContent-Type: "
		   "application/json\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n",
		   len, json);
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

/* A member of the pages @from to @to. */
static void add_pages(struct buf *out, int from, int to, int level)
{
	struct buf raw;
	buf_init(&raw, FILE_MAX);
	for (int i = from; i < to; i++)
		add_page(&raw, i);
	add_member(out, buf_slice(&raw), level);
	buf_fini(&raw);
}

static void add_whole(struct buf *out)
{
	for (int i = 0; i < 60; i++)
		add_pages(out, i, i + 1, LEVEL);
}

static void add_one_member(struct buf *out)
{
	add_pages(out, 0, 400, LEVEL_STORED);
	add_pages(out, 400, 410, LEVEL);
}

/* Members inside of a member: a search that begins there finds them. */
static void add_nested(struct buf *out)
{
	struct buf inner;
	buf_init(&inner, FILE_MAX);
	for (int i = 100; i < 110; i++)
		add_pages(&inner, i, i + 1, LEVEL);
	add_pages(out, 0, 1, LEVEL);
	for (int i = 0; i < 4; i++) {
		add_member(out, buf_slice(&inner), LEVEL_STORED);
		add_pages(out, 1 + i, 2 + i, LEVEL);
	}
	buf_fini(&inner);
}

static void add_broken(struct buf *out)
{
	for (int i = 0; i < 60; i++) {
		size_t start = out->len;
		add_pages(out, i, i + 1 + i % 3, i % 2 ? LEVEL : LEVEL_STORED);
		size_t len = out->len - start;
		if (i % 4 == 1)
			out->data[start + 12 + (size_t)i % (len - 12)] ^= 0x55;
		if (i % 7 == 3)
			out->len = start + len / 2;
		if (i % 11 == 5)
			buf_add(out, "\0\0\0\0\0\0\0", 7);
		if (i % 13 == 6)
			buf_add_text(out, "no member at all");
	}
}

static void add_cut(struct buf *out)
{
	add_whole(out);
	out->len -= 20;
}

/* The cut is far behind the member's start. */
static void add_long_cut(struct buf *out)
{
	add_whole(out);
	add_one_member(out);
	out->len -= out->len / 4;
}

static void add_junk(struct buf *out)
{
	add_pages(out, 0, 1, LEVEL);
	for (int i = 0; i < 3000; i++)
		buf_add(out, "\x1f\x8b\x08", 3);
	add_pages(out, 1, 2, LEVEL);
}

/* ---- the scan of one ---- */

struct heard {
	struct buf lines;
	int count;
	int stop_after; /* 0: never */
};

static int hear(void *arg, const struct candidate *c)
{
	struct heard *heard = arg;
	buf_printf(&heard->lines, "%s %.*s [%.*s] %.*s %.*s %.*s %s\n",
		   fate_key(c->fate), SLICE_FMT(c->url), SLICE_FMT(c->text),
		   SLICE_FMT(c->page_url), SLICE_FMT(c->licence),
		   SLICE_FMT(c->language), c->md5);
	return ++heard->count == heard->stop_after ? 99 : CAH_OK;
}

static bool is_old(void *arg, const unsigned char *key)
{
	(void)arg;
	return key[0] < 40;
}

static char path[64];

static struct source_request request(struct heard *heard, int threads)
{
	struct source_request request = {
		.location = path,
		.piece = -1,
		.threads = threads,
		.scan = scan_options_default(),
		.stream = {.allow_files = true},
		.fn = hear,
		.arg = heard,
	};
	request.scan.was_seen = is_old;
	buf_init(&heard->lines, RAW_MAX);
	(void)buf_add_text(&heard->lines, "");
	return request;
}

static void write_file(struct slice bytes)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
	assert_int_equal(fclose(file), 0);
}

/* Not byte by byte: there is room between members. */
static void assert_counts(const struct scan_counts *got,
			  const struct scan_counts *want)
{
	assert_int_equal(got->packed_bytes, want->packed_bytes);
	assert_int_equal(got->raw_bytes, want->raw_bytes);
	assert_int_equal(got->records, want->records);
	assert_int_equal(got->broken_records, want->broken_records);
	assert_int_equal(got->pages, want->pages);
	assert_int_equal(got->image_links, want->image_links);
	assert_int_equal(got->is_cut, want->is_cut);
	assert_memory_equal(&got->fates, &want->fates, sizeof(want->fates));
}

/* Ranges of @range bytes give what one thread gives: candidates and counts. */
static void assert_same(int piece, int64_t range)
{
	struct heard alone = {0}, many = {0};
	struct source_request one = request(&alone, 1);
	struct source_request some = request(&many, THREADS);
	struct scan_counts want, got;
	one.piece = some.piece = piece;
	some.range = range;
	int rc = source_run(&one, &want, NULL);
	assert_int_equal(source_run(&some, &got, NULL), rc);
	assert_string_equal(many.lines.data, alone.lines.data);
	assert_counts(&got, &want);
	buf_fini(&alone.lines);
	buf_fini(&many.lines);
}

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/cah-ranges-XXXXXX");
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(path);
}

/* ---- tests ---- */

static void ranges__are_the_same_as_one_thread(void **state)
{
	static void (*const kinds[])(struct buf *) = {
		add_whole, add_one_member, add_nested,   add_broken,
		add_cut,   add_junk,       add_long_cut,
	};
	static const int64_t lengths[] = {97, 311, 1000, 4096, 20000};
	(void)state;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		struct buf file;
		buf_init(&file, FILE_MAX);
		kinds[k](&file);
		write_file(buf_slice(&file));
		for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
			for (int piece = -1; piece <= 1; piece++)
				assert_same(piece, lengths[i]);
		buf_fini(&file);
	}
}

static void ranges__hand_over_what_is_too_much_to_gather(void **state)
{
	struct buf file, raw;
	(void)state;
	buf_init(&file, RAW_MAX);
	buf_init(&raw, RAW_MAX);
	/* 8 MB of candidates a member, which is 50 kB packed. */
	for (int i = 0; i < 60000; i++)
		add_page(&raw, i % 100 * 5);
	for (int i = 0; i < 3; i++)
		add_member(&file, buf_slice(&raw), LEVEL);
	write_file(buf_slice(&file));
	assert_same(-1, (int64_t)file.len / 4);
	buf_fini(&raw);
	buf_fini(&file);
}

static void ranges__end_when_told_to(void **state)
{
	struct buf file;
	struct scan_counts counts;
	(void)state;
	buf_init(&file, FILE_MAX);
	add_whole(&file);
	write_file(buf_slice(&file));
	for (int n = 1; n < 100; n += 9) {
		struct heard heard = {.stop_after = n};
		struct source_request some = request(&heard, THREADS);
		some.range = 500;
		assert_int_equal(source_run(&some, &counts, NULL), 99);
		assert_int_equal(heard.count, n);
		buf_fini(&heard.lines);
	}
	buf_fini(&file);
}

static void ranges__are_cancelled(void **state)
{
	struct buf file;
	struct heard heard = {0};
	struct scan_counts counts;
	struct cancel *cancel;
	(void)state;
	buf_init(&file, FILE_MAX);
	add_whole(&file);
	write_file(buf_slice(&file));
	assert_int_equal(cancel_new(&cancel, NULL), CAH_OK);
	cancel_set(cancel);
	struct source_request some = request(&heard, THREADS);
	some.stream.cancel = cancel;
	some.range = 500;
	assert_int_equal(source_run(&some, &counts, NULL), CAH_ECANCELLED);
	buf_fini(&heard.lines);
	cancel_free(cancel);
	buf_fini(&file);
}

static void ranges__are_whole_reads(void **state)
{
	(void)state;
	assert_int_equal(ranges_len(1, 2), RANGES_READ);
	assert_int_equal(ranges_len(10 << 20, 2), 2 * RANGES_READ);
	assert_true(ranges_len((int64_t)400 << 20, 2) % RANGES_READ == 0);
	assert_true(ranges_len((int64_t)400 << 20, 2) <= 4 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			ranges__are_the_same_as_one_thread, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			ranges__hand_over_what_is_too_much_to_gather, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(ranges__end_when_told_to,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(ranges__are_cancelled, set_up,
						tear_down),
		cmocka_unit_test(ranges__are_whole_reads),
	};
	return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
