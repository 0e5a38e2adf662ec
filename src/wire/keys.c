#include "wire/keys.h"

#include "base/fail.h"

/* The digit's value; above 15 where it is none. */
static unsigned digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	/* One bit is the letter's case. */
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
}

static bool parse_key(unsigned char out[WIRE_KEY_LEN], struct slice line)
{
	unsigned all = 0;
	if (line.len != WIRE_KEY_TEXT)
		return false;
	for (size_t i = 0; i < WIRE_KEY_LEN; i++) {
		unsigned high = digit(line.data[2 * i]);
		unsigned low = digit(line.data[2 * i + 1]);
		all |= high | low;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return all <= 15;
}

static struct slice next_line(struct slice *list)
{
	const char *end = memchr(list->data, '\n', list->len);
	struct slice line = *list;
	if (end != NULL)
		line.len = (size_t)(end - list->data);
	*list = slice_from(*list, line.len + 1);
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

int wire_keys_parse(struct buf *out, struct slice list, struct cah_error *err)
{
	size_t number = 0;
	size_t count = 0;
	while (list.len > 0) {
		unsigned char key[WIRE_KEY_LEN];
		struct slice line = next_line(&list);
		number++;
		if (line.len == 0)
			continue;
		if (!parse_key(key, line))
			return cah_fail(err, CAH_EINVALID,
					"line %zu: not an MD5 in hexadecimal",
					number);
		if (++count > WIRE_KEYS_MAX)
			return cah_fail(err, CAH_ELIMIT,
					"the list has more than %d lines",
					WIRE_KEYS_MAX);
		(void)buf_add(out, key, sizeof(key));
	}
	return buf_check(out, "list", err);
}

void wire_keys_put(struct buf *out, const unsigned char key[WIRE_KEY_LEN])
{
	static const char digits[] = "0123456789abcdef";
	char text[WIRE_KEY_TEXT];
	for (size_t i = 0; i < WIRE_KEY_LEN; i++) {
		text[2 * i] = digits[key[i] >> 4];
		text[2 * i + 1] = digits[key[i] & 15];
	}
	(void)buf_add(out, text, sizeof(text));
}
