#include "wire/form.h"
#include "wire/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdio.h>

#define TYPE "multipart/form-data; boundary=xx"

static int parse(struct wire_form *form, const char *type, const char *body,
		 struct cah_error *err)
{
	return wire_form_parse(form, slice_of(type), slice_of(body), err);
}

static void holds(const struct wire_form *form, const char *name,
		  const char *content)
{
	struct slice got;
	assert_true(wire_form_get(form, slice_of(name), &got));
	assert_true(slice_equal(got, slice_of(content)));
}

/* As Python's requests sends the ancestors' two fields. */
static void form__has_the_parts_that_clients_send(void **state)
{
	(void)state;
	static const char *const types[] = {
		TYPE,
		"Multipart/Form-Data; charset=utf-8; Boundary=\"xx\"",
		"multipart/form-data;odd=\"; boundary=no\";boundary=xx ; a=b",
	};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct wire_form form;
		struct cah_error err = {0};
		assert_true(wire_form_is(slice_of(types[i])));
		if (parse(&form, types[i],
			  "--xx\r\nContent-Disposition: form-data; "
			  "name=\"file\"; filename=\"hash.txt\"\r\n"
			  "Content-Type: text/plain\r\n\r\na\nb\r\n\n\r\n"
			  "--xx\r\ncontent-disposition: form-data; "
			  "filename=\"name=no\"; name=key\r\n\r\nclipped\r\n"
			  "--xx--\r\n",
			  &err) != CAH_OK)
			fail_msg("%s: %s", types[i], err.text);
		assert_int_equal(form.count, 2);
		holds(&form, "file", "a\nb\r\n\n");
		holds(&form, "key", "clipped");
		struct slice none;
		assert_false(wire_form_get(&form, SLICE("add"), &none));
	}
}

static void form__leaves_out_what_has_no_name(void **state)
{
	(void)state;
	struct wire_form form;
	assert_int_equal(parse(&form, TYPE,
			       "preamble\r\n--xx \t\r\n\r\nnobody's\r\n"
			       "--xx\r\nX: name=\"x\"\r\n\r\n\r\n"
			       "--xx\r\nContent-Disposition: form-data; "
			       "name=\"\"\r\n\r\n\r\n--xx--epilogue",
			       NULL),
			 CAH_OK);
	assert_int_equal(form.count, 1);
	holds(&form, "", "");
	assert_int_equal(parse(&form, TYPE, "--xx--", NULL), CAH_OK);
	assert_int_equal(form.count, 0);
}

static void form__refuses_what_is_broken(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"",
		"--x",
		"--xx",
		"--xx\r\n",
		"--xx\n\nContent\n--xx--",
		"--xx\r\nContent-Disposition: form-data; name=a\r\n\r\nno end",
		"--xx\r\nContent-Disposition: form-data; name=a\r\n--xx--",
		"--xx\r\n\r\nx\r\n--xx",
		"--xx\r\n\r\nx\r\n--xxyy",
		"--xx-\r\n",
	};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct wire_form form;
		struct cah_error err = {0};
		if (parse(&form, TYPE, bodies[i], &err) != CAH_EFORMAT)
			fail_msg("taken: %s", bodies[i]);
		assert_non_null(strstr(err.text, "the form is broken: "));
	}
	static const char *const types[] = {
		"multipart/form-data",
		"multipart/form-data; boundary=",
		"multipart/form-data; boundary=\"xx",
		"multipart/form-data; boundary="
		"12345678901234567890123456789012345678901234567890"
		"123456789012345678901",
	};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct wire_form form;
		assert_int_equal(parse(&form, types[i], "--xx--", NULL),
				 CAH_EFORMAT);
	}
	assert_false(wire_form_is(SLICE("multipart/form-dataset")));
	assert_false(wire_form_is(SLICE("text/plain")));
}

static void form__has_so_many_parts_and_no_more(void **state)
{
	(void)state;
	struct buf body;
	struct wire_form form;
	buf_init(&body, 1 << 20);
	for (int i = 0; i < WIRE_FORM_PARTS_MAX; i++)
		buf_printf(&body,
			   "--xx\r\nContent-Disposition: form-data; "
			   "name=\"%d\"\r\n\r\n%d\r\n",
			   i, i);
	size_t len = body.len;
	buf_add_text(&body, "--xx--\r\n");
	assert_int_equal(parse(&form, TYPE, body.data, NULL), CAH_OK);
	holds(&form, "15", "15");
	body.len = len;
	buf_add_text(&body, "--xx\r\nContent-Disposition: form-data; name=\"x\""
			    "\r\n\r\n\r\n--xx--\r\n");
	assert_int_equal(parse(&form, TYPE, body.data, NULL), CAH_ELIMIT);
	buf_fini(&body);
}

static void keys__are_one_a_line(void **state)
{
	(void)state;
	struct buf keys;
	struct buf text;
	struct cah_error err = {0};
	buf_init(&keys, 1 << 10);
	buf_init(&text, 1 << 10);
	if (wire_keys_parse(&keys,
			    SLICE("0123456789abcdef0123456789ABCDEF\r\n\n"
				  "ffffffffffffffffffffffffffffffff\n\r\n"
				  "00000000000000000000000000000000"),
			    &err) != CAH_OK)
		fail_msg("%s", err.text);
	assert_int_equal(keys.len, 3 * WIRE_KEY_LEN);
	for (int i = 0; i < 3; i++)
		wire_keys_put(&text, (const unsigned char *)keys.data +
					     (ptrdiff_t)i * WIRE_KEY_LEN);
	assert_string_equal(text.data, "0123456789abcdef0123456789abcdef"
				       "ffffffffffffffffffffffffffffffff"
				       "00000000000000000000000000000000");
	buf_fini(&keys);
	buf_fini(&text);
}

static void keys__name_the_line_that_is_none(void **state)
{
	(void)state;
	static const char *const lists[] = {
		"0123456789abcdef0123456789abcdef\n\n123\n",
		"\n\n0123456789abcdef0123456789abcdeg",
		"\n\n 0123456789abcdef0123456789abcdef",
		"\n\n0123456789abcdef0123456789abcdef0\n",
		"\n\n0123456789abcdex0123456789abcdef\n",
	};
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct buf keys;
		struct cah_error err;
		buf_init(&keys, 1 << 10);
		assert_int_equal(
			wire_keys_parse(&keys, slice_of(lists[i]), &err),
			CAH_EINVALID);
		assert_string_equal(err.text,
				    "line 3: not an MD5 in hexadecimal");
		buf_fini(&keys);
	}
}

static void keys__are_so_many_and_no_more(void **state)
{
	(void)state;
	struct buf list;
	struct buf keys;
	struct cah_error err;
	buf_init(&list, 8 << 20);
	buf_init(&keys, 8 << 20);
	for (int i = 0; i < WIRE_KEYS_MAX; i++)
		buf_printf(&list, "%032x\n", (unsigned)i);
	assert_int_equal(wire_keys_parse(&keys, buf_slice(&list), &err),
			 CAH_OK);
	assert_int_equal(keys.len, WIRE_KEYS_MAX * WIRE_KEY_LEN);
	buf_reset(&keys);
	buf_printf(&list, "%032x", 1U);
	assert_int_equal(wire_keys_parse(&keys, buf_slice(&list), &err),
			 CAH_ELIMIT);
	assert_string_equal(err.text, "the list has more than 100000 lines");
	buf_fini(&list);
	buf_fini(&keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(form__has_the_parts_that_clients_send),
		cmocka_unit_test(form__leaves_out_what_has_no_name),
		cmocka_unit_test(form__refuses_what_is_broken),
		cmocka_unit_test(form__has_so_many_parts_and_no_more),
		cmocka_unit_test(keys__are_one_a_line),
		cmocka_unit_test(keys__name_the_line_that_is_none),
		cmocka_unit_test(keys__are_so_many_and_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
