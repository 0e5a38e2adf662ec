#include "fetch/http.h"

#include "base/fail.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode started = CURLE_FAILED_INIT;

static void start(void)
{
	started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int http_init(struct cah_error *err)
{
	pthread_once(&once, start);
	if (started != CURLE_OK)
		return cah_fail(err, CAH_ENOMEM, "libcurl: %s",
				curl_easy_strerror(started));
	return CAH_OK;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose,
				 struct curl_sockaddr *peer)
{
	struct http_guard *guard = arg;
	union address address = {0};
	if (peer->addrlen <= sizeof(address))
		memcpy(&address, &peer->addr, peer->addrlen);
	if (purpose != CURLSOCKTYPE_IPCXN ||
	    (!guard->allow_private && !address_is_public(&address))) {
		guard->has_refused = true;
		address_write(guard->refused, &address);
		return CURL_SOCKET_BAD;
	}
	int fd = socket(peer->family, peer->socktype | SOCK_CLOEXEC,
			peer->protocol);
	guard->errnum = fd < 0 ? errno : 0;
	return fd;
}

int http_setup(CURL *easy, struct http_guard *guard, const char *user_agent,
	       struct cah_error *err)
{
	if (user_agent == NULL)
		user_agent = HTTP_USER_AGENT;
	if (curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") !=
		    CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_USERAGENT, user_agent) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, guard) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) !=
		    CURLE_OK)
		return cah_fail(err, CAH_ENOMEM, "libcurl: out of memory");
	return CAH_OK;
}

struct curl_slist *http_connect_to(const char *address, int port)
{
	char entry[ADDRESS_TEXT + 16];
	(void)snprintf(entry, sizeof(entry), "::%s:%d", address, port);
	return curl_slist_append(NULL, entry);
}

bool http_is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 ||
	       status == 307 || status == 308;
}
