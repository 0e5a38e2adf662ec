#include "base/log.h"

#include "base/clock.h"
#include "base/fail.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
	LINE_MAX_BYTES = 2048,
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

/* As a JSON string's inside, which logfmt readers take as well. */
static void escape(char *out, size_t cap, const char *text)
{
	size_t n = 0;
	for (const unsigned char *p = (const unsigned char *)text;
	     *p != '\0' && n + 7 < cap; p++) {
		if (*p == '"' || *p == '\\') {
			out[n++] = '\\';
			out[n++] = (char)*p;
		} else if (*p < 0x20 || *p == 0x7f) {
			n += (size_t)snprintf(out + n, 7, "\\u%04x", *p);
		} else {
			out[n++] = (char)*p;
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
	escape(quoted, sizeof(quoted), text);

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

void log_progress(struct log *log, const char *text)
{
	if (log == NULL)
		return;
	pthread_mutex_lock(&log->lock);
	clear_progress(log);
	if (text != NULL) {
		fputs(text, log->out);
		log->has_progress = true;
	}
	fflush(log->out);
	pthread_mutex_unlock(&log->lock);
}
