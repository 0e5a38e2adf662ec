/* monitor.h: --metrics ADDR:PORT of `cah work` and `cah run`: answers
 * GET /metrics with what the worker does (worker/account.h), and nothing else,
 * in a thread of the HTTP library. */
#ifndef CLI_MONITOR_H
#define CLI_MONITOR_H

#include "base/log.h"
#include "worker/account.h"

enum {
	MONITOR_CONNECTIONS = 32, /* at one time */
	MONITOR_TIMEOUT_S = 10,   /* of a connection that says nothing */
};

struct monitor;

/* Listens on @address: "ADDR:PORT", or a port of this machine alone, "PORT"; 0
 * is any free one. Its URL is logged. The caller frees *out with monitor_free
 * before @account. Errors: CAH_EINVALID, CAH_EUNAVAILABLE (taken), CAH_EIO,
 * CAH_ENOMEM. */
CAH_MUST_CHECK int monitor_new(struct monitor **out, const char *address,
			       struct account *account, struct log *log,
			       struct cah_error *err);
void monitor_free(struct monitor *monitor);

#endif
