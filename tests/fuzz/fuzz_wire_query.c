/* METHOD PATH?QUERY, as in a request line: the path, the call and the fields.
 */
#include "base/utf8.h"
#include "wire/query.h"
#include "wire/route.h"
#include "wire/text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice cut(struct slice *rest, char at)
{
	const char *end = memchr(rest->data, at, rest->len);
	struct slice part = *rest;
	if (end != NULL)
		part.len = (size_t)(end - rest->data);
	*rest = slice_from(*rest, part.len + 1);
	return part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = {(const char *)data, size};
	if (size == 0)
		return 0;
	struct slice method = cut(&rest, ' ');
	struct slice raw = rest.len > 0 ? cut(&rest, '?') : rest;
	struct wire_path path;
	enum wire_route route;
	if (wire_path_parse(&path, raw, NULL) == CAH_OK &&
	    wire_route_find(&route, &path, method, NULL) == CAH_OK &&
	    route >= ROUTE_COUNT)
		abort();
	struct wire_query query;
	if (wire_query_parse(&query, rest, NULL) != CAH_OK)
		return 0;
	struct slice value;
	if (wire_query_get(&query, SLICE("nickname"), &value) &&
	    wire_nickname_check(value, NULL) == CAH_OK &&
	    (value.len > WIRE_NICKNAME_MAX || !utf8_is_valid(value)))
		abort();
	return 0;
}
