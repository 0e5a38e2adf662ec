/* A WAT's record is read once, forward; what is needed of it is remembered as
 * places in the text, for the keys come in any order: a page's own URL stood in
 * front of its links before 2019 and stands behind them since. Where a key
 * comes twice, the last one counts, as in Java, Python and JavaScript. */
#include "wat/links.h"

#include "base/buf.h"
#include "base/fail.h"
#include "wat/jscan.h"

#include <stdint.h>
#include <stdlib.h>

enum {
	LINKS_MAX = 1 << 20,  /* images and licences of one page */
	FIRST_PLACES = 64,    /* grows from there */
	TEXT_MAX = 256 << 20, /* bytes of a decoded string: more than any record
				 has */
};

static const struct slice licences = {"creativecommons.org/licenses/", 29};

struct place {
	enum link_kind kind;
	struct jscan_text url;
	struct jscan_text alt;
};

struct places {
	struct place *items;
	size_t count;
	size_t cap;
};

struct links {
	struct jscan_text url;
	struct jscan_text base;
	struct places head;           /* of Head.Link */
	struct places body;           /* of Links */
	struct places *list;          /* the one that is being filled */
	size_t entries;               /* of Links, whatever they link to */
	int code;                     /* of a failure that is not the text's */
	uint8_t skip[256];            /* Horspool's table for `licences` */
	struct buf url_buf, base_buf; /* of the page, decoded */
	struct buf link_buf, alt_buf; /* of the link in hand, decoded */
};

/* The strings of one entry of a list. */
struct entry {
	struct jscan_text path, url, alt;
};

int links_new(struct links **out, struct cah_error *err)
{
	struct links *links = calloc(1, sizeof(*links));
	*out = links;
	if (links == NULL)
		return cah_fail(err, CAH_ENOMEM, "links: out of memory");
	buf_init(&links->url_buf, TEXT_MAX);
	buf_init(&links->base_buf, TEXT_MAX);
	buf_init(&links->link_buf, TEXT_MAX);
	buf_init(&links->alt_buf, TEXT_MAX);
	memset(links->skip, (int)licences.len, sizeof(links->skip));
	for (size_t i = 0; i + 1 < licences.len; i++)
		links->skip[(uint8_t)licences.data[i]] =
			(uint8_t)(licences.len - 1 - i);
	return CAH_OK;
}

void links_free(struct links *links)
{
	if (links == NULL)
		return;
	free(links->head.items);
	free(links->body.items);
	buf_fini(&links->url_buf);
	buf_fini(&links->base_buf);
	buf_fini(&links->link_buf);
	buf_fini(&links->alt_buf);
	free(links);
}

/* Boyer, Moore and Horspool's search (Horspool, 1980), ASCII letters without
 * case: every link of a page is looked through, so it has to be fast. */
static bool has_licence(const struct links *links, struct slice url)
{
	const size_t len = licences.len;
	size_t at = 0;
	while (url.len - at >= len) {
		/* Setting this bit makes letters small; other characters that
		 * become equal by it are told apart by the comparison. */
		uint8_t last = (uint8_t)(url.data[at + len - 1] | 0x20);
		/* Every URL has slashes; but few have an s before one. */
		if (last == (uint8_t)licences.data[len - 1] &&
		    (url.data[at + len - 2] | 0x20) == licences.data[len - 2] &&
		    strncasecmp(url.data + at, licences.data, len) == 0)
			return true;
		at += links->skip[last];
	}
	return false;
}

static bool is_licence(struct links *links, struct jscan_text url)
{
	if (url.raw.len < licences.len)
		return false;
	if (!url.has_escape)
		return has_licence(links, url.raw);
	buf_reset(&links->link_buf);
	links->code = jscan_decode(&links->link_buf, url);
	return links->code == CAH_OK &&
	       has_licence(links, buf_slice(&links->link_buf));
}

static bool is_image(struct links *links, struct jscan_text path)
{
	if (!path.has_escape)
		return slice_equal(path.raw, SLICE("IMG@/src"));
	buf_reset(&links->link_buf);
	links->code = jscan_decode(&links->link_buf, path);
	return slice_equal(buf_slice(&links->link_buf), SLICE("IMG@/src"));
}

static bool add_place(struct links *links, struct place place)
{
	struct places *list = links->list;
	if (list->count == LINKS_MAX)
		return false;
	if (list->count == list->cap) {
		size_t cap = list->cap != 0 ? list->cap * 2 : FIRST_PLACES;
		void *items =
			realloc(list->items, cap * sizeof(list->items[0]));
		if (items == NULL) {
			links->code = CAH_ENOMEM;
			return false;
		}
		list->items = items;
		list->cap = cap;
	}
	list->items[list->count++] = place;
	return true;
}

/* A string, or nothing where another value stands: the rest of the record may
 * be good. */
static bool take_text(struct jscan *json, struct jscan_text *out)
{
	*out = (struct jscan_text){0};
	if (jscan_peek(json) == '"')
		return jscan_string(json, out);
	return jscan_skip(json);
}

static bool take_object(struct jscan *json, jscan_member_fn fn,
			struct links *links)
{
	if (jscan_peek(json) == '{')
		return jscan_object(json, fn, links);
	return jscan_skip(json);
}

static bool on_entry_member(void *arg, struct jscan *json, struct slice key)
{
	struct entry *entry = arg;
	if (slice_equal(key, SLICE("path")))
		return take_text(json, &entry->path);
	if (slice_equal(key, SLICE("url")))
		return take_text(json, &entry->url);
	if (slice_equal(key, SLICE("alt")))
		return take_text(json, &entry->alt);
	return jscan_skip(json);
}

static bool on_entry(void *arg, struct jscan *json)
{
	struct links *links = arg;
	struct entry entry = {0};

	/* A page is one that has links of any kind, not of those kept here. */
	if (links->list == &links->body)
		links->entries++;
	if (jscan_peek(json) != '{')
		return jscan_skip(json);
	if (!jscan_object(json, on_entry_member, &entry))
		return false;
	struct place place = {LINK_IMAGE, entry.url, entry.alt};
	/* Head.Link is for LINK elements: an image there is none that the page
	 * shows. */
	if (is_image(links, entry.path))
		return links->list == &links->head || add_place(links, place);
	/* Memory ran out before it could be told. */
	if (links->code != CAH_OK)
		return false;
	place.kind = LINK_LICENCE;
	if (is_licence(links, entry.url))
		return add_place(links, place);
	return links->code == CAH_OK;
}

static bool take_list(struct jscan *json, struct links *links,
		      struct places *list)
{
	list->count = 0;
	links->list = list;
	if (jscan_peek(json) == '[')
		return jscan_array(json, on_entry, links);
	return jscan_skip(json);
}

static void forget_head(struct links *links)
{
	links->base = (struct jscan_text){0};
	links->head.count = 0;
}

/* What a key that comes again takes back. */
static void forget_html(struct links *links)
{
	forget_head(links);
	links->body.count = 0;
	links->entries = 0;
}

static bool on_head(void *arg, struct jscan *json, struct slice key)
{
	struct links *links = arg;
	if (slice_equal(key, SLICE("Base")))
		return take_text(json, &links->base);
	if (slice_equal(key, SLICE("Link")))
		return take_list(json, links, &links->head);
	return jscan_skip(json);
}

static bool on_html(void *arg, struct jscan *json, struct slice key)
{
	struct links *links = arg;
	if (slice_equal(key, SLICE("Head"))) {
		forget_head(links);
		return take_object(json, on_head, links);
	}
	if (slice_equal(key, SLICE("Links"))) {
		links->entries = 0;
		return take_list(json, links, &links->body);
	}
	return jscan_skip(json);
}

static bool on_http(void *arg, struct jscan *json, struct slice key)
{
	if (!slice_equal(key, SLICE("HTML-Metadata")))
		return jscan_skip(json);
	forget_html(arg);
	return take_object(json, on_html, arg);
}

static bool on_payload(void *arg, struct jscan *json, struct slice key)
{
	if (!slice_equal(key, SLICE("HTTP-Response-Metadata")))
		return jscan_skip(json);
	forget_html(arg);
	return take_object(json, on_http, arg);
}

static bool on_warc_header(void *arg, struct jscan *json, struct slice key)
{
	struct links *links = arg;
	if (slice_equal(key, SLICE("WARC-Target-URI")))
		return take_text(json, &links->url);
	return jscan_skip(json);
}

static bool on_envelope(void *arg, struct jscan *json, struct slice key)
{
	struct links *links = arg;
	if (slice_equal(key, SLICE("Payload-Metadata"))) {
		forget_html(links);
		return take_object(json, on_payload, links);
	}
	if (slice_equal(key, SLICE("WARC-Header-Metadata"))) {
		links->url = (struct jscan_text){0};
		return take_object(json, on_warc_header, links);
	}
	return jscan_skip(json);
}

static void forget(struct links *links)
{
	forget_html(links);
	links->url = (struct jscan_text){0};
	links->code = CAH_OK;
}

static bool on_top(void *arg, struct jscan *json, struct slice key)
{
	if (!slice_equal(key, SLICE("Envelope")))
		return jscan_skip(json);
	forget(arg);
	return take_object(json, on_envelope, arg);
}

/* *out is in the record's text where that can be, else in @buf. */
static int decode(struct buf *buf, struct jscan_text text, struct slice *out)
{
	if (!text.has_escape) {
		*out = text.raw;
		return CAH_OK;
	}
	buf_reset(buf);
	int rc = jscan_decode(buf, text);
	*out = buf_slice(buf);
	return rc;
}

static int tell(struct links *links, const struct page *page,
		const struct places *list, link_fn fn, void *arg)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct place *place = &list->items[i];
		struct link link = {.kind = place->kind};
		int rc = decode(&links->link_buf, place->url, &link.url);
		if (rc == CAH_OK)
			rc = decode(&links->alt_buf, place->alt, &link.alt);
		if (rc == CAH_OK)
			rc = fn(arg, page, &link);
		if (rc != CAH_OK)
			return rc;
	}
	return CAH_OK;
}

int links_parse(struct links *links, struct slice json, link_fn fn, void *arg)
{
	struct jscan reader = {.at = json.data, .end = json.data + json.len};

	forget(links);
	if (json.len == 0)
		return CAH_EFORMAT;
	/* The whole text first: of a record that breaks off nothing is told. */
	if (!jscan_object(&reader, on_top, links) || !jscan_is_done(&reader)) {
		int code = links->code != CAH_OK ? links->code : CAH_EFORMAT;
		forget(links);
		return code;
	}
	struct page page;
	int rc = decode(&links->url_buf, links->url, &page.url);
	if (rc == CAH_OK)
		rc = decode(&links->base_buf, links->base, &page.base);
	if (rc == CAH_OK)
		rc = tell(links, &page, &links->head, fn, arg);
	if (rc == CAH_OK)
		rc = tell(links, &page, &links->body, fn, arg);
	return rc;
}

size_t links_count(const struct links *links)
{
	return links->entries;
}
