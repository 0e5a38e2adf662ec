#include "clip/words.h"

#include "base/fail.h"
#include "clip/unicode.h"

#include <stdlib.h>
#include <uninorm.h>
#include <unistr.h>

enum {
	REPLACEMENT = 0xfffd,
	DOTTED_I = 0x130, /* its lower case is i with a dot above */
	DOT_ABOVE = 0x307,
	IOTA_BELOW = 0x345,
	CAPITAL_SIGMA = 0x3a3,
	FINAL_SIGMA = 0x3c2,
	LONG_S = 0x17f,
	UTF8_MAX = 4, /* bytes of one character */
};

void words_init(struct words *w, enum words_flavour flavour)
{
	*w = (struct words){.flavour = flavour};
}

void words_fini(struct words *w)
{
	free(w->chars);
	free(w->bytes);
	*w = (struct words){.flavour = w->flavour};
}

static int reserve(struct words *w, size_t chars, struct cah_error *err)
{
	if (chars <= w->cap)
		return CAH_OK;
	uint32_t *more = realloc(w->chars, chars * sizeof(*more));
	if (more == NULL)
		return cah_fail(err, CAH_ENOMEM, "text: out of memory");
	w->chars = more;
	w->cap = chars;
	return CAH_OK;
}

/* A cut text ends with a whole character. */
static size_t cut_len(struct slice text)
{
	if (text.len <= WORDS_TEXT_MAX)
		return text.len;
	size_t len = WORDS_TEXT_MAX;
	while (len > WORDS_TEXT_MAX - UTF8_MAX &&
	       ((unsigned char)text.data[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static int decode(struct words *w, struct slice text, bool *is_ascii,
		  struct cah_error *err)
{
	const uint8_t *p = (const uint8_t *)text.data;
	size_t left = cut_len(text);
	/* DOTTED_I becomes two characters, from two bytes. */
	int rc = reserve(w, left + 1, err);
	if (rc != CAH_OK)
		return rc;
	w->count = 0;
	*is_ascii = true;
	while (left > 0) {
		ucs4_t c = *p;
		size_t n = 1;
		if (c >= 0x80) {
			*is_ascii = false;
			n = (size_t)u8_mbtouc(&c, p, left);
		}
		w->chars[w->count++] = c;
		p += n;
		left -= n;
	}
	return CAH_OK;
}

static int compose(struct words *w, struct cah_error *err)
{
	size_t count;
	uint32_t *nfc =
		u32_normalize(UNINORM_NFC, w->chars, w->count, NULL, &count);
	if (nfc == NULL)
		return cah_fail(err, CAH_ENOMEM, "text: out of memory");
	/* Room for the second character of each DOTTED_I. */
	size_t room = count;
	for (size_t i = 0; i < count; i++)
		room += nfc[i] == DOTTED_I;
	int rc = reserve(w, room + 1, err);
	if (rc == CAH_OK) {
		/* From the back of the array, so that it can grow forward. */
		memmove(w->chars + (room - count), nfc, count * sizeof(*nfc));
		w->at = room - count;
		w->count = room;
	}
	free(nfc);
	return rc;
}

/* Unicode, 3.13, table 3-17: after a cased letter, and before none. */
static bool is_final_sigma(const uint32_t *before, size_t before_count,
			   const uint32_t *after, size_t after_count)
{
	while (before_count > 0 &&
	       unicode_is_case_ignorable(before[before_count - 1]))
		before_count--;
	if (before_count == 0 || !unicode_is_cased(before[before_count - 1]))
		return false;
	size_t i = 0;
	while (i < after_count && unicode_is_case_ignorable(after[i]))
		i++;
	return i == after_count || !unicode_is_cased(after[i]);
}

/* Lowers chars[at..count) down to the start of the array. What was written is
 * as cased and as ignorable as what it came from. */
static void lower(struct words *w)
{
	size_t n = 0;
	for (size_t i = w->at; i < w->count; i++) {
		uint32_t c = w->chars[i];
		if (c == DOTTED_I) {
			w->chars[n++] = 'i';
			w->chars[n++] = DOT_ABOVE;
		} else if (c == CAPITAL_SIGMA && w->flavour == WORDS_ORIGINAL &&
			   is_final_sigma(w->chars, n, w->chars + i + 1,
					  w->count - i - 1)) {
			w->chars[n++] = FINAL_SIGMA;
		} else {
			w->chars[n++] = unicode_lower(c);
		}
	}
	w->count = n;
}

int words_begin(struct words *w, struct slice text, struct cah_error *err)
{
	bool is_ascii;
	w->at = 0;
	int rc = decode(w, text, &is_ascii, err);
	if (rc == CAH_OK && !is_ascii)
		rc = compose(w, err);
	if (rc != CAH_OK) {
		w->count = 0;
		return rc;
	}
	lower(w);
	w->at = 0;
	if (w->bytes_cap < w->cap * UTF8_MAX) {
		free(w->bytes);
		w->bytes_cap = w->cap * UTF8_MAX;
		w->bytes = malloc(w->bytes_cap);
	}
	if (w->bytes == NULL) {
		w->bytes_cap = w->count = 0;
		return cah_fail(err, CAH_ENOMEM, "text: out of memory");
	}
	return CAH_OK;
}

/* The characters of 's, 't, 're, 've, 'm, 'll or 'd at @at, or 0. */
static size_t contraction(const struct words *w, size_t at)
{
	static const char *const endings[] = {"s", "t",  "re", "ve",
					      "m", "ll", "d"};
	if (w->chars[at] != '\'')
		return 0;
	for (size_t k = 0; k < sizeof(endings) / sizeof(endings[0]); k++) {
		size_t i = 0;
		for (; endings[k][i] != '\0' && at + 1 + i < w->count; i++)
			if (w->chars[at + 1 + i] != (uint32_t)endings[k][i])
				break;
		if (endings[k][i] == '\0')
			return 1 + i;
	}
	bool is_long_s = w->flavour == WORDS_ORIGINAL && at + 1 < w->count &&
			 w->chars[at + 1] == LONG_S;
	return is_long_s ? 2 : 0;
}

static enum unicode_class class_at(const struct words *w, size_t at)
{
	/* Without case this mark is an iota, so the pattern's third set leaves
	 * it out, and as a mark it is not in the first: no word has it. */
	if (w->chars[at] == IOTA_BELOW && w->flavour == WORDS_ORIGINAL)
		return UNICODE_SPACE;
	return unicode_class(w->chars[at]);
}

static size_t run_of(const struct words *w, size_t at, enum unicode_class class)
{
	size_t i = at;
	while (i < w->count && class_at(w, i) == class)
		i++;
	return i - at;
}

bool words_next(struct words *w, struct slice *word)
{
	w->at += run_of(w, w->at, UNICODE_SPACE);
	if (w->at == w->count)
		return false;
	size_t n = contraction(w, w->at);
	if (n == 0) {
		enum unicode_class class = class_at(w, w->at);
		n = class == UNICODE_NUMBER ? 1 : run_of(w, w->at, class);
	}
	size_t len = 0;
	for (size_t i = 0; i < n; i++) {
		uint8_t *p = (uint8_t *)w->bytes + len;
		len += (size_t)u8_uctomb(p, w->chars[w->at + i], UTF8_MAX);
	}
	w->at += n;
	*word = (struct slice){w->bytes, len};
	return true;
}
