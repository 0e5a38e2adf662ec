/* http.h: what the two users of libcurl here, streams and the image stage, set
 * up alike. */
#ifndef FETCH_HTTP_H
#define FETCH_HTTP_H

#include "fetch/address.h"

#include <curl/curl.h>

#define HTTP_USER_AGENT "crawlingathome/" CAH_VERSION

/* Judges the address of each connection when it is opened, whatever name led
 * there, so that a name which changes its address between two look-ups gains
 * nothing. */
struct http_guard {
	bool allow_private;
	bool has_refused; /* reset by the owner before a transfer */
	int errnum;       /* why there was no socket, 0 otherwise; reset too */
	char refused[ADDRESS_TEXT];
};

/* Starts libcurl, once for the process. Errors: CAH_ENOMEM. Any thread. */
CAH_MUST_CHECK int http_init(struct cah_error *err);

/* Options of every transfer: http and https only, no proxy, no signals, no
 * redirects of libcurl's own, no files, the guard. @guard is borrowed for as
 * long as @easy. @user_agent may be NULL. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int http_setup(CURL *easy, struct http_guard *guard,
			      const char *user_agent, struct cah_error *err);

/* A list for CURLOPT_CONNECT_TO: whatever the URL says, connect to @address,
 * text as an URL's host has it. NULL when out of memory. */
struct curl_slist *http_connect_to(const char *address, int port);

/* True where @status is a redirect that names another place to GET. */
bool http_is_redirect(long status);

#endif
