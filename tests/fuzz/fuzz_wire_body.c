/* A POST body: every kind of field is asked for; what is a string is written
 * again, which must give JSON that can be read. */
#include "base/utf8.h"
#include "wire/body.h"
#include "wire/json.h"
#include "wire/text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(struct slice text)
{
	struct buf buf;
	struct wire_json json;
	buf_init(&buf, 64 + text.len * 8);
	wire_json_init(&json, &buf);
	wire_json_open(&json, '{');
	wire_json_put_slice(&json, "token", text);
	wire_json_close(&json, '}');
	struct wire_body body;
	struct slice again;
	if (wire_body_parse(&body, buf_slice(&buf), NULL) != CAH_OK ||
	    wire_body_text(&body, "token", &again, NULL) != CAH_OK ||
	    !slice_equal(text, again))
		abort();
	wire_body_fini(&body);
	buf_reset(&buf);
	(void)wire_progress_clean(&buf, text);
	if (!utf8_is_valid(buf_slice(&buf)))
		abort();
	buf_fini(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_body body;
	struct cah_error err = {0};
	struct slice bytes = {(const char *)data, size};
	if (wire_body_parse(&body, bytes, &err) == CAH_OK) {
		struct slice text;
		int64_t n;
		size_t count = 0;
		if (wire_body_text(&body, "token", &text, &err) == CAH_OK)
			write_again(text);
		if (wire_body_int(&body, "count", 0, INT32_MAX, &n, &err) ==
			    CAH_OK &&
		    (n < 0 || n > INT32_MAX))
			abort();
		if (wire_body_map_text(&body, "urls", "1", &text, &err) ==
			    CAH_OK &&
		    !utf8_is_valid(text))
			abort();
		int rc = wire_body_list(&body, "shards", &count, &err);
		for (size_t i = 0; rc == CAH_OK && i < count; i++)
			if (wire_body_list_int(&body, "shards", i, &n, &err) ==
				    CAH_OK &&
			    wire_body_list_text(&body, "shards", i, &text,
						&err) == CAH_OK)
				abort();
	}
	wire_body_fini(&body);
	return 0;
}
