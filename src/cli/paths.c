/* A list may come from anywhere, and what was meant is often another file (the
 * WAT itself, a web page that says 404): so each line has to look like a path
 * before anything is done with any of them.
 *
 * Source: RFC 1952 (gzip; several members one after the other are one file). */
#include "cli/paths.h"

#include "base/fail.h"
#include "fetch/local.h"
#include "fetch/stream.h"
#include "wire/text.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

enum {
	READ_MAX = 64 * 1024,    /* bytes of the stream at a time */
	INFLATE_MAX = 64 * 1024, /* bytes */
	READ_TRIES = 3,          /* a person waits for this */
	MAGIC_LEN = 2,
};

enum mode {
	MODE_SNIFF, /* the first two bytes tell */
	MODE_PLAIN,
	MODE_GZIP,
	MODE_BETWEEN, /* behind a member: another one, zeros, or the end */
};

struct paths_parser {
	struct paths *paths;
	const char *name;
	struct slice base; /* without its final slash */
	enum mode mode;
	char magic[MAGIC_LEN];
	size_t magic_len;
	z_stream zip;
	struct buf line; /* its beginning, from earlier pieces */
	int64_t line_number;
	size_t total; /* bytes of lines so far */
};

void paths_init(struct paths *paths)
{
	memset(paths, 0, sizeof(*paths));
}

void paths_fini(struct paths *paths)
{
	if (paths->spool != NULL)
		(void)fclose(paths->spool);
	paths->spool = NULL;
}

/* Between reading and writing the place has to be set (C17, 7.21.5.3). */
static bool go_to(struct paths *paths, size_t at, bool is_writing)
{
	if ((paths->pos != at || paths->is_writing != is_writing) &&
	    fseeko(paths->spool, (off_t)at, SEEK_SET) != 0)
		return false;
	paths->pos = at;
	paths->is_writing = is_writing;
	return true;
}

int paths_add(struct paths *paths, struct slice url, struct cah_error *err)
{
	if (url.len > PATHS_TOTAL_MAX - paths->len - 1)
		return cah_fail(err, CAH_ELIMIT,
				"the lists have more than %zu bytes",
				PATHS_TOTAL_MAX);
	if (paths->spool == NULL)
		paths->spool = tmpfile();
	if (paths->spool == NULL || !go_to(paths, paths->len, true) ||
	    fwrite(url.data, 1, url.len, paths->spool) != url.len ||
	    putc('\0', paths->spool) == EOF)
		return cah_fail(err, CAH_EUNAVAILABLE,
				"the lists cannot be kept in a temporary "
				"file: %s",
				strerror(errno));
	paths->len += url.len + 1;
	paths->pos = paths->len;
	paths->count++;
	return CAH_OK;
}

struct slice paths_next(struct paths *paths, size_t *at)
{
	size_t len = 0;
	int c = EOF;
	if (*at >= paths->len || !go_to(paths, *at, false))
		return (struct slice){NULL, 0};
	while (len < sizeof(paths->url) - 1 &&
	       (c = getc_unlocked(paths->spool)) != EOF && c != '\0')
		paths->url[len++] = (char)c;
	paths->url[len] = '\0';
	*at += len + 1;
	paths->pos = *at;
	return (struct slice){paths->url, c == '\0' ? len : 0};
}

/* ---- one line ---- */

/* What the store takes as an URL, and no blanks. */
static bool is_graphic(struct slice line)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.data[i];
		if (c <= 0x20)
			return false;
	}
	return wire_text_check(line, 0, SIZE_MAX, "", NULL) == CAH_OK;
}

int paths_check_base(const char *base_url, struct cah_error *err)
{
	struct slice base = slice_of(base_url);
	if (base.len > PATHS_LINE_MAX)
		return cah_fail(err, CAH_EINVALID,
				"the base URL has more than %d bytes",
				PATHS_LINE_MAX);
	if (!is_graphic(base) ||
	    (base.len > 0 && base.data[0] != '/' && !local_has_scheme(base)))
		return cah_fail(err, CAH_EINVALID,
				"the base '%s' is no URL and no full path",
				base_url);
	return CAH_OK;
}

static struct slice trim(struct slice line)
{
	while (line.len > 0 && strchr(" \t\r", line.data[line.len - 1]) != NULL)
		line.len--;
	while (line.len > 0 && strchr(" \t", line.data[0]) != NULL)
		line = slice_from(line, 1);
	return line;
}

static int fail_line(struct paths_parser *p, const char *why,
		     struct cah_error *err)
{
	return cah_fail(err, CAH_EFORMAT, "%s, line %lld: %s", p->name,
			(long long)p->line_number, why);
}

static int add_url(struct paths_parser *p, struct slice line,
		   struct cah_error *err)
{
	char url[PATHS_LINE_MAX];
	size_t len = 0;
	if (!local_has_scheme(line) && p->base.data != NULL) {
		while (line.len > 0 && line.data[0] == '/')
			line = slice_from(line, 1);
		assert(p->base.len <= sizeof(url)); /* paths_check_base */
		memcpy(url, p->base.data, p->base.len);
		len = p->base.len;
		if (len < sizeof(url))
			url[len++] = '/';
	}
	if (line.len > sizeof(url) - len)
		return fail_line(p, "the URL is longer than 2048 bytes", err);
	memcpy(url + len, line.data, line.len);
	return paths_add(p->paths, (struct slice){url, len + line.len}, err);
}

static int take_line(struct paths_parser *p, struct slice line,
		     struct cah_error *err)
{
	p->line_number++;
	/* The mark that some editors put before UTF-8 */
	if (p->line_number == 1 && slice_starts(line, SLICE("\xef\xbb\xbf")))
		line = slice_from(line, 3);
	line = trim(line);
	if (line.len == 0 || line.data[0] == '#')
		return CAH_OK;
	if (!is_graphic(line))
		return fail_line(p, "not a path or URL", err);
	return add_url(p, line, err);
}

/* ---- many lines ---- */

static int take_text(struct paths_parser *p, struct slice text,
		     struct cah_error *err)
{
	p->total += text.len;
	if (p->total > PATHS_TOTAL_MAX)
		return cah_fail(err, CAH_ELIMIT, "%s: more than %zu bytes",
				p->name, PATHS_TOTAL_MAX);
	while (text.len > 0) {
		const char *end = memchr(text.data, '\n', text.len);
		size_t len = end != NULL ? (size_t)(end - text.data) : text.len;
		if (buf_add(&p->line, text.data, len) != CAH_OK) {
			p->line_number++;
			return fail_line(p, "longer than 2048 bytes", err);
		}
		if (end == NULL)
			return CAH_OK;
		int rc = take_line(p, buf_slice(&p->line), err);
		if (rc != CAH_OK)
			return rc;
		buf_reset(&p->line);
		text = slice_from(text, len + 1);
	}
	return CAH_OK;
}

static int take_between(struct paths_parser *p, struct cah_error *err)
{
	/* As gzip does: zeros are padding of tapes. */
	while (p->zip.avail_in > 0 && *p->zip.next_in == 0) {
		p->zip.next_in++;
		p->zip.avail_in--;
	}
	if (p->zip.avail_in == 0)
		return CAH_OK;
	if (*p->zip.next_in != 0x1f)
		return cah_fail(err, CAH_EFORMAT,
				"%s: something else follows the gzip data",
				p->name);
	p->mode = MODE_GZIP;
	(void)inflateReset(&p->zip);
	return CAH_OK;
}

static int take_member(struct paths_parser *p, struct cah_error *err)
{
	unsigned char out[INFLATE_MAX];
	p->zip.next_out = out;
	p->zip.avail_out = sizeof(out);
	int zip = inflate(&p->zip, Z_NO_FLUSH);
	if (zip == Z_MEM_ERROR)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", p->name);
	if (zip != Z_OK && zip != Z_STREAM_END && zip != Z_BUF_ERROR)
		return cah_fail(err, CAH_EFORMAT, "%s: broken gzip: %s",
				p->name,
				p->zip.msg != NULL ? p->zip.msg : "no data");
	if (zip == Z_STREAM_END)
		p->mode = MODE_BETWEEN;
	return take_text(
		p, (struct slice){(char *)out, sizeof(out) - p->zip.avail_out},
		err);
}

static int take_gzip(struct paths_parser *p, struct slice bytes,
		     struct cah_error *err)
{
	int rc = CAH_OK;
	p->zip.next_in = (unsigned char *)bytes.data;
	p->zip.avail_in = (uInt)bytes.len;
	/* Output that filled its room may have more behind it. */
	bool is_full = false;
	while (rc == CAH_OK && (p->zip.avail_in > 0 || is_full)) {
		if (p->mode == MODE_BETWEEN) {
			is_full = false;
			rc = take_between(p, err);
			continue;
		}
		rc = take_member(p, err);
		is_full = p->zip.avail_out == 0;
	}
	return rc;
}

/* ---- parser ---- */

int paths_parser_new(struct paths_parser **out, struct paths *paths,
		     const char *name, const char *base_url,
		     struct cah_error *err)
{
	*out = NULL;
	struct paths_parser *p = calloc(1, sizeof(*p));
	if (p == NULL ||
	    inflateInit2(&p->zip, MAX_WBITS + 16) != Z_OK) { /* gzip only */
		free(p);
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", name);
	}
	p->paths = paths;
	p->name = name;
	if (base_url[0] != '\0')
		p->base = slice_of(base_url);
	while (p->base.len > 0 && p->base.data[p->base.len - 1] == '/')
		p->base.len--;
	/* Room for the mark, blanks and '\r' around the longest path. */
	buf_init(&p->line, PATHS_LINE_MAX + 64);
	*out = p;
	return CAH_OK;
}

static int take(struct paths_parser *p, struct slice bytes,
		struct cah_error *err)
{
	/* uInt is what zlib counts with. */
	while (p->mode != MODE_PLAIN && bytes.len > INT_MAX) {
		int rc = take_gzip(p, (struct slice){bytes.data, INT_MAX}, err);
		if (rc != CAH_OK)
			return rc;
		bytes = slice_from(bytes, INT_MAX);
	}
	return p->mode == MODE_PLAIN ? take_text(p, bytes, err)
				     : take_gzip(p, bytes, err);
}

static int leave_sniffing(struct paths_parser *p, struct cah_error *err)
{
	bool is_gzip = p->magic_len == MAGIC_LEN && p->magic[0] == '\x1f' &&
		       p->magic[1] == '\x8b';
	p->mode = is_gzip ? MODE_GZIP : MODE_PLAIN;
	return take(p, (struct slice){p->magic, p->magic_len}, err);
}

int paths_parser_feed(struct paths_parser *p, struct slice bytes,
		      struct cah_error *err)
{
	assert(p != NULL);
	int rc = CAH_OK;
	while (p->mode == MODE_SNIFF && bytes.len > 0 && rc == CAH_OK) {
		p->magic[p->magic_len++] = bytes.data[0];
		bytes = slice_from(bytes, 1);
		if (p->magic_len == MAGIC_LEN)
			rc = leave_sniffing(p, err);
	}
	return rc != CAH_OK || bytes.len == 0 ? rc : take(p, bytes, err);
}

int paths_parser_finish(struct paths_parser *p, struct cah_error *err)
{
	assert(p != NULL);
	int rc = CAH_OK;
	if (p->mode == MODE_SNIFF)
		rc = leave_sniffing(p, err);
	if (rc == CAH_OK && p->mode == MODE_GZIP)
		return cah_fail(err, CAH_EFORMAT,
				"%s: the gzip data ends too early", p->name);
	if (rc == CAH_OK && p->line.len > 0)
		rc = take_line(p, buf_slice(&p->line), err);
	return rc;
}

void paths_parser_free(struct paths_parser *p)
{
	if (p == NULL)
		return;
	inflateEnd(&p->zip);
	buf_fini(&p->line);
	free(p);
}

/* ---- from somewhere ---- */

static int read_stream(struct paths_parser *p, struct stream *stream,
		       struct cah_error *err)
{
	static char bytes[READ_MAX]; /* main thread only */
	size_t len;
	int rc;
	do {
		rc = stream_read(stream, bytes, sizeof(bytes), &len, err);
		if (rc == CAH_OK && len > 0)
			rc = paths_parser_feed(p, (struct slice){bytes, len},
					       err);
	} while (rc == CAH_OK && len > 0);
	return rc != CAH_OK ? rc : paths_parser_finish(p, err);
}

int paths_read(struct paths *paths, const char *location, const char *base_url,
	       struct cancel *cancel, struct cah_error *err)
{
	/* The list is named by whoever runs the command, on their machine. */
	struct stream_options options = {
		.cancel = cancel,
		.allow_private = true,
		.allow_files = true,
		.tries = READ_TRIES,
	};
	const char *name =
		strcmp(location, "-") == 0 ? "standard input" : location;
	struct stream *stream = NULL;
	struct paths_parser *parser = NULL;
	int rc = paths_parser_new(&parser, paths, name, base_url, err);
	if (rc == CAH_OK)
		rc = stream_open(&stream, location, &options, err);
	if (rc == CAH_OK)
		rc = read_stream(parser, stream, err);
	stream_close(stream);
	paths_parser_free(parser);
	return rc;
}
