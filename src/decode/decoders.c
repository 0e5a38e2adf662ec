/* The processes and who has which. A caller takes an idle one, asks, and gives
 * it back. One that died, or has lived long enough, is started anew by a thread
 * that lives as long as the processes do: to the kernel, a process whose parent
 * thread ends is an orphan, and orphans of this kind are killed. */
#include "decode/decoders.h"

#include "base/clock.h"
#include "base/fail.h"
#include "decode/find.h"
#include "decode/process.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum seat_state {
	SEAT_EMPTY, /* wants a process */
	SEAT_IDLE,
	SEAT_TAKEN,
};

struct seat {
	struct process process;
	enum seat_state state;
	int pictures; /* of this process */
};

struct decoders {
	struct decoders_options options;
	char *program;
	pthread_t starter;
	struct log_burst crashes;

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	bool is_ending;
	int failures; /* starts in a row */
	int code;     /* not CAH_OK: none can be started any more */
	struct cah_error err;
	struct message_ready ready; /* of the last start */
	struct seat *seats;         /* options.count */
};

/* ---- the thread that starts processes ---- */

static struct seat *find_seat(struct decoders *d, enum seat_state state)
{
	for (int i = 0; i < d->options.count; i++)
		if (d->seats[i].state == state)
			return &d->seats[i];
	return NULL;
}

/* The lock is held, but not while the process starts. */
static void fill_seat(struct decoders *d, struct seat *seat)
{
	struct message_ready ready;
	struct cah_error err = {0};
	pthread_mutex_unlock(&d->lock);
	int rc = process_start(&seat->process, d->program, &ready, &err);
	pthread_mutex_lock(&d->lock);
	if (rc == CAH_OK) {
		d->failures = 0;
		d->ready = ready;
		seat->pictures = 0;
		seat->state = SEAT_IDLE;
	} else if (++d->failures >= DECODERS_STARTS_MAX) {
		d->code = rc;
		d->err = err;
	}
	pthread_cond_broadcast(&d->changed);
}

static void *run_starter(void *arg)
{
	struct decoders *d = arg;
	pthread_mutex_lock(&d->lock);
	while (!d->is_ending) {
		struct seat *seat = find_seat(d, SEAT_EMPTY);
		if (seat != NULL && d->code == CAH_OK)
			fill_seat(d, seat);
		else
			pthread_cond_wait(&d->changed, &d->lock);
	}
	/* Before this thread ends, so that they are ended by us. */
	for (int i = 0; i < d->options.count; i++)
		process_close(&d->seats[i].process);
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

/* ---- from start to end ---- */

static int wait_for_all(struct decoders *d, struct cah_error *err)
{
	pthread_mutex_lock(&d->lock);
	while (find_seat(d, SEAT_EMPTY) != NULL && d->code == CAH_OK)
		pthread_cond_wait(&d->changed, &d->lock);
	int rc = d->code;
	if (rc != CAH_OK)
		rc = cah_fail(
			err, rc,
			"decoders do not start (--no-sandbox does without "
			"them): %s",
			d->err.text);
	pthread_mutex_unlock(&d->lock);
	return rc;
}

static void tell(const struct decoders *d)
{
	char landlock[32] = "no Landlock";
	const struct message_ready *r = &d->ready;
	if (r->landlock > 0)
		(void)snprintf(landlock, sizeof(landlock), "Landlock %d",
			       (int)r->landlock);
	if (r->is_plain != 0)
		log_info(d->options.log,
			 "decoders: %d processes, nothing locked: built with a "
			 "sanitizer",
			 d->options.count);
	else
		log_info(d->options.log, "decoders: %d processes, %s, %s",
			 d->options.count,
			 r->has_seccomp != 0 ? "seccomp" : "no seccomp",
			 landlock);
}

static int prepare(struct decoders *d, struct cah_error *err)
{
	const struct decoders_options *o = &d->options;
	int rc = find_program(&d->program, o->program, err);
	if (rc != CAH_OK)
		return rc;
	d->seats = calloc((size_t)o->count, sizeof(*d->seats));
	if (d->seats == NULL)
		return cah_fail(err, CAH_ENOMEM, "decoders: out of memory");
	for (int i = 0; i < o->count; i++)
		d->seats[i].process.memory = d->seats[i].process.socket = -1;
	for (int i = 0; i < o->count && rc == CAH_OK; i++)
		rc = process_open(&d->seats[i].process, o->file_max,
				  o->made_max, err);
	if (rc == CAH_OK &&
	    pthread_create(&d->starter, NULL, run_starter, d) != 0)
		rc = cah_fail(err, CAH_ENOMEM, "cannot start a thread");
	return rc;
}

static void release(struct decoders *d)
{
	for (int i = 0; i < d->options.count && d->seats != NULL; i++)
		process_close(&d->seats[i].process);
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	free(d->seats);
	free(d->program);
	free(d);
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
	if (d->options.life == 0)
		d->options.life = DECODERS_LIFE;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	int rc = prepare(d, err);
	if (rc != CAH_OK) {
		release(d);
		return rc;
	}
	rc = wait_for_all(d, err);
	if (rc != CAH_OK) {
		decoders_free(d);
		return rc;
	}
	tell(d);
	*out = d;
	return CAH_OK;
}

void decoders_free(struct decoders *d)
{
	if (d == NULL)
		return;
	pthread_mutex_lock(&d->lock);
	d->is_ending = true;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	(void)pthread_join(d->starter, NULL);
	release(d);
}

/* ---- one picture ---- */

static int take(struct seat **out, struct decoders *d, struct cah_error *err)
{
	pthread_mutex_lock(&d->lock);
	while ((*out = find_seat(d, SEAT_IDLE)) == NULL && d->code == CAH_OK)
		pthread_cond_wait(&d->changed, &d->lock);
	int rc = CAH_OK;
	if (*out != NULL)
		(*out)->state = SEAT_TAKEN;
	else
		rc = cah_fail(err, d->code,
			      "decoders cannot be started any more: %s",
			      d->err.text);
	pthread_mutex_unlock(&d->lock);
	return rc;
}

static void give_back(struct decoders *d, struct seat *seat)
{
	pthread_mutex_lock(&d->lock);
	seat->state = seat->process.pid != 0 ? SEAT_IDLE : SEAT_EMPTY;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

static void tell_crash(struct decoders *d, const struct decoders_job *job,
		       const char *why)
{
	int64_t now_s = clock_now_ms() / 1000;
	log_burst_tell(d->options.log, LOG_WARN, &d->crashes,
		       "decoders that crashed", now_s);
	if (!log_burst_passes(&d->crashes, now_s))
		return;
	struct log_field fields[] = {
		log_text("why", slice_of(why)),
		log_text("image", slice_of(job->name)),
	};
	log_fields(d->options.log, LOG_WARN, "a decoder crashed", fields,
		   job->name != NULL ? 2 : 1);
}

/* Whatever is not an answer ends the process, and costs this picture. */
static enum fate bury(struct decoders *d, struct seat *seat,
		      const struct decoders_job *job, enum process_end end)
{
	char why[PROCESS_WHY_MAX];
	process_stop(&seat->process, why);
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

/* Has @seat's process answer @ask about the job's file. */
static enum process_end ask_about(struct decoders *d, struct seat *seat,
				  const struct decoders_job *job,
				  struct message_ask *ask,
				  struct message_answer *answer)
{
	struct process *p = &seat->process;
	if (job->bytes.len != 0)
		memcpy(p->room, job->bytes.data, job->bytes.len);
	ask->len = job->bytes.len;
	ask->limits = *job->limits;
	enum process_end end =
		process_ask(p, ask, answer, d->options.image_ms, job->cancel);
	if (end == PROCESS_ANSWERED &&
	    (answer->fate < 0 || answer->fate >= CAH_FATE_COUNT))
		end = PROCESS_LIED;
	return end;
}

/* Where nobody can plant what the next pictures meet for ever. */
static void retire(struct decoders *d, struct seat *seat)
{
	char why[PROCESS_WHY_MAX];
	if (++seat->pictures >= d->options.life)
		process_stop(&seat->process, why);
}

static bool is_side(int32_t pixels, const struct image_limits *limits)
{
	return pixels > 0 && pixels <= limits->max_side;
}

/* What the numbers of an answer may be; PROCESS_LIED otherwise. */
static enum process_end check_fitted(const struct message_answer *answer,
				     const struct image_limits *limits)
{
	if (answer->fate != CAH_FATE_KEPT)
		return PROCESS_ANSWERED;
	return answer->format > IMAGE_UNKNOWN && answer->format <= IMAGE_WEBP &&
			       is_side(answer->original_width, limits) &&
			       is_side(answer->original_height, limits)
		       ? PROCESS_ANSWERED
		       : PROCESS_LIED;
}

static void fit_there(struct decoders_fitted *out, uint8_t *pixels,
		      struct decoders *d, struct seat *seat,
		      const struct decoders_job *job,
		      const struct image_fit *fit)
{
	struct message_ask ask = {.kind = MESSAGE_FIT, .fit = *fit};
	struct message_answer answer;
	size_t len = (size_t)fit->width * (size_t)fit->height * 3;
	const struct process *p = &seat->process;
	assert(len <= p->size.made_max);
	enum process_end end = ask_about(d, seat, job, &ask, &answer);
	if (end == PROCESS_ANSWERED)
		end = check_fitted(&answer, job->limits);
	if (end != PROCESS_ANSWERED) {
		out->fate = bury(d, seat, job, end);
		return;
	}
	out->fate = (enum fate)answer.fate;
	if (out->fate == CAH_FATE_KEPT) {
		memcpy(pixels, p->room + p->size.file_max, len);
		out->format = (enum image_format)answer.format;
		out->original_width = answer.original_width;
		out->original_height = answer.original_height;
	}
	process_trim(&seat->process, job->bytes.len, len);
	retire(d, seat);
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
	struct seat *seat;
	*out = (struct decoders_fitted){0};
	if (d == NULL) {
		fit_here(out, pixels, job, fit);
		return CAH_OK;
	}
	if (job->bytes.len > d->options.file_max) {
		out->fate = CAH_FATE_TOO_LARGE;
		return CAH_OK;
	}
	int rc = take(&seat, d, err);
	if (rc != CAH_OK)
		return rc;
	fit_there(out, pixels, d, seat, job, fit);
	give_back(d, seat);
	return CAH_OK;
}
