/* The input is a base and a reference, parted by a newline. What comes out must
 * be ASCII, come out again when it is resolved once more, and be split. */
#include "wat/url.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct slice url)
{
	struct buf again;
	buf_init(&again, URL_MAX);
	for (size_t i = 0; i < url.len; i++)
		if ((unsigned char)url.data[i] < ' ' ||
		    (unsigned char)url.data[i] >= 0x7f)
			abort();
	struct url_parts parts;
	bool has_host = url_split(url, &parts);
	bool is_http = slice_starts(url, SLICE("http:")) ||
		       slice_starts(url, SLICE("https:"));
	if (is_http && !has_host)
		abort();
	/* those of other schemes may have been cut */
	if (is_http &&
	    (url_resolve(&again, (struct slice){NULL, 0}, url) != CAH_OK ||
	     !slice_equal(url, buf_slice(&again))))
		abort();
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = {(const char *)data, size};
	const char *newline = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t len = newline != NULL ? (size_t)(newline - all.data) : 0;
	struct buf base, out;
	buf_init(&base, URL_MAX);
	buf_init(&out, URL_MAX);
	if (url_resolve(&base, (struct slice){NULL, 0},
			(struct slice){all.data, len}) == CAH_OK)
		check(buf_slice(&base));
	struct slice rest = newline != NULL ? slice_from(all, len + 1) : all;
	if (url_resolve(&out, buf_slice(&base), rest) == CAH_OK)
		check(buf_slice(&out));
	buf_fini(&base);
	buf_fini(&out);
	return 0;
}
