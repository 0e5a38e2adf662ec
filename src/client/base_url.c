#include "client/base_url.h"

#include "base/fail.h"
#include "base/slice.h"
#include "fetch/address.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>

bool base_url_is_http(const char *url)
{
	return strncasecmp(url, "http://", 7) == 0 ||
	       strncasecmp(url, "https://", 8) == 0;
}

static bool has_part(CURLU *parsed, CURLUPart part)
{
	char *value = NULL;
	bool has = curl_url_get(parsed, part, &value, 0) == CURLUE_OK;
	curl_free(value);
	return has;
}

static int check(CURLU *parsed, const char *url, struct cah_error *err)
{
	CURLUcode code = curl_url_set(parsed, CURLUPART_URL, url, 0);
	/* libcurl forgives a third slash and takes the path for the host. */
	if (strchr(url, ':')[3] == '/')
		code = CURLUE_NO_HOST;
	if (code == CURLUE_OUT_OF_MEMORY)
		return cah_fail(err, CAH_ENOMEM, "url: out of memory");
	if (code != CURLUE_OK)
		return cah_fail(err, CAH_EINVALID, "url: %.200s: %s", url,
				curl_url_strerror(code));
	if (has_part(parsed, CURLUPART_QUERY) ||
	    has_part(parsed, CURLUPART_FRAGMENT))
		return cah_fail(err, CAH_EINVALID,
				"url: %.200s: nothing may follow the path",
				url);
	return CAH_OK;
}

int base_url_parse(char **out, const char *url, struct cah_error *err)
{
	*out = NULL;
	size_t len = strlen(url);
	if (len > BASE_URL_MAX)
		return cah_fail(err, CAH_EINVALID,
				"url: %zu bytes, more than %d", len,
				BASE_URL_MAX);
	if (!base_url_is_http(url))
		return cah_fail(err, CAH_EINVALID,
				"url: %.200s: must begin with http:// or "
				"https://",
				url);
	CURLU *parsed = curl_url();
	if (parsed == NULL)
		return cah_fail(err, CAH_ENOMEM, "url: out of memory");
	int rc = check(parsed, url, err);
	curl_url_cleanup(parsed);
	if (rc != CAH_OK)
		return rc;
	while (len > 0 && url[len - 1] == '/')
		len--;
	*out = strndup(url, len);
	if (*out == NULL)
		return cah_fail(err, CAH_ENOMEM, "url: out of memory");
	return CAH_OK;
}

/* @host as curl has it: an IPv6 address stands in brackets. */
static bool is_private_host(char *host)
{
	size_t len = strlen(host);
	union address address;
	memset(&address, 0, sizeof(address));
	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		address.v6.sin6_family = AF_INET6;
		return inet_pton(AF_INET6, host + 1, &address.v6.sin6_addr) ==
			       1 &&
		       !address_is_public(&address);
	}
	address.v4.sin_family = AF_INET;
	return inet_pton(AF_INET, host, &address.v4.sin_addr) == 1 &&
	       !address_is_public(&address);
}

bool base_url_is_private(const char *url)
{
	bool is_private = false;
	char *host = NULL;
	CURLU *parsed = curl_url();
	if (parsed != NULL &&
	    curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		is_private = is_private_host(host);
	curl_free(host);
	curl_url_cleanup(parsed);
	return is_private;
}
