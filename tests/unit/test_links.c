#include "wat/links.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdlib.h>

/* What was told, one line a link: "image PAGE BASE URL ALT". */
static struct buf told;

static int note(void *arg, const struct page *page, const struct link *link)
{
	(void)arg;
	return buf_printf(&told, "%s %.*s %.*s %.*s [%.*s]\n",
			  link->kind == LINK_IMAGE ? "image" : "licence",
			  SLICE_FMT(page->url), SLICE_FMT(page->base),
			  SLICE_FMT(link->url), SLICE_FMT(link->alt));
}

static int set_up(void **state)
{
	buf_init(&told, 1 << 20);
	return links_new((struct links **)state, NULL);
}

static int tear_down(void **state)
{
	buf_fini(&told);
	links_free(*state);
	return 0;
}

/* Reads @json from memory of exactly its size, for the sanitizers' sake. */
static int parse(void **state, struct slice json)
{
	char *copy = malloc(json.len + 1);
	assert_non_null(copy);
	memcpy(copy, json.data, json.len);
	copy = realloc(copy, json.len > 0 ? json.len : 1);
	buf_reset(&told);
	int rc =
		links_parse(*state, (struct slice){copy, json.len}, note, NULL);
	free(copy);
	return rc;
}

/* A record whose HTML-Metadata is @html. */
static int parse_html(void **state, const char *html)
{
	struct buf json;
	buf_init(&json, 1 << 20);
	assert_int_equal(
		buf_printf(&json,
			   "{\"Envelope\":{\"Payload-Metadata\":{\"HTTP-"
			   "Response-Metadata\":{\"HTML-Metadata\":%s}},"
			   "\"WARC-Header-Metadata\":{\"WARC-Target-URI\":"
			   "\"http://p/\"}}}",
			   html),
		CAH_OK);
	int rc = parse(state, buf_slice(&json));
	buf_fini(&json);
	return rc;
}

static void assert_told(const char *text)
{
	assert_string_equal(told.data != NULL ? told.data : "", text);
}

static void links__are_told_in_order_whatever_the_order_of_keys(void **state)
{
	static const char *const texts[] = {
		"{\"Envelope\":{\"WARC-Header-Metadata\":{\"WARC-Target-URI\":"
		"\"http://p/\"},\"Payload-Metadata\":{\"HTTP-Response-"
		"Metadata\":{\"HTML-Metadata\":{\"Head\":{\"Base\":\"/b/\"},"
		"\"Links\":[{\"path\":\"IMG@/src\",\"url\":\"1.png\",\"alt\":"
		"\"one\"},{\"path\":\"A@/href\",\"url\":\"x\"},{\"path\":"
		"\"IMG@/src\",\"url\":\"2.png\"}]}}}}}",
		" { \"Container\" : [ 1e5 , -0.5 , true , null , { } , [ ] ] , "
		"\"Envelope\" : { \"Payload-Metadata\" : { \"HTTP-Response-"
		"Metadata\" : { \"HTML-Metadata\" : { \"Links\" : [ { \"alt\" "
		": \"one\" , \"url\" : \"1.png\" , \"path\" : \"IMG@\\/src\" } "
		", 7 , { \"url\" : \"2.png\" , \"path\" : \"IMG@/src\" } ] ,\r"
		"\n\t\"Head\" : { \"Base\" : \"\\/b\\/\" } } } } , \"WARC-"
		"Header-Metadata\" : { \"WARC-Target-\\u0055RI\" : "
		"\"http:\\/\\/p\\/\" } } } \n",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(parse(state, slice_of(texts[i])), CAH_OK);
		assert_told("image http://p/ /b/ 1.png [one]\n"
			    "image http://p/ /b/ 2.png []\n");
		assert_int_equal(links_count(*state), 3);
	}
}

static void links__of_the_head_give_licences_before_all_others(void **state)
{
	assert_int_equal(
		parse_html(
			state,
			"{\"Links\":[{\"path\":\"IMG@/src\",\"url\":\"a\"},"
			"{\"path\":\"A@/href\",\"url\":\"//"
			"CreativeCommons.org/licenses/by/4.0/\"},{\"path\":"
			"\"A@/href\",\"url\":\"https:\\/\\/"
			"creativecommons.org\\/licenses\\/\"},{\"path\":\"A@/"
			"href\",\"url\":\"http://creativecommons.org/"
			"license\"}],\"Head\":{\"Link\":[{\"path\":\"LINK@/"
			"href\",\"rel\":\"license\",\"url\":\"http://"
			"creativecommons.org/licenses/by-sa/4.0/\"},{\"path\":"
			"\"IMG@/src\",\"url\":\"no\",\"alt\":\"no\"}]}}"),
		CAH_OK);
	assert_told("licence http://p/  http://creativecommons.org/licenses/"
		    "by-sa/4.0/ []\n"
		    "image http://p/  a []\n"
		    "licence http://p/  //CreativeCommons.org/licenses/by/4.0/ "
		    "[]\n"
		    "licence http://p/  https://creativecommons.org/licenses/ "
		    "[]\n");
}

static void links__decode_what_json_escapes(void **state)
{
	assert_int_equal(
		parse_html(state,
			   "{\"Links\":[{\"path\":\"IMG@/src\",\"url\":\"u\","
			   "\"alt\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC"
			   "\\ud83d\\ude00|\\ud83d|\\ude00\\ud83d\\u0041\"}]}"),
		CAH_OK);
	assert_told("image http://p/  u [\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac"
		    "\xf0\x9f\x98\x80|\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd"
		    "A]\n");
}

static int check_nul(void *arg, const struct page *page,
		     const struct link *link)
{
	(void)arg, (void)page;
	assert_int_equal(link->alt.len, 3);
	assert_memory_equal(link->alt.data, "a\0b", 3);
	return 77;
}

static void links__keep_nul_and_stop_with_the_callers_code(void **state)
{
	static const char text[] =
		"{\"Envelope\":{\"Payload-Metadata\":{\"HTTP-Response-Metadata"
		"\":{\"HTML-Metadata\":{\"Links\":[{\"path\":\"IMG@/src\","
		"\"alt\":\"a\\u0000b\"}]}}}}}";
	assert_int_equal(links_parse(*state, slice_of(text), check_nul, NULL),
			 77);
}

static void links__let_the_last_of_equal_keys_count(void **state)
{
	assert_int_equal(
		parse_html(state,
			   "{\"Links\":[{\"path\":\"IMG@/src\",\"url\":\"old\"}"
			   "],\"Links\":[{\"path\":\"A\",\"path\":\"IMG@/src\","
			   "\"alt\":\"x\",\"alt\":5,\"url\":\"1\",\"url\":\"2\""
			   "}],\"Head\":{\"Base\":\"b\"},\"Head\":{}}"),
		CAH_OK);
	assert_told("image http://p/  2 []\n");
	assert_int_equal(
		parse(state, SLICE("{\"Envelope\":{\"Payload-Metadata\":{"
				   "\"HTTP-Response-Metadata\":{\"HTML-"
				   "Metadata\":{\"Links\":[{\"path\":"
				   "\"IMG@/src\"}]}}}},\"Envelope\":3}")),
		CAH_OK);
	assert_told("");
	assert_int_equal(links_count(*state), 0);
}

static void links__pass_over_values_of_other_kinds(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"Envelope\":null}",
		"{\"Envelope\":{\"Payload-Metadata\":[],\"x\":true}}",
		"{\"Envelope\":{\"WARC-Header-Metadata\":true}}",
		"{\"Links\":[{\"path\":\"IMG@/src\",\"url\":\"no\"}]}",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(parse(state, slice_of(texts[i])), CAH_OK);
		assert_told("");
	}
	assert_int_equal(parse_html(state, "{\"Head\":[],\"Links\":{}}"),
			 CAH_OK);
	assert_int_equal(parse_html(state, "{\"Links\":[1,[],\"x\",null]}"),
			 CAH_OK);
	assert_told("");
}

static void links__tell_nothing_of_broken_json(void **state)
{
	static const char *const tails[] = {
		"",
		"]",
		"}",
		"}}}}} x",
		"}}}}}}",
		",}}}}}",
		"}}}}",
		"}}}},}",
		"}}}},\"a\"}",
		"}}}},\"a\":}",
		"}}}},\"a\":01}",
		"}}}},\"a\":1.}",
		"}}}},\"a\":.5}",
		"}}}},\"a\":+1}",
		"}}}},\"a\":1e}",
		"}}}},\"a\":tru}",
		"}}}},\"a\":NaN}",
		"}}}},\"a\":\"\\x\"}",
		"}}}},\"a\":\"\\u12g4\"}",
		"}}}},\"a\":\"\n\"}",
		"}}}},\"a\":\"",
		"}}}},\"a\":\"\\",
		"}}}},\"a\":\"\\u00",
		"}}}},a:1}",
		"}}}},'a':1}",
		"}}}},\"a\":[1,]}",
	};
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		struct buf json;
		buf_init(&json, 1000);
		(void)buf_printf(&json,
				 "{\"Envelope\":{\"Payload-Metadata\":{\"HTTP-"
				 "Response-Metadata\":{\"HTML-Metadata\":{"
				 "\"Links\":[{\"path\":\"IMG@/src\",\"url\":"
				 "\"u\"}]%s",
				 tails[i]);
		assert_int_equal(parse(state, buf_slice(&json)), CAH_EFORMAT);
		assert_told("");
		buf_fini(&json);
	}
	assert_int_equal(parse(state, SLICE("")), CAH_EFORMAT);
	assert_int_equal(parse(state, SLICE("[]")), CAH_EFORMAT);
}

static void links__refuse_json_that_is_nested_too_deep(void **state)
{
	for (int depth = 150; depth < 100000; depth *= 600) {
		struct buf json;
		buf_init(&json, 1 << 20);
		(void)buf_add_text(&json, "{\"a\":");
		for (int i = 0; i < depth; i++)
			(void)buf_add_byte(&json, '[');
		for (int i = 0; i < depth; i++)
			(void)buf_add_byte(&json, ']');
		(void)buf_add_byte(&json, '}');
		assert_int_equal(parse(state, buf_slice(&json)),
				 depth < 200 ? CAH_OK : CAH_EFORMAT);
		buf_fini(&json);
	}
}

static void links__let_bytes_that_are_not_utf8_through(void **state)
{
	assert_int_equal(parse_html(state, "{\"Links\":[{\"path\":\"IMG@/src\","
					   "\"url\":\"\xff\xfe\"}]}"),
			 CAH_OK);
	assert_told("image http://p/  \xff\xfe []\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			links__are_told_in_order_whatever_the_order_of_keys),
		cmocka_unit_test(
			links__of_the_head_give_licences_before_all_others),
		cmocka_unit_test(links__decode_what_json_escapes),
		cmocka_unit_test(
			links__keep_nul_and_stop_with_the_callers_code),
		cmocka_unit_test(links__let_the_last_of_equal_keys_count),
		cmocka_unit_test(links__pass_over_values_of_other_kinds),
		cmocka_unit_test(links__tell_nothing_of_broken_json),
		cmocka_unit_test(links__refuse_json_that_is_nested_too_deep),
		cmocka_unit_test(links__let_bytes_that_are_not_utf8_through),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
