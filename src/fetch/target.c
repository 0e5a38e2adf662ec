#include "fetch/target.h"

#include "base/fail.h"

#include <ctype.h>
#include <curl/curl.h>
#include <idn2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int fail(struct cah_error *err, CURLUcode code, const char *url)
{
	if (code == CURLUE_OUT_OF_MEMORY)
		return cah_fail(err, CAH_ENOMEM, "URL: out of memory");
	return cah_fail(err, CAH_EINVALIDURL, "%.256s: %s", url,
			curl_url_strerror(code));
}

/* Our own copy of one part, for libcurl's must be freed by libcurl. */
static CURLUcode copy_part(char **out, CURLU *parts, CURLUPart part,
			   unsigned int flags)
{
	char *text = NULL;
	CURLUcode code = curl_url_get(parts, part, &text, flags);
	if (code != CURLUE_OK)
		return code;
	*out = strdup(text);
	curl_free(text);
	return *out != NULL ? CURLUE_OK : CURLUE_OUT_OF_MEMORY;
}

static bool is_ascii(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80)
			return false;
	return true;
}

/* libcurl could do this too (CURLU_PUNYCODE), but 7.88 leaks the name. */
static CURLUcode set_ascii_host(CURLU *parts, const char *host)
{
	char *ascii = NULL;
	int rc = idn2_to_ascii_8z(host, &ascii,
				  IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
	if (rc != IDN2_OK)
		return rc == IDN2_MALLOC ? CURLUE_OUT_OF_MEMORY
					 : CURLUE_BAD_HOSTNAME;
	CURLUcode code = curl_url_set(parts, CURLUPART_HOST, ascii, 0);
	idn2_free(ascii);
	return code;
}

static CURLUcode make_ascii(CURLU *parts)
{
	char *host = NULL;
	CURLUcode code = curl_url_get(parts, CURLUPART_HOST, &host, 0);
	if (code == CURLUE_OK && !is_ascii(host))
		code = set_ascii_host(parts, host);
	curl_free(host);
	return code;
}

static CURLUcode read_parts(struct target *out, CURLU *parts, const char *url)
{
	char *port = NULL;
	CURLUcode code =
		curl_url_set(parts, CURLUPART_URL, url,
			     CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME);
	if (code == CURLUE_OK)
		code = make_ascii(parts);
	if (code == CURLUE_OK)
		code = copy_part(&out->url, parts, CURLUPART_URL, 0);
	if (code == CURLUE_OK)
		code = copy_part(&out->host, parts, CURLUPART_HOST, 0);
	if (code == CURLUE_OK)
		code = copy_part(&port, parts, CURLUPART_PORT,
				 CURLU_DEFAULT_PORT);
	if (code == CURLUE_OK) {
		out->port = (int)strtol(port, NULL, 10);
		for (char *p = out->host; *p != '\0'; p++)
			*p = (char)tolower((unsigned char)*p);
	}
	free(port);
	return code;
}

int target_parse(struct target *out, const char *url, struct cah_error *err)
{
	*out = (struct target){0};
	if (strlen(url) > TARGET_URL_MAX)
		return cah_fail(err, CAH_EINVALIDURL,
				"%.64s...: longer than %d bytes", url,
				TARGET_URL_MAX);
	if (strncasecmp(url, "http://", 7) != 0 &&
	    strncasecmp(url, "https://", 8) != 0)
		return cah_fail(err, CAH_EINVALIDURL,
				"%.256s: not an http or https URL", url);
	CURLU *parts = curl_url();
	if (parts == NULL)
		return fail(err, CURLUE_OUT_OF_MEMORY, url);
	CURLUcode code = read_parts(out, parts, url);
	curl_url_cleanup(parts);
	if (code != CURLUE_OK)
		return fail(err, code, url);
	if (out->host[0] == '\0' || out->port < 1)
		return fail(err, CURLUE_NO_HOST, url);
	return CAH_OK;
}

void target_fini(struct target *target)
{
	free(target->url);
	free(target->host);
	*target = (struct target){0};
}
