/* Some threads: from the fetched file to the one that the dataset stores. */
#include "gather/gather_priv.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

static bool hash_file(struct sample *sample, enum output_hash hash)
{
	static const char hex[] = "0123456789abcdef";
	const EVP_MD *kind = hash == OUTPUT_HASH_MD5 ? EVP_md5() : EVP_sha256();
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	if (EVP_Digest(sample->fetch.body.data, sample->fetch.body.len, bytes,
		       &len, kind, NULL) != 1 ||
	    len * 2 >= SAMPLE_HASH_MAX)
		return false;
	for (unsigned int i = 0; i < len; i++) {
		sample->digest[i * 2] = hex[bytes[i] >> 4];
		sample->digest[i * 2 + 1] = hex[bytes[i] & 15];
	}
	sample->digest[len * 2] = '\0';
	return true;
}

static enum fate make(const struct gather *g, struct sample *sample)
{
	const struct gather_options *o = g->options;
	if (o->hash != OUTPUT_HASH_NONE && !hash_file(sample, o->hash))
		return CAH_FATE_INTERNAL;
	if (o->list.hash_column != NULL &&
	    !slice_equal_nocase(slice_of(sample->digest), sample->hash))
		return CAH_FATE_HASH_MISMATCH;
	enum fate fate =
		image_make(&sample->made, buf_slice(&sample->fetch.body),
			   &o->limits, &o->recipe);
	if (fate == CAH_FATE_KEPT && sample->made.has_phash)
		(void)snprintf(sample->phash, sizeof(sample->phash),
			       "%016" PRIx64, sample->made.phash);
	return fate;
}

int gather_make(struct gather *g, struct cah_error *err)
{
	struct fetch_job *job;
	(void)err;
	while ((job = queue_pop(g->to_make)) != NULL) {
		struct sample *sample = sample_of(job);
		sample->fate = job->fate;
		if (job->fate == CAH_FATE_KEPT) {
			atomic_fetch_add(&g->bytes, (long long)job->body.len);
			sample->body_len = job->body.len;
			if (!cancel_is_set(g->stop))
				sample->fate = make(g, sample);
		}
		fetch_drop_body(g->fetch, job);
		gather_pass(g, sample);
	}
	return CAH_OK;
}
