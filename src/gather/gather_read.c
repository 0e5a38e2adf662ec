/* The first thread: rows become samples, shard by shard. A shard that is there
 * is read past, and has to be made from these very rows. */
#include "gather/gather_priv.h"

#include "base/clock.h"
#include "base/fail.h"
#include "base/table.h"
#include "wat/url.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum {
	URL_KEY = 16, /* bytes of a URL's digest that tell it from others */
};

struct reader {
	struct gather *g;
	struct digest *digest;
	struct table *urls; /* seen before; NULL: not looked at */
	struct buf url;
	int64_t shard;
	int64_t rows;        /* of the shard so far */
	struct batch *batch; /* of the shard in hand; NULL where it is there */
	bool is_there;
	struct plan_stats found;
};

/* Waits until there is room for @bytes more; false when all is to stop. */
static bool wait_for_bytes(struct gather *g, size_t bytes)
{
	pthread_mutex_lock(&g->lock);
	while (!cancel_is_set(g->stop) && g->held > 0 &&
	       g->held + bytes > GATHER_HELD_MAX)
		pthread_cond_wait(&g->changed, &g->lock);
	g->held += bytes;
	pthread_mutex_unlock(&g->lock);
	return !cancel_is_set(g->stop);
}

/* The same for @batch. */
static bool wait_for_shard(struct gather *g, struct batch *batch)
{
	struct batch **free_slot = NULL;
	pthread_mutex_lock(&g->lock);
	while (free_slot == NULL && !cancel_is_set(g->stop)) {
		for (int i = 0; i < GATHER_SHARDS_OPEN; i++)
			if (g->batches[i] == NULL)
				free_slot = &g->batches[i];
		if (free_slot == NULL)
			pthread_cond_wait(&g->changed, &g->lock);
	}
	if (free_slot != NULL)
		*free_slot = batch;
	pthread_mutex_unlock(&g->lock);
	return free_slot != NULL;
}

static int begin_shard(struct reader *r, int64_t first, struct cah_error *err)
{
	struct gather *g = r->g;
	char name[OUTPUT_NAME_MAX];
	plan_name(name, r->shard);
	r->rows = 0;
	r->is_there = plan_find(&g->output, name, &r->found);
	if (r->is_there)
		return CAH_OK;
	struct batch *batch = calloc(1, sizeof(*batch));
	if (batch == NULL)
		return cah_fail(err, CAH_ENOMEM, "shard: out of memory");
	*batch = (struct batch){.shard = r->shard,
				.first = first,
				.begun_ns = clock_now_ns(),
				.begun_s = clock_wall_s()};
	if (!wait_for_shard(g, batch)) {
		free(batch);
		return cah_fail(err, CAH_ECANCELLED, "stopped");
	}
	r->batch = batch;
	return CAH_OK;
}

static int check_found(struct reader *r, const char *digest,
		       struct cah_error *err)
{
	char name[OUTPUT_NAME_MAX];
	plan_name(name, r->shard);
	if (r->found.rows != r->rows || strcmp(r->found.digest, digest) != 0)
		return cah_fail(err, CAH_EINVALID,
				"%s: shard %s was made from other rows than "
				"the list has (--overwrite removes the shards)",
				r->g->output.folder, name);
	gather_tell_shard(r->g, r->shard, &r->found, true);
	return CAH_OK;
}

static int end_shard(struct reader *r, struct cah_error *err)
{
	char digest[PLAN_DIGEST_MAX];
	digest_finish(r->digest, digest);
	if (r->is_there) {
		r->is_there = false;
		int rc = check_found(r, digest, err);
		r->shard++;
		return rc;
	}
	struct batch *batch = r->batch;
	struct sample *mark = sample_new_end(batch);
	if (mark == NULL)
		return cah_fail(err, CAH_ENOMEM, "shard: out of memory");
	batch->rows = r->rows;
	memcpy(batch->digest, digest, sizeof(digest));
	r->batch = NULL;
	r->shard++;
	gather_pass(r->g, mark);
	return CAH_OK;
}

/* What is to be fetched for @url, in r->url; else why it cannot be. */
static enum fate resolve(struct reader *r, struct slice url)
{
	if (url_resolve(&r->url, (struct slice){NULL, 0}, url) != CAH_OK)
		return CAH_FATE_BAD_URL;
	struct slice found = buf_slice(&r->url);
	if (!slice_starts(found, SLICE("http://")) &&
	    !slice_starts(found, SLICE("https://")))
		return CAH_FATE_NOT_HTTP;
	return CAH_FATE_KEPT;
}

/* Whether the URL was in the list before, in a shard that is there perhaps. */
static int look_up(struct reader *r, bool *was_there, struct cah_error *err)
{
	unsigned char key[EVP_MAX_MD_SIZE];
	*was_there = false;
	if (r->urls == NULL)
		return CAH_OK;
	if (EVP_Digest(r->url.data, r->url.len, key, NULL, EVP_sha256(),
		       NULL) != 1)
		return cah_fail(err, CAH_ENOMEM, "digest: out of memory");
	int rc = table_set(r->urls, (struct slice){(char *)key, URL_KEY}, 0,
			   was_there);
	return rc == CAH_OK
		       ? rc
		       : cah_fail(err, rc,
				  "--unique-urls: more than %d URLs, or out of "
				  "memory",
				  GATHER_URLS_MAX);
}

static int send_row(struct reader *r, const struct list_row *row,
		    enum fate fate, struct cah_error *err)
{
	struct gather *g = r->g;
	const char *address = fate == CAH_FATE_KEPT ? r->url.data : NULL;
	struct sample *sample = sample_new(row, address, &g->output.kept);
	if (sample == NULL)
		return cah_fail(err, CAH_ENOMEM, "row %lld: out of memory",
				(long long)row->number);
	sample->batch = r->batch;
	sample->fate = fate;
	if (!wait_for_bytes(g, sample->bytes)) {
		gather_release(g, sample->bytes);
		sample_free(sample);
		return cah_fail(err, CAH_ECANCELLED, "stopped");
	}
	if (fate != CAH_FATE_KEPT) {
		gather_pass(g, sample);
		return CAH_OK;
	}
	if (queue_push(g->to_fetch, &sample->fetch))
		return CAH_OK;
	gather_release(g, sample->bytes);
	sample_free(sample);
	return cah_fail(err, CAH_ECANCELLED, "stopped");
}

static int take_row(struct reader *r, const struct list_row *row,
		    struct cah_error *err)
{
	struct gather *g = r->g;
	bool was_there = false;
	int rc = CAH_OK;
	if (r->batch == NULL && !r->is_there)
		rc = begin_shard(r, row->number, err);
	if (rc != CAH_OK)
		return rc;
	digest_add(r->digest, row, &g->output.kept);
	atomic_fetch_add(&g->read, 1);
	enum fate fate = resolve(r, row->url);
	if (fate == CAH_FATE_KEPT)
		rc = look_up(r, &was_there, err);
	if (was_there)
		fate = CAH_FATE_DUPLICATE;
	r->rows++;
	if (r->is_there)
		atomic_fetch_add(&g->skipped, 1);
	else if (rc == CAH_OK)
		rc = send_row(r, row, fate, err);
	if (rc == CAH_OK && r->rows == g->options->shard_rows)
		rc = end_shard(r, err);
	return rc;
}

static int read_rows(struct reader *r, struct cah_error *err)
{
	struct list_row row;
	int rc;
	while ((rc = list_next(r->g->list, &row, err)) > 0) {
		rc = take_row(r, &row, err);
		if (rc != CAH_OK)
			return rc;
	}
	bool is_begun = r->batch != NULL || r->is_there;
	return rc == 0 && is_begun ? end_shard(r, err) : rc;
}

/* Shards behind the list's end are another list's. */
static int check_behind(const struct reader *r, struct cah_error *err)
{
	char name[OUTPUT_NAME_MAX];
	struct plan_stats found;
	plan_name(name, r->shard);
	if (!plan_find(&r->g->output, name, &found))
		return CAH_OK;
	return cah_fail(err, CAH_EINVALID,
			"%s has shard %s, and the list ends before it "
			"(--overwrite removes the shards)",
			r->g->output.folder, name);
}

int gather_read(struct gather *g, struct cah_error *err)
{
	struct reader r = {.g = g};
	buf_init(&r.url, URL_MAX);
	int rc = digest_new(&r.digest, err);
	if (rc == CAH_OK && g->options->is_unique)
		rc = table_new(&r.urls, GATHER_URLS_MAX, err);
	if (rc == CAH_OK)
		rc = read_rows(&r, err);
	if (rc == CAH_OK)
		rc = check_behind(&r, err);
	table_free(r.urls);
	digest_free(r.digest);
	buf_fini(&r.url);
	return rc;
}
