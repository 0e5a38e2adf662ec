/* The last thread: samples become rows of their shards, which take their places
 * when all their rows are there. */
#include "gather/gather_priv.h"

#include "base/clock.h"
#include "base/fail.h"

#include <stdlib.h>

/* A machine whose network is away would make shards of nothing. */
static int check_reach(const struct batch *batch, struct cah_error *err)
{
	const int64_t *n = batch->fates.n;
	int64_t unreached = n[CAH_FATE_NO_SUCH_HOST] + n[CAH_FATE_DNS_FAILED] +
			    n[CAH_FATE_DNS_TIMEOUT] +
			    n[CAH_FATE_CONNECT_FAILED];
	int64_t tried = batch->rows - n[CAH_FATE_BAD_URL] -
			n[CAH_FATE_NOT_HTTP] - n[CAH_FATE_DUPLICATE];
	if (tried < GATHER_REACH_MIN || unreached < tried)
		return CAH_OK;
	return cah_fail(err, CAH_EUNAVAILABLE,
			"none of %lld images could be reached: is this "
			"machine's network away?",
			(long long)tried);
}

void gather_end_batch(struct gather *g, struct batch *batch)
{
	output_discard(batch->output);
	pthread_mutex_lock(&g->lock);
	for (int i = 0; i < GATHER_SHARDS_OPEN; i++)
		if (g->batches[i] == batch)
			g->batches[i] = NULL;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
	free(batch);
}

static int open_output(struct gather *g, struct batch *batch,
		       struct cah_error *err)
{
	char name[OUTPUT_NAME_MAX];
	if (batch->output != NULL)
		return CAH_OK;
	plan_name(name, batch->shard);
	return output_new(&batch->output, &g->output, g->schema, name, err);
}

static int commit(struct gather *g, struct batch *batch, struct cah_error *err)
{
	struct plan_stats stats = {
		.fates = batch->fates,
		.first = batch->first,
		.rows = batch->rows,
		.bytes = batch->bytes,
		.begun_s = batch->begun_s,
		.ended_s = clock_wall_s(),
		.seconds = (double)(clock_now_ns() - batch->begun_ns) / 1e9,
	};
	struct buf text;
	memcpy(stats.digest, batch->digest, sizeof(stats.digest));
	buf_init(&text, 1 << 20);
	plan_write_stats(&text, &stats);
	int rc = check_reach(batch, err);
	if (rc == CAH_OK)
		rc = buf_check(&text, "stats", err);
	if (rc == CAH_OK)
		rc = open_output(g, batch, err);
	if (rc == CAH_OK) {
		struct output *output = batch->output;
		batch->output = NULL;
		rc = output_commit(output, buf_slice(&text), err);
	}
	buf_fini(&text);
	if (rc == CAH_OK)
		gather_tell_shard(g, batch->shard, &stats, false);
	return rc;
}

static int put(struct gather *g, struct sample *sample, struct cah_error *err)
{
	struct batch *batch = sample->batch;
	enum fate fate = sample->fate;
	int64_t key = batch->shard;
	for (int i = 0; i < g->key_scale; i++)
		key *= 10;
	key += sample->number - batch->first;
	batch->bytes += (int64_t)sample->body_len;
	int rc = open_output(g, batch, err);
	if (rc != CAH_OK) {
		sample_free(sample);
		return rc;
	}
	rc = output_take(batch->output, sample, key, err);
	batch->fates.n[fate]++;
	batch->written++;
	atomic_fetch_add(&g->done, 1);
	if (fate == CAH_FATE_KEPT)
		atomic_fetch_add(&g->kept, 1);
	return rc;
}

/* One sample or mark; frees it. */
static int take(struct gather *g, struct sample *sample, struct cah_error *err)
{
	struct batch *batch = sample->batch;
	size_t bytes = sample->bytes;
	int rc = CAH_OK;
	if (sample->is_end) {
		batch->is_read = true;
		sample_free(sample);
	} else {
		rc = put(g, sample, err);
	}
	gather_release(g, bytes);
	if (rc == CAH_OK && batch->is_read && batch->written == batch->rows) {
		rc = commit(g, batch, err);
		gather_end_batch(g, batch);
	}
	return rc;
}

int gather_write(struct gather *g, struct cah_error *err)
{
	struct sample *sample;
	int rc = CAH_OK;
	while ((sample = queue_pop(g->to_write)) != NULL) {
		if (rc == CAH_OK && !cancel_is_set(g->stop)) {
			rc = take(g, sample, err);
			if (rc != CAH_OK)
				gather_fail(g, rc, err);
			continue;
		}
		/* The others shall not wait for a place at the door. */
		gather_release(g, sample->bytes);
		sample_free(sample);
	}
	return rc;
}
