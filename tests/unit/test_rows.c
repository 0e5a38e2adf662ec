#include "base/buf.h"
#include "gather/list.h"
#include "gather/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

typedef int (*open_fn)(struct rows **out, struct input *input,
		       struct cah_error *err);

static int open_jsonl(struct rows **out, struct input *input,
		      struct cah_error *err)
{
	return rows_open_jsonl(out, input, NULL, 0, err);
}

static int try_open(struct rows **out, open_fn fn, struct slice bytes,
		    struct cah_error *err)
{
	struct input *input;
	assert_int_equal(input_open_bytes(&input, bytes, NULL), CAH_OK);
	return fn(out, input, err);
}

/* All values, each behind '|', rows behind '\n'; "-" is null. */
static int write_rows(struct buf *out, struct rows *rows, struct cah_error *err)
{
	int rc;
	while ((rc = rows_next(rows, err)) > 0) {
		for (size_t i = 0; i < rows->count; i++) {
			const struct parquet_value *v = &rows->values[i];
			if (v->is_null)
				(void)buf_add_text(out, "-");
			else if (rows->columns[i].type == PARQUET_TEXT)
				(void)buf_add(out, v->text, v->text_len);
			else if (rows->columns[i].type == PARQUET_DOUBLE)
				(void)buf_printf(out, "%g", v->real);
			else
				(void)buf_printf(out, "%lld",
						 (long long)v->number);
			(void)buf_add_byte(out, '|');
		}
		(void)buf_add_byte(out, '\n');
	}
	return rc;
}

struct text_case {
	open_fn fn;
	const char *in;
	const char *out;   /* what is read before the end or an error */
	const char *error; /* part of it; NULL: none */
};

static void check_case(const struct text_case *c)
{
	struct rows *rows = NULL;
	struct cah_error err = {0};
	struct buf out;
	buf_init(&out, 1 << 20);
	int rc = try_open(&rows, c->fn, slice_of(c->in), &err);
	if (rc == CAH_OK)
		rc = write_rows(&out, rows, &err);
	print_message("%s\n", c->in);
	assert_string_equal(out.data != NULL ? out.data : "", c->out);
	if (c->error == NULL) {
		assert_int_equal(rc, CAH_OK);
	} else {
		assert_true(rc < 0);
		assert_non_null(strstr(err.text, c->error));
	}
	rows_close(rows);
	buf_fini(&out);
}

static void rows__are_read_by_the_rules_of_their_format(void **state)
{
	static const struct text_case cases[] = {
		{rows_open_txt, "", "", NULL},
		{rows_open_txt, "a\n\n  b\t\r\n \nc", "a|\nb|\nc|\n", NULL},
		{rows_open_txt,
		 "\xef\xbb\xbf"
		 "a\n",
		 "a|\n", NULL},
		{rows_open_csv, "", "", "empty"},
		{rows_open_csv, "a", "", NULL},
		{rows_open_csv, "a,b\n1,2\n", "1|2|\n", NULL},
		{rows_open_csv, "a,b\r\n1,2", "1|2|\n", NULL},
		{rows_open_csv, "a,b\n\n\r\n1,\n,2\n", "1||\n|2|\n", NULL},
		{rows_open_csv, "a,b\n\"x,y\",\"q\"\"q\"\n", "x,y|q\"q|\n",
		 NULL},
		{rows_open_csv, "a,b\n\"l1\nl2\",\"\"\n", "l1\nl2||\n", NULL},
		{rows_open_csv, "a,b\nx\"y,z\n", "x\"y|z|\n", NULL},
		{rows_open_csv, "a,b\nx\ry,z\n", "x\ry|z|\n", NULL},
		{rows_open_csv, "\"a\",\"b\"\n\"1\",2", "1|2|\n", NULL},
		{rows_open_csv, ",b\n1,2\n", "1|2|\n", NULL},
		{rows_open_csv, "a,b\n1\n", "", "line 2: 1 fields"},
		{rows_open_csv, "a\n\"x\ny\"\n1,2\n", "x\ny|\n", "line 4: 2"},
		{rows_open_csv, "a\n\"x", "", "line 2: a quote is not closed"},
		{rows_open_csv, "a\n\"x\"y\n", "", "line 2: text behind"},
		{rows_open_csv, "a,a\n", "", "two columns"},
		{rows_open_csv, "a\xff\n", "", "no UTF-8"},
		{rows_open_tsv, "a\tb\n\"1\tx,y\n", "\"1|x,y|\n", NULL},
		{rows_open_tsv, "a\tb\r\n1\t2\r\n", "1|2|\n", NULL},
		{rows_open_tsv, "a\tb\n1\t2\t3\n", "", "line 2: 3 fields"},
		{open_jsonl, "", "", NULL},
		{open_jsonl, "{\"a\":1,\"b\":\"x\"}\n\n{\"b\":\"y\"}",
		 "1|x|\n-|y|\n", NULL},
		{open_jsonl, "{\"a\":1}\n{\"a\":1.5}\n", "1|\n1.5|\n", NULL},
		{open_jsonl, "{\"a\":true}\n{\"a\":null}\n", "1|\n-|\n", NULL},
		{open_jsonl, "{\"a\":1}\n{\"a\":\"x\"}\n{\"a\":[1,{}]}\n",
		 "1|\nx|\n[1,{}]|\n", NULL},
		{open_jsonl, "{\"a\":99999999999999999999}", "1e+20|\n", NULL},
		{open_jsonl, "{\"a\":\"\\u00fc\\ud83d\\ude00\"}",
		 "\xc3\xbc\xf0\x9f\x98\x80|\n", NULL},
		{open_jsonl, "{\"a\":1}\n[1]\n", "1|\n", "line 2: no JSON"},
		{open_jsonl, "{\"a\":1}\n{\n", "1|\n", "line 2: "},
		{open_jsonl, "{\"a\":\"\xff\"}\n", "", "line 1: "},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_case(&cases[i]);
}

/* @len times @c between @before and @after. */
static struct slice many(const char *before, char c, size_t len,
			 const char *after)
{
	struct buf buf;
	buf_init(&buf, 64 << 20);
	(void)buf_add_text(&buf, before);
	assert_int_equal(buf_reserve(&buf, len), CAH_OK);
	memset(buf.data + buf.len, c, len);
	buf.len += len;
	(void)buf_add_text(&buf, after);
	return buf_slice(&buf);
}

static void check_limit(open_fn fn, struct slice bytes, const char *error)
{
	struct rows *rows = NULL;
	struct cah_error err = {0};
	struct buf out;
	buf_init(&out, 16 << 20);
	int rc = try_open(&rows, fn, bytes, &err);
	if (rc == CAH_OK)
		rc = write_rows(&out, rows, &err);
	if (error == NULL) {
		assert_int_equal(rc, CAH_OK);
	} else {
		assert_int_equal(rc, CAH_ELIMIT);
		assert_non_null(strstr(err.text, error));
	}
	rows_close(rows);
	buf_fini(&out);
	free((char *)bytes.data);
}

static void rows__have_limits_that_are_told_with_the_line(void **state)
{
	(void)state;
	const size_t max = ROWS_RECORD_MAX;
	check_limit(rows_open_txt, many("a\n", 'x', max, "\n"), NULL);
	check_limit(rows_open_txt, many("a\n", 'x', max + 1, "\n"), "line 2");
	check_limit(rows_open_txt, many("a\n", 'x', max * 9, ""), "line 2");
	check_limit(rows_open_csv, many("a\n", 'x', max - 1, "\n"), NULL);
	check_limit(rows_open_csv, many("a\n", 'x', max + 1, "\n"), "line 2");
	check_limit(rows_open_csv, many("a\n\"", 'x', max * 9, ""), "line 2");
	check_limit(rows_open_csv, many("a\n\"", '\n', max * 9, ""), "line 2");
	check_limit(rows_open_csv, many("a\n\"", '"', max * 8, "\"\n"),
		    "line 2");
	check_limit(rows_open_csv, many("a\n", ',', max / 2, "\n"), "line 2");
	check_limit(rows_open_csv, many("a", ',', ROWS_COLUMNS_MAX, "\n"),
		    "line 1");
	check_limit(rows_open_csv, many("", 'a', ROWS_NAME_MAX + 1, "\n"),
		    "line 1");
	check_limit(rows_open_tsv, many("a\n", 'x', max * 3, "\n"), "line 2");
	check_limit(open_jsonl, many("{\"a\":1}\n{\"a\":\"", 'x', max, "\"}"),
		    "line 2");
}

static void rows__of_json_count_what_does_not_fit(void **state)
{
	static const struct parquet_column known[] = {
		{"n", PARQUET_INT64, true}, {"t", PARQUET_BOOL, true}};
	struct rows *rows;
	struct input *input;
	struct buf out;
	size_t at;
	(void)state;
	buf_init(&out, 1000);
	assert_int_equal(
		input_open_bytes(&input,
				 SLICE("{\"n\":\"1\",\"t\":1,\"x\":7}\n"
				       "{\"n\":2,\"t\":false}\n"
				       "{\"n\":2.5,\"t\":null}\n"),
				 NULL),
		CAH_OK);
	assert_int_equal(rows_open_jsonl(&rows, input, known, 2, NULL), CAH_OK);
	assert_int_equal(rows_find(&at, rows, "x", NULL), CAH_OK);
	assert_int_equal(at, 2);
	assert_int_equal(write_rows(&out, rows, NULL), 0);
	assert_string_equal(out.data, "-|-|7|\n2|0|-|\n-|-|-|\n");
	assert_int_equal(rows->misfits, 3);
	rows_close(rows);
	buf_fini(&out);
}

/* @bytes as a member of gzip, appended to @out. */
static void pack(struct buf *out, struct slice bytes)
{
	z_stream zip = {0};
	assert_int_equal(deflateInit2(&zip, 6, Z_DEFLATED, MAX_WBITS + 16, 8,
				      Z_DEFAULT_STRATEGY),
			 Z_OK);
	size_t room = deflateBound(&zip, bytes.len);
	assert_int_equal(buf_reserve(out, room), CAH_OK);
	zip.next_in = (unsigned char *)bytes.data;
	zip.avail_in = (uInt)bytes.len;
	zip.next_out = (unsigned char *)out->data + out->len;
	zip.avail_out = (uInt)room;
	assert_int_equal(deflate(&zip, Z_FINISH), Z_STREAM_END);
	out->len += room - zip.avail_out;
	deflateEnd(&zip);
}

static void input__inflates_members_and_tells_what_is_broken(void **state)
{
	static const struct {
		size_t cut;       /* bytes left out at the end */
		const char *tail; /* behind the members */
		size_t tail_len;
		const char *error;
	} cases[] = {
		{0, "", 0, NULL},
		{0, "\0\0\0", 3, NULL},
		{0, "x", 1, "something else follows"},
		{3, "", 0, "too early"},
		{0, "\x1f\x8b\x08\x00", 4, "too early"},
		{0, "\x1f\x8b\x07\x00\x00\x00", 6, "broken gzip"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf packed, out;
		struct rows *rows = NULL;
		struct cah_error err = {0};
		buf_init(&packed, 1000);
		buf_init(&out, 1000);
		pack(&packed, SLICE("a\nb"));
		pack(&packed, SLICE(""));
		pack(&packed, SLICE("b\nc\n"));
		packed.len -= cases[i].cut;
		(void)buf_add(&packed, cases[i].tail, cases[i].tail_len);
		int rc = try_open(&rows, rows_open_txt, buf_slice(&packed),
				  &err);
		if (rc == CAH_OK)
			rc = write_rows(&out, rows, &err);
		assert_int_equal(rc,
				 cases[i].error == NULL ? CAH_OK : CAH_EFORMAT);
		if (cases[i].error == NULL)
			assert_string_equal(out.data, "a|\nbb|\nc|\n");
		else
			assert_non_null(strstr(err.text, cases[i].error));
		rows_close(rows);
		buf_fini(&packed);
		buf_fini(&out);
	}
}

/* ---- lists ---- */

struct files {
	char names[2][32];
	const char *paths[2];
};

static void write_files(struct files *files, const char *first,
			const char *second)
{
	const char *texts[] = {first, second};
	for (int i = 0; i < 2; i++) {
		(void)snprintf(files->names[i], sizeof(files->names[i]),
			       "/tmp/cah-rows-XXXXXX");
		int fd = mkstemp(files->names[i]);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, texts[i], strlen(texts[i])),
				 (ssize_t)strlen(texts[i]));
		close(fd);
		files->paths[i] = files->names[i];
	}
}

static void remove_files(const struct files *files)
{
	for (int i = 0; i < 2; i++)
		unlink(files->names[i]);
}

static void list__goes_through_its_files_by_the_names_of_columns(void **state)
{
	struct files files;
	struct list *list;
	struct list_row row;
	size_t count;
	(void)state;
	write_files(&files, "URL,n,text\nu0,1,t0\n", "text,URL,n\nt1,u1,2\n");
	const struct list_options options = {
		.files = files.paths, .file_count = 2, .format = LIST_CSV};
	assert_int_equal(list_open(&list, &options, NULL), CAH_OK);
	assert_string_equal(list_kept(list, &count)[0].name, "n");
	assert_int_equal(count, 1);
	assert_true(list_has_text(list));
	for (int i = 0; i < 2; i++) {
		char want[8];
		assert_int_equal(list_next(list, &row, NULL), 1);
		assert_int_equal(row.number, i);
		(void)snprintf(want, sizeof(want), "u%d", i);
		assert_true(slice_equal(row.url, slice_of(want)));
		(void)snprintf(want, sizeof(want), "t%d", i);
		assert_true(slice_equal(row.text, slice_of(want)));
		assert_int_equal(row.kept[0].text[0], '1' + i);
	}
	assert_int_equal(list_next(list, &row, NULL), 0);
	assert_int_equal(list_next(list, &row, NULL), 0);
	list_close(list);
	remove_files(&files);
}

static void list__says_which_column_a_file_has_not(void **state)
{
	static const struct {
		struct list_options options;
		const char *error;
	} cases[] = {
		{{.url_column = "x"}, "--url-column: no column 'x'"},
		{{.text_column = "x"}, "--text-column: no column 'x'"},
		{{.hash_column = "x"}, "--verify-hash: no column 'x'"},
		{{.keep = "n,x"}, "--keep: no column 'x'"},
		{{.keep = "n,n"}, "two columns"},
	};
	struct files files;
	(void)state;
	write_files(&files, "url,n\nu,1\n", "url\nu\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct list *list;
		struct cah_error err;
		struct list_options options = cases[i].options;
		options.files = files.paths;
		options.file_count = 1;
		options.format = LIST_CSV;
		assert_true(list_open(&list, &options, &err) != CAH_OK);
		assert_null(list);
		assert_non_null(strstr(err.text, cases[i].error));
	}
	/* A later file that has not what the first had. */
	struct list *list;
	struct list_row row;
	struct cah_error err;
	const struct list_options options = {
		.files = files.paths, .file_count = 2, .format = LIST_CSV};
	assert_int_equal(list_open(&list, &options, NULL), CAH_OK);
	assert_int_equal(list_next(list, &row, NULL), 1);
	assert_int_equal(list_next(list, &row, &err), CAH_EINVALID);
	assert_non_null(strstr(err.text, "no column 'n'"));
	assert_non_null(strstr(err.text, files.paths[1]));
	list_close(list);
	remove_files(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows__are_read_by_the_rules_of_their_format),
		cmocka_unit_test(rows__have_limits_that_are_told_with_the_line),
		cmocka_unit_test(rows__of_json_count_what_does_not_fit),
		cmocka_unit_test(
			input__inflates_members_and_tells_what_is_broken),
		cmocka_unit_test(
			list__goes_through_its_files_by_the_names_of_columns),
		cmocka_unit_test(list__says_which_column_a_file_has_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
