#include "worker/taken.h"

#include "base/clock.h"
#include "base/fail.h"

#include <cah/dedup.h>

#include <stdlib.h>

_Static_assert((int)CAH_DEDUP_KEY_LEN == (int)BLOOM_KEY_LEN, "the same keys");

struct taken {
	struct log *log;
	const char *path;    /* borrowed */
	struct bloom *bloom; /* NULL: no file */
	struct cah_dedup *service;
	struct cancel *stop; /* while it is asked; else NULL */
	cah_interrupt_fn interrupt;
	void *interrupt_arg;
	int64_t quiet_ms; /* it is not asked before; monotonic */
	struct buf owed;  /* keys that it is to be told */
};

int taken_new(struct taken **out, const char *path,
	      const struct bloom_size *size, struct log *log,
	      struct cah_error *err)
{
	*out = NULL;
	struct taken *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return cah_fail(err, CAH_ENOMEM, "out of memory");
	t->log = log;
	t->path = path;
	buf_init(&t->owed, TAKEN_OWED_MAX);
	int rc = path != NULL ? bloom_open(&t->bloom, path, size, err) : CAH_OK;
	if (rc != CAH_OK) {
		taken_free(t);
		return rc;
	}
	*out = t;
	return CAH_OK;
}

void taken_free(struct taken *t)
{
	if (t == NULL)
		return;
	cah_dedup_free(t->service);
	bloom_close(t->bloom);
	buf_fini(&t->owed);
	free(t);
}

static int is_over(void *arg)
{
	const struct taken *t = arg;
	if (t->stop != NULL)
		return cancel_is_set(t->stop);
	return t->interrupt != NULL ? t->interrupt(t->interrupt_arg) : 0;
}

int taken_join(struct taken *t, const struct cah_client_options *options,
	       struct cah_error *err)
{
	struct cah_client_options own = *options;
	t->interrupt = options->interrupt;
	t->interrupt_arg = options->interrupt_arg;
	own.interrupt = is_over;
	own.interrupt_arg = t;
	own.retry_s = TAKEN_RETRY_S;
	return cah_dedup_open(&t->service, &own, TAKEN_FILTER, err);
}

bool taken_has_file(const struct taken *t)
{
	return t->bloom != NULL;
}

bool taken_has_service(const struct taken *t)
{
	return t->service != NULL;
}

bool taken_was_seen(void *arg, const unsigned char *key)
{
	const struct taken *t = arg;
	return bloom_has(t->bloom, key);
}

/* ---- the service ---- */

/* It could not be asked, or told. */
static void fall_silent(struct taken *t, const char *what,
			const struct cah_error *err)
{
	t->quiet_ms = clock_now_ms() + TAKEN_PAUSE_MS;
	log_warn(t->log,
		 "the tracker's dedup service: %s; going on without: %s",
		 err->text, what);
}

void taken_ask(void *arg, const unsigned char *keys, size_t count, bool *is_new,
	       struct cancel *stop)
{
	struct taken *t = arg;
	struct cah_error err;
	int rc = CAH_EUNAVAILABLE;
	if (clock_now_ms() >= t->quiet_ms) {
		t->stop = stop;
		rc = cah_dedup_ask(t->service, keys, count, is_new, &err);
		t->stop = NULL;
		if (rc != CAH_OK && rc != CAH_ECANCELLED)
			fall_silent(t, "its pairs are taken for new", &err);
	}
	for (size_t i = 0; i < count && rc != CAH_OK; i++)
		is_new[i] = true;
}

static void tell_service(struct taken *t)
{
	const size_t most = (size_t)CAH_DEDUP_KEYS_MAX * CAH_DEDUP_KEY_LEN;
	while (t->owed.len > 0) {
		struct cah_error err;
		size_t len = t->owed.len < most ? t->owed.len : most;
		int rc = cah_dedup_add(t->service,
				       (const unsigned char *)t->owed.data,
				       len / CAH_DEDUP_KEY_LEN, NULL, &err);
		if (rc != CAH_OK) {
			fall_silent(t, "it hears of this shard's with the next",
				    &err);
			return;
		}
		buf_consume(&t->owed, len);
	}
}

/* ---- the file ---- */

/* Told by every run, for nothing else would tell. */
static void warn_when_full(const struct taken *t)
{
	int64_t count = bloom_count(t->bloom);
	if (count > bloom_capacity(t->bloom))
		log_warn(t->log,
			 "%s was made for %lld pairs and holds %lld: %.2g of "
			 "new ones are taken for old",
			 t->path, (long long)bloom_capacity(t->bloom),
			 (long long)count, bloom_error_rate(t->bloom, count));
}

static void tell_file(struct taken *t, const struct buf *keys)
{
	struct cah_error err;
	const unsigned char *data = (const unsigned char *)keys->data;
	for (size_t at = 0; at < keys->len; at += BLOOM_KEY_LEN)
		(void)bloom_add(t->bloom, data + at);
	warn_when_full(t);
	if (bloom_sync(t->bloom, &err) != CAH_OK)
		log_error(t->log, "--seen: %s", err.text);
}

void taken_tell(struct taken *t, const struct buf *keys)
{
	if (t->bloom != NULL)
		tell_file(t, keys);
	if (t->service == NULL)
		return;
	/* What is owed for too long is let go: its pairs may be taken twice,
	 * which is better than never. */
	if (t->owed.len + keys->len > TAKEN_OWED_MAX)
		buf_reset(&t->owed);
	if (buf_add_slice(&t->owed, buf_slice(keys)) != CAH_OK)
		buf_reset(&t->owed);
	tell_service(t);
}
