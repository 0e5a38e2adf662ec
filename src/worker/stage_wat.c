/* The first stage: candidates become items with a sample number. */
#include "base/fail.h"
#include "worker/source.h"
#include "worker/stage.h"

static int on_candidate(void *arg, const struct candidate *candidate)
{
	struct pipeline *p = arg;
	if (cancel_is_set(p->stop))
		return CAH_ECANCELLED;
	if (candidate->fate != CAH_FATE_KEPT)
		return CAH_OK;
	int64_t serial = atomic_fetch_add(&p->candidates, 1);
	if (serial >= PIPELINE_PIECE_IDS) {
		stage_end(p, NULL, CAH_FATE_OVER_LIMIT);
		return CAH_OK;
	}
	struct item *item = item_new(candidate, p->work->first_id + serial);
	if (item == NULL)
		return CAH_ENOMEM;
	enum stage next = p->options->ask != NULL ? STAGE_dedup : STAGE_fetch;
	/* The fetch stage knows fetch jobs only. */
	if (!queue_push(p->doors[next], &item->fetch)) {
		item_free(item);
		return CAH_ECANCELLED;
	}
	return CAH_OK;
}

static void on_progress(void *arg, int64_t done, int64_t total)
{
	struct pipeline *p = arg;
	atomic_store(&p->wat_bytes, done);
	atomic_store(&p->wat_total, total);
}

int stage_wat(struct pipeline *p, struct cah_error *err)
{
	struct source_request request = {
		.location = p->work->wat,
		.piece = p->work->piece,
		.scan = p->options->scan,
		.stream = p->options->stream,
		.fn = on_candidate,
		.progress = on_progress,
		.arg = p,
	};
	request.stream.cancel = p->stop;
	return source_run(&request, &p->scan, err);
}
