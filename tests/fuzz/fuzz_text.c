/* Cleans, judges and tells the language. A clean text has no white space at its
 * ends nor two spaces in a row, no control characters, and is UTF-8. */
#include "base/utf8.h"
#include "wat/language.h"
#include "wat/text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct slice text)
{
	if (text.len > 0 &&
	    (text.data[0] == ' ' || text.data[text.len - 1] == ' '))
		abort();
	for (size_t i = 0; i < text.len;) {
		struct slice rest = slice_from(text, i);
		uint32_t cp;
		size_t len = utf8_read(rest, &cp);
		if (cp < ' ' || (cp >= 0x7f && cp < 0xa0) ||
		    slice_starts(rest, SLICE("  ")))
			abort();
		if (cp == UTF8_REPLACEMENT &&
		    !slice_starts(rest, SLICE("\xef\xbf\xbd")))
			abort();
		i += len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out;
	buf_init(&out, 1 << 20);
	if (text_clean(&out, (struct slice){(const char *)data, size}) ==
		    CAH_OK &&
	    out.len > 0) {
		struct text_rules rules = text_rules_default();
		check(buf_slice(&out));
		(void)text_judge(&rules, buf_slice(&out));
		(void)language_of(buf_slice(&out));
	}
	buf_fini(&out);
	return 0;
}
