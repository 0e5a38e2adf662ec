#include "base/log.h"

#include "base/clock.h"
#include "base/fail.h"
#include "base/utf8.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum {
	LINE_MAX_BYTES = 2048,
	COLUMNS_DEFAULT = 80, /* of a terminal that does not tell */
};

struct log {
	pthread_mutex_t lock;
	FILE *out;
	enum log_level level;
	bool is_json;
	bool has_progress; /* a progress line is on the terminal */
};

int log_new(struct log **out_log, FILE *out, enum log_level level, bool is_json,
	    struct cah_error *err)
{
	struct log *log = calloc(1, sizeof(*log));
	*out_log = log;
	if (log == NULL)
		return cah_fail(err, CAH_ENOMEM, "log: out of memory");
	pthread_mutex_init(&log->lock, NULL);
	log->out = out;
	log->level = level;
	log->is_json = is_json;
	return CAH_OK;
}

void log_free(struct log *log)
{
	if (log == NULL)
		return;
	log_progress(log, NULL);
	pthread_mutex_destroy(&log->lock);
	free(log);
}

/* As a JSON string's inside, which logfmt readers take as well. What is no
 * UTF-8, a character that the limit cut among it, is replaced: else a line of
 * JSON would be none. */
static void escape(char *out, size_t cap, struct slice text)
{
	size_t n = 0;
	while (text.len > 0 && n + sizeof("\\u001f") < cap) {
		uint32_t cp;
		text = slice_from(text, utf8_read(text, &cp));
		if (cp == '"' || cp == '\\') {
			out[n++] = '\\';
			out[n++] = (char)cp;
		} else if (utf8_is_control(cp)) {
			n += (size_t)snprintf(out + n, cap - n, "\\u%04x", cp);
		} else {
			n += utf8_write(out + n, cp);
		}
	}
	out[n] = '\0';
}

static void clear_progress(struct log *log)
{
	if (log->has_progress)
		fputs("\r\033[K", log->out);
	log->has_progress = false;
}

void log_line(struct log *log, enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};

	if (log == NULL || level < log->level || level >= LOG_SILENT)
		return;
	char text[LINE_MAX_BYTES];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	char quoted[LINE_MAX_BYTES];
	escape(quoted, sizeof(quoted), slice_of(text));

	char when[32];
	time_t now = (time_t)clock_wall_s();
	struct tm utc;
	gmtime_r(&now, &utc);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);

	pthread_mutex_lock(&log->lock);
	clear_progress(log);
	fprintf(log->out,
		log->is_json
			? "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":\"%s\"}\n"
			: "time=%s level=%s msg=\"%s\"\n",
		when, names[level], quoted);
	fflush(log->out);
	pthread_mutex_unlock(&log->lock);
}

static size_t count_columns(FILE *out)
{
	struct winsize size;
	int fd = fileno(out);
	if (fd < 0 || ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return COLUMNS_DEFAULT;
	return size.ws_col;
}

/* A line that wraps is cleared in its last row only, so it stops short of the
 * last column. How wide a character is depends on the terminal: what is not
 * ASCII counts for two. */
static void write_progress(FILE *out, struct slice text)
{
	size_t left = count_columns(out) - 1;
	while (text.len > 0) {
		char bytes[UTF8_MAX];
		uint32_t cp;
		text = slice_from(text, utf8_read(text, &cp));
		if (utf8_is_control(cp))
			cp = '?';
		size_t width = cp < 0x80 ? 1 : 2;
		if (width > left)
			return;
		left -= width;
		fwrite(bytes, 1, utf8_write(bytes, cp), out);
	}
}

void log_progress(struct log *log, const char *text)
{
	if (log == NULL)
		return;
	pthread_mutex_lock(&log->lock);
	clear_progress(log);
	if (text != NULL) {
		write_progress(log->out, slice_of(text));
		log->has_progress = true;
	}
	fflush(log->out);
	pthread_mutex_unlock(&log->lock);
}
