#include "cli/text_opts.h"

#include "base/fail.h"

void text_opts_init(struct text_opts *o)
{
	const struct text_rules rules = text_rules_default();
	*o = (struct text_opts){
		.min_characters = rules.min_characters,
		.max_characters = rules.max_characters,
		.min_letters = rules.min_letters,
		.max_repeated = rules.max_repeated,
	};
}

void text_opts_rows(struct opt *rows, struct text_opts *o)
{
	const struct opt table[TEXT_OPTS_COUNT] = {
		{"min-characters", "N",
		 "shortest text; Han, kana, Hangul count twice", OPT_INT,
		 &o->min_characters, 0, TEXT_CHARACTERS_MAX},
		{"max-characters", "N", "longest text", OPT_INT,
		 &o->max_characters, 0, TEXT_CHARACTERS_MAX},
		{"min-letters", "SHARE",
		 "least share of letters in a text, of 1", OPT_REAL,
		 &o->min_letters, 0, 1},
		{"max-repeated", "SHARE",
		 "largest share of repeated words in a text, of 1", OPT_REAL,
		 &o->max_repeated, 0, 1},
		{"keep-placeholders", NULL,
		 "keep texts that are file names or URLs", OPT_FLAG,
		 &o->keep_placeholders, 0, 0},
		{"keep-boilerplate", NULL,
		 "keep stock phrases, as \"click to enlarge\"", OPT_FLAG,
		 &o->keep_boilerplate, 0, 0},
		{"sure-language", NULL,
		 "drop texts whose language CLD2 only guesses", OPT_FLAG,
		 &o->wants_sure_language, 0, 0},
	};
	memcpy(rows, table, sizeof(table));
}

int text_opts_read(const struct text_opts *o, struct scan_options *scan,
		   struct cah_error *err)
{
	if (o->min_characters > o->max_characters)
		return cah_fail(err, CAH_EINVALID,
				"--min-characters is above --max-characters: "
				"no text would be left");
	scan->wants_sure_language = o->wants_sure_language;
	scan->rules = (struct text_rules){
		.min_characters = (int)o->min_characters,
		.max_characters = (int)o->max_characters,
		.min_letters = o->min_letters,
		.max_repeated = o->max_repeated,
		.drop_placeholder = !o->keep_placeholders,
		.drop_boilerplate = !o->keep_boilerplate,
	};
	return CAH_OK;
}
