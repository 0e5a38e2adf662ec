/* Text of strangers in lines of the log, in both formats, and in labels of
 * metrics: whatever it is, one line stays one line, and can be read. */
#include "base/log.h"
#include "base/metrics.h"
#include "base/utf8.h"
#include "wire/body.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first half is the message, the second a field. */
static struct slice say(struct slice text, bool is_json, char **memory)
{
	struct log *log;
	struct slice said = {NULL, 0};
	FILE *out = open_memstream(memory, &said.len);
	assert(out != NULL && log_new(&log, out, LOG_INFO, is_json, NULL) == 0);
	size_t half = text.len / 2;
	const struct log_field fields[] = {
		log_text("first", slice_from(text, half)),
		log_int("n", (int64_t)text.len),
		log_text("all", text),
	};
	char *msg = strndup(text.data != NULL ? text.data : "", half);
	assert(msg != NULL);
	log_fields(log, LOG_INFO, msg, fields, 3);
	free(msg);
	log_free(log);
	(void)fclose(out);
	said.data = *memory;
	return said;
}

static void check_line(struct slice line)
{
	assert(line.len > 0 && line.len <= LOG_LINE_MAX);
	assert(line.data[line.len - 1] == '\n');
	line.len--;
	assert(utf8_is_valid(line));
	for (size_t i = 0; i < line.len; i++)
		assert((unsigned char)line.data[i] >= 0x20);
}

static void check_json(struct slice line)
{
	struct wire_body body;
	struct slice all;
	line.len--;
	assert(wire_body_parse(&body, line, NULL) == CAH_OK);
	assert(wire_body_text(&body, "all", &all, NULL) == CAH_OK);
	wire_body_fini(&body);
}

/* Quotes open and close, and nothing stands between two fields but a space. */
static void check_logfmt(struct slice line)
{
	size_t i = 0;
	size_t end = line.len - 1;
	while (i < end) {
		while (line.data[i] != '=')
			assert(line.data[i] != '"' && ++i < end);
		i++;
		if (line.data[i] == '"') {
			for (i++; line.data[i] != '"'; i++) {
				i += line.data[i] == '\\';
				assert(i < end);
			}
			i++;
		}
		while (i < end && line.data[i] != ' ')
			assert(line.data[i] != '"' && line.data[i++] != '=');
		i++;
	}
}

static void check_label(struct slice text)
{
	struct buf out;
	const struct metrics_label label = {"l", text};
	const struct metrics_series series = {"m", &label, 1};
	buf_init(&out, 8 * text.len + 64);
	metrics_int(&out, &series, 1);
	assert(buf_check(&out, "metrics", NULL) == CAH_OK);
	assert(utf8_is_valid(buf_slice(&out)));
	assert(memchr(out.data, '\n', out.len) == out.data + out.len - 1);
	assert(slice_ends(buf_slice(&out), SLICE("\"} 1\n")));
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = {(const char *)data, size};
	char *memory = NULL;
	struct slice line = say(text, true, &memory);
	check_line(line);
	check_json(line);
	free(memory);
	line = say(text, false, &memory);
	check_line(line);
	check_logfmt(line);
	free(memory);
	check_label(text);
	return 0;
}
