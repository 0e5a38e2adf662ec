#include "wat/warc.h"

#include "base/buf.h"
#include "base/fail.h"

#include <stdlib.h>

enum {
	START_LEN = 9,    /* bytes of "WARC/1.0" and the end of its line */
	BLANK_MAX = 1024, /* bytes of blank lines behind a record */
};

struct warc {
	struct warc_options options;
	struct buf kept; /* what was begun and not ended */
	size_t head;     /* bytes of `kept` that are done with */
	int64_t at;      /* where in the file what is looked at begins */
	size_t junk;     /* bytes passed over since the last record */
	bool is_lost;    /* looking for the next record */
	bool is_done;
	bool is_cut;
	int64_t broken;
};

/* What one look at the bytes in hand found. */
enum verdict {
	TELL,   /* a record, and its length is right */
	WAIT,   /* more bytes are needed */
	REFUSE, /* no record, or one whose length lies */
};

struct frame {
	struct warc_record record;
	size_t head_len;
	size_t len; /* of all, with the blank lines behind it */
};

int warc_new(struct warc **out, const struct warc_options *options,
	     struct cah_error *err)
{
	struct warc *warc = calloc(1, sizeof(*warc));
	*out = warc;
	if (warc == NULL)
		return cah_fail(err, CAH_ENOMEM, "warc: out of memory");
	warc->options = *options;
	warc->at = options->start;
	warc->is_lost = options->start != 0;
	warc->junk = warc->is_lost;
	/* Done bytes are dropped once they are half of all, and a push may be
	 * as large as a record. */
	buf_init(&warc->kept, options->record_max * 3);
	return CAH_OK;
}

void warc_free(struct warc *warc)
{
	if (warc == NULL)
		return;
	buf_fini(&warc->kept);
	free(warc);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct slice trim(struct slice s)
{
	while (s.len > 0 && is_space(s.data[0]))
		s = (struct slice){s.data + 1, s.len - 1};
	while (s.len > 0 && is_space(s.data[s.len - 1]))
		s.len--;
	return s;
}

/* Decimal digits and nothing else; false past what a record may have. */
static bool parse_length(size_t *out, struct slice text, size_t max)
{
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		n = n * 10 + (size_t)(text.data[i] - '0');
		if (n > max)
			return false;
	}
	*out = n;
	return text.len > 0;
}

/* One header line; false where it makes the record useless. */
static bool read_line(struct frame *frame, struct slice line, size_t max)
{
	/* A line that says nothing, a folded one among them, costs nothing. */
	const char *colon = memchr(line.data, ':', line.len);
	if (colon == NULL)
		return true;
	size_t len = (size_t)(colon - line.data);
	struct slice name = trim((struct slice){line.data, len});
	struct slice value = trim(slice_from(line, len + 1));
	if (slice_equal_nocase(name, SLICE("Content-Length")))
		return parse_length(&frame->record.body.len, value, max);
	if (slice_equal_nocase(name, SLICE("WARC-Type")))
		frame->record.type = value;
	else if (slice_equal_nocase(name, SLICE("Content-Type")))
		frame->record.content_type = value;
	return true;
}

/* A record without a length is refused: where it ends would be a guess. */
static enum verdict read_head(const struct warc *warc, struct frame *frame,
			      struct slice view)
{
	size_t at = 0;
	frame->record.body.len = SIZE_MAX;
	for (;;) {
		struct slice rest = slice_from(view, at);
		const char *lf = rest.len != 0
					 ? memchr(rest.data, '\n', rest.len)
					 : NULL;
		size_t end =
			lf != NULL ? (size_t)(lf - view.data) + 1 : view.len;
		if (end > WARC_HEAD_MAX)
			return REFUSE;
		if (lf == NULL)
			return WAIT;
		struct slice line = {rest.data, (size_t)(lf - rest.data)};
		/* Without this, a file of nothing but first lines would be
		 * read once for each of them. */
		if (at > 0 && slice_starts(line, SLICE("WARC/1.")))
			return REFUSE;
		at = end;
		if (trim(line).len == 0)
			break;
		if (!read_line(frame, line, warc->options.record_max))
			return REFUSE;
	}
	frame->head_len = at;
	return frame->record.body.len == SIZE_MAX ? REFUSE : TELL;
}

/* Bytes of blank lines at the start of @s, of which at most @max are looked at.
 */
static size_t count_blank(struct slice s, size_t max)
{
	size_t n = 0;
	while (n < s.len && n < max && (s.data[n] == '\r' || s.data[n] == '\n'))
		n++;
	return n;
}

/* Looks at the record that begins at @view. Only what comes behind it shows
 * that its length was true. */
static enum verdict read_frame(const struct warc *warc, struct frame *frame,
			       struct slice view, bool is_end)
{
	struct slice start = SLICE("WARC/");
	size_t have = view.len < start.len ? view.len : start.len;
	if (memcmp(view.data, start.data, have) != 0)
		return REFUSE;
	if (have < start.len)
		return WAIT;
	enum verdict verdict = read_head(warc, frame, view);
	if (verdict != TELL)
		return verdict;
	size_t body_len = frame->record.body.len;
	if (frame->head_len + body_len > warc->options.record_max)
		return REFUSE;
	if (view.len - frame->head_len < body_len)
		return WAIT;
	frame->record.body.data = view.data + frame->head_len;

	size_t end = frame->head_len + body_len;
	size_t blank = count_blank(slice_from(view, end), BLANK_MAX + 1);
	if (blank > BLANK_MAX)
		return REFUSE;
	end += blank;
	frame->len = end;
	struct slice next = slice_from(view, end);
	if (next.len == 0)
		return is_end ? TELL : WAIT;
	have = next.len < start.len ? next.len : start.len;
	if (memcmp(next.data, start.data, have) != 0)
		return REFUSE;
	return have == start.len || is_end ? TELL : WAIT;
}

static bool is_start_line(const char *p)
{
	return memcmp(p, "WARC/1.", 7) == 0 && p[7] >= '0' && p[7] <= '9' &&
	       (p[8] == '\r' || p[8] == '\n');
}

/* Where in @view the first line stands that begins a record, view.len where
 * none does. @is_line: a line begins where @view does. */
static size_t find_start(struct slice view, bool is_line)
{
	size_t from = 0;
	while (from + START_LEN <= view.len) {
		const char *hit = memchr(view.data + from, 'W',
					 view.len - START_LEN - from + 1);
		if (hit == NULL)
			break;
		from = (size_t)(hit - view.data);
		if (from > 0)
			is_line = view.data[from - 1] == '\n';
		if (is_line && is_start_line(hit))
			return from;
		from++;
	}
	return view.len;
}

/* Goes on to the next record's beginning, or to where the search must go on
 * when more has come. */
static size_t search(struct warc *warc, struct slice view, bool is_end)
{
	size_t to = find_start(view, warc->junk == 0);
	if (to < view.len) {
		warc->is_lost = false;
	} else if (!is_end) {
		/* The first of them was looked at; it stays for the search to
		 * see whether a line ends there. */
		to = view.len > START_LEN ? view.len - START_LEN : 0;
	}
	warc->junk += to;
	return to;
}

/* The next record may begin within the one that is refused. */
static size_t refuse(struct warc *warc)
{
	warc->broken++;
	warc->is_lost = true;
	warc->junk++;
	return 1;
}

/* Reads what @view has; *done says how much of it is done with. */
static int read_view(struct warc *warc, struct slice view, bool is_end,
		     size_t *done)
{
	*done = 0;
	while (*done < view.len) {
		struct slice rest = slice_from(view, *done);
		size_t blank = warc->is_lost ? 0 : count_blank(rest, SIZE_MAX);
		if (blank > 0) {
			warc->junk += blank;
			*done += blank;
			continue;
		}
		if (warc->is_lost) {
			*done += search(warc, rest, is_end);
			if (warc->is_lost)
				return CAH_OK;
			continue;
		}
		/* One that starts at stop itself is ours: whoever reads from
		 * there on begins behind the next end of a line. */
		if (warc->at + (int64_t)*done > warc->options.stop) {
			warc->is_done = true;
			*done = view.len;
			return CAH_OK;
		}
		struct frame frame = {0};
		enum verdict verdict = read_frame(warc, &frame, rest, is_end);
		if (verdict == WAIT && !is_end)
			return CAH_OK;
		if (verdict != TELL) {
			warc->is_cut = verdict == WAIT;
			*done += refuse(warc);
			continue;
		}
		warc->junk = 0;
		warc->is_cut = false;
		*done += frame.len;
		int rc = warc->options.fn(warc->options.arg, &frame.record);
		if (rc != CAH_OK)
			return rc;
	}
	return CAH_OK;
}

/* What follows begins a record, whatever was in hand. */
static void forget(struct warc *warc)
{
	buf_reset(&warc->kept);
	warc->head = 0;
	warc->is_lost = false;
	warc->junk = 0;
}

/* Keeps what was not done with. Moving it to the front each time would cost
 * more than reading it. */
static int keep(struct warc *warc, struct slice bytes, size_t done)
{
	if (warc->kept.len == 0)
		return buf_add_slice(&warc->kept, slice_from(bytes, done));
	warc->head += done;
	if (warc->head > warc->kept.len / 2) {
		buf_consume(&warc->kept, warc->head);
		warc->head = 0;
	}
	return CAH_OK;
}

int warc_push(struct warc *warc, struct slice bytes, enum warc_mark mark)
{
	if (mark == WARC_BROKEN) {
		forget(warc);
		return CAH_OK;
	}
	/* A whole record in one push, as gzip members give, is never copied. */
	struct slice view = bytes;
	if (warc->kept.len != 0) {
		if (buf_add_slice(&warc->kept, bytes) != CAH_OK)
			return CAH_ENOMEM;
		view = slice_from(buf_slice(&warc->kept), warc->head);
	}
	size_t done;
	int rc = read_view(warc, view, mark == WARC_END, &done);
	if (rc != CAH_OK)
		return rc;
	warc->at += (int64_t)done;
	if (mark == WARC_END) {
		forget(warc);
		return CAH_OK;
	}
	if (keep(warc, view, done) != CAH_OK)
		return CAH_ENOMEM;
	return warc->junk > warc->options.record_max ? WARC_HOPELESS : CAH_OK;
}

int64_t warc_broken(const struct warc *warc)
{
	return warc->broken;
}

bool warc_is_done(const struct warc *warc)
{
	return warc->is_done;
}

bool warc_is_cut(const struct warc *warc)
{
	return warc->is_cut;
}
