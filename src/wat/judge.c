#include "wat/judge.h"

#include "base/buf.h"
#include "base/fail.h"
#include "wat/blocklist.h"
#include "wat/language.h"
#include "wat/twins.h"
#include "wat/url.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum {
	MD5_LEN = 16,             /* bytes */
	ATTRIBUTE_MAX = 64 << 10, /* bytes of a URL as it stands in a page; no
				     longer one is resolved */
};

struct judge {
	struct scan_options options;
	struct scan_counts *counts;
	candidate_fn fn;
	void *arg;
	struct twins *twins; /* NULL where somebody else tells them */
	EVP_MD_CTX *md5_context;
	EVP_MD *md5;
	struct buf base;      /* what the page's links are resolved against */
	struct buf reference; /* a link's URL without HTML's ampersands */
	struct buf licence;   /* empty: none so far */
	struct buf url, text; /* of the candidate in hand */
	bool has_base;
};

static int check_options(const struct scan_options *options,
			 struct cah_error *err)
{
	if (options->language_count < 0 ||
	    options->language_count > SCAN_LANGUAGES_MAX)
		return cah_fail(err, CAH_EINVALID, "more than %d languages",
				SCAN_LANGUAGES_MAX);
	for (int i = 0; i < options->language_count; i++)
		if (!language_is_known(slice_of(options->languages[i])))
			return cah_fail(err, CAH_EINVALID,
					"'%s' is no language that CLD2 knows",
					options->languages[i]);
	return CAH_OK;
}

int judge_new(struct judge **out, const struct scan_options *options,
	      struct scan_counts *counts, struct cah_error *err)
{
	*out = NULL;
	int rc = check_options(options, err);
	if (rc != CAH_OK)
		return rc;
	struct judge *judge = calloc(1, sizeof(*judge));
	if (judge == NULL)
		return cah_fail(err, CAH_ENOMEM, "scan: out of memory");
	judge->options = *options;
	judge->counts = counts;
	buf_init(&judge->base, URL_MAX);
	buf_init(&judge->reference, ATTRIBUTE_MAX);
	buf_init(&judge->licence, URL_MAX);
	buf_init(&judge->url, URL_MAX);
	buf_init(&judge->text, JUDGE_TEXT_MAX);
	judge->md5_context = EVP_MD_CTX_new();
	judge->md5 = EVP_MD_fetch(NULL, "MD5", NULL);
	if (options->has_rules && !options->leaves_twins)
		rc = twins_new(&judge->twins, options, err);
	if (rc == CAH_OK &&
	    (judge->md5_context == NULL || judge->md5 == NULL ||
	     EVP_DigestInit_ex2(judge->md5_context, judge->md5, NULL) != 1))
		rc = cah_fail(err, CAH_ENOMEM, "scan: no MD5 in libcrypto");
	if (rc != CAH_OK) {
		judge_free(judge);
		return rc;
	}
	*out = judge;
	return CAH_OK;
}

void judge_free(struct judge *judge)
{
	if (judge == NULL)
		return;
	twins_free(judge->twins);
	EVP_MD_CTX_free(judge->md5_context);
	EVP_MD_free(judge->md5);
	buf_fini(&judge->base);
	buf_fini(&judge->reference);
	buf_fini(&judge->licence);
	buf_fini(&judge->url);
	buf_fini(&judge->text);
	free(judge);
}

void judge_set_fn(struct judge *judge, candidate_fn fn, void *arg)
{
	judge->fn = fn;
	judge->arg = arg;
}

void judge_begin_page(struct judge *judge)
{
	judge->has_base = false;
	buf_reset(&judge->licence);
}

static struct slice trim_reference(struct slice s)
{
	while (s.len > 0 && (unsigned char)s.data[0] <= ' ')
		s = (struct slice){s.data + 1, s.len - 1};
	while (s.len > 0 && (unsigned char)s.data[s.len - 1] <= ' ')
		s.len--;
	return s;
}

/* How long the reference to '&' at the start of @s is, 0 where none is. */
static size_t ampersand_len(struct slice s)
{
	static const struct slice forms[] = {
		{"&amp;", 5}, {"&#38;", 5}, {"&#038;", 6}, {"&#x26;", 6}};
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (slice_starts(s, forms[i]))
			return forms[i].len;
	return 0;
}

/* Old extractors left HTML's references as they stood, new ones decode them, so
 * a whole decoding would do harm: "?a=1&copy=2" is a good URL today. A query
 * with "&amp;" in it is always a leftover. Errors: CAH_ELIMIT, CAH_ENOMEM. */
static int clean_reference(struct judge *judge, struct slice *url)
{
	struct slice rest = trim_reference(*url);
	*url = rest;
	if (rest.len > ATTRIBUTE_MAX)
		return CAH_ELIMIT;
	const char *hit =
		rest.len != 0 ? memchr(rest.data, '&', rest.len) : NULL;
	if (hit == NULL)
		return CAH_OK;
	buf_reset(&judge->reference);
	while (hit != NULL) {
		size_t len = (size_t)(hit - rest.data);
		(void)buf_add(&judge->reference, rest.data, len + 1);
		rest = slice_from(rest, len);
		size_t form = ampersand_len(rest);
		rest = slice_from(rest, form != 0 ? form : 1);
		hit = rest.len != 0 ? memchr(rest.data, '&', rest.len) : NULL;
	}
	int rc = buf_add_slice(&judge->reference, rest);
	*url = buf_slice(&judge->reference);
	return rc;
}

/* HTML Standard, 4.2.3: the base is resolved against the page's URL, and is
 * left alone where it is broken or a data: or javascript: URL. */
static int find_base(struct judge *judge, const struct page *page)
{
	judge->has_base = true;
	int rc = url_resolve(&judge->base, (struct slice){NULL, 0}, page->url);
	if (rc != CAH_OK)
		buf_reset(&judge->base);
	struct slice base = page->base;
	if (rc == CAH_ENOMEM || trim_reference(base).len == 0)
		return rc == CAH_ENOMEM ? rc : CAH_OK;
	rc = clean_reference(judge, &base);
	if (rc == CAH_OK)
		rc = url_resolve(&judge->url, buf_slice(&judge->base), base);
	struct slice url = buf_slice(&judge->url);
	if (rc != CAH_OK || slice_starts(url, SLICE("data:")) ||
	    slice_starts(url, SLICE("javascript:")))
		return rc == CAH_ENOMEM ? rc : CAH_OK;
	buf_reset(&judge->base);
	return buf_add_slice(&judge->base, url);
}

/* One that is no URL leaves the one before it standing. Uses judge->url, which
 * is free between two candidates. */
static int set_licence(struct judge *judge, struct slice url)
{
	int rc = clean_reference(judge, &url);
	if (rc == CAH_OK)
		rc = url_resolve(&judge->url, buf_slice(&judge->base), url);
	if (rc != CAH_OK)
		return rc == CAH_ENOMEM ? rc : CAH_OK;
	buf_reset(&judge->licence);
	return buf_add_slice(&judge->licence, buf_slice(&judge->url));
}

/* Most of them are kilobytes long, which no URL may be; but what is wrong with
 * them is not their length. */
static bool is_data_url(struct slice url)
{
	return url.len >= 5 && strncasecmp(url.data, "data:", 5) == 0;
}

/* By the path alone: "show.php?file=a.gif" may answer with anything. */
static bool has_unwanted_type(struct slice url)
{
	struct url_parts parts;
	if (!url_split(url, &parts) || parts.path.len < 4)
		return false;
	struct slice tail = slice_from(parts.path, parts.path.len - 4);
	return slice_equal_nocase(tail, SLICE(".svg")) ||
	       slice_equal_nocase(tail, SLICE(".gif"));
}

/* Makes the URL absolute and judges it. Errors: CAH_ENOMEM. */
static int judge_url(struct judge *judge, struct candidate *c, struct slice url)
{
	const struct blocklist *blocked = judge->options.blocked;
	c->url = url;
	c->fate = CAH_FATE_BAD_URL;
	int rc = clean_reference(judge, &url);
	if (is_data_url(url)) {
		c->fate = CAH_FATE_NOT_HTTP;
		return CAH_OK;
	}
	/* An empty src stands for no image, not for the page itself. */
	if (url.len == 0)
		return CAH_OK;
	if (rc == CAH_OK)
		rc = url_resolve(&judge->url, buf_slice(&judge->base), url);
	if (rc != CAH_OK)
		return rc == CAH_ENOMEM ? rc : CAH_OK;
	c->url = buf_slice(&judge->url);
	if (!slice_starts(c->url, SLICE("http://")) &&
	    !slice_starts(c->url, SLICE("https://")))
		c->fate = CAH_FATE_NOT_HTTP;
	else if (has_unwanted_type(c->url))
		c->fate = CAH_FATE_UNWANTED_TYPE;
	else if (blocked != NULL && blocklist_has_host(blocked, c->url))
		c->fate = CAH_FATE_BLOCKED_HOST;
	else if (blocked != NULL && blocklist_has_url(blocked, c->url))
		c->fate = CAH_FATE_BLOCKED_URL;
	else
		c->fate = CAH_FATE_KEPT;
	return CAH_OK;
}

static enum fate judge_language(const struct judge *judge, struct candidate *c)
{
	const struct scan_options *o = &judge->options;
	if (o->language_count == 0 && !o->tells_language)
		return CAH_FATE_KEPT;
	struct language language = language_of(c->text);
	c->language = slice_of(language.code);
	c->is_language_sure = language.is_reliable;
	if (o->wants_sure_language && !language.is_reliable)
		return CAH_FATE_LANGUAGE;
	return language_is_wanted(&language, o->languages, o->language_count)
		       ? CAH_FATE_KEPT
		       : CAH_FATE_LANGUAGE;
}

/* LAION-400M's key of a pair: the MD5 of the URL and the text, nothing in
 * between. False where libcrypto is out of memory. */
static bool hash(const struct judge *judge, const struct candidate *c,
		 unsigned char *md5)
{
	EVP_MD_CTX *ctx = judge->md5_context;
	/* Without a name of the digest the context keeps its memory. */
	return EVP_DigestInit_ex2(ctx, NULL, NULL) == 1 &&
	       EVP_DigestUpdate(ctx, c->url.data, c->url.len) == 1 &&
	       EVP_DigestUpdate(ctx, c->text.data, c->text.len) == 1 &&
	       EVP_DigestFinal_ex(ctx, md5, NULL) == 1;
}

static int judge_twin(struct judge *judge, struct candidate *c)
{
	static const char digits[] = "0123456789abcdef";

	if (!hash(judge, c, c->key))
		return CAH_ENOMEM;
	for (int i = 0; i < MD5_LEN; i++) {
		c->md5[2 * i] = digits[c->key[i] >> 4];
		c->md5[2 * i + 1] = digits[c->key[i] & 15];
	}
	return judge->twins != NULL ? twins_judge(judge->twins, c) : CAH_OK;
}

static int judge_image(struct judge *judge, const struct page *page,
		       const struct link *link)
{
	judge->counts->image_links++;
	if (link->alt.len == 0)
		return CAH_OK;
	/* Before the URL, for without a text there is no candidate to judge. */
	int text_rc = text_clean(&judge->text, link->alt);
	if (text_rc == CAH_ENOMEM)
		return text_rc;
	if (text_rc == CAH_OK && judge->text.len == 0)
		return CAH_OK;

	struct candidate c = {.page_url = page->url,
			      .licence = SLICE("?"),
			      .language = SLICE("un")};
	if (text_rc == CAH_OK)
		c.text = buf_slice(&judge->text);
	if (judge->licence.len > 0)
		c.licence = buf_slice(&judge->licence);
	int rc = judge_url(judge, &c, link->url);
	if (c.fate == CAH_FATE_KEPT && text_rc != CAH_OK)
		c.fate = CAH_FATE_TEXT_TOO_LONG;
	if (c.fate == CAH_FATE_KEPT && judge->options.has_rules)
		c.fate = text_judge(&judge->options.rules, c.text);
	if (c.fate == CAH_FATE_KEPT && judge->options.has_rules)
		c.fate = judge_language(judge, &c);
	if (rc == CAH_OK && c.fate == CAH_FATE_KEPT)
		rc = judge_twin(judge, &c);
	if (rc != CAH_OK)
		return rc;
	judge->counts->fates.n[c.fate]++;
	return judge->fn(judge->arg, &c);
}

int judge_link(void *arg, const struct page *page, const struct link *link)
{
	struct judge *judge = arg;
	/* Only now: most records have no link that anybody wants. */
	int rc = judge->has_base ? CAH_OK : find_base(judge, page);
	if (rc != CAH_OK)
		return rc;
	if (link->kind == LINK_LICENCE)
		return set_licence(judge, link->url);
	return judge_image(judge, page, link);
}
