/* state.h: what a client is, for the files of this folder. One owner; only
 * is_cancelled may be touched by others. */
#ifndef CLIENT_STATE_H
#define CLIENT_STATE_H

#include "client/answer.h"
#include "client/talk.h"
#include "fetch/address.h"

#include <cah/client.h>
#include <stdatomic.h>

enum {
	NICKNAME_MAX = 255,    /* bytes */
	RESULT_URL_MAX = 2048, /* bytes */
	PROGRESS_MAX = 255,    /* characters */
	RETRY_S = 600,         /* where the options say 0 */
	RETRY_MAX_S = 1 << 30, /* 34 years; more is for ever */
};

/* Whether the tracker is in a private network, which lets it send its workers
 * there too. */
enum peer {
	PEER_UNKNOWN, /* no call was answered yet */
	PEER_PUBLIC,
	PEER_PRIVATE,
};

struct cah_client {
	char *url;  /* as given */
	char *base; /* without final slashes */
	char *nickname;
	char *token;
	char *display_name;
	char *upload_address;
	char *filters; /* of the tracker: names, a line each; NULL: unknown */
	enum cah_worker_type type;
	struct jobs jobs;

	struct cah_client_options options; /* owns its strings but url and
					      nickname, which are NULL */
	struct pins *pins;
	struct talk *talk;
	int64_t backoff_max_ms; /* between two tries; 0: as call.h says */
	enum peer peer;

	atomic_bool is_cancelled;
	cah_interrupt_fn interrupt;
	void *interrupt_arg;
	int64_t interrupt_ms; /* when it was asked last */
};

/* A client without a token yet. @options as cah_client_init has them, url,
 * nickname and type included. The caller frees *out with cah_client_free.
 * Errors: CAH_EINVALID, CAH_ENOMEM. */
CAH_MUST_CHECK int client_new(struct cah_client **out,
			      const struct cah_client_options *options,
			      struct cah_error *err);

/* Not 0 where a call is to end. Of the types talk_tick_fn and
 * stream_tick_fn; @arg is the client. */
int client_tick(void *arg);

/* CAH_OK, or CAH_ECANCELLED where the client was told to stop. */
CAH_MUST_CHECK int client_check(struct cah_client *client,
				struct cah_error *err);

#endif
