#include "wat/language.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static const char *const english[] = {"en"};

static bool is_english(const char *text)
{
	struct language language = language_of(slice_of(text));
	return language_is_wanted(&language, english, 1);
}

static void language__tells_whole_sentences_surely(void **state)
{
	(void)state;
	static const struct {
		const char *text, *code;
	} rows[] = {
		{"a photo of a red bicycle in front of the old town hall",
		 "en"},
		{"ein rotes Fahrrad steht vor dem alten Rathaus", "de"},
		{"une petite maison au bord de la mer avec des volets bleus",
		 "fr"},
		{"красная машина стоит перед большим домом на улице", "ru"},
		{"赤い車が古い家の前に止まっています", "ja"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct language l = language_of(slice_of(rows[i].text));
		assert_string_equal(l.code, rows[i].code);
		assert_true(l.is_reliable);
		assert_in_range(l.percent, 50, 100);
	}
}

static void language__guesses_short_texts_and_says_so(void **state)
{
	(void)state;
	static const char *const rows[] = {"a red bike", "Original image",
					   "Edge detect", "the result",
					   "The Fonts dialog"};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct language l = language_of(slice_of(rows[i]));
		assert_string_equal(l.code, "en");
		assert_false(l.is_reliable);
	}
	assert_false(is_english("una mesa de madera con pan, queso y una "
				"botella de vino"));
	assert_false(is_english("次へ"));
}

static void language__is_unknown_where_there_is_nothing_to_tell(void **state)
{
	(void)state;
	static const char *const rows[] = {"", "***", "2034 / 17", "\xff\xfe"};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct language l = language_of(slice_of(rows[i]));
		assert_string_equal(l.code, "un");
		assert_false(language_is_wanted(&l, english, 1));
		assert_true(language_is_wanted(&l, NULL, 0));
	}
}

static void language__knows_codes_and_their_other_names(void **state)
{
	(void)state;
	static const char *const known[] = {"en", "DE",      "zh",    "iw",
					    "he", "zh-Hant", "zh-TW", "nb"};
	static const char *const unknown[] = {
		"", "un", "xxx", "e", "english", "en-", "qqq", "tg-unknown"};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_true(language_is_known(slice_of(known[i])));
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_false(language_is_known(slice_of(unknown[i])));
}

static void language__wants_what_one_of_the_codes_includes(void **state)
{
	(void)state;
	static const char *const codes[] = {"EN", "zh", "he"};
	struct language l = {.code = "zh-Hant"};
	assert_true(language_is_wanted(&l, codes, 3));
	l.code = "iw";
	assert_true(language_is_wanted(&l, codes, 3));
	l.code = "en";
	assert_true(language_is_wanted(&l, codes, 3));
	l.code = "e";
	assert_false(language_is_wanted(&l, codes, 3));
	static const char *const subtag[] = {"zh-Hant"};
	l.code = "zh";
	assert_false(language_is_wanted(&l, subtag, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(language__tells_whole_sentences_surely),
		cmocka_unit_test(language__guesses_short_texts_and_says_so),
		cmocka_unit_test(
			language__is_unknown_where_there_is_nothing_to_tell),
		cmocka_unit_test(language__knows_codes_and_their_other_names),
		cmocka_unit_test(
			language__wants_what_one_of_the_codes_includes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
