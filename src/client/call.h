/* call.h: one call to the tracker, with patience, and its answer as an error
 * code. One owner. */
#ifndef CLIENT_CALL_H
#define CLIENT_CALL_H

#include "client/state.h"

#include <jansson.h>

enum {
	CALL_BACKOFF_MS = 500,         /* the first wait is at most this long */
	CALL_BACKOFF_MAX_MS = 60000,   /* ... and no wait longer, unless ... */
	CALL_RETRY_AFTER_MAX_S = 3600, /* ... the tracker names one */
};

enum call_flags {
	/* 403 means that there is no job, else it is an error of the server. */
	CALL_JOB = 1,
	/* One try only. */
	CALL_IMPATIENT = 2,
	/* The worker is not registered yet: 404 is no time-out. */
	CALL_NEW = 4,
};

struct call {
	const char *path; /* begins with a slash, carries its query */
	bool is_post;     /* else GET */
	json_t *body;     /* of a POST; NULL: there was no memory for it */
	int flags;        /* enum call_flags */
	/* What a tracker answers to the call once it has acted on it; 0 where
	 * it acts again. So where a request was sent whole and the connection
	 * broke before the answer, this answer to the next try says that the
	 * first one counted: success. */
	int repeat_status;
	/* Of a POST that is no JSON but lines, in the place of @body; borrowed.
	 */
	const char *text;
};

/* Makes the call; json_decref's call->body whatever comes. The caller has
 * initialised @answer, which holds the body of an answer 200 after, and is
 * empty where a broken call turned out to have counted (repeat_status). Errors:
 * as client.h says. */
CAH_MUST_CHECK int call_run(struct cah_client *client, struct buf *answer,
			    const struct call *call, struct cah_error *err);

/* An answer 200 to @path that cannot be understood (CAH_EFORMAT, CAH_ELIMIT, as
 * @err has it) is the tracker's fault: CAH_ESERVER. Other codes stay. */
CAH_MUST_CHECK int call_blame(const char *path, int rc, struct cah_error *err);

/* What the workers of both dialects say in the same way. @body and @who, a new
 * reference to the object that says who speaks (NULL: there was no memory for
 * it), are json_decref'd whatever comes. Errors: as call_run; CAH_EINVALID
 * (@progress is no UTF-8). */
CAH_MUST_CHECK int call_post(struct cah_client *client, const char *path,
			     json_t *body, int repeat_status,
			     struct cah_error *err);
CAH_MUST_CHECK int call_count(struct cah_client *client, const char *path,
			      int64_t *count, struct cah_error *err);
CAH_MUST_CHECK int call_log(struct cah_client *client, json_t *who,
			    const char *progress, struct cah_error *err);
CAH_MUST_CHECK int call_is_alive(struct cah_client *client, json_t *who,
				 int flags, bool *is_alive,
				 struct cah_error *err);

/* Where a result lies: 1 to RESULT_URL_MAX bytes of UTF-8.
 * Errors: CAH_EINVALID. */
CAH_MUST_CHECK int call_check_result_url(const char *url,
					 struct cah_error *err);

/* Finds out what client->peer is: one quick call where none was answered yet.
 * Errors: CAH_ECANCELLED, CAH_ENOMEM; that there was no answer is none. */
CAH_MUST_CHECK int call_find_peer(struct cah_client *client,
				  struct cah_error *err);

/* For how many seconds what may pass is tried again; -1: for ever. */
int64_t call_retry_s(const struct cah_client *client);

/* How long to wait before try @tries + 1: at random between 0 and a bound that
 * doubles ("full jitter"), so that workers that failed together do not come
 * back together. @random is any number. */
int64_t call_backoff_ms(int tries, uint32_t random);

/* What an answer's status means; CAH_OK for 200 to 299. */
int call_judge(int status, int flags);

#endif
