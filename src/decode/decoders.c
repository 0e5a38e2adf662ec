/* What becomes of a picture: the file goes to a process, and what comes back is
 * taken only where it can be an answer. */
#include "decode/decoders.h"

#include "base/clock.h"
#include "base/fail.h"
#include "decode/pool.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct decoders {
	struct decoders_options options;
	struct pool *pool;
	struct message_ready ready; /* as they were at the start */
	atomic_flag is_told;        /* what is on: once there is work */
	struct log_burst crashes;
};

/* ---- from start to end ---- */

static void tell(struct decoders *d)
{
	char landlock[32] = "no Landlock";
	struct log *log = d->options.log;
	int count = d->options.count;
	const struct message_ready *r = &d->ready;
	if (atomic_flag_test_and_set(&d->is_told))
		return;
	if (r->landlock > 0)
		(void)snprintf(landlock, sizeof(landlock), "Landlock %d",
			       (int)r->landlock);
	if (r->is_plain != 0)
		log_info(log,
			 "decoders: %d processes, nothing locked: built with a "
			 "sanitizer",
			 count);
	else
		log_info(log, "decoders: %d processes, %s, %s", count,
			 r->has_seccomp != 0 ? "seccomp" : "no seccomp",
			 landlock);
}

int decoders_new(struct decoders **out, const struct decoders_options *options,
		 struct cah_error *err)
{
	assert(options->count >= 1 && options->count <= DECODERS_MAX);
	*out = NULL;
	struct decoders *d = calloc(1, sizeof(*d));
	if (d == NULL)
		return cah_fail(err, CAH_ENOMEM, "decoders: out of memory");
	d->options = *options;
	if (d->options.image_ms == 0)
		d->options.image_ms = DECODERS_IMAGE_MS;
	int rc = pool_new(&d->pool, options, err);
	if (rc != CAH_OK) {
		free(d);
		return rc;
	}
	d->ready = pool_ready(d->pool);
	atomic_flag_clear(&d->is_told);
	*out = d;
	return CAH_OK;
}

void decoders_free(struct decoders *d)
{
	if (d == NULL)
		return;
	pool_free(d->pool);
	free(d);
}

/* ---- a picture that brings no answer ---- */

static void tell_crash(struct decoders *d, const struct decoders_job *job,
		       const char *why)
{
	int64_t now_s = clock_now_ms() / 1000;
	log_burst_tell(d->options.log, LOG_WARN, &d->crashes,
		       "decoders that crashed", now_s);
	if (!log_burst_passes(&d->crashes, now_s))
		return;
	const struct log_field fields[] = {
		log_text("why", slice_of(why)),
		log_text("image", slice_of(job->name)),
	};
	log_fields(d->options.log, LOG_WARN, "a decoder crashed", fields,
		   job->name != NULL ? 2 : 1);
}

/* Whatever is not an answer ends the process, and costs this picture. */
static enum fate bury(struct decoders *d, struct process *p,
		      const struct decoders_job *job, enum process_end end)
{
	char why[PROCESS_WHY_MAX];
	process_stop(p, why);
	/* Nobody knows how much of it was written to. */
	process_trim(p, p->size.file_max, p->size.made_max);
	if (end == PROCESS_CANCELLED)
		return CAH_FATE_INTERNAL;
	if (end == PROCESS_LATE)
		(void)snprintf(why, sizeof(why), "not done in %lld s",
			       (long long)d->options.image_ms / 1000);
	if (end == PROCESS_LIED)
		(void)snprintf(why, sizeof(why), "an answer that is none");
	tell_crash(d, job, why);
	return CAH_FATE_DECODER_CRASHED;
}

/* ---- one picture ---- */

/* A question, and who takes what was made: false where that cannot be an
 * answer. */
struct question {
	struct message_ask ask;
	bool (*take)(struct question *q, const struct message_answer *answer,
		     const uint8_t *made);
	void *out; /* of @take */
	enum fate fate;
};

static bool is_side(int32_t pixels, const struct image_limits *limits)
{
	return pixels >= 0 && pixels <= limits->max_side;
}

/* What all answers have in common. */
static bool can_be(const struct message_answer *a,
		   const struct message_ask *ask)
{
	if (a->fate < 0 || a->fate >= CAH_FATE_COUNT)
		return false;
	return a->fate != CAH_FATE_KEPT ||
	       (a->format > IMAGE_UNKNOWN && a->format <= IMAGE_WEBP &&
		is_side(a->original_width, &ask->limits) &&
		is_side(a->original_height, &ask->limits) &&
		a->made_len <= ask->room.made_max);
}

static enum process_end ask_process(struct decoders *d, struct process *p,
				    struct question *q,
				    const struct decoders_job *job)
{
	struct message_answer answer;
	if (job->bytes.len != 0)
		memcpy(p->room, job->bytes.data, job->bytes.len);
	q->ask.len = job->bytes.len;
	q->ask.limits = *job->limits;
	enum process_end end = process_ask(p, &q->ask, &answer,
					   d->options.image_ms, job->cancel);
	if (end != PROCESS_ANSWERED)
		return end;
	if (!can_be(&answer, &q->ask))
		return PROCESS_LIED;
	q->fate = (enum fate)answer.fate;
	if (q->fate == CAH_FATE_KEPT &&
	    !q->take(q, &answer, p->room + p->size.file_max))
		return PROCESS_LIED;
	process_trim(p, job->bytes.len, answer.made_len);
	return PROCESS_ANSWERED;
}

static int ask_about(struct decoders *d, struct question *q,
		     const struct decoders_job *job, struct cah_error *err)
{
	struct process *p;
	enum process_end end = PROCESS_GONE;
	if (job->bytes.len > d->options.file_max) {
		q->fate = CAH_FATE_TOO_LARGE;
		return CAH_OK;
	}
	tell(d);
	/* Somebody may have killed them while they were idle. */
	for (int i = 0; i < d->options.count + 1 && end == PROCESS_GONE; i++) {
		int rc = pool_take(&p, d->pool, err);
		if (rc != CAH_OK)
			return rc;
		end = ask_process(d, p, q, job);
		if (end != PROCESS_ANSWERED)
			q->fate = bury(d, p, job, end);
		pool_give(d->pool, p);
	}
	return CAH_OK;
}

/* ---- image_decode and image_fit ---- */

struct fit_target {
	struct decoders_fitted *out;
	uint8_t *pixels;
};

static bool take_fitted(struct question *q, const struct message_answer *a,
			const uint8_t *made)
{
	const struct fit_target *to = q->out;
	const struct image_fit *fit = &q->ask.fit;
	size_t len = (size_t)fit->width * (size_t)fit->height * 3;
	if (a->made_len != len || a->original_width == 0 ||
	    a->original_height == 0)
		return false;
	memcpy(to->pixels, made, len);
	to->out->format = (enum image_format)a->format;
	to->out->original_width = a->original_width;
	to->out->original_height = a->original_height;
	return true;
}

static void fit_here(struct decoders_fitted *out, uint8_t *pixels,
		     const struct decoders_job *job,
		     const struct image_fit *fit)
{
	struct image image = {0};
	out->fate = image_decode(&image, job->bytes, job->limits,
				 fit->shortest_edge);
	if (out->fate != CAH_FATE_KEPT)
		return;
	out->format = image.format;
	out->original_width = image.original_width;
	out->original_height = image.original_height;
	if (image_fit(pixels, &image, fit) != CAH_OK)
		out->fate = CAH_FATE_INTERNAL;
	image_fini(&image);
}

int decoders_fit(struct decoders_fitted *out, uint8_t *pixels,
		 struct decoders *d, const struct decoders_job *job,
		 const struct image_fit *fit, struct cah_error *err)
{
	struct fit_target to = {out, pixels};
	struct question q = {
		.ask = {.kind = MESSAGE_FIT, .fit = *fit},
		.take = take_fitted,
		.out = &to,
	};
	*out = (struct decoders_fitted){0};
	if (d == NULL) {
		fit_here(out, pixels, job, fit);
		return CAH_OK;
	}
	int rc = ask_about(d, &q, job, err);
	out->fate = q.fate;
	return rc;
}

/* ---- image_make ---- */

/* Made of a stranger's numbers and texts, but JSON in ASCII at least. */
static bool is_text(const uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return true;
}

/* A copy with a NUL behind it; NULL out of memory. */
static void *copy(const uint8_t *bytes, size_t len)
{
	char *own = malloc(len + 1);
	if (own == NULL)
		return NULL;
	memcpy(own, bytes, len);
	own[len] = '\0';
	return own;
}

/* The file, with its EXIF behind it. What is checked is the copy: the decoder
 * may still write. */
static bool take_made(struct question *q, const struct message_answer *a,
		      const uint8_t *made)
{
	struct image_made *out = q->out;
	if (a->exif_len > IMAGE_EXIF_MAX || a->exif_len >= a->made_len ||
	    a->width < 0 || a->height < 0)
		return false;
	size_t len = a->made_len - a->exif_len;
	*out = (struct image_made){
		.data = copy(made, len),
		.len = len,
		.format = (enum image_format)a->format,
		.width = a->width,
		.height = a->height,
		.original_width = a->original_width,
		.original_height = a->original_height,
		.is_truncated = a->is_truncated != 0,
		.has_phash = a->has_phash != 0,
		.phash = a->phash,
		.exif = a->exif_len != 0 ? copy(made + len, a->exif_len) : NULL,
		.exif_len = a->exif_len,
	};
	bool is_there =
		out->data != NULL && (out->exif_len == 0 || out->exif != NULL);
	bool is_good =
		!is_there || is_text((uint8_t *)out->exif, out->exif_len);
	if (!is_there)
		q->fate = CAH_FATE_INTERNAL;
	if (!is_there || !is_good)
		image_made_fini(out);
	return is_good;
}

int decoders_make(struct image_made *out, enum fate *fate, struct decoders *d,
		  const struct decoders_job *job,
		  const struct image_recipe *recipe, struct cah_error *err)
{
	struct question q = {
		.ask = {.kind = MESSAGE_MAKE, .recipe = *recipe},
		.take = take_made,
		.out = out,
	};
	*out = (struct image_made){0};
	if (d == NULL) {
		*fate = image_make(out, job->bytes, job->limits, recipe);
		return CAH_OK;
	}
	int rc = ask_about(d, &q, job, err);
	*fate = q.fate;
	return rc;
}
