/* transfer.h: one request for an image and what its answer means. Owned by the
 * loop's thread. */
#ifndef FETCH_TRANSFER_H
#define FETCH_TRANSFER_H

#include "base/buf.h"
#include "fetch/fetch.h"
#include "fetch/http.h"

#include <stdatomic.h>

/* Shared by all transfers of a stage; borrowed from it. */
struct transfer_setup {
	const struct fetch_options *options;
	struct slice agent; /* our name in X-Robots-Tag */
	struct curl_slist *headers;
	atomic_size_t held; /* bytes of bodies, of all jobs */
	int64_t received; /* bytes of bodies so far, whatever became of them */
};

struct transfer {
	struct transfer_setup *setup;
	CURL *easy;
	struct http_guard guard;
	struct curl_slist *connect_to;
	struct buf *body;
	int64_t time_ms; /* given for this request */
	size_t header_bytes;
	size_t ignored;        /* bytes of an error's or redirect's page */
	bool is_answered;      /* the whole header is here */
	int64_t retry_after_s; /* -1 where there is none */
	bool is_forbidden;
	bool is_crowded_out; /* by the bodies of others */
	bool has_verdict;    /* @verdict stands, whatever libcurl says */
	enum fate verdict;
	const char *why;       /* static */
	struct transfer *next; /* while it is spare */
};

struct transfer_result {
	enum fate fate;
	int http_status;
	bool is_unconnected;   /* another address may do better */
	bool is_passing;       /* another try may do better */
	int64_t retry_after_s; /* the host wants to be left alone so long; -1
				  where it does not say */
	const char *redirect;  /* not NULL: what to ask next; libcurl's until
				  the next transfer_begin */
	char detail[FETCH_DETAIL_MAX];
};

/* The caller frees *out. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int transfer_new(struct transfer **out,
				struct transfer_setup *setup,
				struct cah_error *err);
void transfer_free(struct transfer *transfer);

struct transfer_request {
	const char *url;
	const char *address; /* as an URL's host has it */
	int port;
	int64_t time_ms; /* at most, all of it */
	bool is_first;   /* there can be no connection to this host and port */
	bool is_secure;  /* https */
	struct buf *body;
	void *user; /* CURLOPT_PRIVATE */
};

/* Prepares @transfer->easy for the caller's multi handle. Errors:
 * CAH_ENOMEM. */
CAH_MUST_CHECK int transfer_begin(struct transfer *transfer,
				  const struct transfer_request *request,
				  struct cah_error *err);

/* What came of it; libcurl ended it with @code. */
void transfer_judge(struct transfer *transfer, struct transfer_result *out,
		    CURLcode code);

#endif
