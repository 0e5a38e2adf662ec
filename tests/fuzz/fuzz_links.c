#include "wat/links.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int touch(void *arg, const struct page *page, const struct link *link)
{
	size_t *sum = arg;
	const struct slice all[] = {page->url, page->base, link->url,
				    link->alt};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (size_t j = 0; j < all[i].len; j++)
			*sum += (unsigned char)all[i].data[j];
	return CAH_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct links *links;
	if (links == NULL && links_new(&links, NULL) != CAH_OK)
		abort();
	/* Memory of exactly this size, so that one byte too far is seen. */
	char *copy = malloc(size > 0 ? size : 1);
	if (copy == NULL)
		return 0;
	if (size > 0)
		memcpy(copy, data, size);
	size_t sum = 0;
	int rc = links_parse(links, (struct slice){copy, size}, touch, &sum);
	if (rc != CAH_OK && (rc != CAH_EFORMAT || sum != 0))
		abort();
	free(copy);
	return 0;
}
