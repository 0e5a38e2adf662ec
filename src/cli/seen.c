#include "cli/seen.h"

#include "base/fail.h"

#include <stdio.h>

enum {
	KEPT_MAX = 16 << 20, /* pairs in one run */
};

static bool has(void *arg, const unsigned char *key)
{
	const struct seen *seen = arg;
	return bloom_has(seen->bloom, key) ||
	       table_get(seen->kept,
			 (struct slice){(const char *)key, BLOOM_KEY_LEN},
			 NULL);
}

int seen_init(struct seen *seen, const char *path,
	      const struct bloom_size *size, struct scan_options *scan,
	      struct cah_error *err)
{
	*seen = (struct seen){.path = path};
	buf_init(&seen->keys, (size_t)KEPT_MAX * BLOOM_KEY_LEN);
	if (path == NULL)
		return CAH_OK;
	int rc = table_new(&seen->kept, KEPT_MAX, err);
	if (rc == CAH_OK)
		rc = bloom_open(&seen->bloom, path, size, err);
	if (rc != CAH_OK)
		return rc;
	scan->was_seen = has;
	scan->seen_arg = seen;
	return CAH_OK;
}

void seen_fini(struct seen *seen)
{
	bloom_close(seen->bloom);
	table_free(seen->kept);
	buf_fini(&seen->keys);
}

int seen_keep(struct seen *seen, const struct candidate *c,
	      struct cah_error *err)
{
	if (seen->bloom == NULL)
		return CAH_OK;
	struct slice key = {(const char *)c->key, sizeof(c->key)};
	(void)buf_add_slice(&seen->keys, key);
	int rc = buf_check(&seen->keys, seen->path, err);
	if (rc == CAH_OK && table_set(seen->kept, key, 1, NULL) == CAH_ENOMEM)
		rc = cah_fail(err, CAH_ENOMEM, "%s: out of memory", seen->path);
	return rc;
}

/* Told once it is so, and then by every run, for nothing else would tell. */
static void warn_when_full(const struct seen *seen)
{
	int64_t count = bloom_count(seen->bloom);
	if (count > bloom_capacity(seen->bloom))
		fprintf(stderr,
			"cah: %s was made for %lld pairs and holds %lld: %.2g "
			"of new ones are taken for old\n",
			seen->path, (long long)bloom_capacity(seen->bloom),
			(long long)count, bloom_error_rate(seen->bloom, count));
}

int seen_commit(struct seen *seen, struct cah_error *err)
{
	if (seen->bloom == NULL)
		return CAH_OK;
	const unsigned char *keys = (const unsigned char *)seen->keys.data;
	for (size_t at = 0; at < seen->keys.len; at += BLOOM_KEY_LEN)
		(void)bloom_add(seen->bloom, keys + at);
	buf_reset(&seen->keys);
	warn_when_full(seen);
	return bloom_sync(seen->bloom, err);
}
