/* client.h: what a worker says to a tracker (docs/protocol.md, the
 * Crawling@Home dialect).
 *
 * A struct cah_client belongs to one thread at a time; cah_client_cancel may be
 * called from any thread and from signal handlers. Calls block: each connection
 * error and each answer 429 or 503 is tried again with exponential back-off and
 * jitter, Retry-After honoured, until options.retry_s are over. Strings that
 * are returned are borrowed from the client and stay until the call that
 * changes them. */
#ifndef CAH_CLIENT_H
#define CAH_CLIENT_H

#include <cah/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cah_worker_type {
	CAH_HYBRID, /* does all of it */
	CAH_CPU,    /* stops after the download, leaves a .tar of images */
	CAH_GPU,    /* takes such a .tar and does the CLIP part */
};

/* A switch of the caller's that is looked at beside cah_client_cancel's while a
 * call blocks, at least every 100 ms and on the calling thread: not 0 ends the
 * call with CAH_ECANCELLED. Python checks its signals so. */
typedef int (*cah_interrupt_fn)(void *arg);

struct cah_client_options {
	const char *url;      /* of the tracker, with or without a final slash;
				 NULL: CAH_TRACKER, else http://127.0.0.1:8080 */
	const char *nickname; /* 1 to 255 bytes UTF-8 */
	enum cah_worker_type type;
	const char *user_agent;     /* NULL: the library's own */
	const char *const *resolve; /* HOST:PORT:ADDR entries as curl's
				       --resolve, NULL-terminated; or NULL */
	int64_t connect_timeout_ms; /* 0: 10,000 */
	int64_t call_timeout_ms;    /* one call to the tracker; 0: 60,000 */
	int64_t retry_s;            /* seconds; 0: 600; -1: for ever */
	const char *ca_file;        /* certificates; NULL: the system's */
	bool allow_private;         /* download from private, loopback and
				       link-local addresses. False: only where
				       the tracker is at such an address itself,
				       for no tracker of the internet has
				       business in a volunteer's own network */
	cah_interrupt_fn interrupt; /* holds for cah_client_init too; or NULL */
	void *interrupt_arg;
};

struct cah_job {
	const char
		*url; /* of the WAT; for GPU workers what the CPU worker left */
	int64_t number;
	int64_t start_id;
	int64_t end_id;
	int piece; /* 0 or 1 */
};

struct cah_client;

/* "HYBRID"; static. cah_worker_type_parse takes any case; -1 for others. */
CAH_API const char *cah_worker_type_name(enum cah_worker_type type);
CAH_API int cah_worker_type_parse(const char *name);

/* Registers a new worker. The caller frees *out with cah_client_free, which
 * says nothing to the tracker. Errors: CAH_EINVALID (nickname, url),
 * CAH_EUNAVAILABLE (no answer within retry_s), CAH_ESERVER, CAH_ECANCELLED,
 * CAH_ENOMEM. */
CAH_API CAH_MUST_CHECK int
cah_client_init(struct cah_client **out,
		const struct cah_client_options *options,
		struct cah_error *err);
CAH_API void cah_client_free(struct cah_client *client);

/* Everything that blocks returns CAH_ECANCELLED from now on, until it is set
 * to false again. Async-signal-safe. */
CAH_API void cah_client_cancel(struct cah_client *client, bool is_cancelled);

/* Sets options.interrupt anew; NULL: none. */
CAH_API void cah_client_set_interrupt(struct cah_client *client,
				      cah_interrupt_fn fn, void *arg);

/* What the worker is; borrowed until recreate, update_upload_server (the upload
 * address) or free. */
CAH_API const char *cah_client_url(const struct cah_client *client);
CAH_API const char *cah_client_token(const struct cah_client *client);
CAH_API const char *cah_client_nickname(const struct cah_client *client);
CAH_API const char *cah_client_display_name(const struct cah_client *client);
CAH_API const char *cah_client_upload_address(const struct cah_client *client);
CAH_API enum cah_worker_type cah_client_type(const struct cah_client *client);

/* Whether the tracker has a dedup service (dedup.h) with a filter called @name;
 * what it said when the worker registered. */
CAH_API bool cah_client_has_filter(const struct cah_client *client,
				   const char *name);

/* The job that the worker holds, NULL where none. Borrowed until the next
 * new_job, complete, invalid_url, bye, recreate or free. */
CAH_API const struct cah_job *cah_client_job(const struct cah_client *client);

/* Errors of all calls below: CAH_EINVALID (400, 422), CAH_ETIMEDOUT (404: the
 * worker is unknown to the tracker), CAH_EUNAVAILABLE, CAH_ESERVER (any other
 * answer; err->http_status), CAH_ECANCELLED, CAH_ENOMEM. */

/* Open jobs of the worker's queue. */
CAH_API CAH_MUST_CHECK int cah_client_job_count(struct cah_client *client,
						int64_t *count,
						struct cah_error *err);

/* Takes a job; one that is held is given back by the tracker. Where this fails
 * none is held, for it cannot be known whether the tracker heard it.
 * Errors: CAH_ENOJOB. */
CAH_API CAH_MUST_CHECK int cah_client_new_job(struct cah_client *client,
					      struct cah_error *err);

/* HYBRID, CPU: leaves the job's WAT, inflated, in the file @path (NULL:
 * "./shard.wat"). GPU: unpacks the job's .tar (plain, gzip, xz, zstd, ...;
 * http, https or a local file) into the folder @path (NULL: "./images"), which
 * is made when missing; nothing is ever written outside of it. A download that
 * breaks is resumed, by a later process too: until it is whole it lies in
 * PATH.part. A file appears by rename. Errors: CAH_ENOJOB (none held),
 * CAH_EINVALIDURL (an address that is not allowed, too), CAH_ENOTFOUND,
 * CAH_EFORMAT (not gzip, not tar), CAH_ELIMIT, CAH_EIO. */
CAH_API CAH_MUST_CHECK int cah_client_download_shard(struct cah_client *client,
						     const char *path,
						     struct cah_error *err);

/* The job is done. HYBRID, GPU: with @pairs (>= 0). CPU: the result lies at
 * @result_url (1 to 2,048 bytes); the other argument is 0 or NULL. Where the
 * connection breaks after all was sent, and the next try is told that no job is
 * held, the first one counted: that is success.
 * Errors: CAH_ENOJOB. */
CAH_API CAH_MUST_CHECK int cah_client_complete(struct cah_client *client,
					       int64_t pairs,
					       const char *result_url,
					       struct cah_error *err);

/* Tells people what the worker does; cut to 255 characters. */
CAH_API CAH_MUST_CHECK int cah_client_log(struct cah_client *client,
					  const char *progress,
					  struct cah_error *err);

/* Whether the tracker still knows the worker; *is_alive is false where it does
 * not, which is no error. */
CAH_API CAH_MUST_CHECK int cah_client_is_alive(struct cah_client *client,
					       bool *is_alive,
					       struct cah_error *err);

/* GPU: what the job's url gave cannot be used; the job goes back to the CPU
 * queue. Errors: CAH_ENOJOB. */
CAH_API CAH_MUST_CHECK int cah_client_invalid_url(struct cah_client *client,
						  struct cah_error *err);

/* Asks anew where results are to be put. */
CAH_API CAH_MUST_CHECK int
cah_client_update_upload_server(struct cah_client *client,
				struct cah_error *err);

/* Registers anew under the same nickname and type, as a new worker; the job is
 * gone. */
CAH_API CAH_MUST_CHECK int cah_client_recreate(struct cah_client *client,
					       struct cah_error *err);

/* Both pieces of a WAT at once (CPU). The tracker does not lease them: whoever
 * completes a piece first has it.
 *
 * Looks for a WAT all of whose pieces are open; cah_client_job is its first
 * piece from then on, so cah_client_download_shard gets the WAT.
 * Errors: CAH_EINVALID (not a CPU worker), CAH_ENOJOB. */
CAH_API CAH_MUST_CHECK int cah_client_new_wat(struct cah_client *client,
					      struct cah_error *err);

/* The pieces that new_wat found, *count of them (0 where none); borrowed as
 * cah_client_job. */
CAH_API const struct cah_job *
cah_client_wat_jobs(const struct cah_client *client, size_t *count);

/* The pieces are done: the result of the piece i lies at @urls[i], @count as
 * cah_client_wat_jobs says; each 1 to 2,048 bytes.
 * Errors: CAH_ENOJOB (no WAT is held, or others were faster). */
CAH_API CAH_MUST_CHECK int cah_client_complete_wat(struct cah_client *client,
						   const char *const *urls,
						   size_t count,
						   struct cah_error *err);

/* The worker leaves; its job is open again. */
CAH_API CAH_MUST_CHECK int cah_client_bye(struct cah_client *client,
					  struct cah_error *err);

/* The whole state as a JSON object: url, token, nickname, display_name, type,
 * upload_address and, where a job is held, shard, start_id, end_id,
 * shard_piece, number. Works at any moment, says nothing to the tracker. The
 * caller frees *json with free(). Errors: CAH_ENOMEM. */
CAH_API CAH_MUST_CHECK int cah_client_dump(const struct cah_client *client,
					   char **json, struct cah_error *err);

/* A client as it was when it was dumped; says nothing to the tracker. @options
 * may be NULL; its url, nickname and type are not used.
 * Errors: CAH_EDUMP, CAH_ENOMEM. */
CAH_API CAH_MUST_CHECK int
cah_client_load(struct cah_client **out, const char *json,
		const struct cah_client_options *options,
		struct cah_error *err);

#ifdef __cplusplus
}
#endif

#endif
