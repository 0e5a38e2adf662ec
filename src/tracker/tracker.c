#include "tracker/tracker.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "tracker/desk.h"
#include "tracker/gate.h"
#include "tracker/listen.h"
#include "tracker/request.h"
#include "tracker/server.h"
#include "tracker/sifter.h"
#include "tracker/tls.h"
#include "tracker/watch.h"
#include "wire/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

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
	tracker->max_waiting = options->max_waiting > 0 ? options->max_waiting
							: TRACKER_MAX_WAITING;
	tracker->max_answer_bytes = options->max_answer_bytes > 0
					    ? options->max_answer_bytes
					    : TRACKER_ANSWERS_MAX;
	for (int i = 0; i < WORKER_TYPE_COUNT; i++) {
		int rc = copy_text(&tracker->upload_address[i],
				   options->upload_address[i], "upload address",
				   err);
		if (rc != CAH_OK)
			return rc;
	}
	int rc = stages_init(&tracker->stages, options, err);
	if (rc != CAH_OK)
		return rc;
	if (options->admin_token == NULL || options->admin_token[0] == '\0')
		return CAH_OK;
	return secret_set(&tracker->admin, slice_of(options->admin_token), err);
}

static int load_tls(struct tracker *tracker,
		    const struct tracker_options *options,
		    struct cah_error *err)
{
	if (options->tls_cert == NULL && options->tls_key == NULL)
		return CAH_OK;
	if (options->tls_cert == NULL || options->tls_key == NULL)
		return cah_fail(err, CAH_EINVALID,
				"TLS needs a certificate and its key");
	return tls_new(&tracker->tls, options->tls_cert, options->tls_key,
		       options->log, err);
}

/* They wait until the stage is on again; whoever took it off by mistake should
 * hear of it. */
static int warn_of_stages(const struct tracker *tracker, struct cah_error *err)
{
	struct store_counts counts;
	int rc = store_get_counts(tracker->store, &counts, clock_wall_s(), err);
	for (int i = tracker->stages.count;
	     i < STORE_STAGE_COUNT && rc == CAH_OK; i++) {
		int64_t n = counts.tasks_open[i] + counts.tasks_leased[i];
		if (n > 0)
			log_warn(tracker->log,
				 "%" PRId64 " tasks wait at stage %c, which is "
				 "off",
				 n, store_stage_letter(i));
	}
	/* A database that is away is told by the calls, until it is back. */
	return rc == CAH_EUNAVAILABLE ? CAH_OK : rc;
}

static int begin(struct tracker *tracker, const struct tracker_options *options,
		 struct cah_error *err)
{
	const char *listen =
		options->listen != NULL ? options->listen : "127.0.0.1:8080";
	int rc = store_claim(tracker->store, err);
	if (rc == CAH_OK)
		rc = store_renew_leases(tracker->store, clock_now_ms() / 1000,
					err);
	if (rc == CAH_OK)
		rc = warn_of_stages(tracker, err);
	if (rc == CAH_OK)
		rc = listen_open(&tracker->listen_fd, &tracker->url, listen,
				 tracker->tls != NULL, err);
	if (rc == CAH_OK)
		rc = cancel_new(&tracker->stop, err);
	if (rc == CAH_OK)
		rc = watch_new(&tracker->watch, tracker->store, tracker->log,
			       err);
	if (rc == CAH_OK)
		rc = desk_new(&tracker->desk, tracker, err);
	if (rc == CAH_OK && options->dedup.count > 0)
		rc = sifter_new(&tracker->sifter, tracker, &options->dedup,
				err);
	if (rc == CAH_OK)
		rc = server_start(tracker, err);
	return rc;
}

int tracker_start(struct tracker **out, const struct tracker_options *options,
		  struct cah_error *err)
{
	*out = NULL;
	struct tracker *tracker = calloc(1, sizeof(*tracker));
	if (tracker == NULL)
		return cah_fail(err, CAH_ENOMEM, "tracker");
	tracker->listen_fd = -1;
	int rc = copy_options(tracker, options, err);
	if (rc == CAH_OK)
		rc = gate_new(&tracker->gate, options, err);
	if (rc == CAH_OK)
		rc = load_tls(tracker, options, err);
	if (rc == CAH_OK)
		rc = begin(tracker, options, err);
	if (rc != CAH_OK) {
		tracker_stop(tracker);
		return rc;
	}
	log_info(options->log, "tracker at %s", tracker->url);
	*out = tracker;
	return CAH_OK;
}

const char *tracker_url(const struct tracker *tracker)
{
	return tracker->url;
}

int tracker_reload(struct tracker *tracker, struct cah_error *err)
{
	return tracker->tls != NULL ? tls_reload(tracker->tls, err) : CAH_OK;
}

void tracker_stop(struct tracker *tracker)
{
	if (tracker == NULL)
		return;
	/* The desk and the watch end with their call of the store. */
	store_set_deadline(tracker->store, clock_now_ms() + TRACKER_STOP_MS);
	server_stop(tracker);
	desk_free(tracker->desk);
	sifter_free(tracker->sifter);
	watch_free(tracker->watch);
	store_set_deadline(tracker->store, 0);
	cancel_free(tracker->stop);
	request_free_spares(tracker);
	if (tracker->listen_fd >= 0)
		close(tracker->listen_fd);
	for (int i = 0; i < WORKER_TYPE_COUNT; i++)
		free(tracker->upload_address[i]);
	stages_fini(&tracker->stages);
	gate_free(tracker->gate);
	tls_free(tracker->tls);
	free(tracker->url);
	free(tracker);
}
