/* watch.h: where the tracker is looked at while it works: it is told of
 * requests and groups, counts them (tally.h), writes their log lines
 * (access.h) and knows whether the store answers (health.h). Any thread; none
 * of it waits for the store, and counting takes no lock. */
#ifndef TRACKER_WATCH_H
#define TRACKER_WATCH_H

#include "base/buf.h"
#include "tracker/health.h"
#include "tracker/tally.h"

#include <cah/error.h>

struct request;
struct sifter;
struct tracker;
struct watch;

/* Asks the store once, and from now on in a thread of its own. The caller frees
 * *out before the store. Errors: CAH_EIO, CAH_ENOMEM. */
CAH_MUST_CHECK int watch_new(struct watch **out, struct store *store,
			     struct log *log, struct cah_error *err);

/* NULL is fine. */
void watch_free(struct watch *watch);

/* Gives a request its id: the one that a trusted proxy gave, if it is one. */
void watch_name(struct watch *watch, struct request *request);

/* All of the request is there. */
void watch_arrived(struct request *request);

/* Its answer of so many bytes is on its way. */
void watch_answered(struct watch *watch, const struct request *request,
		    size_t bytes);

/* A call failed for what the client is not told. */
void watch_call_failed(struct watch *watch, const struct request *request,
		       const struct cah_error *err);

/* A group of so many requests is committed, @is_write: it may have changed
 * something; or it failed. */
void watch_group(struct watch *watch, size_t requests, bool is_write,
		 int64_t commit_ns);
void watch_group_failed(struct watch *watch, size_t requests, bool is_write,
			const struct cah_error *err);

/* Groups are durable, for which the disk took @ns. */
void watch_flush(struct watch *watch, int64_t ns);

/* A group of lists is added to a filter, for which the disk took @ns; or it
 * failed. */
void watch_sifted(struct watch *watch, int64_t ns);
void watch_sift_failed(struct watch *watch, const struct cah_error *err);

/* A sweep took @count workers out; or it failed. */
void watch_sweep(struct watch *watch, int64_t count);
void watch_sweep_failed(struct watch *watch, const struct cah_error *err);

/* Somebody tried a secret that is wrong. */
void watch_wrong_secret(struct watch *watch, const struct request *request);

/* So many clients were turned away. */
void watch_refused(struct watch *watch, enum refusal why, int64_t count);

/* Whether the store answers and can be changed; else @why, for strangers. */
bool watch_is_ready(struct watch *watch, char why[HEALTH_WHY_MAX]);

/* All metrics; of @sifter, too, where it is not NULL. */
void watch_write(struct watch *watch, struct buf *out, int64_t connections,
		 struct sifter *sifter);

#endif
