/* site.h: the small web that the demo crawls, on loopback: host names that are
 * nobody's, each with a folder, on one port. Answers as
 * tools/demo_world/README.md says: /missing/ 404, /slow/MS/ late, /redir/ 302,
 * /html/ as text/html. */
#ifndef DEMO_SITE_H
#define DEMO_SITE_H

#include <cah/error.h>
#include <stdint.h>

enum {
	SITE_HOSTS_MAX = 8,
	SITE_PATH_MAX = 1024,    /* bytes of a path that is answered */
	SITE_SLOW_MAX_MS = 2000, /* longest wait of /slow/MS/ */
	SITE_ADDRESSES = 16,     /* 127.0.0.1 and the next ones are tried */
};

/* Everything is borrowed by site_start. */
struct site_host {
	const char *name;   /* "docs-en.test" */
	const char *folder; /* its files */
};

struct site;

/* Serves @hosts on @port of the first loopback address where it is free. The
 * caller ends *out with site_stop. Errors: CAH_EUNAVAILABLE (the port is taken
 * on every address), CAH_ELIMIT, CAH_ENOMEM. */
CAH_MUST_CHECK int site_start(struct site **out, int port,
			      const struct site_host *hosts, int count,
			      struct cah_error *err);

/* "127.0.0.1"; borrowed until site_stop. */
const char *site_address(const struct site *site);

/* Requests answered so far. */
int64_t site_requests(const struct site *site);

/* NULL is fine. */
void site_stop(struct site *site);

#endif
