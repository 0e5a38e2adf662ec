/* A text looks bad where two or three neighbours are met that no language has
 * (mojibake_rules.def). Then it is written back in each encoding that has all
 * its characters, and what turns out to be UTF-8 is what it was. Where a text
 * is bad in places only, those that look like UTF-8 are done alone. The method
 * is that of ftfy 6.3.1 (R. Speer), so that texts are those of datasets that
 * were made with it. */
#include "wat/mojibake.h"

#include "base/ascii.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "wat/entity.h"

#include <string.h>
#include <uchar.h>
#include <unictype.h>

enum {
	DEPTH_MAX = 6,  /* times that UTF-8 was read wrongly, one within the
			   other, each in a part of the text before */
	STEPS_MAX = 16, /* of one text: each halves what is bad in it */
	RULE_MAX = 7,   /* characters that a rule speaks of */
	LOST = 0x1a,    /* stands for a byte that nobody knows any more */
};

/* Classes of characters; those of other scripts are IN_ANY and no more. */
enum {
	IN_COMMON = 1 << 0, /* may stand anywhere */
	IN_C1 = 1 << 1,     /* controls of ISO 6429 */
	IN_BAD = 1 << 2,    /* hardly met but in mojibake */
	IN_LAW = 1 << 3,
	IN_CURRENCY = 1 << 4,
	IN_START = 1 << 5, /* punctuation in front of words */
	IN_END = 1 << 6,   /* and behind them */
	IN_NUMERIC = 1 << 7,
	IN_FACE = 1 << 8, /* letters that faces are drawn with */
	IN_BOX = 1 << 9,
	IN_UPPER = 1 << 10, /* accented Latin letters */
	IN_LOWER = 1 << 11,
	IN_UPPER_COMMON = 1 << 12, /* Greek and Cyrillic */
	IN_LOWER_COMMON = 1 << 13,
	IN_LEAD2 = 1 << 14, /* of UTF-8's first byte of 2, 3, 4 */
	IN_LEAD3 = 1 << 15,
	IN_LEAD4 = 1 << 16,
	IN_TAIL = 1 << 17,        /* of one of its other bytes */
	IN_TAIL_STRICT = 1 << 18, /* that does not stand for itself */
	IN_SMALL = 1 << 19,       /* a to z */
	IN_LATIN = 1 << 20,       /* and A to Z */
	IN_NO_LATIN = 1 << 21,    /* any but these */
	IN_WHITE = 1 << 22,
	IN_WORD = 1 << 23, /* letters, digits, low line */
	IN_EDGE = 1 << 24, /* before the first character */
	IN_ANY = 1 << 25,
	ACCENTED = IN_UPPER | IN_LOWER,
	MARKS = IN_START | IN_END | IN_CURRENCY | IN_NUMERIC | IN_LAW,
	BEHIND_ARABIC =
		IN_COMMON | IN_CURRENCY | IN_BAD | IN_NUMERIC | IN_START,
	/* No rule is without one of them, or one of Cyrillic's own. */
	TELLING = IN_BAD | MARKS | IN_BOX | IN_FACE | ACCENTED,
};

/* In the order in which they are tried; the columns of letters[]. */
enum {
	LATIN_1,
	WINDOWS_1252,
	WINDOWS_1251,
	WINDOWS_1250,
	WINDOWS_1253,
	WINDOWS_1254,
	WINDOWS_1257,
	LATIN_2,
	MAC_ROMAN,
	CP437,
	ENCODINGS,
};

struct letter {
	uint16_t cp;
	uint32_t classes;
	uint8_t bytes[ENCODINGS]; /* 0: the encoding has it not */
};

/* letters[0] is any other; letter_low, letter_high, letter_far: where a
 * character's is. Made by tools/make_mojibake.py. */
#define MOJIBAKE_LETTERS
#include "mojibake.inc"

struct element {
	uint32_t classes;
	const char32_t *chars;
};

static const struct element rules[][RULE_MAX + 1] = {
#define ANY_OF(classes)        \
	{                      \
		(classes), U"" \
	}
#define ONE(classes, chars)        \
	{                          \
		(classes), (chars) \
	}
#define RULE(...) {__VA_ARGS__},
#include "wat/mojibake_rules.def"
#undef RULE
#undef ONE
#undef ANY_OF
};

struct text {
	uint32_t *at;
	size_t len;
};

struct bytes {
	uint8_t *at;
	size_t len;
};

/* ---- characters ---- */

static const struct letter *far_letter(uint32_t cp)
{
	for (size_t i = 0; i < sizeof(letter_far) / sizeof(letter_far[0]); i++)
		if (letter_far[i][0] == cp)
			return &letters[letter_far[i][1]];
	return &letters[0];
}

/* @cp is beyond ASCII. */
static const struct letter *letter_of(uint32_t cp)
{
	if (cp < 0x500)
		return &letters[letter_low[cp - 0x80]];
	if (cp >= 0x2000 && cp < 0x2600)
		return &letters[letter_high[cp - 0x2000]];
	return far_letter(cp);
}

static uint32_t ascii_classes(uint32_t cp)
{
	if (ascii_is_letter((char)cp))
		return IN_ANY | IN_LATIN | IN_WORD |
		       (cp >= 'a' ? IN_SMALL : 0u);
	if (ascii_is_digit((char)cp) || cp == '_')
		return IN_ANY | IN_NO_LATIN | IN_WORD;
	/* as Python's isspace() */
	bool is_white = cp == ' ' || (cp >= '\t' && cp <= '\r') ||
			(cp >= 0x1c && cp <= 0x1f);
	return IN_ANY | IN_NO_LATIN | (is_white ? IN_WHITE : 0u);
}

static uint32_t classes_of(uint32_t cp)
{
	return cp < 0x80 ? ascii_classes(cp) : letter_of(cp)->classes;
}

static bool is_word(uint32_t cp)
{
	return uc_is_general_category_withtable(cp, UC_CATEGORY_MASK_L |
							    UC_CATEGORY_MASK_N);
}

/* ---- what looks bad ---- */

static bool is_element(const struct element *e, uint32_t cp)
{
	uint32_t classes = classes_of(cp);
	if ((classes & e->classes) != 0)
		return true;
	for (const char32_t *c = e->chars; *c != 0; c++)
		if (*c == cp)
			return true;
	/* The table knows the words of its own characters only. */
	return (e->classes & IN_WORD) != 0 && cp >= 0x80 && is_word(cp);
}

static bool is_last(const struct element *e)
{
	return e->chars == NULL;
}

/* Does @rule hold from the character at @start on? That may be -1: the edge. */
static bool holds(const struct element *rule, struct text text, ptrdiff_t start)
{
	for (ptrdiff_t i = start; !is_last(rule); rule++, i++) {
		if (i >= (ptrdiff_t)text.len)
			return false;
		if (i < 0 ? rule->classes != IN_EDGE
			  : !is_element(rule, text.at[i]))
			return false;
	}
	return true;
}

/* Is it worth trying the rules around @i? Nearly all that speak of one
 * character beyond ASCII speak of two in a row. */
static bool is_suspect(struct text text, size_t i)
{
	uint32_t cp = text.at[i];
	uint32_t classes = letter_of(cp)->classes;
	if ((classes & IN_C1) != 0 || cp == 0xc2 || cp == 0xc3)
		return true;
	bool is_oe = cp == 0x152 || cp == 0x153;
	if (i + 1 == text.len)
		return false;
	uint32_t next = text.at[i + 1];
	if (next < 0x80)
		return is_oe;
	uint32_t next_classes = letter_of(next)->classes;
	/* U+0402 is how windows-1251 shows the middle of a dash */
	return is_oe || next == 0x402 ||
	       ((classes | next_classes) & TELLING) != 0;
}

static bool is_bad_at(struct text text, size_t i)
{
	for (size_t r = 0; r < sizeof(rules) / sizeof(rules[0]); r++)
		for (ptrdiff_t back = 0; back <= 2; back++)
			if ((ptrdiff_t)i - back >= -1 &&
			    holds(rules[r], text, (ptrdiff_t)i - back))
				return true;
	return false;
}

static bool is_bad(struct text text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] >= 0x80 && is_suspect(text, i) &&
		    is_bad_at(text, i))
			return true;
	return false;
}

/* ---- back to bytes ---- */

/* Those of Windows have a byte for what was lost. */
static bool is_windows(int encoding)
{
	return encoding >= WINDOWS_1252 && encoding <= WINDOWS_1257;
}

static bool encode(struct bytes *out, struct text text, int encoding)
{
	out->len = 0;
	for (size_t i = 0; i < text.len; i++) {
		uint32_t cp = text.at[i];
		if (cp == LOST && is_windows(encoding))
			return false;
		uint8_t byte = cp < 0x80 ? (uint8_t)cp
					 : letter_of(cp)->bytes[encoding];
		if (byte == 0 && cp != 0)
			return false;
		out->at[out->len++] = byte;
	}
	return true;
}

static bool within(uint8_t byte, uint8_t first, uint8_t last)
{
	return byte >= first && byte <= last;
}

static bool is_tail(uint8_t byte)
{
	return within(byte, 0x80, 0xbf);
}

/* Neither is 0x85, an ellipsis more often than not. */
static bool is_plain_tail(uint8_t byte)
{
	return is_tail(byte) && byte != 0xa0 && byte != 0x85;
}

/* How long the UTF-8 at the start of @s is that lacks one 0xa0, there being a
 * space instead; 0: none is there. Only those are told that lead to characters
 * that are often met. */
static size_t spaced_len(const uint8_t *s, size_t len)
{
	static const uint8_t leads[] = {0xc2, 0xc3, 0xc5, 0xce, 0xd0, 0xd9};
	if (len >= 2 && s[1] == ' ' && memchr(leads, s[0], sizeof(leads)))
		return 2;
	if (len >= 3 && within(s[0], 0xe2, 0xe3) && s[1] == ' ' &&
	    is_plain_tail(s[2]))
		return 3;
	if (len >= 3 && within(s[0], 0xe0, 0xe3) && is_plain_tail(s[1]) &&
	    s[2] == ' ')
		return 3;
	if (len < 4 || s[0] != 0xf0)
		return 0;
	int spaces = 0;
	for (int i = 1; i < 4; i++) {
		if (s[i] != ' ' && !is_tail(s[i]))
			return 0;
		spaces += s[i] == ' ';
	}
	return spaces == 1 ? 4 : 0;
}

static bool starts(struct slice s, const char *prefix)
{
	return slice_starts(s, slice_of(prefix));
}

/* "Ã la" was "à la" once, with both spaces in one; "Ãquele" is Portuguese and
 * was one word. @rest is behind "Ã ". */
static bool is_word_a_grave(struct slice rest)
{
	return !starts(rest, " ") && !starts(rest, "quele") &&
	       !starts(rest, "quela") && !starts(rest, "quilo") &&
	       !starts(rest, "s ");
}

/* Puts 0xa0 back where somebody took it for a space. The bytes move to the
 * scratch memory's end first, for they may become more. */
static void restore_spaces(struct bytes *bytes, size_t cap)
{
	size_t len = bytes->len;
	uint8_t *s = bytes->at + cap - len;
	memmove(s, bytes->at, len);
	uint8_t *out = bytes->at;
	for (size_t i = 0; i < len;) {
		size_t n = spaced_len(s + i, len - i);
		struct slice rest = {(char *)s + i, len - i};
		if (n == 2 && s[i] == 0xc3 &&
		    is_word_a_grave(slice_from(rest, 2))) {
			*out++ = 0xc3;
			*out++ = 0xa0;
			*out++ = ' ';
			i += 2;
			continue;
		}
		size_t end = i + (n != 0 ? n : 1);
		for (; i < end; i++)
			*out++ = n != 0 && s[i] == ' ' ? 0xa0 : s[i];
	}
	bytes->len = (size_t)(out - bytes->at);
}

static bool is_lost(uint8_t byte)
{
	return byte == LOST || byte == '?';
}

static size_t utf8_len(uint8_t lead)
{
	if (within(lead, 0xc2, 0xdf))
		return 2;
	if (within(lead, 0xe0, 0xef))
		return 3;
	return within(lead, 0xf0, 0xf4) ? 4 : 0;
}

/* The same for a pair of surrogates, each in UTF-8 (CESU-8, UTR 26). */
static size_t lossy_pair_len(const uint8_t *s, size_t len)
{
	if (len < 6 || s[0] != 0xed || s[3] != 0xed ||
	    !within(s[1], 0xa0, 0xaf) || !within(s[4], 0xb0, 0xbf))
		return 0;
	bool is_whole = is_tail(s[2]) && is_tail(s[5]);
	bool is_known = (is_tail(s[2]) || is_lost(s[2])) &&
			(is_tail(s[5]) || is_lost(s[5]));
	return is_known && !is_whole ? 6 : 0;
}

/* How long the UTF-8 at the start of @s is that lost some of its bytes, 0: none
 * is there. A question mark may stand for one of them. */
static size_t lossy_len(const uint8_t *s, size_t len)
{
	if (s[0] == LOST)
		return 1;
	size_t pair = lossy_pair_len(s, len);
	size_t n = pair != 0 ? 0 : utf8_len(s[0]);
	if (n == 0 || n > len)
		return pair;
	int questions = 0, lost = 0;
	for (size_t i = 1; i < n; i++) {
		if (!is_tail(s[i]) && !is_lost(s[i]))
			return 0;
		questions += s[i] == '?';
		lost += is_lost(s[i]);
	}
	if (n == 2 && questions == 1 && s[0] > 0xc3)
		return 0;
	return lost > 0 && questions <= 1 ? n : 0;
}

/* ---- and to characters ---- */

static uint32_t cesu_pair(const uint8_t *s)
{
	return 0x10000 + ((s[1] & 0x0fu) << 16) + ((s[2] & 0x3fu) << 10) +
	       ((s[4] & 0x0fu) << 6) + (s[5] & 0x3fu);
}

static bool is_cesu_pair(const uint8_t *s, size_t len)
{
	return len >= 6 && s[0] == 0xed && within(s[1], 0xa0, 0xaf) &&
	       is_tail(s[2]) && s[3] == 0xed && within(s[4], 0xb0, 0xbf) &&
	       is_tail(s[5]);
}

/* Reads one character of UTF-8, of CESU-8 or Java's NUL; 0: neither. */
static size_t read_variant(const uint8_t *s, size_t len, uint32_t *cp)
{
	if (len >= 2 && s[0] == 0xc0 && s[1] == 0x80) {
		*cp = 0;
		return 2;
	}
	if (is_cesu_pair(s, len)) {
		*cp = cesu_pair(s);
		return 6;
	}
	return utf8_read_valid((struct slice){(const char *)s, len}, cp);
}

/* False where @bytes are no UTF-8; what is in @text is lost then. */
static bool decode(struct text *text, struct bytes bytes, bool has_losses)
{
	size_t n = 0;
	for (size_t i = 0; i < bytes.len; n++) {
		const uint8_t *s = bytes.at + i;
		size_t len = has_losses ? lossy_len(s, bytes.len - i) : 0;
		uint32_t cp = UTF8_REPLACEMENT;
		if (len == 0)
			len = read_variant(s, bytes.len - i, &cp);
		if (len == 0)
			return false;
		if (text != NULL)
			text->at[n] = cp;
		i += len;
	}
	if (text != NULL)
		text->len = n;
	return true;
}

static bool decode_as(struct text *text, int encoding, uint8_t *scratch)
{
	struct bytes bytes = {scratch, 0};
	if (!encode(&bytes, *text, encoding))
		return false;
	/* A dash and a space are usual in Mac Roman. */
	if (encoding != MAC_ROMAN)
		restore_spaces(&bytes, MOJIBAKE_SCRATCH * text->len);
	bool has_losses = is_windows(encoding);
	return decode(NULL, bytes, has_losses) &&
	       decode(text, bytes, has_losses);
}

/* ---- bad in places ---- */

static bool mend(struct text *text, uint8_t *scratch, int depth);

/* ASCII's only tail is the space, for it may be 0xa0. */
static bool may_be_tail(uint32_t cp)
{
	return cp == ' ' || (cp >= 0x80 && (classes_of(cp) & IN_TAIL) != 0);
}

/* How many characters at @i look like one of UTF-8. */
static size_t one_len(struct text text, size_t i)
{
	uint32_t classes = classes_of(text.at[i]);
	size_t tails = (classes & IN_LEAD2) != 0   ? 1
		       : (classes & IN_LEAD3) != 0 ? 2
		       : (classes & IN_LEAD4) != 0 ? 3
						   : 0;
	if (tails == 0 || text.len - i <= tails)
		return 0;
	for (size_t k = 1; k <= tails; k++)
		if (!may_be_tail(text.at[i + k]))
			return 0;
	return tails + 1;
}

static size_t run_len(struct text text, size_t i)
{
	size_t len = 0;
	while (i + len < text.len) {
		size_t one = one_len(text, i + len);
		if (one == 0)
			break;
		len += one;
	}
	return len;
}

/* Mends the runs that look like UTF-8, where they are bad by themselves. Not in
 * the middle of something longer: a part of it would come out worse. True where
 * a character changed. */
static bool mend_runs(struct text *text, uint8_t *scratch, int depth)
{
	struct text in = *text;
	size_t to = 0;
	uint32_t before = 0;
	bool has_changed = false;
	for (size_t i = 0; i < in.len;) {
		bool is_inside = (classes_of(before) & IN_TAIL_STRICT) != 0;
		size_t len = is_inside ? 0 : run_len(in, i);
		if (len == 0) {
			before = in.at[i++];
			text->at[to++] = before;
			continue;
		}
		before = in.at[i + len - 1];
		memmove(text->at + to, in.at + i, len * sizeof(in.at[0]));
		struct text run = {text->at + to, len};
		if (len < in.len)
			has_changed |= mend(&run, scratch, depth);
		to += run.len;
		i += len;
	}
	text->len = to;
	return has_changed;
}

/* Latin-1's controls are what windows-1252 has there (WHATWG Encoding). */
static bool mend_controls(struct text text)
{
	bool has_changed = false;
	for (size_t i = 0; i < text.len; i++) {
		uint32_t cp = entity_windows_1252(text.at[i]);
		has_changed |= cp != text.at[i];
		text.at[i] = cp;
	}
	return has_changed;
}

static bool mend_once(struct text *text, uint8_t *scratch, int depth)
{
	if (!is_bad(*text))
		return false;
	for (int encoding = 0; encoding < ENCODINGS; encoding++)
		if (decode_as(text, encoding, scratch))
			return true;
	if (depth < DEPTH_MAX && mend_runs(text, scratch, depth + 1))
		return true;
	return mend_controls(*text);
}

/* ftfy goes down and on for as long as something changes, and so do we, up to
 * limits that no text but a made one reaches. */
static bool mend(struct text *text, uint8_t *scratch, int depth)
{
	int steps = 0;
	while (steps < STEPS_MAX && mend_once(text, scratch, depth))
		steps++;
	return steps > 0;
}

bool mojibake_mend(uint32_t *chars, size_t *len, uint8_t *scratch)
{
	struct text text = {chars, *len};
	bool has_changed = mend(&text, scratch, 0);
	*len = text.len;
	return has_changed;
}
