/* Any bytes as a WAT: the first one says how it is read, the rest is the file.
 * Read in two sizes of pieces, it must give the same. */
#include "wat/scan.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	int64_t count;
	uint64_t hash;
};

static void add(struct sum *sum, struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		sum->hash =
			(sum->hash ^ (unsigned char)s.data[i]) * 1099511628211U;
}

static int touch(void *arg, const struct candidate *c)
{
	struct sum *sum = arg;
	sum->count++;
	add(sum, c->url);
	add(sum, c->text);
	add(sum, c->page_url);
	add(sum, c->licence);
	add(sum, c->language);
	add(sum, slice_of(c->md5));
	return CAH_OK;
}

static struct sum run(const struct scan_options *options, struct slice bytes,
		      size_t step)
{
	struct sum sum = {0, 14695981039346656037U};
	struct scan *scan;
	if (scan_new(&scan, options, touch, &sum, NULL) != CAH_OK)
		abort();
	while (bytes.len > 0 && !scan_is_done(scan)) {
		size_t n = bytes.len < step ? bytes.len : step;
		if (scan_push(scan, (struct slice){bytes.data, n}, NULL) !=
		    CAH_OK)
			abort();
		bytes = slice_from(bytes, n);
	}
	if (scan_finish(scan, NULL) != CAH_OK)
		abort();
	const struct scan_counts *counts = scan_counts(scan);
	if (fate_total(&counts->fates) != sum.count ||
	    counts->image_links < sum.count)
		abort();
	sum.count = sum.count * 1000 + counts->broken_records;
	scan_free(scan);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct scan_options options = scan_options_default();
	options.has_rules = data[0] & 1;
	options.is_plain = data[0] & 2;
	options.start = data[0] & 4 ? 1 : 0;
	if (data[0] & 8)
		options.stop = (int64_t)size / 2;
	struct slice bytes = {(const char *)data + 1, size - 1};
	struct sum a = run(&options, bytes, SIZE_MAX);
	struct sum b = run(&options, bytes, 13);
	if (a.count != b.count || a.hash != b.hash)
		abort();
	return 0;
}
