/* Between the first stage and the fetch, where somebody can be asked which
 * pairs were taken before (options.ask): a batch of what has gathered is asked
 * for while the WAT is read on. Where nobody can, nothing comes to this door.
 */
#include "base/clock.h"
#include "base/fail.h"
#include "worker/stage.h"

#include <stdlib.h>

enum {
	BATCH_MAX = 8192,    /* pairs of one question */
	BATCH_WAIT_MS = 500, /* for the batch's last pair, after its first */
};

struct batch {
	struct fetch_job *jobs[BATCH_MAX];
	unsigned char keys[BATCH_MAX * SCAN_KEY_LEN];
	bool is_new[BATCH_MAX];
	size_t count;
};

static void add(struct batch *b, struct fetch_job *job)
{
	memcpy(b->keys + b->count * SCAN_KEY_LEN, item_of(job)->key,
	       SCAN_KEY_LEN);
	b->jobs[b->count++] = job;
}

/* False when there will be no more. */
static bool gather(struct batch *b, struct queue *door)
{
	b->count = 0;
	struct fetch_job *job = queue_pop(door);
	if (job == NULL)
		return false;
	add(b, job);
	int64_t deadline_ms = clock_now_ms() + BATCH_WAIT_MS;
	while (b->count < BATCH_MAX) {
		job = queue_pop_wait(door, deadline_ms - clock_now_ms());
		if (job == NULL)
			break;
		add(b, job);
	}
	return true;
}

static void pass(struct pipeline *p, struct fetch_job *job, bool is_new)
{
	if (is_new && !cancel_is_set(p->stop) &&
	    queue_push(p->doors[STAGE_fetch], job))
		return;
	stage_end(p, item_of(job),
		  is_new ? CAH_FATE_INTERNAL : CAH_FATE_SEEN_BEFORE);
}

int stage_dedup(struct pipeline *p, struct cah_error *err)
{
	const struct pipeline_options *options = p->options;
	struct batch *b = calloc(1, sizeof(*b));
	if (b == NULL)
		return cah_fail(err, CAH_ENOMEM, "batch: out of memory");
	while (gather(b, p->doors[STAGE_dedup])) {
		if (!cancel_is_set(p->stop))
			options->ask(options->ask_arg, b->keys, b->count,
				     b->is_new, p->stop);
		for (size_t i = 0; i < b->count; i++)
			pass(p, b->jobs[i], b->is_new[i]);
	}
	free(b);
	return CAH_OK;
}
