#include "cli/seen_opts.h"

#include <string.h>

void seen_opts_init(struct seen_opts *o)
{
	*o = (struct seen_opts){
		.size = {BLOOM_CAPACITY, BLOOM_ERROR_RATE},
	};
}

void seen_opts_rows(struct opt *rows, struct seen_opts *o)
{
	const struct opt table[SEEN_OPTS_COUNT] = {
		{"seen", "FILE",
		 "drop pairs that went through CLIP in earlier shards, by this "
		 "filter; made when missing",
		 OPT_TEXT, &o->path, 0, 0},
		{"seen-capacity", "N", "pairs that a new FILE is made for",
		 OPT_INT, &o->size.capacity, 1, BLOOM_CAPACITY_MAX},
		{"seen-error-rate", "P",
		 "share of new pairs that a new FILE, once full, takes for old",
		 OPT_REAL, &o->size.error_rate, BLOOM_ERROR_RATE_MIN,
		 BLOOM_ERROR_RATE_MAX},
	};
	memcpy(rows, table, sizeof(table));
}

void seen_opts_apply(const struct seen_opts *o, struct work_options *work)
{
	work->seen_path = o->path;
	work->seen_size = o->size;
}
