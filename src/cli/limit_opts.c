#include "cli/limit_opts.h"

#include "base/fail.h"
#include "tracker/buckets.h"

#include <string.h>

enum {
	COUNT_MAX = 1000000, /* of workers or connections of one address */
	SECONDS_MAX = 3600,
};

void limit_opts_init(struct limit_opts *o)
{
	*o = (struct limit_opts){
		.limits = {.calls_per_min = TRACKER_CALLS_PER_MIN,
			   .pages_per_min = TRACKER_PAGES_PER_MIN,
			   .new_per_min = TRACKER_NEW_PER_MIN,
			   .dedup_per_min = TRACKER_DEDUP_PER_MIN,
			   .workers = TRACKER_ADDRESS_WORKERS,
			   .connections = TRACKER_ADDRESS_CONNECTIONS,
			   .request_s = TRACKER_REQUEST_S,
			   .keep_alive_s = TRACKER_KEEP_ALIVE_S},
	};
}

void limit_opts_rows(struct opt *rows, struct limit_opts *o)
{
	const struct opt table[LIMIT_OPTS_COUNT] = {
		{"trusted-proxy", "ADDR[/BITS]", "believe its X-Forwarded-For",
		 OPT_LIST, &o->proxies, 0, 0},
		{"calls-per-minute", "N", "of one address; 0: no limit",
		 OPT_INT, &o->limits.calls_per_min, 0, BUCKETS_PER_MIN_MAX},
		{"pages-per-minute", "N", "of one address; 0: no limit",
		 OPT_INT, &o->limits.pages_per_min, 0, BUCKETS_PER_MIN_MAX},
		{"new-per-minute", "N",
		 "workers that one address registers; 0: no limit", OPT_INT,
		 &o->limits.new_per_min, 0, BUCKETS_PER_MIN_MAX},
		{"dedup-per-minute", "N",
		 "lists that one address sends; 0: no limit", OPT_INT,
		 &o->limits.dedup_per_min, 0, BUCKETS_PER_MIN_MAX},
		{"workers-per-address", "N", "live ones; 0: no limit", OPT_INT,
		 &o->limits.workers, 0, COUNT_MAX},
		{"connections-per-address", "N", "at one time; 0: no limit",
		 OPT_INT, &o->limits.connections, 0, COUNT_MAX},
		{"no-limits", NULL, "one address may do as much as it likes",
		 OPT_FLAG, &o->is_off, 0, 0},
		{"request-timeout", "SECONDS",
		 "for a request's head, and its body or answer beside 4 kB/s",
		 OPT_INT, &o->limits.request_s, 1, SECONDS_MAX},
		{"keep-alive", "SECONDS", "between two requests", OPT_INT,
		 &o->limits.keep_alive_s, 1, SECONDS_MAX},
		{"tls-cert", "FILE", "speak TLS with this certificate (PEM)",
		 OPT_TEXT, &o->tls_cert, 0, 0},
		{"tls-key", "FILE", "the certificate's key (PEM)", OPT_TEXT,
		 &o->tls_key, 0, 0},
	};
	memcpy(rows, table, sizeof(table));
}

int limit_opts_apply(const struct limit_opts *o,
		     struct tracker_options *tracker, struct cah_error *err)
{
	if ((o->tls_cert == NULL) != (o->tls_key == NULL))
		return cah_fail(err, CAH_EINVALID,
				"--tls-cert and --tls-key: both or none");
	tracker->tls_cert = o->tls_cert;
	tracker->tls_key = o->tls_key;
	tracker->limits = o->limits;
	tracker->limits.proxies = o->proxies.values;
	tracker->limits.proxy_count = o->proxies.count;
	if (!o->is_off)
		return CAH_OK;
	tracker->limits.calls_per_min = 0;
	tracker->limits.pages_per_min = 0;
	tracker->limits.new_per_min = 0;
	tracker->limits.dedup_per_min = 0;
	tracker->limits.workers = 0;
	tracker->limits.connections = 0;
	return CAH_OK;
}
