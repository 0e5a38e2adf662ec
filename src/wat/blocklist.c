#include "wat/blocklist.h"

#include "base/ascii.h"
#include "base/buf.h"
#include "base/fail.h"
#include "base/table.h"
#include "wat/url.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum {
	MD5_LEN = 16,
	SHA256_LEN = 32,
};

/* Hashes of one kind. */
struct hashes {
	EVP_MD *kind;
	struct table *table; /* their bytes */
};

struct blocklist {
	struct table *hosts; /* as url_resolve writes them, without a dot at
				their end */
	struct hashes md5, sha256;
};

static int hashes_init(struct hashes *hashes, const char *kind,
		       struct cah_error *err)
{
	hashes->kind = EVP_MD_fetch(NULL, kind, NULL);
	if (hashes->kind == NULL)
		return cah_fail(err, CAH_ENOMEM, "no %s in libcrypto", kind);
	return table_new(&hashes->table, BLOCKLIST_MAX, err);
}

static void hashes_fini(struct hashes *hashes)
{
	EVP_MD_free(hashes->kind);
	table_free(hashes->table);
}

int blocklist_new(struct blocklist **out, struct cah_error *err)
{
	struct blocklist *list = calloc(1, sizeof(*list));
	*out = NULL;
	if (list == NULL)
		return cah_fail(err, CAH_ENOMEM, "blocklist: out of memory");
	int rc = table_new(&list->hosts, BLOCKLIST_MAX, err);
	if (rc == CAH_OK)
		rc = hashes_init(&list->md5, "MD5", err);
	if (rc == CAH_OK)
		rc = hashes_init(&list->sha256, "SHA256", err);
	if (rc != CAH_OK) {
		blocklist_free(list);
		return rc;
	}
	*out = list;
	return CAH_OK;
}

void blocklist_free(struct blocklist *list)
{
	if (list == NULL)
		return;
	table_free(list->hosts);
	hashes_fini(&list->md5);
	hashes_fini(&list->sha256);
	free(list);
}

static int add(struct table *table, struct slice key, struct cah_error *err)
{
	int rc = table_set(table, key, 1, NULL);
	if (rc == CAH_ELIMIT)
		return cah_fail(err, rc, "more than %d entries", BLOCKLIST_MAX);
	return rc == CAH_OK ? rc : cah_fail(err, rc, "out of memory");
}

/* "example.com." is the same host, and as good a way around a list. */
static struct slice without_dot(struct slice host)
{
	if (host.len > 0 && host.data[host.len - 1] == '.')
		host.len--;
	return host;
}

/* What a URL has behind its host, or in front of it. */
static bool is_no_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (strchr("/\\?#@: \t", name.data[i]) != NULL)
			return true;
	return name.len == 0;
}

int blocklist_add_host(struct blocklist *list, struct slice name,
		       struct cah_error *err)
{
	struct buf text, url;
	struct url_parts parts;
	buf_init(&text, URL_MAX);
	buf_init(&url, URL_MAX);
	(void)buf_add_text(&text, "http://");
	(void)buf_add_slice(&text, name);
	int rc = CAH_EFORMAT;
	if (!is_no_name(name) && !text.is_failed)
		rc = url_resolve(&url, (struct slice){NULL, 0},
				 buf_slice(&text));
	if (rc == CAH_OK && url_split(buf_slice(&url), &parts) &&
	    without_dot(parts.host).len > 0)
		rc = add(list->hosts, without_dot(parts.host), err);
	else if (rc == CAH_ENOMEM)
		(void)cah_fail(err, rc, "out of memory");
	else
		rc = cah_fail(err, CAH_EFORMAT, "'%.*s' is no host's name",
			      (int)(name.len < 100 ? name.len : 100),
			      name.len != 0 ? name.data : "");
	buf_fini(&text);
	buf_fini(&url);
	return rc;
}

int blocklist_add_hash(struct blocklist *list, struct slice hash,
		       struct cah_error *err)
{
	unsigned char bytes[SHA256_LEN];
	bool is_md5 = hash.len == 2 * (size_t)MD5_LEN;
	bool is_hash = is_md5 || hash.len == 2 * (size_t)SHA256_LEN;
	for (size_t i = 0; is_hash && i < hash.len / 2; i++) {
		int high = ascii_hex_value(hash.data[2 * i]);
		int low = ascii_hex_value(hash.data[2 * i + 1]);
		is_hash = high >= 0 && low >= 0;
		bytes[i] = (unsigned char)((unsigned)high << 4 | (unsigned)low);
	}
	if (!is_hash)
		return cah_fail(err, CAH_EFORMAT,
				"'%.*s' is neither MD5 nor SHA-256",
				(int)(hash.len < 100 ? hash.len : 100),
				hash.len != 0 ? hash.data : "");
	struct slice key = {(const char *)bytes, hash.len / 2};
	return add(is_md5 ? list->md5.table : list->sha256.table, key, err);
}

bool blocklist_has_host(const struct blocklist *list, struct slice url)
{
	struct url_parts parts;
	if (table_count(list->hosts) == 0 || !url_split(url, &parts))
		return false;
	/* The host, then each domain that it is in. */
	struct slice rest = without_dot(parts.host);
	while (rest.len > 0) {
		if (table_get(list->hosts, rest, NULL))
			return true;
		const char *dot = memchr(rest.data, '.', rest.len);
		if (dot == NULL)
			break;
		rest = slice_from(rest, (size_t)(dot - rest.data) + 1);
	}
	return false;
}

static bool has_hash(const struct hashes *hashes, struct slice url)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned len;
	if (table_count(hashes->table) == 0 ||
	    EVP_Digest(url.data, url.len, bytes, &len, hashes->kind, NULL) != 1)
		return false;
	struct slice key = {(const char *)bytes, len};
	return table_get(hashes->table, key, NULL);
}

bool blocklist_has_url(const struct blocklist *list, struct slice url)
{
	return has_hash(&list->md5, url) || has_hash(&list->sha256, url);
}
