/* Error texts end up in terminals, logs and HTTP answers, and often quote what
 * came from outside; so control characters never pass through here. */
#include "base/fail.h"

#include <cah/version.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct code_row {
	int code;
	const char *name;
	const char *text;
};

static const struct code_row codes[] = {
	{CAH_OK, "OK", "no error"},
#define ERR(name, code, http, python, text) {(code), #name, (text)},
#include <cah/errors.def>
#undef ERR
};

static const struct code_row *find(int code)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].code == code)
			return &codes[i];
	return NULL;
}

const char *cah_code_name(int code)
{
	const struct code_row *row = find(code);
	return row != NULL ? row->name : "UNKNOWN";
}

const char *cah_code_text(int code)
{
	const struct code_row *row = find(code);
	return row != NULL ? row->text : "unknown error";
}

const char *cah_version(void)
{
	return CAH_VERSION;
}

/* Those from U+0080 to U+009F too, of which one begins a terminal's commands as
 * ESC [ does. */
static void hide_control_characters(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = '?';
	}
}

/* A cut in the middle of a UTF-8 character would leave invalid bytes. */
static void drop_partial_character(char *text, size_t len)
{
	size_t i = len;
	while (i > 0 && len - i < 4 &&
	       ((unsigned char)text[i - 1] & 0xc0) == 0x80)
		i--;
	if (i > 0 && (unsigned char)text[i - 1] >= 0xc0)
		text[i - 1] = '\0';
}

static void set_text(struct cah_error *err, const char *fmt, va_list args)
{
	int n = vsnprintf(err->text, sizeof(err->text), fmt, args);
	if (n < 0)
		err->text[0] = '\0';
	if (n >= (int)sizeof(err->text))
		drop_partial_character(err->text, sizeof(err->text) - 1);
	hide_control_characters(err->text);
}

int cah_fail(struct cah_error *err, int code, const char *fmt, ...)
{
	if (err == NULL)
		return code;
	va_list args;
	va_start(args, fmt);
	set_text(err, fmt, args);
	va_end(args);
	err->code = code;
	err->http_status = 0;
	return code;
}

int cah_fail_errno(struct cah_error *err, int errnum, const char *fmt, ...)
{
	if (err == NULL)
		return CAH_EIO;
	va_list args;
	va_start(args, fmt);
	set_text(err, fmt, args);
	va_end(args);
	char reason[128];
	size_t len = strlen(err->text);
	(void)snprintf(err->text + len, sizeof(err->text) - len, ": %s",
		       strerror_r(errnum, reason, sizeof(reason)));
	err->code = CAH_EIO;
	err->http_status = 0;
	return CAH_EIO;
}

int cah_fail_prefix(struct cah_error *err, int code, const char *fmt, ...)
{
	if (err == NULL)
		return code;
	char old[CAH_ERROR_TEXT];
	memcpy(old, err->text, sizeof(old));
	va_list args;
	va_start(args, fmt);
	set_text(err, fmt, args);
	va_end(args);
	size_t len = strlen(err->text);
	(void)snprintf(err->text + len, sizeof(err->text) - len, ": %s", old);
	return err->code;
}
