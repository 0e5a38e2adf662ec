/* log.h: what a program tells its owner: one line an event, in logfmt
 * (`time=... level=info msg="..."`) or as JSON. Any thread. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <cah/error.h>
#include <stdbool.h>
#include <stdio.h>

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

/* Writes one line; @log may be NULL (nothing is written). Control characters
 * and quotes are escaped, what is no UTF-8 is replaced, the line is cut at
 * 2,048 bytes. */
void log_line(struct log *log, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* While a progress line is on the terminal, log lines clear it first and the
 * next progress draws it again. It is cut to the terminal's width, and a
 * control character is shown as '?'. @text may be NULL: no line. */
void log_progress(struct log *log, const char *text);

#define log_debug(log, ...) log_line((log), LOG_DEBUG, __VA_ARGS__)
#define log_info(log, ...) log_line((log), LOG_INFO, __VA_ARGS__)
#define log_warn(log, ...) log_line((log), LOG_WARN, __VA_ARGS__)
#define log_error(log, ...) log_line((log), LOG_ERROR, __VA_ARGS__)

#endif
