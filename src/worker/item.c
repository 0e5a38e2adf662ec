#include "worker/item.h"

#include <stddef.h>
#include <stdlib.h>

/* Copies @s to *at, moves *at behind its NUL. */
static struct slice put(char **at, struct slice s)
{
	char *copy = *at;
	if (s.len != 0)
		memcpy(copy, s.data, s.len);
	copy[s.len] = '\0';
	*at += s.len + 1;
	return (struct slice){copy, s.len};
}

struct item *item_new(const struct candidate *c, int64_t sample_id)
{
	size_t tail = c->url.len + c->text.len + c->page_url.len +
		      c->licence.len + c->language.len + 5;
	struct item *item = calloc(1, sizeof(*item) + tail);
	if (item == NULL)
		return NULL;
	char *at = (char *)(item + 1);
	item->sample_id = sample_id;
	item->url = put(&at, c->url).data;
	item->text = put(&at, c->text);
	item->page_url = put(&at, c->page_url);
	item->licence = put(&at, c->licence);
	item->language = put(&at, c->language);
	memcpy(item->key, c->key, sizeof(item->key));
	memcpy(item->md5, c->md5, sizeof(item->md5));
	item->fetch.url = item->url;
	return item;
}

void item_free(struct item *item)
{
	if (item == NULL)
		return;
	free(item->pixels);
	free(item->embeddings);
	free(item);
}
