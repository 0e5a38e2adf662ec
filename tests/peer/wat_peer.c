/* Answers each line of its input with one, so that the system tests can lay
 * URLs and texts beside somebody else's. Strings are hexadecimal, for they may
 * be any bytes; an empty one is "-".
 *
 *   url BASE INPUT    the resolved URL; "invalid", "limit"
 *   text RAW          the clean text
 *   judge TEXT        the fate's key, the language's code, whether English is
 *                     wanted, whether the language is sure: "kept en 1 1" */
#include "base/buf.h"
#include "wat/language.h"
#include "wat/text.h"
#include "wat/url.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	STRING_MAX = 1 << 20, /* bytes */
};

static int hex_value(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void read_hex(struct buf *out, const char *hex)
{
	buf_reset(out);
	if (hex == NULL || hex[0] == '-')
		return;
	for (; hex[0] != '\0' && hex[1] != '\0'; hex += 2)
		buf_add_byte(out, (char)(hex_value(hex[0]) << 4 |
					 hex_value(hex[1])));
}

static void print_hex(struct slice s)
{
	if (s.len == 0)
		putchar('-');
	for (size_t i = 0; i < s.len; i++)
		printf("%02x", (unsigned char)s.data[i]);
	putchar('\n');
}

static void answer_url(struct slice base, struct slice input)
{
	struct buf out;
	buf_init(&out, URL_MAX);
	int rc = url_resolve(&out, base, input);
	if (rc == CAH_OK)
		print_hex(buf_slice(&out));
	else
		puts(rc == CAH_ELIMIT ? "limit" : "invalid");
	buf_fini(&out);
}

static void answer_text(struct slice raw)
{
	struct buf out;
	buf_init(&out, STRING_MAX);
	if (text_clean(&out, raw) == CAH_OK)
		print_hex(buf_slice(&out));
	else
		puts("limit");
	buf_fini(&out);
}

static void answer_judge(struct slice text)
{
	static const char *const english[] = {"en"};
	struct text_rules rules = text_rules_default();
	struct language language = language_of(text);
	printf("%s %s %d %d\n", fate_key(text_judge(&rules, text)),
	       language.code, language_is_wanted(&language, english, 1),
	       language.is_reliable);
}

int main(void)
{
	char *line = NULL;
	size_t cap = 0;
	struct buf a, b;
	buf_init(&a, STRING_MAX);
	buf_init(&b, STRING_MAX);
	while (getline(&line, &cap, stdin) > 0) {
		char *rest = line;
		const char *verb = strsep(&rest, " \n");
		read_hex(&a, strsep(&rest, " \n"));
		read_hex(&b, strsep(&rest, " \n"));
		if (strcmp(verb, "url") == 0)
			answer_url(buf_slice(&a), buf_slice(&b));
		else if (strcmp(verb, "text") == 0)
			answer_text(buf_slice(&a));
		else
			answer_judge(buf_slice(&a));
	}
	buf_fini(&a);
	buf_fini(&b);
	free(line);
	return EXIT_SUCCESS;
}
