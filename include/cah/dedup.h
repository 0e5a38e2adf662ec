/* dedup.h: which pairs were taken before, by any worker of a project: what a
 * tracker's dedup service is asked and told (docs/protocol.md, "Pairs that were
 * taken before").
 *
 * A key is the MD5 of a pair's URL and text, one behind the other. A struct
 * cah_dedup belongs to one thread at a time, and needs no struct cah_client.
 * Calls block and are tried again as client.h says. */
#ifndef CAH_DEDUP_H
#define CAH_DEDUP_H

#include <cah/client.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	CAH_DEDUP_KEY_LEN = 16,      /* bytes */
	CAH_DEDUP_KEYS_MAX = 100000, /* of one call */
};

struct cah_dedup;

/* Says nothing to the tracker yet. @options as cah_client_init has them, but
 * that nickname and type are not looked at; @filter is the name of the filter
 * that is meant, NULL the tracker's first. The caller frees *out with
 * cah_dedup_free. Errors: CAH_EINVALID (url, the filter's name), CAH_ENOMEM. */
CAH_API CAH_MUST_CHECK int
cah_dedup_open(struct cah_dedup **out, const struct cah_client_options *options,
	       const char *filter, struct cah_error *err);
CAH_API void cah_dedup_free(struct cah_dedup *dedup);

/* Errors of both calls: CAH_EINVALID (400, 422), CAH_EUNAVAILABLE (no answer
 * within retry_s), CAH_ESERVER (any other answer; err->http_status: 404 where
 * there is no such service, 413 where the filter is full), CAH_ECANCELLED,
 * CAH_ENOMEM. @count is at most CAH_DEDUP_KEYS_MAX. */

/* Which of @count keys, one behind the other, are not in the filter, to
 * @is_new. */
CAH_API CAH_MUST_CHECK int cah_dedup_ask(struct cah_dedup *dedup,
					 const unsigned char *keys,
					 size_t count, bool *is_new,
					 struct cah_error *err);

/* Adds them; *added (may be NULL) of them were new. They are on the tracker's
 * disk when this returns. Doing it twice is as good as once. */
CAH_API CAH_MUST_CHECK int cah_dedup_add(struct cah_dedup *dedup,
					 const unsigned char *keys,
					 size_t count, int64_t *added,
					 struct cah_error *err);

#ifdef __cplusplus
}
#endif

#endif
