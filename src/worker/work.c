/* The client belongs to one thread at a time: to the heartbeat while a shard
 * runs, to the calling thread otherwise. */
#include "worker/work.h"

#include "base/clock.h"
#include "base/fail.h"
#include "dataset/reader.h"
#include "worker/progress.h"
#include "worker/taken.h"

#include <pthread.h>
#include <stdlib.h>

enum {
	NAME_MAX_BYTES = 32,
	LOG_EVERY_S = 30,    /* between two lines where there is no terminal */
	WAIT_TOLD_MS = 5000, /* a call that waits for so long is told of */
};

struct work {
	const struct work_options *options;
	struct cah_client *client;
	struct cancel *cancel; /* the user's */
	struct pipeline_options pipeline;
	struct taken *taken;
	struct buf scored; /* the shard's pairs that are taken with it */
	struct work_summary *summary;
	bool is_reporting;   /* a whole shard, which is not to be in vain */
	int64_t patience_ms; /* monotonic: calls to the tracker end then, where
				not 0, instead of when cancel is set */
	int failures;        /* in a row */
	/* Of the thread that calls the tracker: when the call was first found
	 * waiting, 0 where it was not; monotonic. */
	int64_t waits_since_ms;
	bool is_wait_told;

	/* while a shard runs */
	char name[NAME_MAX_BYTES];
	struct cancel *over;  /* the shard has ended */
	pthread_mutex_t lock; /* for what follows */
	struct pipeline_progress progress;
	bool is_lost;    /* the tracker does not know us any more */
	double logged_s; /* when the last line was written */
};

/* From now on the tracker gets WORK_GOODBYE_MS in all. */
static void begin_goodbye(struct work *w)
{
	if (w->patience_ms == 0)
		w->patience_ms = clock_now_ms() + WORK_GOODBYE_MS;
}

/* To be called before each call to the tracker. */
static void begin_call(struct work *w)
{
	w->waits_since_ms = 0;
	w->is_wait_told = false;
}

/* The client tries again for minutes without a word, which looks like a worker
 * that hangs. */
static void tell_wait(struct work *w)
{
	int64_t now_ms = clock_now_ms();
	if (w->waits_since_ms == 0)
		w->waits_since_ms = now_ms;
	if (w->is_wait_told || now_ms - w->waits_since_ms < WAIT_TOLD_MS)
		return;
	w->is_wait_told = true;
	log_warn(w->options->log, "the tracker does not answer; trying again");
}

/* Asked by the client while a call blocks. */
static int is_interrupted(void *arg)
{
	struct work *w = arg;
	tell_wait(w);
	if (w->is_reporting && cancel_is_set(w->cancel))
		begin_goodbye(w);
	if (w->patience_ms != 0)
		return clock_now_ms() > w->patience_ms;
	if (w->is_reporting)
		return 0;
	return cancel_is_set(w->cancel) || cancel_is_set(w->over);
}

static bool is_lost(struct work *w)
{
	pthread_mutex_lock(&w->lock);
	bool lost = w->is_lost;
	pthread_mutex_unlock(&w->lock);
	return lost;
}

static void *run_heartbeat(void *arg)
{
	struct work *w = arg;
	int64_t every_s = w->options->heartbeat_s;
	if (every_s == 0)
		every_s = WORK_HEARTBEAT_S;
	while (!cancel_sleep(w->over, every_s * 1000)) {
		char text[256];
		bool is_alive = true;
		pthread_mutex_lock(&w->lock);
		progress_for_tracker(text, sizeof(text), &w->progress);
		pthread_mutex_unlock(&w->lock);
		/* Trackers take progress from anybody, so that does not tell
		 * whether the worker is still known. */
		begin_call(w);
		int rc = cah_client_log(w->client, text, NULL);
		begin_call(w);
		if (rc == CAH_OK)
			rc = cah_client_is_alive(w->client, &is_alive, NULL);
		if (rc == CAH_ETIMEDOUT || (rc == CAH_OK && !is_alive)) {
			pthread_mutex_lock(&w->lock);
			w->is_lost = true;
			pthread_mutex_unlock(&w->lock);
			return NULL;
		}
	}
	return NULL;
}

static int on_tick(void *arg, const struct pipeline_progress *progress)
{
	struct work *w = arg;
	char line[512];
	pthread_mutex_lock(&w->lock);
	w->progress = *progress;
	bool lost = w->is_lost;
	pthread_mutex_unlock(&w->lock);

	account_look(w->options->account, progress);
	progress_line(line, sizeof(line), w->name, progress);
	if (w->options->is_terminal) {
		log_progress(w->options->log, line);
	} else if (progress->seconds - w->logged_s >= LOG_EVERY_S) {
		w->logged_s = progress->seconds;
		log_info(w->options->log, "%s", line);
	}
	return lost;
}

/* The tracker does not know the worker any more. One that forgets workers
 * sooner than a shard takes would have them work for nothing for ever. */
static int begin_anew(struct work *w, struct cah_error *err)
{
	if (++w->failures >= WORK_FAILURES_MAX)
		return cah_fail(err, CAH_ETIMEDOUT,
				"the tracker forgot this worker %d times "
				"before a job was done",
				w->failures);
	begin_call(w);
	return cah_client_recreate(w->client, err);
}

static int run_shard(struct work *w, const struct pipeline_work *job,
		     struct pipeline_result *result, struct cah_error *err)
{
	pthread_t heartbeat;
	w->logged_s = 0;
	w->progress = (struct pipeline_progress){.wat_total = -1};
	int rc = cancel_new(&w->over, err);
	if (rc != CAH_OK)
		return rc;
	if (pthread_create(&heartbeat, NULL, run_heartbeat, w) != 0) {
		cancel_free(w->over);
		w->over = NULL;
		return cah_fail(err, CAH_ENOMEM, "cannot start a thread");
	}
	rc = pipeline_run(&w->pipeline, job, result, err);
	cancel_set(w->over);
	(void)pthread_join(heartbeat, NULL);
	cancel_free(w->over);
	w->over = NULL;
	log_progress(w->options->log, NULL);
	account_add(w->options->account, result);
	flow_add(&w->summary->flow, &result->flow);
	return rc;
}

static void log_shard(struct work *w, const struct pipeline_result *r)
{
	int64_t candidates = fate_total(&r->fates);
	log_info(w->options->log,
		 "shard %s done: %lld candidates, %lld pairs kept, %.1f s, "
		 "%.1f candidates/s",
		 w->name, (long long)candidates, (long long)r->kept, r->seconds,
		 r->seconds > 0 ? (double)candidates / r->seconds : 0);
}

static void tell_taken(struct work *w)
{
	begin_call(w);
	taken_tell(w->taken, &w->scored);
}

/* The shard's files are there; the tracker hears of it. Where it does not know
 * the worker any more, somebody else has the job and the files go. */
static int report(struct work *w, const struct pipeline_work *job,
		  const struct pipeline_result *result, struct cah_error *err)
{
	w->is_reporting = true;
	begin_call(w);
	int rc = cah_client_complete(w->client, result->kept, NULL, err);
	if (rc == CAH_OK)
		tell_taken(w);
	w->is_reporting = false;
	if (rc == CAH_ETIMEDOUT || rc == CAH_ENOJOB) {
		log_warn(w->options->log,
			 "shard %s came too late, it is dropped: %s", w->name,
			 err->text);
		w->summary->lost++;
		account_end(w->options->account, ACCOUNT_LATE);
		rc = shard_remove(w->options->pipeline.folder, w->name, err);
		return rc == CAH_OK ? begin_anew(w, err) : rc;
	}
	if (rc != CAH_OK)
		return rc;
	w->failures = 0;
	account_end(w->options->account, ACCOUNT_DONE);
	w->summary->jobs++;
	w->summary->kept += result->kept;
	fate_add(&w->summary->fates, &result->fates);
	log_shard(w, result);
	if (w->options->on_shard != NULL)
		w->options->on_shard(w->options->arg, job, result);
	return CAH_OK;
}

/* A shard that could not be made. CAH_OK: go on with another job. */
static int after_failure(struct work *w, int rc, struct cah_error *err)
{
	if (cancel_is_set(w->cancel))
		return cah_fail(err, CAH_ECANCELLED, "stopped");
	if (is_lost(w)) {
		log_warn(w->options->log,
			 "the tracker has given shard %s to somebody else",
			 w->name);
		w->summary->lost++;
		return begin_anew(w, err);
	}
	log_error(w->options->log, "shard %s failed: %s", w->name, err->text);
	if (++w->failures >= WORK_FAILURES_MAX || rc == CAH_ENOMEM)
		return rc;
	/* The tracker shows this; the ancestors' word for it. */
	struct cah_error unheard;
	begin_call(w);
	if (cah_client_log(w->client, "Crashed", &unheard) != CAH_OK)
		log_debug(w->options->log, "progress: %s", unheard.text);
	if (cancel_sleep(w->cancel, (long)WORK_PAUSE_MS << (w->failures - 1)))
		return cah_fail(err, CAH_ECANCELLED, "stopped");
	return CAH_OK;
}

static int do_job(struct work *w, struct cah_error *err)
{
	const struct cah_job *held = cah_client_job(w->client);
	/* The client's strings go with the next call; the job stays. */
	char *wat = strdup(held->url);
	if (wat == NULL)
		return cah_fail(err, CAH_ENOMEM, "job: out of memory");
	(void)snprintf(w->name, sizeof(w->name), "%08lld",
		       (long long)held->number);
	const struct pipeline_work job = {
		.name = w->name,
		.wat = wat,
		.piece = held->piece,
		.first_id = held->start_id + held->piece * PIPELINE_PIECE_IDS,
		.cancel = w->cancel,
		.tick = on_tick,
		.tick_arg = w,
		.scored = &w->scored,
	};
	buf_reset(&w->scored);
	struct pipeline_result result = {0};
	bool is_there;
	w->is_lost = false;
	const struct shard_wanted wanted = {
		.folder = w->options->pipeline.folder,
		.name = w->name,
		.wat_url = wat,
		.piece = job.piece,
	};
	int rc = shard_find(&is_there, &result.fates, &wanted, err);
	if (rc == CAH_OK && is_there) {
		result.kept = result.fates.n[CAH_FATE_KEPT];
		log_info(w->options->log, "shard %s is there already", w->name);
	} else if (rc == CAH_OK) {
		log_info(w->options->log, "shard %s: piece %d of %s", w->name,
			 job.piece, job.wat);
		rc = run_shard(w, &job, &result, err);
	}
	if (rc != CAH_OK)
		account_end(w->options->account, ACCOUNT_FAILED);
	rc = rc == CAH_OK ? report(w, &job, &result, err)
			  : after_failure(w, rc, err);
	free(wat);
	return rc;
}

static int do_jobs(struct work *w, struct cah_error *err)
{
	for (;;) {
		if (w->options->max_jobs != 0 &&
		    w->summary->jobs >= w->options->max_jobs)
			return CAH_OK;
		if (cancel_is_set(w->cancel))
			return cah_fail(err, CAH_ECANCELLED, "stopped");
		begin_call(w);
		int rc = cah_client_new_job(w->client, err);
		if (rc == CAH_ENOJOB)
			return CAH_OK;
		if (rc == CAH_ETIMEDOUT)
			rc = begin_anew(w, err);
		else if (rc == CAH_OK)
			rc = do_job(w, err);
		if (rc != CAH_OK)
			return rc;
	}
}

/* Whom the pipeline asks for pairs that were taken before. */
static int join_others(struct work *w, const struct cah_client_options *client,
		       struct cah_error *err)
{
	const struct work_options *options = w->options;
	if (taken_has_file(w->taken)) {
		w->pipeline.scan.was_seen = taken_was_seen;
		w->pipeline.scan.seen_arg = w->taken;
	}
	if (options->no_dedup ||
	    !cah_client_has_filter(w->client, TAKEN_FILTER))
		return CAH_OK;
	log_info(options->log, "pairs that others have taken are left to them");
	w->pipeline.ask = taken_ask;
	w->pipeline.ask_arg = w->taken;
	return taken_join(w->taken, client, err);
}

static int join(struct work *w, struct cah_error *err)
{
	const struct work_options *options = w->options;
	struct cah_client_options client = options->client;
	client.interrupt = is_interrupted;
	client.interrupt_arg = w;
	int rc = taken_new(&w->taken, options->seen_path, &options->seen_size,
			   options->log, err);
	if (rc == CAH_OK)
		rc = cah_client_init(&w->client, &client, err);
	if (rc != CAH_OK)
		return rc;
	log_info(options->log, "registered as \"%s\" at %s",
		 cah_client_display_name(w->client), cah_client_url(w->client));
	return join_others(w, &client, err);
}

static void say_goodbye(struct work *w)
{
	struct cah_error bye;
	begin_goodbye(w);
	begin_call(w);
	if (cah_client_bye(w->client, &bye) != CAH_OK)
		log_debug(w->options->log, "goodbye: %s", bye.text);
}

int work_run(const struct work_options *options, struct work_summary *out,
	     struct cancel *cancel, struct cah_error *err)
{
	int64_t start_ns = clock_now_ns();
	struct cah_error own;
	*out = (struct work_summary){0};
	err = err != NULL ? err : &own;
	struct work w = {.options = options,
			 .cancel = cancel,
			 .summary = out,
			 .pipeline = options->pipeline};
	pthread_mutex_init(&w.lock, NULL);
	buf_init(&w.scored, (size_t)PIPELINE_PIECE_IDS * SCAN_KEY_LEN);
	int rc = join(&w, err);
	if (rc == CAH_OK)
		rc = do_jobs(&w, err);
	if (w.client != NULL)
		say_goodbye(&w);
	cah_client_free(w.client);
	taken_free(w.taken);
	buf_fini(&w.scored);
	pthread_mutex_destroy(&w.lock);
	out->seconds = (double)(clock_now_ns() - start_ns) / 1e9;
	return rc;
}
