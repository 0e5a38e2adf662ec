#include "wat/text.h"

#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdlib.h>
#include <uninorm.h>

struct row {
	const char *raw, *clean;
};

static void check(const struct row *rows, size_t count)
{
	struct buf out;
	buf_init(&out, 10000);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(text_clean(&out, slice_of(rows[i].raw)),
				 CAH_OK);
		assert_string_equal(out.data != NULL ? out.data : "",
				    rows[i].clean);
	}
	buf_fini(&out);
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof((rows)[0]))

/* Ligatures, quotes and wide forms become other characters. */
static bool is_mended(uint32_t cp)
{
	return (cp >= 0x132 && cp <= 0x2bc) || (cp >= 0x2018 && cp <= 0x201f) ||
	       (cp >= 0xfb00 && cp <= 0xfb06) || (cp >= 0xff01 && cp <= 0xffef);
}

/* What is known of a character without the library must be what that says. */
static void text__is_normalised_whatever_the_character(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 10000);
	for (uint32_t cp = 0xa0; cp < 0x110000; cp++) {
		char raw[UTF8_MAX];
		uint8_t nfc[64];
		size_t len = sizeof(nfc);
		if ((cp >= 0xd800 && cp < 0xe000) || is_mended(cp))
			continue;
		struct slice s = {raw, utf8_write(raw, cp)};
		assert_int_equal(text_clean(&out, s), CAH_OK);
		assert_non_null(u8_normalize(UNINORM_NFC, (const uint8_t *)raw,
					     s.len, nfc, &len));
		/* One that is taken out leaves nothing. */
		if (out.len > 0)
			assert_true(
				slice_equal(buf_slice(&out),
					    (struct slice){(char *)nfc, len}));
	}
	buf_fini(&out);
}

static void text__is_read_again_as_the_utf8_that_it_was(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"cafÃ© crÃ¨me", "café crème"},
		{"âœ” fertig", "✔ fertig"},
		{"РїСЂРёРІРµС‚", "привет"},        /* windows-1251 */
		{"‚Äútext‚Äù", "\"text\""},        /* Mac Roman */
		{"Ã¢â‚¬Å“zwei Mal", "\"zwei Mal"}, /* twice */
		{"caf&Atilde;&copy;", "café"},
		{"Ã la mode, voilÃ ", "à la mode, voilà"},
		{"schön â€“ sch&Atilde;&para;n", "schön – schön"},
		{"â€œ lost â€\xef\xbf\xbd", "\" lost \xef\xbf\xbd"},
		{"\xc3\xad\xc2\xa0\xc2\xbd\xc3\xad\xc2\xb8\xc2\x80",
		 "\xf0\x9f\x98\x80"}, /* CESU-8 in Latin-1 */
		{"\xc2\x93quoted\xc2\x94 \xc2\x80 5", "\"quoted\" € 5"},
	};
	CHECK(rows);
}

static void text__stays_as_it_is_where_it_is_good(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"Ärger über Öl", "Ärger über Öl"},
		{"ÀÉÎÕÜ", "ÀÉÎÕÜ"},
		{"Привет, мир", "Привет, мир"},
		{"Â", "Â"},
		{"El Niño – ¿qué es?", "El Niño – ¿qué es?"},
		{"日本語の写真", "日本語の写真"},
		{"¯\\_(ツ)_/¯", "¯\\_(ツ)_/¯"},
		{"5 € ± 2 µm × 3", "5 € ± 2 µm × 3"},
	};
	CHECK(rows);
}

static void text__has_plain_letters_and_quotes(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"\xef\xac\x82uffy \xef\xac\x81lms", "fluffy films"},
		{"ＷＩＤＥ　ｱｲｳ", "WIDE アイウ"},
		{"“it’s” ‘so’", "\"it's\" 'so'"},
		{"\033[1;31mred\033[0m", "red"},
		{"\033[1 no", "[1 no"},
	};
	CHECK(rows);
}

/* A caption has no kilobytes; what has is read, not mended. */
static void text__is_mended_up_to_a_length(void **state)
{
	(void)state;
	static char raw[70000];
	struct buf out;
	buf_init(&out, 1 << 20);
	memset(raw, 'x', sizeof(raw));
	memcpy(raw, "Ã©", 4);
	assert_int_equal(text_clean(&out, (struct slice){raw, 60000}), CAH_OK);
	assert_int_equal(out.len, 60000 - 2);
	assert_int_equal(text_clean(&out, (struct slice){raw, sizeof(raw)}),
			 CAH_OK);
	assert_int_equal(out.len, sizeof(raw));
	buf_fini(&out);
}

static void text__orders_marks(void **state)
{
	(void)state;
	/* U+302E (class 224) and U+302A (218): Unicode 15, D108 */
	static const struct row rows[] = {
		{"\u3042\u302e\u302a", "\u3042\u302a\u302e"},
		{"a\u0301\u0323", "\u1ea1\u0301"},
	};
	CHECK(rows);
}

static void text__decodes_references_as_attributes_do(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"Tom &amp; Jerry &lt;3", "Tom & Jerry <3"},
		{"caf&eacute; caf&#233 caf&#xE9;", "café café café"},
		{"&notin; &notit; &not; &not", "∉ &notit; ¬ ¬"},
		{"?a=1&copy=2 &copy2 &copy; &copy.", "?a=1&copy=2 &copy2 © ©."},
		{"&#150;&#x80;&#129;x", "–€x"},
		{"&#0;&#xD800;&#x110000;&#99999999999999999999;",
		 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"&# &#x &#xg &; && &unknown; &",
		 "&# &#x &#xg &; && &unknown; &"},
		{"&NotEqualTilde;", "\xe2\x89\x82\xcc\xb8"},
		{"&amp;lt; &amp;amp;amp; P&EACUTE;REZ", "< & PÉREZ"},
		{"&CounterClockwiseContourIntegral;", "∳"},
		{"&AMP", "&"},
	};
	CHECK(rows);
}

static void text__folds_white_space_of_all_kinds(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"  a \t\r\n b\f\vc  ", "a b c"},
		{"a\xc2\xa0\xe3\x80\x80z&nbsp;&#8195;z", "a z z"},
		{"&nbsp; &#32;\n", ""},
		{"", ""},
		{"a \xe2\x80\x8b b", "a b"},
	};
	CHECK(rows);
}

static void text__takes_out_what_nobody_sees(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"a\x01\x7f\xc2\x81z", "az"},
		{"so\xc2\xadon \xef\xbb\xbf&#x202E;x", "soon x"},
		{"icon \xee\x80\x80 font\xef\xbf\xbe", "icon font"},
		{"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb",
		 "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb"},
	};
	CHECK(rows);
}

static void text__replaces_broken_utf8_part_by_part(void **state)
{
	(void)state;
#define R "\xef\xbf\xbd"
	static const struct row rows[] = {
		{"a\xff\xfe", "a" R R},  {"\xe2\x82z", R "z"},
		{"\xed\xa0\x80", R R R}, {"\xf0\x9f\x92", R},
		{"\xc0\xaf", R R},       {"caf\xe9", "caf" R},
	};
#undef R
	CHECK(rows);
}

static void text__is_composed(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"cafe\xcc\x81", "café"},
		{"e\xc2\xad\xcc\x81", "é"},
		{"\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "한"},
		{"\xe2\x84\xab", "Å"},
	};
	CHECK(rows);
}

static void text__stops_at_the_limit(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 4);
	assert_int_equal(text_clean(&out, SLICE("abcde")), CAH_ELIMIT);
	assert_int_equal(text_clean(&out, SLICE(" abcd ")), CAH_OK);
	assert_string_equal(out.data, "abcd");
	buf_fini(&out);
}

static void text__composes_long_texts_as_short_ones(void **state)
{
	(void)state;
	enum {
		COUNT = 5000
	};
	struct buf raw, out;
	buf_init(&raw, COUNT * 3);
	buf_init(&out, COUNT * 3);
	for (int i = 0; i < COUNT; i++)
		buf_add_text(&raw, "e\xcc\x81");
	assert_int_equal(text_clean(&out, buf_slice(&raw)), CAH_OK);
	assert_int_equal(out.len, COUNT * 2);
	buf_fini(&raw);
	buf_fini(&out);
}

struct verdict {
	const char *text;
	enum fate fate;
};

static void judge(const struct verdict *rows, size_t count)
{
	struct text_rules rules = text_rules_default();
	for (size_t i = 0; i < count; i++) {
		enum fate fate = text_judge(&rules, slice_of(rows[i].text));
		if (fate != rows[i].fate)
			fail_msg("%s: %s", rows[i].text, fate_key(fate));
	}
}

#define JUDGE(rows) judge(rows, sizeof(rows) / sizeof((rows)[0]))

static void rules__keep_captions(void **state)
{
	(void)state;
	static const struct verdict rows[] = {
		{"a red bicycle", CAH_FATE_KEPT},
		{"Warning", CAH_FATE_KEPT},
		{"[Tip]", CAH_FATE_KEPT},
		{"GIMP logo", CAH_FATE_KEPT},
		{"富士山", CAH_FATE_KEPT},
		{"한라산", CAH_FATE_KEPT},
		{"สุนัข", CAH_FATE_KEPT},
		{"iPhone 12 64 GB", CAH_FATE_KEPT},
		{"Sunset over the lake.jpg", CAH_FATE_KEPT},
		{"photo of a cat", CAH_FATE_KEPT},
		{"Slide show", CAH_FATE_KEPT},
		{"a red car, a blue car and a green car", CAH_FATE_KEPT},
	};
	JUDGE(rows);
}

static void rules__drop_what_is_no_caption(void **state)
{
	(void)state;
	static const struct verdict rows[] = {
		{"x", CAH_FATE_TEXT_TOO_SHORT},
		{"***", CAH_FATE_TEXT_TOO_SHORT},
		{"Next", CAH_FATE_TEXT_TOO_SHORT},
		{"山川", CAH_FATE_TEXT_TOO_SHORT},
		{"1024x768", CAH_FATE_TEXT_FEW_LETTERS},
		{"2021-05-03 12:33", CAH_FATE_TEXT_FEW_LETTERS},
		{"★★★★★", CAH_FATE_TEXT_FEW_LETTERS},
		{"car Car car, car! car", CAH_FATE_TEXT_REPEATED},
		{"buy now - buy now - buy now", CAH_FATE_TEXT_REPEATED},
		{"IMG_2034.JPG", CAH_FATE_TEXT_PLACEHOLDER},
		{"dsc00417.jpg", CAH_FATE_TEXT_PLACEHOLDER},
		{"photo-12-final.png", CAH_FATE_TEXT_PLACEHOLDER},
		{"DSC 00417", CAH_FATE_TEXT_PLACEHOLDER},
		{"Image (3)", CAH_FATE_TEXT_PLACEHOLDER},
		{"https://a.example/cat", CAH_FATE_TEXT_PLACEHOLDER},
		{"www.example.org", CAH_FATE_TEXT_PLACEHOLDER},
		{"[Image]", CAH_FATE_TEXT_BOILERPLATE},
		{"Click here!", CAH_FATE_TEXT_BOILERPLATE},
	};
	JUDGE(rows);
}

static void rules__count_characters_not_bytes(void **state)
{
	(void)state;
	struct text_rules rules = text_rules_default();
	char text[1001 * 2 + 1];
	for (int i = 0; i < 1001; i++)
		memcpy(text + i * 2, "\xc3\xa9", 2);
	struct slice s = {text, 1000 * 2};
	assert_int_equal(text_judge(&rules, s), CAH_FATE_KEPT);
	s.len = 1001 * 2;
	assert_int_equal(text_judge(&rules, s), CAH_FATE_TEXT_TOO_LONG);
}

static void rules__can_be_loosened(void **state)
{
	(void)state;
	struct text_rules rules = {.max_characters = 100, .max_repeated = 1};
	assert_int_equal(text_judge(&rules, SLICE("*")), CAH_FATE_KEPT);
	assert_int_equal(text_judge(&rules, SLICE("x x x x x x")),
			 CAH_FATE_KEPT);
	assert_int_equal(text_judge(&rules, SLICE("IMG_1.jpg")), CAH_FATE_KEPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text__is_normalised_whatever_the_character),
		cmocka_unit_test(text__orders_marks),
		cmocka_unit_test(text__is_read_again_as_the_utf8_that_it_was),
		cmocka_unit_test(text__stays_as_it_is_where_it_is_good),
		cmocka_unit_test(text__has_plain_letters_and_quotes),
		cmocka_unit_test(text__is_mended_up_to_a_length),
		cmocka_unit_test(text__decodes_references_as_attributes_do),
		cmocka_unit_test(text__folds_white_space_of_all_kinds),
		cmocka_unit_test(text__takes_out_what_nobody_sees),
		cmocka_unit_test(text__replaces_broken_utf8_part_by_part),
		cmocka_unit_test(text__is_composed),
		cmocka_unit_test(text__stops_at_the_limit),
		cmocka_unit_test(text__composes_long_texts_as_short_ones),
		cmocka_unit_test(rules__keep_captions),
		cmocka_unit_test(rules__drop_what_is_no_caption),
		cmocka_unit_test(rules__count_characters_not_bytes),
		cmocka_unit_test(rules__can_be_loosened),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
