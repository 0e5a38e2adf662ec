#include "cli/fetch_opts.h"

#include "base/fail.h"
#include "fetch/header.h"
#include "fetch/http.h"

#include <stdio.h>

enum {
	CONCURRENCY_MAX = 10000,
	RETRIES_MAX = 10,
	REDIRECTS_MAX = 30,
	HOST_DELAY_MAX_MS = 60000,
};

void fetch_opts_init(struct fetch_opts *o)
{
	const struct fetch_options fetch = fetch_options_default();
	*o = (struct fetch_opts){
		.concurrency = "auto",
		.dns_how = dns_options_default().how,
		.image_timeout_s = fetch.total_timeout_ms / 1000,
		.max_image_bytes = (int64_t)fetch.max_bytes,
		.max_redirects = fetch.max_redirects,
		.retries = fetch.retries,
		.per_host = fetch.per_host,
		.per_address = fetch.per_address,
		.host_delay_ms = fetch.host_delay_ms,
	};
}

void fetch_opts_rows(struct opt *rows, struct fetch_opts *o)
{
	const struct opt table[FETCH_OPTS_COUNT] = {
		{"concurrency", "N", "downloads at once; auto: find it out",
		 OPT_TEXT, &o->concurrency, 0, 0},
		{"image-timeout", "SECONDS", "for one image, redirects and all",
		 OPT_INT, &o->image_timeout_s, 1, 3600},
		{"max-image-bytes", "BYTES", "largest image file", OPT_INT,
		 &o->max_image_bytes, 5000, 1 << 28},
		{"max-redirects", "N", "followed for one image", OPT_INT,
		 &o->max_redirects, 0, REDIRECTS_MAX},
		{"retries", "N", "of what failed for a passing reason", OPT_INT,
		 &o->retries, 0, RETRIES_MAX},
		{"per-host", "N", "downloads at once from one host", OPT_INT,
		 &o->per_host, 1, CONCURRENCY_MAX},
		{"per-address", "N",
		 "the same from one address, whatever its hosts", OPT_INT,
		 &o->per_address, 1, CONCURRENCY_MAX},
		{"host-delay", "MS",
		 "between the beginnings of two requests to one host", OPT_INT,
		 &o->host_delay_ms, 0, HOST_DELAY_MAX_MS},
		{"contact", "TEXT",
		 "a URL or address for who wants to complain, in User-Agent",
		 OPT_TEXT, &o->contact, 0, 0},
		{"resolve", "HOST:PORT:ADDR", "use ADDR for HOST, as curl does",
		 OPT_LIST, &o->resolve, 0, 0},
		{"dns", "HOW",
		 "auto, recursive, system or name servers ADDR[@PORT],..",
		 OPT_TEXT, &o->dns_how, 0, 0},
		{"root-hints", "FILE", "the root's name servers, for recursive",
		 OPT_TEXT, &o->root_hints, 0, 0},
		{"allow-private-addresses", NULL,
		 "fetch from this machine and its network too", OPT_FLAG,
		 &o->allow_private, 0, 0},
		{"ignore-robots-tag", NULL,
		 "fetch what X-Robots-Tag: noai and the like forbid", OPT_FLAG,
		 &o->ignore_robots_tag, 0, 0},
	};
	memcpy(rows, table, sizeof(table));
}

static int read_concurrency(int *out, const char *text, struct cah_error *err)
{
	int64_t wanted = 0;
	if (strcmp(text, "auto") != 0 &&
	    (!header_parse_number(&wanted, slice_of(text)) || wanted < 1 ||
	     wanted > CONCURRENCY_MAX))
		return cah_fail(err, CAH_EINVALID,
				"--concurrency: %s is neither auto nor a "
				"number from 1 to %d",
				text, CONCURRENCY_MAX);
	*out = (int)wanted;
	return CAH_OK;
}

/* It becomes a comment of User-Agent (RFC 9110, 10.1.5), which no bracket may
 * end before its time. */
static int read_contact(struct fetch_opts *o, struct cah_error *err)
{
	size_t len = strlen(o->contact);
	if (len == 0 || len > FETCH_CONTACT_MAX)
		return cah_fail(err, CAH_EINVALID,
				"--contact: must have 1 to %d bytes, not %zu",
				FETCH_CONTACT_MAX, len);
	for (const char *c = o->contact; *c != '\0'; c++)
		if (*c < '!' || *c > '~' || strchr("()\\\"", *c) != NULL)
			return cah_fail(err, CAH_EINVALID,
					"--contact: %s: not a URL or address "
					"in visible ASCII, without brackets",
					o->contact);
	(void)snprintf(o->user_agent, sizeof(o->user_agent), "%s (+%s)",
		       HTTP_USER_AGENT, o->contact);
	return CAH_OK;
}

/* One for all shards: the next one's names are known in part. */
static int make_dns(struct fetch_opts *o, struct cah_error *err)
{
	struct dns_options options = dns_options_default();
	options.how = o->dns_how;
	options.root_hints = o->root_hints;
	options.allow_private = o->allow_private;
	int rc = dns_new(&o->dns, &options, err);
	return rc == CAH_OK ? rc : cah_fail_prefix(err, rc, "--dns");
}

int fetch_opts_open(struct fetch_opts *o, struct fetch_options *fetch,
		    struct cah_error *err)
{
	*fetch = fetch_options_default();
	int rc = read_concurrency(&fetch->concurrency, o->concurrency, err);
	if (rc == CAH_OK)
		rc = pins_new(&o->pins, o->resolve.values, o->resolve.count,
			      err);
	if (rc == CAH_OK && o->contact != NULL)
		rc = read_contact(o, err);
	if (rc == CAH_OK)
		rc = make_dns(o, err);
	fetch->user_agent = o->contact != NULL ? o->user_agent : NULL;
	fetch->max_redirects = (int)o->max_redirects;
	fetch->retries = (int)o->retries;
	fetch->per_host = (int)o->per_host;
	fetch->per_address = (int)o->per_address;
	fetch->host_delay_ms = o->host_delay_ms;
	fetch->total_timeout_ms = o->image_timeout_s * 1000;
	fetch->max_bytes = (size_t)o->max_image_bytes;
	fetch->allow_private = o->allow_private;
	fetch->ignore_robots_tag = o->ignore_robots_tag;
	fetch->pins = o->pins;
	fetch->dns = o->dns;
	return rc;
}

void fetch_opts_close(struct fetch_opts *o)
{
	dns_free(o->dns);
	pins_free(o->pins);
}
