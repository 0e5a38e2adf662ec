/* Values are shown as Python shows them, for exifread is Python: a list in
 * brackets, a fraction in its lowest terms. Left out: what a camera's maker
 * hides in MakerNote, comments, XMP, previews. */
#include "image/exif_json.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "image/exif.h"
#include "image/make.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	ENTRIES_MAX = 256, /* of one directory */
	VALUES_MAX = 1000, /* of one tag; one with as many is shown as empty */
	LONG_LIST = 50,    /* values of which only the first are shown */
	SHOWN = 20,
	TEXT_MAX = 4096, /* bytes of one value as text */

	TAG_XMP = 0x02bc,
	TAG_EXIF = 0x8769,
	TAG_GPS = 0x8825,
	TAG_MAKER_NOTE = 0x927c,
	TAG_COMMENT = 0x9286,
	TAG_INTEROP = 0xa005,
};

/* CIPA DC-008, 4.6.2, and TIFF's signed and real ones. */
enum type {
	TYPE_ASCII = 2,
	TYPE_FRACTION = 5,
	TYPE_SIGNED_BYTE = 6,
	TYPE_SIGNED_SHORT = 8,
	TYPE_SIGNED_LONG = 9,
	TYPE_SIGNED_FRACTION = 10,
	TYPE_FLOAT = 11,
	TYPE_DOUBLE = 12,
	TYPE_COUNT = 14,
};

static const uint8_t type_lens[TYPE_COUNT] = {0, 1, 1, 2, 4, 8, 1,
					      1, 2, 4, 8, 4, 8, 4};

enum directory {
	MAIN,
	GPS,
	INTEROP
};
enum kind {
	PLAIN,
	TEXT,
	NAMED,
	CHILD
};

struct tag {
	enum directory directory;
	uint16_t number;
	enum kind kind;
	const char *name;
};

struct value_name {
	uint16_t number;
	uint32_t value;
	const char *text;
};

static const struct tag tags[] = {
#define EXIF_TAG(directory, number, kind, name) {directory, number, kind, name},
#define EXIF_VALUE(number, value, text)
#include "image/exif_tags.def"
#undef EXIF_TAG
#undef EXIF_VALUE
};

static const struct value_name value_names[] = {
#define EXIF_TAG(directory, number, kind, name)
#define EXIF_VALUE(number, value, text) {number, value, text},
#include "image/exif_tags.def"
#undef EXIF_TAG
#undef EXIF_VALUE
};

struct writer {
	const struct exif *exif;
	struct buf *out;
	struct buf *value; /* scratch */
	/* Where the other directories are; 0: none. Each is gone through once:
	 * a file may point to itself. */
	uint32_t exif_at;
	uint32_t gps_at;
	uint32_t interop_at;
};

struct entry {
	uint32_t number;
	uint32_t type;
	uint32_t count; /* as the file says */
	size_t at;      /* of the values */
};

static const struct tag *find_tag(enum directory directory, uint32_t number)
{
	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++)
		if (tags[i].directory == directory && tags[i].number == number)
			return &tags[i];
	return NULL;
}

static const char *find_value(uint32_t number, uint32_t value)
{
	for (size_t i = 0; i < sizeof(value_names) / sizeof(*value_names); i++)
		if (value_names[i].number == number &&
		    value_names[i].value == value)
			return value_names[i].text;
	return NULL;
}

static int64_t signed_value(uint32_t value, uint32_t type)
{
	switch (type) {
	case TYPE_SIGNED_BYTE:
		return (int8_t)value;
	case TYPE_SIGNED_SHORT:
		return (int16_t)value;
	case TYPE_SIGNED_LONG:
	case TYPE_SIGNED_FRACTION:
		return (int32_t)value;
	default:
		return value;
	}
}

static int64_t common_divisor(int64_t a, int64_t b)
{
	while (b != 0) {
		int64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

static void put_fraction(struct buf *out, int64_t above, int64_t below)
{
	int64_t divisor = common_divisor(above < 0 ? -above : above,
					 below < 0 ? -below : below);
	if (below != 0) {
		divisor = below < 0 ? -divisor : divisor;
		above /= divisor;
		below /= divisor;
	}
	if (below == 1)
		(void)buf_printf(out, "%lld", (long long)above);
	else
		(void)buf_printf(out, "%lld/%lld", (long long)above,
				 (long long)below);
}

static void put_real(struct buf *out, const struct exif *exif, size_t at,
		     uint32_t type)
{
	double real = 0;
	if (type == TYPE_FLOAT) {
		uint32_t bits = exif_get(exif, at, 4);
		float single;
		memcpy(&single, &bits, sizeof(single));
		real = single;
	} else {
		uint64_t first = exif_get(exif, at, 4);
		uint64_t second = exif_get(exif, at + 4, 4);
		uint64_t bits = exif->is_little ? second << 32 | first
						: first << 32 | second;
		memcpy(&real, &bits, sizeof(real));
	}
	(void)buf_printf(out, "%.9g", real);
}

static uint32_t number_at(const struct writer *w, const struct entry *e,
			  uint32_t i)
{
	size_t len = type_lens[e->type];
	return exif_get(w->exif, e->at + i * len, len);
}

static void put_value(struct buf *out, const struct writer *w,
		      const struct entry *e, uint32_t i)
{
	size_t at = e->at + (size_t)i * type_lens[e->type];
	if (e->type == TYPE_FLOAT || e->type == TYPE_DOUBLE)
		put_real(out, w->exif, at, e->type);
	else if (e->type == TYPE_FRACTION || e->type == TYPE_SIGNED_FRACTION)
		put_fraction(
			out, signed_value(exif_get(w->exif, at, 4), e->type),
			signed_value(exif_get(w->exif, at + 4, 4), e->type));
	else
		(void)buf_printf(
			out, "%lld",
			(long long)signed_value(number_at(w, e, i), e->type));
}

static void put_list(struct buf *out, const struct writer *w,
		     const struct entry *e)
{
	uint32_t count = e->count < VALUES_MAX ? e->count : 0;
	bool is_long = count > LONG_LIST;
	if (e->count == 1) {
		put_value(out, w, e, 0);
		return;
	}
	(void)buf_add_byte(out, '[');
	for (uint32_t i = 0; i < (is_long ? SHOWN : count); i++) {
		(void)buf_add_text(out, i > 0 ? ", " : "");
		put_value(out, w, e, i);
	}
	(void)buf_add_text(out, is_long ? ", ... ]" : "]");
}

static void put_named(struct buf *out, const struct writer *w,
		      const struct entry *e)
{
	uint32_t count = e->count < VALUES_MAX ? e->count : 0;
	for (uint32_t i = 0; i < count; i++) {
		const char *text =
			type_lens[e->type] <= 4
				? find_value(e->number, number_at(w, e, i))
				: NULL;
		if (text != NULL)
			(void)buf_add_text(out, text);
		else
			put_value(out, w, e, i);
	}
}

/* Bytes of text up to the first NUL; what the file does not hold is none. */
static struct slice text_of(const struct writer *w, const struct entry *e)
{
	if (e->at >= w->exif->len)
		return (struct slice){NULL, 0};
	size_t len = w->exif->len - e->at;
	len = len < e->count ? len : e->count;
	const char *text = (const char *)w->exif->data + e->at;
	return (struct slice){text, strnlen(text, len)};
}

/* Bytes that are shown as the characters of Latin-1 that they are; of a value
 * without any, its numbers, unless all are zero. */
static void put_bytes(struct buf *out, const struct writer *w,
		      const struct entry *e)
{
	uint32_t count = e->count < VALUES_MAX ? e->count : 0;
	bool is_zero = true;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t c = number_at(w, e, i);
		is_zero = is_zero && c == 0;
		if (c >= 0x80 && c <= 0xff)
			(void)buf_printf(out, "%c%c", (int)(0xc0 | c >> 6),
					 (int)(0x80 | (c & 0x3f)));
		else if (c >= ' ' && c < 0x80)
			(void)buf_add_byte(out, (char)c);
	}
	if (out->len > 0 || is_zero)
		return;
	for (uint32_t i = 0; i < count; i++)
		put_value(out, w, e, i);
}

static void put_text(struct buf *out, struct slice text)
{
	while (text.len > 0 && out->len + UTF8_MAX <= TEXT_MAX) {
		uint32_t cp = 0;
		char bytes[UTF8_MAX];
		text = slice_from(text, utf8_read(text, &cp));
		(void)buf_add(out, bytes, utf8_write(bytes, cp));
	}
}

static void describe(struct buf *out, const struct writer *w,
		     const struct entry *e, enum kind kind)
{
	if (e->type == TYPE_ASCII)
		put_text(out, text_of(w, e));
	else if (kind == TEXT)
		put_bytes(out, w, e);
	else if (kind == NAMED)
		put_named(out, w, e);
	else
		put_list(out, w, e);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct slice strip(struct slice s)
{
	while (s.len > 0 && is_space(s.data[s.len - 1]))
		s.len--;
	while (s.len > 0 && is_space(s.data[0]))
		s = slice_from(s, 1);
	return s;
}

/* RFC 8259, 7; ASCII, so that no reader can take it for something else. */
static void put_json_text(struct buf *out, struct slice text)
{
	(void)buf_add_byte(out, '"');
	while (text.len > 0) {
		uint32_t cp = 0;
		text = slice_from(text, utf8_read(text, &cp));
		if (cp == '"' || cp == '\\')
			(void)buf_printf(out, "\\%c", (int)cp);
		else if (cp >= ' ' && cp < 0x7f)
			(void)buf_add_byte(out, (char)cp);
		else if (cp < 0x10000)
			(void)buf_printf(out, "\\u%04x", cp);
		else
			(void)buf_printf(out, "\\u%04x\\u%04x",
					 0xd800 + ((cp - 0x10000) >> 10),
					 0xdc00 + ((cp - 0x10000) & 0x3ff));
	}
	(void)buf_add_byte(out, '"');
}

/* Adds a member, or nothing where there is no room for all of it and the end
 * of the object. */
static void add(struct writer *w, const struct entry *e,
		enum directory directory, const char *prefix)
{
	const struct tag *tag = find_tag(directory, e->number);
	char key[64];
	if (tag != NULL)
		(void)snprintf(key, sizeof(key), "%s %s", prefix, tag->name);
	else
		(void)snprintf(key, sizeof(key), "%s Tag 0x%04X", prefix,
			       e->number);
	buf_reset(w->value);
	describe(w->value, w, e, tag != NULL ? tag->kind : PLAIN);
	size_t before = w->out->len;
	(void)buf_add_text(w->out, before > 1 ? ", " : "");
	put_json_text(w->out, slice_of(key));
	(void)buf_add_text(w->out, ": ");
	put_json_text(w->out, strip(buf_slice(w->value)));
	if (w->out->code != CAH_ENOMEM &&
	    (w->out->is_failed || w->out->len >= IMAGE_EXIF_MAX)) {
		w->out->is_failed = false;
		w->out->code = CAH_OK;
		w->out->len = before;
	}
}

static void note_child(struct writer *w, const struct entry *e,
		       enum directory directory)
{
	if (directory != MAIN || e->count == 0 || type_lens[e->type] > 4)
		return;
	uint32_t at = number_at(w, e, 0);
	if (e->number == TAG_EXIF && w->exif_at == 0)
		w->exif_at = at;
	else if (e->number == TAG_GPS && w->gps_at == 0)
		w->gps_at = at;
	else if (e->number == TAG_INTEROP && w->interop_at == 0)
		w->interop_at = at;
}

static bool read_entry(struct entry *e, const struct exif *exif, size_t at)
{
	*e = (struct entry){.number = exif_get(exif, at, 2),
			    .type = exif_get(exif, at + 2, 2),
			    .count = exif_get(exif, at + 4, 4),
			    .at = at + 8};
	if (e->type == 0 || e->type >= TYPE_COUNT || e->number == TAG_XMP ||
	    e->number == TAG_MAKER_NOTE || e->number == TAG_COMMENT)
		return false;
	/* Up to 4 bytes stand in the entry itself. */
	if ((uint64_t)e->count * type_lens[e->type] > 4)
		e->at = exif_get(exif, at + 8, 4);
	return true;
}

static bool is_repeated(const uint32_t *numbers, size_t count, uint32_t number)
{
	for (size_t i = 0; i < count; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

/* Returns where the next directory is, 0 for none. */
static uint32_t add_directory(struct writer *w, size_t at,
			      enum directory directory, const char *prefix)
{
	uint32_t seen[ENTRIES_MAX];
	size_t seen_count = 0;
	uint32_t count = at == 0 ? 0 : exif_get(w->exif, at, 2);
	for (uint32_t i = 0; i < count && i < ENTRIES_MAX; i++) {
		size_t entry_at = at + 2 + (size_t)i * EXIF_ENTRY_LEN;
		struct entry e;
		if (entry_at >= w->exif->len)
			break;
		if (!read_entry(&e, w->exif, entry_at) ||
		    is_repeated(seen, seen_count, e.number))
			continue;
		seen[seen_count++] = e.number;
		note_child(w, &e, directory);
		add(w, &e, directory, prefix);
	}
	return at == 0 ? 0
		       : exif_get(w->exif,
				  at + 2 + (size_t)count * EXIF_ENTRY_LEN, 4);
}

static void add_all(struct writer *w)
{
	uint32_t first = exif_get(w->exif, 4, 4);
	uint32_t second = add_directory(w, first, MAIN, "Image");
	if (second != first)
		(void)add_directory(w, second, MAIN, "Thumbnail");
	(void)add_directory(w, w->exif_at, MAIN, "EXIF");
	(void)add_directory(w, w->gps_at, GPS, "GPS");
	(void)add_directory(w, w->interop_at, INTEROP, "Interoperability");
}

int exif_json(char **out, size_t *len, struct slice bytes)
{
	struct exif exif;
	struct buf text, value;
	*out = NULL;
	*len = 0;
	if (!exif_open(&exif, bytes))
		return CAH_OK;
	buf_init(&text, IMAGE_EXIF_MAX);
	buf_init(&value, TEXT_MAX);
	struct writer w = {.exif = &exif, .out = &text, .value = &value};
	(void)buf_add_byte(&text, '{');
	add_all(&w);
	int rc = buf_add_byte(&text, '}');
	buf_fini(&value);
	if (rc == CAH_OK)
		*out = buf_take(&text, len);
	buf_fini(&text);
	return rc;
}
