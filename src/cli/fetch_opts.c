#include "cli/fetch_opts.h"

void fetch_opts_init(struct fetch_opts *o)
{
	const struct fetch_options fetch = fetch_options_default();
	*o = (struct fetch_opts){
		.concurrency = fetch.concurrency,
		.image_timeout_s = fetch.total_timeout_ms / 1000,
		.max_image_bytes = (int64_t)fetch.max_bytes,
	};
}

void fetch_opts_rows(struct opt *rows, struct fetch_opts *o)
{
	const struct opt table[FETCH_OPTS_COUNT] = {
		{"concurrency", "N", "downloads at once", OPT_INT,
		 &o->concurrency, 1, 10000},
		{"image-timeout", "SECONDS", "for one image, redirects and all",
		 OPT_INT, &o->image_timeout_s, 1, 3600},
		{"max-image-bytes", "BYTES", "largest image file", OPT_INT,
		 &o->max_image_bytes, 5000, 1 << 28},
		{"resolve", "HOST:PORT:ADDR", "use ADDR for HOST, as curl does",
		 OPT_LIST, &o->resolve, 0, 0},
		{"allow-private-addresses", NULL,
		 "fetch from this machine and its network too", OPT_FLAG,
		 &o->allow_private, 0, 0},
		{"ignore-robots-tag", NULL,
		 "fetch what X-Robots-Tag: noai and the like forbid", OPT_FLAG,
		 &o->ignore_robots_tag, 0, 0},
	};
	memcpy(rows, table, sizeof(table));
}

int fetch_opts_open(struct fetch_opts *o, struct fetch_options *fetch,
		    struct cah_error *err)
{
	int rc = pins_new(&o->pins, o->resolve.values, o->resolve.count, err);
	*fetch = fetch_options_default();
	fetch->concurrency = (int)o->concurrency;
	fetch->total_timeout_ms = o->image_timeout_s * 1000;
	fetch->max_bytes = (size_t)o->max_image_bytes;
	fetch->allow_private = o->allow_private;
	fetch->ignore_robots_tag = o->ignore_robots_tag;
	fetch->pins = o->pins;
	return rc;
}

void fetch_opts_close(struct fetch_opts *o)
{
	pins_free(o->pins);
}
