/* log.h: what a program tells its owner: one line an event, in logfmt
 * (`time=... level=info msg="..." key=value`) or as JSON. Any thread.
 *
 * Whatever a stranger sent may be in a line: quotes, control characters and
 * those that reorder or hide text are escaped, what is no UTF-8 is replaced,
 * and a line is never longer than LOG_LINE_MAX. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/slice.h"

#include <cah/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
	LOG_LINE_MAX = 4096,   /* bytes; a pipe takes so many at once or none */
	LOG_MSG_MAX = 2048,    /* bytes of msg, escaped */
	LOG_FIELD_MAX = 512,   /* bytes of one field's text, escaped */
	LOG_BURST_LINES = 10,  /* of one kind that pass in LOG_BURST_S */
	LOG_BURST_S = 10,      /* seconds */
	LOG_WAIT_FOREVER = -1, /* for log_set_wait */
};

enum log_level {
	LOG_DEBUG,
	LOG_INFO,
	LOG_WARN,
	LOG_ERROR,
	LOG_SILENT
};

struct log;

/* Makes a log that writes lines of at least @level to @out (borrowed).
 * The caller frees *out_log. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int log_new(struct log **out_log, FILE *out,
			   enum log_level level, bool is_json,
			   struct cah_error *err);

void log_free(struct log *log);

/* How long a line waits for a reader that does not read: a pipe that is full,
 * a terminal that is stopped. LOG_WAIT_FOREVER, as it is without this call; or
 * so many milliseconds for the first line, and none for those behind it until
 * there is room again. Lines that found none are lost; the next line tells how
 * many. Before any other thread has the log. */
void log_set_wait(struct log *log, int wait_ms);

/* Whether a line of @level is written at all. False for NULL. */
bool log_shows(const struct log *log, enum log_level level);

/* Writes one line; @log may be NULL (nothing is written). */
void log_line(struct log *log, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A key and its value. */
struct log_field {
	const char *key; /* [a-z_]+ */
	enum {
		LOG_TEXT,
		LOG_INT,
		LOG_MS, /* nanoseconds that are written as milliseconds */
	} kind;
	struct slice text;
	int64_t number;
};

static inline struct log_field log_text(const char *key, struct slice text)
{
	return (struct log_field){.key = key, .kind = LOG_TEXT, .text = text};
}

static inline struct log_field log_int(const char *key, int64_t number)
{
	return (struct log_field){
		.key = key, .kind = LOG_INT, .number = number};
}

static inline struct log_field log_ms(const char *key, int64_t ns)
{
	return (struct log_field){.key = key, .kind = LOG_MS, .number = ns};
}

/* A line with fields behind its message. Those that do not fit into
 * LOG_LINE_MAX any more are left out. */
void log_fields(struct log *log, enum log_level level, const char *msg,
		const struct log_field *fields, size_t count);

/* Lines of one kind that may come by the thousand. Zeroed is empty. */
struct log_burst {
	atomic_int_fast64_t since_s;
	atomic_int lines;
	atomic_int_fast64_t left_out;
};

/* Whether a line of this kind may be written now: LOG_BURST_LINES may in
 * LOG_BURST_S seconds, others are counted. @now_s is monotonic. */
bool log_burst_passes(struct log_burst *burst, int64_t now_s);

/* Once the time of a burst is over, writes at @level how many lines about
 * @what were left out, if any. To be called about once a second. */
void log_burst_tell(struct log *log, enum log_level level,
		    struct log_burst *burst, const char *what, int64_t now_s);

/* While a progress line is on the terminal, log lines clear it first and the
 * next progress draws it again. It is cut to the terminal's width, and a
 * control character is shown as '?'. @text may be NULL: no line. */
void log_progress(struct log *log, const char *text);

#define log_debug(log, ...) log_line((log), LOG_DEBUG, __VA_ARGS__)
#define log_info(log, ...) log_line((log), LOG_INFO, __VA_ARGS__)
#define log_warn(log, ...) log_line((log), LOG_WARN, __VA_ARGS__)
#define log_error(log, ...) log_line((log), LOG_ERROR, __VA_ARGS__)

#endif
