#include "base/log.h"

#include "base/clock.h"
#include "base/fail.h"
#include "base/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum {
	COLUMNS_DEFAULT = 80, /* of a terminal that does not tell */
	KEY_MAX = 64,         /* bytes of a key with what is around it */
	NUMBER_MAX = 32,      /* bytes of a number */
};

/* poll(2) tells of a pipe that it has room when it has it for this much. */
static_assert((int)LOG_LINE_MAX <= (int)PIPE_BUF, "a line may block");

struct log {
	pthread_mutex_t lock;
	FILE *out;
	enum log_level level;
	bool is_json;
	bool has_progress; /* a progress line is on the terminal */
	int wait_ms;
	bool is_stuck; /* the last line found no room */
	int64_t lost;  /* lines since the last that was written */
};

/* A line that is being put together; it is never longer than its bytes. */
struct line {
	char bytes[LOG_LINE_MAX];
	size_t len;
	bool is_json;
	bool has_keys;
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
	log->wait_ms = LOG_WAIT_FOREVER;
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

void log_set_wait(struct log *log, int wait_ms)
{
	if (log != NULL)
		log->wait_ms = wait_ms;
}

bool log_shows(const struct log *log, enum log_level level)
{
	return log != NULL && level >= log->level && level < LOG_SILENT;
}

/* ---- a line's text ---- */

/* Characters that change what is around them: zero-width ones, those that turn
 * the direction of writing, line and paragraph ends (Unicode 15, 23.2; the
 * "Trojan source" of CVE-2021-42574). */
static bool is_hidden(uint32_t cp)
{
	return utf8_is_control(cp) || (cp >= 0x200b && cp <= 0x200f) ||
	       (cp >= 0x2028 && cp <= 0x202e) ||
	       (cp >= 0x2060 && cp <= 0x2069) || cp == 0xfeff || cp == 0x61c;
}

/* As a JSON string's inside, which logfmt readers take as well. What is no
 * UTF-8, a character that the limit cut among it, is replaced: else a line of
 * JSON would be none. */
static size_t escape(char *out, size_t cap, struct slice text)
{
	size_t n = 0;
	while (text.len > 0 && n + sizeof("\\u001f") < cap) {
		uint32_t cp;
		text = slice_from(text, utf8_read(text, &cp));
		if (cp == '"' || cp == '\\') {
			out[n++] = '\\';
			out[n++] = (char)cp;
		} else if (is_hidden(cp)) {
			n += (size_t)snprintf(out + n, cap - n, "\\u%04x", cp);
		} else {
			n += utf8_write(out + n, cp);
		}
	}
	return n;
}

/* In logfmt, a word needs no quotes. */
static bool is_word(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		if (c <= ' ' || c >= 0x7f || strchr("\"=\\", c) != NULL)
			return false;
	}
	return text.len > 0;
}

static void put(struct line *line, const char *bytes, size_t len)
{
	assert(len < sizeof(line->bytes) - line->len);
	memcpy(line->bytes + line->len, bytes, len);
	line->len += len;
}

/* The whole of it or nothing. */
static void put_value(struct line *line, const char *key, const char *value,
		      size_t len)
{
	char before[KEY_MAX];
	const char *gap = line->is_json ? "," : " ";
	int n = snprintf(before, sizeof(before),
			 line->is_json ? "%s\"%s\":" : "%s%s=",
			 line->has_keys ? gap : "", key);
	assert(n > 0 && n < KEY_MAX);
	/* The end of the line has its place in any case. */
	size_t room = sizeof(line->bytes) - line->len - sizeof("}\n");
	if ((size_t)n + len > room)
		return;
	put(line, before, (size_t)n);
	put(line, value, len);
	line->has_keys = true;
}

/* At most @max bytes, with the quotes. */
static void put_quoted(struct line *line, const char *key, struct slice text,
		       size_t max)
{
	char value[LOG_MSG_MAX];
	value[0] = '"';
	size_t len = 1 + escape(value + 1, max - 2, text);
	value[len++] = '"';
	put_value(line, key, value, len);
}

static void put_text(struct line *line, const char *key, struct slice text)
{
	if (!line->is_json && is_word(text) && text.len <= LOG_FIELD_MAX)
		put_value(line, key, text.data, text.len);
	else
		put_quoted(line, key, text, LOG_FIELD_MAX);
}

static void put_field(struct line *line, const struct log_field *field)
{
	char number[NUMBER_MAX];
	int len = 0;
	switch (field->kind) {
	case LOG_TEXT:
		put_text(line, field->key, field->text);
		return;
	case LOG_INT:
		len = snprintf(number, sizeof(number), "%" PRId64,
			       field->number);
		break;
	case LOG_MS:
		len = snprintf(number, sizeof(number), "%.3f",
			       (double)field->number / 1e6);
		break;
	}
	put_value(line, field->key, number, (size_t)len);
}

static void put_time(struct line *line)
{
	struct timespec now;
	struct tm utc;
	char day[32];
	char when[64];
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	(void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
	int len = snprintf(when, sizeof(when), "%s.%03dZ", day,
			   (int)(now.tv_nsec / 1000000));
	put_text(line, "time", (struct slice){when, (size_t)len});
}

static void begin_line(struct line *line, bool is_json, enum log_level level,
		       struct slice msg)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	line->is_json = is_json;
	line->has_keys = false;
	line->len = 0;
	if (is_json)
		put(line, "{", 1);
	put_time(line);
	put_text(line, "level", slice_of(names[level]));
	/* Quoted even where it is a word: people look for msg=". */
	put_quoted(line, "msg", msg, LOG_MSG_MAX);
}

static void end_line(struct line *line)
{
	if (line->is_json)
		put(line, "}", 1);
	put(line, "\n", 1);
}

/* ---- writing ---- */

static void clear_progress(struct log *log)
{
	if (log->has_progress)
		fputs("\r\033[K", log->out);
	log->has_progress = false;
}

/* Whether a line can be written without waiting for long. */
static bool has_room(struct log *log)
{
	struct pollfd fd = {.fd = fileno(log->out), .events = POLLOUT};
	if (log->wait_ms == LOG_WAIT_FOREVER || fd.fd < 0)
		return true;
	int ready = poll(&fd, 1, log->is_stuck ? 0 : log->wait_ms);
	log->is_stuck = ready == 0;
	return !log->is_stuck;
}

static void write_line(struct log *log, const struct line *line)
{
	fwrite(line->bytes, 1, line->len, log->out);
	fflush(log->out);
}

static void tell_lost(struct log *log)
{
	struct line line;
	if (log->lost == 0)
		return;
	begin_line(&line, log->is_json, LOG_WARN,
		   SLICE("lines were lost: nobody read the log"));
	struct log_field lost = log_int("lines", log->lost);
	put_field(&line, &lost);
	end_line(&line);
	write_line(log, &line);
	log->lost = 0;
}

static void send(struct log *log, const struct line *line)
{
	pthread_mutex_lock(&log->lock);
	if (has_room(log)) {
		clear_progress(log);
		tell_lost(log);
		/* That line may have taken the room. */
		if (has_room(log))
			write_line(log, line);
		else
			log->lost++;
	} else {
		log->lost++;
	}
	pthread_mutex_unlock(&log->lock);
}

void log_fields(struct log *log, enum log_level level, const char *msg,
		const struct log_field *fields, size_t count)
{
	if (!log_shows(log, level))
		return;
	struct line line;
	begin_line(&line, log->is_json, level, slice_of(msg));
	for (size_t i = 0; i < count; i++)
		put_field(&line, &fields[i]);
	end_line(&line);
	send(log, &line);
}

void log_line(struct log *log, enum log_level level, const char *fmt, ...)
{
	if (!log_shows(log, level))
		return;
	char text[LOG_MSG_MAX];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_fields(log, level, text, NULL, 0);
}

/* ---- bursts ---- */

/* Two threads at once may let a line more pass; none is counted wrong. */
bool log_burst_passes(struct log_burst *burst, int64_t now_s)
{
	if (now_s - atomic_load(&burst->since_s) >= LOG_BURST_S ||
	    atomic_load(&burst->lines) == 0) {
		atomic_store(&burst->since_s, now_s);
		atomic_store(&burst->lines, 0);
	}
	if (atomic_load(&burst->lines) < LOG_BURST_LINES) {
		atomic_fetch_add(&burst->lines, 1);
		return true;
	}
	atomic_fetch_add(&burst->left_out, 1);
	return false;
}

void log_burst_tell(struct log *log, enum log_level level,
		    struct log_burst *burst, const char *what, int64_t now_s)
{
	if (now_s - atomic_load(&burst->since_s) < LOG_BURST_S)
		return;
	int64_t count = atomic_exchange(&burst->left_out, 0);
	if (count > 0)
		log_line(log, level, "%" PRId64 " more lines about %s", count,
			 what);
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
