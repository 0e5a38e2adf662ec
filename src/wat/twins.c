#include "wat/twins.h"

#include "base/fail.h"
#include "base/table.h"

#include <stdlib.h>

struct twins {
	struct table *seen; /* keys of candidates */
	seen_fn was_seen;
	void *seen_arg;
};

int twins_new(struct twins **out, const struct scan_options *options,
	      struct cah_error *err)
{
	struct twins *twins = calloc(1, sizeof(*twins));
	*out = NULL;
	if (twins == NULL)
		return cah_fail(err, CAH_ENOMEM, "scan: out of memory");
	twins->was_seen = options->was_seen;
	twins->seen_arg = options->seen_arg;
	int rc = table_new(&twins->seen, SCAN_SEEN_MAX, err);
	if (rc != CAH_OK) {
		twins_free(twins);
		return rc;
	}
	*out = twins;
	return CAH_OK;
}

void twins_free(struct twins *twins)
{
	if (twins == NULL)
		return;
	table_free(twins->seen);
	free(twins);
}

/* Once SCAN_SEEN_MAX pairs are remembered, new ones are no longer: they may
 * come twice, which is better than to lose them. */
int twins_judge(struct twins *twins, struct candidate *c)
{
	struct slice key = {(const char *)c->key, sizeof(c->key)};
	bool was_there = false;
	int rc = table_set(twins->seen, key, 1, &was_there);
	if (was_there)
		c->fate = CAH_FATE_DUPLICATE;
	else if (twins->was_seen != NULL &&
		 twins->was_seen(twins->seen_arg, c->key))
		c->fate = CAH_FATE_SEEN_BEFORE;
	return rc == CAH_ENOMEM ? rc : CAH_OK;
}
