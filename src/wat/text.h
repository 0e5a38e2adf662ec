/* text.h: alternative texts: cleaning and the rules that drop one. Any
 * thread. */
#ifndef WAT_TEXT_H
#define WAT_TEXT_H

#include "base/buf.h"
#include "base/fate.h"

/* Writes @raw (an attribute's value out of a WAT: UTF-8, perhaps broken) to
 * @out, which is reset first: HTML character references decoded (HTML Standard,
 * 13.2.5.72 and 13.5), bytes that are not UTF-8 as U+FFFD, mojibake and the
 * like mended (mend.h; docs/texts.md) in texts of up to 64 KB, Unicode NFC;
 * control, format and private characters and noncharacters taken out (but not
 * the joiners U+200C and U+200D: scripts and emoji need them), runs of white
 * space folded to one space, none at the ends. The result may be empty. Errors:
 * CAH_ELIMIT (longer than out's maximum), CAH_ENOMEM. */
CAH_MUST_CHECK int text_clean(struct buf *out, struct slice raw);

enum {
	TEXT_CHARACTERS_MAX = 1 << 20, /* no clean text has more */
};

struct text_rules {
	int min_characters;    /* text_too_short below it; Han, kana and Hangul
				  count twice, for they say more */
	int max_characters;    /* text_too_long above it */
	double min_letters;    /* text_few_letters: least share of letters and
				  marks among the characters that are no space */
	double max_repeated;   /* text_repeated: largest share of the words
				  that are copies of an earlier one, from the
				  fifth word on */
	bool drop_placeholder; /* text_placeholder: file names, URLs */
	bool drop_boilerplate; /* text_boilerplate: stock phrases ("image",
				  "logo", "click here") */
};

/* The rules of a worker that is told nothing else. */
struct text_rules text_rules_default(void);

/* Rules that drop nothing. */
struct text_rules text_rules_none(void);

/* CAH_FATE_KEPT, or why the clean @text (not empty) is dropped. */
enum fate text_judge(const struct text_rules *rules, struct slice text);

#endif
