/* What the web says to the fetch layer in words: header fields, hosts, URLs.
 * What a parser accepts must hold together. */
#include "fetch/address.h"
#include "fetch/header.h"
#include "fetch/target.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_fields(struct slice text)
{
	struct slice name;
	struct slice value;
	struct content_range range;
	int64_t n = 0;
	if (header_split(text, &name, &value))
		assert(name.len > 0 && name.len + value.len < text.len);
	else
		value = text;
	if (header_parse_number(&n, value))
		assert(n >= 0);
	if (header_parse_retry_after(&n, value, 1000000000))
		assert(n >= 0);
	if (header_parse_content_range(&range, value)) {
		assert(range.first <= range.last);
		assert(range.total < 0 || range.last < range.total);
		assert(range.first >= 0 || range.total >= 0);
	}
	(void)header_forbids_use(value, SLICE("crawlingathome"));
}

/* What was written must be read as the same. */
static void try_address(struct slice text)
{
	union address address;
	union address again;
	char written[ADDRESS_TEXT];
	if (!address_parse(&address, text))
		return;
	address_write(written, &address);
	assert(address_parse(&again, slice_of(written)));
	assert(memcmp(&address, &again, sizeof(address)) == 0);
	assert(address_is_public(&address) == address_is_public(&again));
}

static void try_text(const char *text)
{
	struct pins *pins;
	struct target target;
	if (pins_new(&pins, &text, 1, NULL) == CAH_OK)
		pins_free(pins);
	if (target_parse(&target, text, NULL) == CAH_OK)
		assert(target.host[0] != '\0' && target.port > 0 &&
		       target.port <= 65535);
	target_fini(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = {(const char *)data, size};
	char *copy = malloc(size + 1);
	if (copy == NULL)
		return 0;
	if (size > 0)
		memcpy(copy, data, size);
	copy[size] = '\0';
	try_fields(text);
	try_address(text);
	try_text(copy);
	free(copy);
	return 0;
}
