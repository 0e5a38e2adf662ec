#include "cli/fetch_opts.h"

#include "base/fail.h"
#include "fetch/header.h"

enum {
	CONCURRENCY_MAX = 10000,
};

void fetch_opts_init(struct fetch_opts *o)
{
	const struct fetch_options fetch = fetch_options_default();
	*o = (struct fetch_opts){
		.concurrency = "auto",
		.dns_how = dns_options_default().how,
		.image_timeout_s = fetch.total_timeout_ms / 1000,
		.max_image_bytes = (int64_t)fetch.max_bytes,
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
	if (rc == CAH_OK)
		rc = make_dns(o, err);
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
