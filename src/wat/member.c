/* libdeflate is three times as fast as zlib but wants a whole member, and
 * cannot tell a broken one from one whose end has not come yet. So members wait
 * until TRY_MIN bytes are there, which nearly all are shorter than; where
 * libdeflate fails nevertheless, zlib has the last word. */
#include "wat/member.h"

#include "base/buf.h"
#include "base/fail.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <zlib.h>

enum {
	TRY_MIN = 256 << 10,   /* packed bytes to wait for before a try */
	RAW_FIRST = 1 << 20,   /* bytes of room for what is inflated; grows */
	PROBE_MAX = 512,       /* packed bytes that must inflate to "WARC/" */
	HEADER_MIN = 4,        /* bytes of a member that tell it from junk */
	GZIP_WINDOW = 15 + 16, /* zlib: largest window, gzip's wrapper */
	NEED_MORE = 2, /* beside CAH_OK: the bytes in hand are used up */
};

/* Inflated bytes that may be thrown away by going back in broken members: so
 * many, and so many more for each packed byte. Without it a hostile file, with
 * members inside of members, costs the square of its size. */
static const int64_t waste_min = 64 << 20;
static const int64_t waste_per_byte = 16;

struct members {
	struct member_options options;
	struct buf packed;
	size_t head;       /* of `packed`: where the member in hand starts */
	size_t slow_at;    /* of `packed`: what zlib takes next */
	int64_t file_at;   /* where in the file `packed` begins */
	int64_t first;     /* where in it the search came to an end first */
	bool is_slow;      /* zlib is in the middle of a member */
	bool is_searching; /* for the next signature */
	bool has_begun;    /* with a member, be it none */
	bool is_done;
	bool is_cut;
	int64_t broken;
	int64_t wasted;    /* inflated bytes thrown away so far */
	int64_t slow_made; /* inflated bytes of the member zlib is in */
	struct libdeflate_decompressor *fast;
	z_stream slow;
	bool has_slow;
	char *raw;
	size_t raw_cap;
};

int members_new(struct members **out, const struct member_options *options,
		struct cah_error *err)
{
	struct members *m = calloc(1, sizeof(*m));
	*out = NULL;
	if (m == NULL)
		return cah_fail(err, CAH_ENOMEM, "gzip: out of memory");
	m->options = *options;
	m->file_at = options->start;
	m->first = -1;
	m->is_searching = options->start != 0;
	/* Done bytes are dropped once they are half of all. */
	buf_init(&m->packed,
		 2 * (options->packed_max + MEMBER_PUSH_MAX + TRY_MIN));
	m->fast = libdeflate_alloc_decompressor();
	m->raw = malloc(RAW_FIRST);
	m->raw_cap = RAW_FIRST;
	m->has_slow = inflateInit2(&m->slow, GZIP_WINDOW) == Z_OK;
	if (m->fast == NULL || m->raw == NULL || !m->has_slow) {
		members_free(m);
		return cah_fail(err, CAH_ENOMEM, "gzip: out of memory");
	}
	*out = m;
	return CAH_OK;
}

void members_free(struct members *m)
{
	if (m == NULL)
		return;
	if (m->has_slow)
		(void)inflateEnd(&m->slow);
	libdeflate_free_decompressor(m->fast);
	buf_fini(&m->packed);
	free(m->raw);
	free(m);
}

/* The bytes in hand from the member's start on. */
static struct slice in_hand(const struct members *m)
{
	return slice_from(buf_slice(&m->packed), m->head);
}

static bool is_past_stop(const struct members *m)
{
	return members_at(m) >= m->options.stop;
}

/* Method 8 is the only one there is, and three flags are reserved. */
static bool is_signature(struct slice s)
{
	return s.len >= HEADER_MIN && slice_starts(s, SLICE("\x1f\x8b\x08")) &&
	       ((unsigned char)s.data[3] & 0xe0) == 0;
}

static int put(struct members *m, size_t len, enum warc_mark mark)
{
	return m->options.fn(m->options.arg, (struct slice){m->raw, len}, mark);
}

static void start_search(struct members *m, size_t from)
{
	m->broken++;
	m->is_slow = false;
	m->is_searching = true;
	m->head = from < m->packed.len ? from : m->packed.len;
}

/* The member in hand is broken. What zlib made of its last bytes may have been
 * the next member, so the search begins where it started. */
static int refuse(struct members *m)
{
	int64_t taken = m->file_at - m->options.start + (int64_t)m->packed.len;
	m->wasted += m->slow_made;
	bool may_go_back = m->wasted <= waste_min + waste_per_byte * taken;
	start_search(m, may_go_back ? m->head + 1 : m->slow_at);
	return put(m, 0, WARC_BROKEN);
}

static void start_slow(struct members *m)
{
	m->is_slow = true;
	m->slow_at = m->head;
	m->slow_made = 0;
	(void)inflateReset(&m->slow);
}

static int inflate_some(struct members *m, size_t *made)
{
	struct slice in = slice_from(buf_slice(&m->packed), m->slow_at);
	m->slow.next_in = (Bytef *)(void *)in.data;
	m->slow.avail_in = (uInt)in.len;
	m->slow.next_out = (Bytef *)m->raw;
	m->slow.avail_out = RAW_FIRST;
	int status = inflate(&m->slow, Z_NO_FLUSH);
	*made = RAW_FIRST - m->slow.avail_out;
	m->slow_at += in.len - m->slow.avail_in;
	m->slow_made += (int64_t)*made;
	return status;
}

static int go_slow(struct members *m, bool is_last)
{
	size_t made;
	int status = inflate_some(m, &made);
	if (status == Z_MEM_ERROR)
		return CAH_ENOMEM;
	if (status == Z_STREAM_END) {
		m->is_slow = false;
		m->is_cut = false;
		m->head = m->slow_at;
		return put(m, made, WARC_END);
	}
	if (status != Z_OK && status != Z_BUF_ERROR)
		return refuse(m);

	/* Too long to go back to its start: what zlib took is let go. */
	if (m->slow_at - m->head > m->options.packed_max)
		m->head = m->slow_at;
	int rc = made > 0 ? put(m, made, WARC_MORE) : CAH_OK;
	/* A member without end or records: it is left where it stands. */
	if (rc == WARC_HOPELESS) {
		start_search(m, m->slow_at);
		return put(m, 0, WARC_BROKEN);
	}
	if (rc != CAH_OK || m->slow.avail_out == 0)
		return rc;
	if (!is_last)
		return NEED_MORE;
	m->is_cut = true;
	return refuse(m);
}

static int grow_raw(struct members *m)
{
	size_t cap = m->raw_cap * 2;
	if (cap > m->options.raw_max)
		cap = m->options.raw_max;
	/* Not realloc: what is in it was of the try that had no room. */
	free(m->raw);
	m->raw = malloc(cap);
	m->raw_cap = m->raw != NULL ? cap : 0;
	return m->raw != NULL ? CAH_OK : CAH_ENOMEM;
}

static int go_fast(struct members *m)
{
	struct slice in = in_hand(m);
	size_t taken, made;
	enum libdeflate_result result;
	for (;;) {
		result = libdeflate_gzip_decompress_ex(m->fast, in.data, in.len,
						       m->raw, m->raw_cap,
						       &taken, &made);
		if (result != LIBDEFLATE_INSUFFICIENT_SPACE ||
		    m->raw_cap >= m->options.raw_max)
			break;
		if (grow_raw(m) != CAH_OK)
			return CAH_ENOMEM;
	}
	if (result != LIBDEFLATE_SUCCESS) {
		start_slow(m);
		return CAH_OK;
	}
	m->head += taken;
	m->is_cut = false;
	return put(m, made, WARC_END);
}

/* At the place where a member should start. */
static int begin(struct members *m, bool is_last)
{
	struct slice in = in_hand(m);
	/* Tapes and some copying tools fill up with zeros (gzip(1) passes over
	 * them, too). */
	size_t zeros = 0;
	while (zeros < in.len && in.data[zeros] == '\0')
		zeros++;
	if (zeros > 0) {
		m->head += zeros;
		return CAH_OK;
	}
	if (in.len == 0 || (in.len < TRY_MIN && !is_last))
		return NEED_MORE;
	m->has_begun = true;
	if (is_signature(in))
		return go_fast(m);
	m->is_cut = in.len < HEADER_MIN && in.data[0] == '\x1f';
	start_search(m, m->head + 1);
	return CAH_OK;
}

/* Whether the member at the head inflates to "WARC/": CAH_OK, CAH_EFORMAT or
 * NEED_MORE. */
static int probe(struct members *m, bool is_last)
{
	struct slice in = in_hand(m);
	bool may_wait = in.len < PROBE_MAX && !is_last;
	char made[5];
	(void)inflateReset(&m->slow);
	m->slow.next_in = (Bytef *)(void *)in.data;
	m->slow.avail_in = in.len < PROBE_MAX ? (uInt)in.len : PROBE_MAX;
	m->slow.next_out = (Bytef *)made;
	m->slow.avail_out = sizeof(made);
	int status = inflate(&m->slow, Z_NO_FLUSH);
	if (m->slow.avail_out == 0)
		return memcmp(made, "WARC/", sizeof(made)) == 0 ? CAH_OK
								: CAH_EFORMAT;
	bool is_open = status == Z_OK || status == Z_BUF_ERROR;
	return is_open && may_wait ? NEED_MORE : CAH_EFORMAT;
}

static int search(struct members *m, bool is_last)
{
	for (;;) {
		struct slice in = in_hand(m);
		if (in.len < HEADER_MIN)
			return NEED_MORE;
		if (is_past_stop(m))
			return CAH_OK;
		const char *hit =
			memchr(in.data, '\x1f', in.len - HEADER_MIN + 1);
		if (hit == NULL) {
			m->head += in.len - HEADER_MIN + 1;
			return NEED_MORE;
		}
		m->head += (size_t)(hit - in.data);
		int rc = is_signature(in_hand(m)) ? probe(m, is_last)
						  : CAH_EFORMAT;
		if (rc == CAH_OK) {
			m->is_searching = false;
			if (m->first < 0)
				m->first = members_at(m);
		}
		if (rc != CAH_EFORMAT)
			return rc;
		m->head++;
	}
}

static int step(struct members *m, bool is_last)
{
	if (m->is_slow)
		return go_slow(m, is_last);
	if (is_past_stop(m)) {
		m->is_done = true;
		return NEED_MORE;
	}
	return m->is_searching ? search(m, is_last) : begin(m, is_last);
}

/* Drops what is done with. Moving the rest to the front each time would cost
 * more than inflating it. */
static void drop_done(struct members *m)
{
	if (m->head <= m->packed.len / 2)
		return;
	m->file_at += (int64_t)m->head;
	m->slow_at -= m->head < m->slow_at ? m->head : m->slow_at;
	buf_consume(&m->packed, m->head);
	m->head = 0;
}

int members_push(struct members *m, struct slice bytes, bool is_last)
{
	do {
		size_t n = bytes.len < MEMBER_PUSH_MAX ? bytes.len
						       : MEMBER_PUSH_MAX;
		if (buf_add(&m->packed, bytes.data, n) != CAH_OK)
			return CAH_ENOMEM;
		bytes = slice_from(bytes, n);
		int rc = CAH_OK;
		while (rc == CAH_OK && !m->is_done)
			rc = step(m, is_last && bytes.len == 0);
		if (rc != CAH_OK && rc != NEED_MORE)
			return rc;
		drop_done(m);
	} while (bytes.len > 0 && !m->is_done);
	return CAH_OK;
}

int64_t members_broken(const struct members *m)
{
	return m->broken;
}

bool members_is_done(const struct members *m)
{
	return m->is_done;
}

bool members_is_cut(const struct members *m)
{
	return m->is_cut;
}

int64_t members_at(const struct members *m)
{
	return m->file_at + (int64_t)m->head;
}

bool members_is_searching(const struct members *m)
{
	return m->is_searching;
}

bool members_has_begun(const struct members *m)
{
	return m->has_begun;
}

int64_t members_first(const struct members *m)
{
	return m->first;
}

void members_extend(struct members *m, int64_t stop)
{
	m->options.stop = stop;
	m->is_done = false;
}
