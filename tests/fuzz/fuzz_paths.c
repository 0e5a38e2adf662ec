/* A list of WAT paths: whole or in pieces it says the same, and each URL is
 * one that the store takes. */
#include "cli/paths.h"
#include "wire/text.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int parse(struct paths *paths, struct slice bytes, size_t piece)
{
	struct paths_parser *parser;
	paths_init(paths);
	int rc = paths_parser_new(&parser, paths, "list", "https://x/", NULL);
	if (rc != CAH_OK)
		abort();
	while (rc == CAH_OK && bytes.len > 0) {
		size_t len = piece < bytes.len ? piece : bytes.len;
		rc = paths_parser_feed(parser, (struct slice){bytes.data, len},
				       NULL);
		bytes = slice_from(bytes, len);
	}
	if (rc == CAH_OK)
		rc = paths_parser_finish(parser, NULL);
	paths_parser_free(parser);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct slice bytes = {(const char *)data + 1, size - 1};
	struct paths whole, pieces;
	int rc = parse(&whole, bytes, SIZE_MAX);
	if (parse(&pieces, bytes, 1 + data[0]) != rc)
		abort();
	size_t at = 0, other = 0, count = 0;
	for (struct slice url = paths_next(&whole, &at);
	     rc == CAH_OK && url.len > 0; url = paths_next(&whole, &at)) {
		count++;
		/* How much came before an error is another matter. */
		if (!slice_equal(url, paths_next(&pieces, &other)))
			abort();
		if (wire_text_check(url, 1, WIRE_URL_MAX, "url", NULL) !=
		    CAH_OK)
			abort();
	}
	if (rc == CAH_OK && count != whole.count)
		abort();
	paths_fini(&whole);
	paths_fini(&pieces);
	return 0;
}
