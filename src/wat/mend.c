#include "wat/mend.h"

#include "base/ascii.h"
#include "base/utf8.h"
#include "wat/entity.h"
#include "wat/mojibake.h"

#include <unicase.h>

enum {
	PASSES_MAX = 8,     /* over a text, each undoing what hid the next */
	REFERENCE_MAX = 27, /* characters: "&#", 24 of a name, ";" */
	ESCAPE = 0x1b,
	SHARP_S = 0xdf,
};

struct text {
	uint32_t *at;
	size_t len;
	size_t cap;
};

struct fold {
	uint16_t cp;
	uint16_t to[3]; /* 0 behind the last */
};

/* Sorted; made by tools/make_mojibake.py. */
#define MOJIBAKE_FOLDS
#include "mojibake.inc"

/* ---- references ---- */

/* Copies the reference at @i, the ';' included; empty where none is. */
static struct slice copy_reference(char out[REFERENCE_MAX],
				   const struct text *text, size_t i)
{
	size_t len = 0;
	for (; i + len < text->len && len < REFERENCE_MAX; len++) {
		uint32_t cp = text->at[i + len];
		if (cp >= 0x80)
			break;
		out[len] = (char)cp;
		if (cp == ';')
			return (struct slice){out, len + 1};
	}
	return (struct slice){out, 0};
}

static bool is_whole_reference(struct slice s, struct entity *entity)
{
	return s.len > 0 && entity_read(s, entity) && entity->len == s.len;
}

/* "&EACUTE;" is no name of HTML, but what a page made of "&eacute;" that wrote
 * all in capitals. Changes @s. */
static bool read_shouted(struct slice s, char *bytes, struct entity *entity)
{
	for (size_t i = 0; i < s.len; i++) {
		if (bytes[i] >= 'a' && bytes[i] <= 'z')
			return false;
		if (bytes[i] >= 'A' && bytes[i] <= 'Z')
			bytes[i] |= 0x20;
	}
	if (bytes[1] == '#' || !is_whole_reference(s, entity))
		return false;
	if (entity->cp[0] == SHARP_S)
		*entity = (struct entity){{'S', 'S'}, s.len};
	else
		entity->cp[0] = uc_toupper(entity->cp[0]);
	return true;
}

/* References that stand in a text still had their ampersand escaped twice. Only
 * those with their ';' are taken here: the rest is for HTML's own rules, by
 * which the text was read. */
static bool decode_references(struct text *text)
{
	size_t before = text->len;
	size_t to = 0;
	for (size_t i = 0; i < text->len;) {
		char bytes[REFERENCE_MAX];
		struct entity entity;
		struct slice s = {bytes, 0};
		if (text->at[i] == '&')
			s = copy_reference(bytes, text, i);
		if (s.len == 0 || (!is_whole_reference(s, &entity) &&
				   !read_shouted(s, bytes, &entity))) {
			text->at[to++] = text->at[i++];
			continue;
		}
		text->at[to++] = entity.cp[0];
		if (entity.cp[1] != 0)
			text->at[to++] = entity.cp[1];
		i += s.len;
	}
	text->len = to;
	return to != before;
}

/* ---- characters ---- */

static const struct fold *find_fold(uint32_t cp)
{
	/* between the ligatures, the quotes and the wide forms is much that
	 * is met often */
	if (cp < 0x132 || (cp > 0x2bc && cp < 0x2018) ||
	    (cp > 0x201f && cp < 0x3000) || (cp > 0x3000 && cp < 0xfb00))
		return NULL;
	size_t low = 0;
	size_t high = sizeof(folds) / sizeof(folds[0]);
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (folds[mid].cp < cp)
			low = mid + 1;
		else
			high = mid;
	}
	bool is_there =
		low < sizeof(folds) / sizeof(folds[0]) && folds[low].cp == cp;
	return is_there ? &folds[low] : NULL;
}

static size_t fold_len(const struct fold *fold)
{
	return fold->to[1] == 0 ? 1 : fold->to[2] == 0 ? 2 : 3;
}

/* From the last to the first, for there may be more of them then. */
static bool fold_characters(struct text *text)
{
	size_t more = 0;
	bool has_folds = false;
	for (size_t i = 0; i < text->len; i++) {
		const struct fold *fold = find_fold(text->at[i]);
		has_folds |= fold != NULL;
		more += fold != NULL ? fold_len(fold) - 1 : 0;
	}
	if (!has_folds || text->len + more > text->cap)
		return false;
	size_t to = text->len + more;
	for (size_t i = text->len; i-- > 0;) {
		const struct fold *fold = find_fold(text->at[i]);
		if (fold == NULL) {
			text->at[--to] = text->at[i];
			continue;
		}
		for (size_t k = fold_len(fold); k-- > 0;)
			text->at[--to] = fold->to[k];
	}
	text->len += more;
	return true;
}

static bool mend_controls(struct text *text)
{
	bool has_changed = false;
	for (size_t i = 0; i < text->len; i++) {
		uint32_t cp = entity_windows_1252(text->at[i]);
		has_changed |= cp != text->at[i];
		text->at[i] = cp;
	}
	return has_changed;
}

/* How long the sequence at @i that colours a terminal is (ECMA-48, CSI), 0:
 * none is there. */
static size_t escape_len(const struct text *text, size_t i)
{
	if (text->len - i < 3 || text->at[i + 1] != '[')
		return 0;
	size_t end = i + 2;
	while (end < text->len &&
	       (text->at[end] == ';' ||
		(text->at[end] < 0x80 && ascii_is_digit((char)text->at[end]))))
		end++;
	bool is_whole = end < text->len && text->at[end] < 0x80 &&
			ascii_is_letter((char)text->at[end]);
	return is_whole ? end + 1 - i : 0;
}

/* Those that are taken out before the next pass, for they may part what belongs
 * together; text.c takes out some more at last (Unicode, UTR 20). */
static bool is_control(uint32_t cp)
{
	if (cp < 0x80)
		return cp == 0x7f || (cp < ' ' && cp != '\t' && cp != '\n' &&
				      cp != '\f' && cp != '\r');
	return (cp >= 0x206a && cp <= 0x206f) || cp == 0xfeff ||
	       (cp >= 0xfff9 && cp <= 0xfffc);
}

static bool take_out_controls(struct text *text)
{
	size_t before = text->len;
	size_t to = 0;
	for (size_t i = 0; i < text->len;) {
		uint32_t cp = text->at[i];
		size_t escape = cp == ESCAPE ? escape_len(text, i) : 0;
		if (escape == 0 && !is_control(cp))
			text->at[to++] = cp;
		i += escape != 0 ? escape : 1;
	}
	text->len = to;
	return to != before;
}

/* ---- a text ---- */

static bool mend_mojibake(struct text *text, uint8_t *scratch)
{
	return mojibake_mend(text->at, &text->len, scratch);
}

size_t mend_text(uint32_t *chars, size_t len, size_t cap, uint8_t *scratch)
{
	struct text text = {chars, len, cap};
	for (int pass = 0; pass < PASSES_MAX; pass++) {
		bool has_changed = decode_references(&text);
		has_changed |= mend_mojibake(&text, scratch);
		has_changed |= mend_controls(&text);
		has_changed |= fold_characters(&text);
		has_changed |= take_out_controls(&text);
		if (!has_changed)
			break;
	}
	return text.len;
}
