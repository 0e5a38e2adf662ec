/* pool.h: the decoders' processes and who has which. Any thread. Private to
 * src/decode/. */
#ifndef DECODE_POOL_H
#define DECODE_POOL_H

#include "decode/decoders.h"
#include "decode/process.h"

struct pool;

/* Starts options->count processes and waits until each is locked in. The caller
 * frees *out. Errors: as decoders_new. */
CAH_MUST_CHECK int pool_new(struct pool **out,
			    const struct decoders_options *options,
			    struct cah_error *err);

/* Ends the processes. NULL is fine. */
void pool_free(struct pool *pool);

/* What the last one that was started has on. */
struct message_ready pool_ready(struct pool *pool);

/* Waits for a process that is idle; it is the caller's until pool_give. Errors:
 * CAH_EIO (none can be started any more). */
CAH_MUST_CHECK int pool_take(struct process **out, struct pool *pool,
			     struct cah_error *err);

/* Gives it back after one picture. One that was stopped, or has had as many as
 * it may, is started anew. */
void pool_give(struct pool *pool, struct process *process);

#endif
