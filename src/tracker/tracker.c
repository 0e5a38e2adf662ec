#include "tracker/tracker.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "tracker/listen.h"
#include "tracker/request.h"
#include "tracker/server.h"
#include "wire/text.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	/* A tenth of the time-out between sweeps: a worker is gone at most that
	 * much too late. */
	SWEEPS_PER_TIMEOUT = 10,
	SWEEP_MIN_MS = 100,
};

struct running {
	struct tracker tracker;
	pthread_t sweeper;
	bool has_sweeper;
};

static int64_t sweep_period_ms(const struct tracker *tracker)
{
	int64_t ms = tracker->idle_timeout_s * 1000 / SWEEPS_PER_TIMEOUT;
	if (ms < SWEEP_MIN_MS)
		return SWEEP_MIN_MS;
	return ms < TRACKER_SWEEP_MAX_MS ? ms : TRACKER_SWEEP_MAX_MS;
}

static void *sweep(void *arg)
{
	struct tracker *tracker = arg;
	long period_ms = (long)sweep_period_ms(tracker);
	while (!cancel_sleep(tracker->stop, period_ms)) {
		struct cah_error err;
		int64_t count = 0;
		int rc = store_sweep(tracker->store, clock_now_ms() / 1000,
				     tracker->idle_timeout_s, &count, &err);
		if (rc != CAH_OK)
			log_warn(tracker->log, "sweep: %s", err.text);
		else if (count > 0)
			log_info(tracker->log, "%" PRId64 " workers timed out",
				 count);
	}
	return NULL;
}

static int copy_text(char **out, const char *text, const char *what,
		     struct cah_error *err)
{
	*out = NULL;
	if (text == NULL || text[0] == '\0')
		return CAH_OK;
	int rc = wire_text_check(slice_of(text), 1, WIRE_URL_MAX, what, err);
	if (rc != CAH_OK)
		return rc;
	*out = strdup(text);
	if (*out == NULL)
		return cah_fail(err, CAH_ENOMEM, "%s", what);
	return CAH_OK;
}

static int copy_options(struct tracker *tracker,
			const struct tracker_options *options,
			struct cah_error *err)
{
	tracker->store = options->store;
	tracker->log = options->log;
	tracker->idle_timeout_s = options->idle_timeout_s > 0
					  ? options->idle_timeout_s
					  : TRACKER_IDLE_TIMEOUT_S;
	tracker->max_connections = options->max_connections > 0
					   ? options->max_connections
					   : TRACKER_MAX_CONNECTIONS;
	for (int i = 0; i < WORKER_TYPE_COUNT; i++) {
		int rc = copy_text(&tracker->upload_address[i],
				   options->upload_address[i], "upload address",
				   err);
		if (rc != CAH_OK)
			return rc;
	}
	return copy_text(&tracker->admin_token, options->admin_token,
			 "admin token", err);
}

static int begin(struct running *running, const char *listen,
		 struct cah_error *err)
{
	struct tracker *tracker = &running->tracker;
	int rc = store_claim(tracker->store, err);
	if (rc == CAH_OK)
		rc = store_renew_leases(tracker->store, clock_now_ms() / 1000,
					err);
	if (rc == CAH_OK)
		rc = listen_open(&tracker->listen_fd, &tracker->url, listen,
				 err);
	if (rc == CAH_OK)
		rc = cancel_new(&tracker->stop, err);
	if (rc == CAH_OK)
		rc = server_start(tracker, err);
	if (rc != CAH_OK)
		return rc;
	int why = pthread_create(&running->sweeper, NULL, sweep, tracker);
	if (why != 0)
		return cah_fail_errno(err, why, "tracker: thread");
	running->has_sweeper = true;
	return CAH_OK;
}

int tracker_start(struct tracker **out, const struct tracker_options *options,
		  struct cah_error *err)
{
	*out = NULL;
	struct running *running = calloc(1, sizeof(*running));
	if (running == NULL)
		return cah_fail(err, CAH_ENOMEM, "tracker");
	running->tracker.listen_fd = -1;
	int rc = copy_options(&running->tracker, options, err);
	if (rc == CAH_OK)
		rc = begin(running,
			   options->listen != NULL ? options->listen
						   : "127.0.0.1:8080",
			   err);
	if (rc != CAH_OK) {
		tracker_stop(&running->tracker);
		return rc;
	}
	log_info(options->log, "tracker at %s", running->tracker.url);
	*out = &running->tracker;
	return CAH_OK;
}

const char *tracker_url(const struct tracker *tracker)
{
	return tracker->url;
}

void tracker_stop(struct tracker *tracker)
{
	if (tracker == NULL)
		return;
	struct running *running = (struct running *)tracker;
	server_stop(tracker);
	cancel_set(tracker->stop);
	if (running->has_sweeper)
		pthread_join(running->sweeper, NULL);
	cancel_free(tracker->stop);
	if (tracker->listen_fd >= 0)
		close(tracker->listen_fd);
	for (int i = 0; i < WORKER_TYPE_COUNT; i++)
		free(tracker->upload_address[i]);
	free(tracker->admin_token);
	free(tracker->url);
	free(running);
}
