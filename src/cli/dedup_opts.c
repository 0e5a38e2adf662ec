#include "cli/dedup_opts.h"

#include "base/fail.h"

#include <stdio.h>
#include <string.h>

void dedup_opts_init(struct dedup_opts *o)
{
	*o = (struct dedup_opts){
		.size = {BLOOM_CAPACITY, BLOOM_ERROR_RATE},
	};
}

void dedup_opts_rows(struct opt *rows, struct dedup_opts *o)
{
	const struct opt table[DEDUP_OPTS_COUNT] = {
		{"dedup", "[KEY=]FILE",
		 "answer which pairs were taken before, by this filter; made "
		 "when missing",
		 OPT_LIST, &o->files, 0, 0},
		{"dedup-capacity", "N", "pairs that a new FILE is made for",
		 OPT_INT, &o->size.capacity, 1, BLOOM_CAPACITY_MAX},
		{"dedup-error-rate", "P",
		 "share of new pairs that a new FILE, once full, takes for old",
		 OPT_REAL, &o->size.error_rate, BLOOM_ERROR_RATE_MIN,
		 BLOOM_ERROR_RATE_MAX},
	};
	memcpy(rows, table, sizeof(table));
}

/* A name is what stands before the first '=', unless a '/' comes first. */
static int take_file(struct dedup_opts *o, struct tracker_dedup *dedup,
		     const char *text, struct cah_error *err)
{
	size_t len = strcspn(text, "=/");
	char *name = o->names[dedup->count];
	const char *path = text;
	(void)snprintf(name, sizeof(o->names[0]), "%s", DEDUP_OPTS_NAME);
	if (text[len] == '=') {
		if (len < 1 || len > TRACKER_FILTER_NAME_MAX)
			return cah_fail(err, CAH_EINVALID,
					"--dedup: '%s': a name of 1 to %d "
					"bytes",
					text, TRACKER_FILTER_NAME_MAX);
		(void)snprintf(name, sizeof(o->names[0]), "%.*s", (int)len,
			       text);
		path = text + len + 1;
	}
	if (path[0] == '\0')
		return cah_fail(err, CAH_EINVALID, "--dedup: '%s' has no file",
				text);
	dedup->filters[dedup->count++] = (struct tracker_filter){
		.name = name,
		.path = path,
		.size = o->size,
	};
	return CAH_OK;
}

int dedup_opts_apply(struct dedup_opts *o, struct tracker_options *tracker,
		     struct cah_error *err)
{
	int rc = CAH_OK;
	if (o->files.count > TRACKER_FILTERS_MAX)
		return cah_fail(err, CAH_EINVALID, "--dedup: more than %d",
				TRACKER_FILTERS_MAX);
	for (size_t i = 0; i < o->files.count && rc == CAH_OK; i++)
		rc = take_file(o, &tracker->dedup, o->files.values[i], err);
	return rc;
}
