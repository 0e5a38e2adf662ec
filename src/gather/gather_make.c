/* Some threads: from the fetched file to the one that the dataset stores. */
#include "gather/gather_priv.h"

#include "base/fail.h"

#include <inttypes.h>
#include <stdio.h>

/* The fate in sample->fate; what is returned is a failure of ours. */
static int make(const struct gather *g, struct sample *sample,
		struct cah_error *err)
{
	const struct gather_options *o = g->options;
	const struct decoders_job job = {
		.bytes = buf_slice(&sample->fetch.body),
		.name = sample->fetch.url,
		.limits = &o->limits,
		.cancel = g->stop,
	};
	if (image_digest(sample->digest, o->hash, job.bytes) != CAH_OK)
		return cah_fail(err, CAH_ENOMEM, "%s: out of memory", job.name);
	if (o->list.hash_column != NULL &&
	    !slice_equal_nocase(slice_of(sample->digest), sample->hash)) {
		sample->fate = CAH_FATE_HASH_MISMATCH;
		return CAH_OK;
	}
	int rc = decoders_make(&sample->made, &sample->fate, o->decoders, &job,
			       &o->recipe, err);
	if (rc == CAH_OK && sample->made.has_phash)
		(void)snprintf(sample->phash, sizeof(sample->phash),
			       "%016" PRIx64, sample->made.phash);
	return rc;
}

int gather_make(struct gather *g, struct cah_error *err)
{
	struct fetch_job *job;
	int rc = CAH_OK;
	while ((job = queue_pop(g->to_make)) != NULL) {
		struct sample *sample = sample_of(job);
		sample->fate = job->fate;
		if (job->fate == CAH_FATE_KEPT) {
			atomic_fetch_add(&g->bytes, (long long)job->body.len);
			sample->body_len = job->body.len;
		}
		if (job->fate == CAH_FATE_KEPT && !cancel_is_set(g->stop))
			rc = make(g, sample, err);
		/* The door is emptied all the same. */
		if (rc != CAH_OK)
			gather_fail(g, rc, err);
		fetch_drop_body(g->fetch, job);
		gather_pass(g, sample);
	}
	return rc;
}
