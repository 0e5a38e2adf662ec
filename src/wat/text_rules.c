/* Which alternative texts are no caption. The rules are mild: what a text is
 * worth beside its image is for CLIP to say; here goes what costs a download
 * for nothing. */
#include "wat/text.h"

#include "base/utf8.h"

#include <limits.h>
#include <unictype.h>

enum {
	REPEATED_FROM = 5,   /* words; fewer say nothing about repetition */
	WORDS_MAX = 512,     /* words of a text that are looked at */
	WORD_SLOTS = 1024,   /* a power of two above WORDS_MAX */
	FILE_NAME_MAX = 255, /* bytes */
	PHRASE_MAX = 24,     /* bytes; no stock phrase is longer */
};

struct text_rules text_rules_default(void)
{
	return (struct text_rules){
		/* as LAION-400M's worker */
		.min_characters = 5,
		/* CLIP reads 77 tokens, some 300 characters; what is far
		 * beyond is no caption but a page's keywords */
		.max_characters = 1000,
		/* "1024x768" and "10:30" have fewer; "iPhone 12" has more */
		.min_letters = 0.3,
		.max_repeated = 0.5,
		.drop_placeholder = true,
		.drop_boilerplate = true,
	};
}

struct text_rules text_rules_none(void)
{
	return (struct text_rules){.max_characters = INT_MAX,
				   .max_repeated = 1};
}

struct counts {
	int characters;
	int wide;    /* of them: see is_wide */
	int visible; /* that are no space */
	int letters; /* letters and marks */
};

/* Han, kana and Hangul: two or three of them say what five letters say, so
 * "富士山" is not too short. */
static bool is_wide(uint32_t cp)
{
	return (cp >= 0x2e80 && cp <= 0x9fff) ||
	       (cp >= 0xac00 && cp <= 0xd7a3) ||
	       (cp >= 0xf900 && cp <= 0xfaff) ||
	       (cp >= 0x20000 && cp <= 0x3ffff);
}

static bool is_ascii_letter(uint32_t cp)
{
	uint32_t lower = cp | 0x20;
	return lower >= 'a' && lower <= 'z';
}

static bool is_letter(uint32_t cp)
{
	if (cp < 0x80)
		return is_ascii_letter(cp);
	return uc_is_general_category_withtable(cp, UC_CATEGORY_MASK_L |
							    UC_CATEGORY_MASK_M);
}

static struct counts count(struct slice text)
{
	struct counts n = {0};
	for (size_t i = 0; i < text.len;) {
		uint32_t cp;
		i += utf8_read(slice_from(text, i), &cp);
		n.characters++;
		n.wide += is_wide(cp);
		n.visible += cp != ' ';
		n.letters += is_letter(cp);
	}
	return n;
}

/* The next word in *text, which is moved behind it; empty at the end. */
static struct slice next_word(struct slice *text)
{
	size_t start = 0;
	while (start < text->len && text->data[start] == ' ')
		start++;
	size_t end = start;
	while (end < text->len && text->data[end] != ' ')
		end++;
	struct slice word = {text->data + start, end - start};
	*text = slice_from(*text, end);
	return word;
}

static bool is_ascii_punctuation(char c)
{
	return c > ' ' && c < 0x7f && !(c >= '0' && c <= '9') &&
	       !is_ascii_letter((uint32_t)c);
}

/* @s without the ASCII punctuation and spaces around it. */
static struct slice bare(struct slice s)
{
	while (s.len > 0 &&
	       (is_ascii_punctuation(s.data[0]) || s.data[0] == ' '))
		s = slice_from(s, 1);
	while (s.len > 0 && (is_ascii_punctuation(s.data[s.len - 1]) ||
			     s.data[s.len - 1] == ' '))
		s.len--;
	return s;
}

/* FNV-1a (Fowler, Noll, Vo) over the word in lower case (ASCII's), never 0. */
static uint64_t word_hash(struct slice word)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < word.len; i++) {
		char c = word.data[i];
		uint8_t byte = (uint8_t)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
		hash = (hash ^ byte) * 0x100000001b3u;
	}
	return hash | 1;
}

/* Sets @hash in the table; true when it was there. */
static bool was_seen(uint64_t table[WORD_SLOTS], uint64_t hash)
{
	size_t i = (hash >> 32) & (WORD_SLOTS - 1);
	for (; table[i] != 0; i = (i + 1) & (WORD_SLOTS - 1))
		if (table[i] == hash)
			return true;
	table[i] = hash;
	return false;
}

/* The share of the words that are copies of an earlier one; dashes and the like
 * between words are no words. A hash in common counts as a copy: two different
 * words in 2^63 do no harm. */
static double repeated_share(struct slice text)
{
	uint64_t table[WORD_SLOTS] = {0};
	int words = 0;
	int copies = 0;
	while (text.len > 0 && words < WORDS_MAX) {
		struct slice word = bare(next_word(&text));
		if (word.len == 0)
			continue;
		words++;
		copies += was_seen(table, word_hash(word));
	}
	return words < REPEATED_FROM ? 0 : (double)copies / words;
}

static bool has_space(struct slice s)
{
	return s.len > 0 && memchr(s.data, ' ', s.len) != NULL;
}

static bool starts_nocase(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len &&
	       strncasecmp(s.data, prefix.data, prefix.len) == 0;
}

static bool is_url(struct slice text)
{
	return !has_space(text) && (starts_nocase(text, SLICE("http://")) ||
				    starts_nocase(text, SLICE("https://")) ||
				    starts_nocase(text, SLICE("//")) ||
				    starts_nocase(text, SLICE("www.")) ||
				    starts_nocase(text, SLICE("data:")));
}

/* The name without its ending; @name itself where it has no image's ending. */
static struct slice without_ending(struct slice name)
{
	static const char *const endings[] = {
		".jpg", ".jpeg", ".png",  ".gif",  ".webp", ".svg", ".bmp",
		".tif", ".tiff", ".avif", ".heic", ".ico",  ".jpe", ".jfif"};
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		struct slice ending = slice_of(endings[i]);
		if (name.len > ending.len &&
		    slice_equal_nocase(slice_from(name, name.len - ending.len),
				       ending))
			return (struct slice){name.data, name.len - ending.len};
	}
	return name;
}

static const char *const camera_words[] = {
	"img",  "image", "dsc",   "dscn",     "dscf",       "dcim",
	"p",    "pic",   "pict",  "sam",      "mvi",        "wp",
	"scan", "photo", "foto",  "bild",     "screenshot", "picture",
	"pxl",  "vid",   "slide", "untitled", "thumb",      "banner"};

/* "IMG_2034", "DSC 00417", "image (3)", "photo-12": a camera's or a program's
 * word and a number. */
static bool is_numbered_name(struct slice name)
{
	size_t letters = 0;
	while (letters < name.len &&
	       is_ascii_letter((uint8_t)name.data[letters]))
		letters++;
	struct slice word = {name.data, letters};
	int digits = 0;
	for (size_t i = letters; i < name.len; i++) {
		if (name.data[i] >= '0' && name.data[i] <= '9')
			digits++;
		else if (strchr(" _-.()", name.data[i]) == NULL)
			return false;
	}
	if (digits == 0)
		return false;
	for (size_t i = 0; i < sizeof(camera_words) / sizeof(camera_words[0]);
	     i++)
		if (slice_equal_nocase(word, slice_of(camera_words[i])))
			return true;
	return false;
}

/* A file's name that is a caption, "Sunset over the lake.jpg", has spaces. */
static bool is_file_name(struct slice text)
{
	if (text.len > FILE_NAME_MAX)
		return false;
	struct slice name = without_ending(text);
	if (name.len != text.len && !has_space(name))
		return true;
	return is_numbered_name(name);
}

static bool is_stock_phrase(struct slice text)
{
	static const struct slice phrases[] = {
#define PHRASE(text) {(text), sizeof(text) - 1},
#include "wat/text_phrases.def"
#undef PHRASE
	};
	struct slice phrase = bare(text);
	if (phrase.len > PHRASE_MAX)
		return false;
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (slice_equal_nocase(phrase, phrases[i]))
			return true;
	return false;
}

enum fate text_judge(const struct text_rules *rules, struct slice text)
{
	struct counts n = count(text);
	if (n.characters + n.wide < rules->min_characters)
		return CAH_FATE_TEXT_TOO_SHORT;
	if (n.characters > rules->max_characters)
		return CAH_FATE_TEXT_TOO_LONG;
	if (n.letters < rules->min_letters * n.visible)
		return CAH_FATE_TEXT_FEW_LETTERS;
	if (repeated_share(text) > rules->max_repeated)
		return CAH_FATE_TEXT_REPEATED;
	if (rules->drop_placeholder && (is_url(text) || is_file_name(text)))
		return CAH_FATE_TEXT_PLACEHOLDER;
	if (rules->drop_boilerplate && is_stock_phrase(text))
		return CAH_FATE_TEXT_BOILERPLATE;
	return CAH_FATE_KEPT;
}
