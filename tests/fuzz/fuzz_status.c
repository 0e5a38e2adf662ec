/* What a tracker answers to cah status: the first byte is the terminal's width,
 * up to the first NUL goes /data, then /metrics. Nothing but printable ASCII in
 * lines that fit may come out. */
#include "cli/status.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lines(const struct buf *out, int columns)
{
	int at = 0, most = columns > 20 ? columns : 20;
	for (size_t i = 0; i < out->len; i++) {
		char c = out->data[i];
		assert(c == '\n' || (c >= ' ' && c <= '~'));
		at = c == '\n' ? 0 : at + 1;
		assert(at <= most);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct slice all = {(const char *)data + 1, size - 1};
	const char *nul = all.len > 0 ? memchr(all.data, 0, all.len) : NULL;
	struct slice first = {all.data,
			      nul != NULL ? (size_t)(nul - all.data) : all.len};
	struct cah_error err = {0};
	struct status status;
	int rc = status_parse(&status, first, &err);
	if (rc == CAH_OK && nul != NULL)
		status_parse_metrics(&status, slice_from(all, first.len + 1));
	struct status before = {0};
	status.at_ms = 1000;
	const struct status_view view = {
		.url = "http://x",
		.trouble = rc == CAH_OK ? NULL : err.text,
		.columns = data[0],
		.now = rc == CAH_OK ? &status : NULL,
		.before = &before,
	};
	struct buf out;
	buf_init(&out, 1 << 16);
	status_write(&out, &view);
	assert(buf_check(&out, "view", NULL) == CAH_OK);
	check_lines(&out, view.columns);
	buf_fini(&out);
	return 0;
}
