/* stage.h: what a worker of a staged project says to a tracker
 * (docs/protocol.md, the DistCompute dialect; docs/stages.md). A project has up
 * to five stages, a to e; what the worker of one stage gives back is what that
 * of the next is given.
 *
 * As in client.h: a struct cah_stage belongs to one thread at a time, only
 * cah_stage_cancel may be called from any thread and from signal handlers.
 * Calls block. Connection errors and the answers 429 and 503 are tried again,
 * at most CAH_STAGE_RETRY_MS apart unless the answer names a time, until
 * options.retry_s are over. What is returned as const is borrowed. */
#ifndef CAH_STAGE_H
#define CAH_STAGE_H

#include <cah/client.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	CAH_STAGE_RETRY_MS = 2500,
	CAH_STAGE_DATA_MAX = 1024 * 1024, /* bytes of what complete sends */
};

struct cah_stage;

/* Registers a new worker of the stage @letter, 'a' to 'e'. Of @options, which
 * is used as by cah_client_init, type and allow_private have no meaning. The
 * caller frees *out with cah_stage_free, which says nothing to the tracker.
 * Errors: CAH_EINVALID (letter, nickname, url; the tracker has no such stage),
 * CAH_EUNAVAILABLE, CAH_ESERVER, CAH_ECANCELLED, CAH_ENOMEM. */
CAH_API CAH_MUST_CHECK int
cah_stage_init(struct cah_stage **out, char letter,
	       const struct cah_client_options *options, struct cah_error *err);
CAH_API void cah_stage_free(struct cah_stage *stage);

/* As cah_client_cancel: what blocks returns CAH_ECANCELLED until it is set to
 * false again. Async-signal-safe. */
CAH_API void cah_stage_cancel(struct cah_stage *stage, bool is_cancelled);

/* What the worker is; borrowed until free. cah_stage_name is what the organiser
 * calls the stage. */
CAH_API char cah_stage_letter(const struct cah_stage *stage);
CAH_API const char *cah_stage_name(const struct cah_stage *stage);
CAH_API const char *cah_stage_project(const struct cah_stage *stage);
CAH_API const char *cah_stage_url(const struct cah_stage *stage);
CAH_API const char *cah_stage_token(const struct cah_stage *stage);
CAH_API const char *cah_stage_nickname(const struct cah_stage *stage);
CAH_API const char *cah_stage_display_name(const struct cah_stage *stage);

/* The job that is held: what it is about, *len bytes of UTF-8 that end in a NUL
 * and may hold others; NULL where none is held. cah_stage_number is its number
 * then, else 0. Borrowed until the next new_job, complete, flag_invalid, bye or
 * free. @len may be NULL. */
CAH_API const char *cah_stage_data(const struct cah_stage *stage, size_t *len);
CAH_API int64_t cah_stage_number(const struct cah_stage *stage);

/* Errors of all calls below: CAH_EINVALID (400, 422), CAH_ETIMEDOUT (404: the
 * worker is unknown to the tracker), CAH_EUNAVAILABLE, CAH_ESERVER (any other
 * answer; err->http_status), CAH_ECANCELLED, CAH_ENOMEM. */

/* Open jobs of the stage. */
CAH_API CAH_MUST_CHECK int cah_stage_job_count(struct cah_stage *stage,
					       int64_t *count,
					       struct cah_error *err);

/* Takes a job; one that is held is given back by the tracker. Where this fails
 * none is held. Errors: CAH_ENOJOB. */
CAH_API CAH_MUST_CHECK int cah_stage_new_job(struct cah_stage *stage,
					     struct cah_error *err);

/* The job is done; @data of @len bytes is for the next stage. As with
 * cah_client_complete, a lost answer is no lost job.
 * Errors: CAH_ENOJOB, CAH_ELIMIT (longer than CAH_STAGE_DATA_MAX),
 * CAH_EINVALID (not UTF-8). */
CAH_API CAH_MUST_CHECK int cah_stage_complete(struct cah_stage *stage,
					      const char *data, size_t len,
					      struct cah_error *err);

/* What the job is about is of no use. The job is given back; the fifth such
 * report sends it back to the stage before. Errors: CAH_ENOJOB. */
CAH_API CAH_MUST_CHECK int cah_stage_flag_invalid(struct cah_stage *stage,
						  struct cah_error *err);

/* Tells people what the worker does; cut to 255 characters. */
CAH_API CAH_MUST_CHECK int cah_stage_log(struct cah_stage *stage,
					 const char *progress,
					 struct cah_error *err);

/* Whether the tracker still knows the worker. */
CAH_API CAH_MUST_CHECK int cah_stage_is_alive(struct cah_stage *stage,
					      bool *is_alive,
					      struct cah_error *err);

/* The worker leaves; its job is open again. */
CAH_API CAH_MUST_CHECK int cah_stage_bye(struct cah_stage *stage,
					 struct cah_error *err);

#ifdef __cplusplus
}
#endif

#endif
