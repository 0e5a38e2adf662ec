/* Each line is a host and a URL's hash to add, then a URL to ask for. A host
 * that was taken must be found in a URL that has it, and so must one below it.
 */
#include "wat/blocklist.h"
#include "wat/url.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_host(struct blocklist *list, struct slice name)
{
	static const char *const befores[] = {"http://", "https://below."};
	if (blocklist_add_host(list, name, NULL) != CAH_OK)
		return;
	for (size_t i = 0; i < sizeof(befores) / sizeof(befores[0]); i++) {
		struct buf text, url;
		buf_init(&text, URL_MAX);
		buf_init(&url, URL_MAX);
		buf_add_text(&text, befores[i]);
		buf_add(&text, name.data, name.len);
		buf_add_text(&text, "/a.jpg");
		/* A name may be too long with "below." before it. */
		if (buf_check(&text, "the URL", NULL) == CAH_OK &&
		    url_resolve(&url, (struct slice){NULL, 0},
				buf_slice(&text)) == CAH_OK &&
		    !blocklist_has_host(list, buf_slice(&url)))
			abort();
		buf_fini(&text);
		buf_fini(&url);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = {(const char *)data, size};
	struct blocklist *list;
	if (blocklist_new(&list, NULL) != CAH_OK)
		return 0;
	while (rest.len > 0) {
		const char *end = memchr(rest.data, '\n', rest.len);
		size_t len = end != NULL ? (size_t)(end - rest.data) : rest.len;
		struct slice line = {rest.data, len};
		struct buf url;
		check_host(list, line);
		(void)!blocklist_add_hash(list, line, NULL);
		buf_init(&url, URL_MAX);
		if (url_resolve(&url, (struct slice){NULL, 0}, line) ==
		    CAH_OK) {
			(void)blocklist_has_host(list, buf_slice(&url));
			(void)blocklist_has_url(list, buf_slice(&url));
		}
		buf_fini(&url);
		rest = slice_from(rest, end != NULL ? len + 1 : len);
	}
	blocklist_free(list);
	return 0;
}
