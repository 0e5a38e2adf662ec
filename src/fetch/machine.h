/* machine.h: addresses that sites share, and how much goes to each. Thousands
 * of names may lead to one machine of a hoster, which per-host limits alone
 * would not spare. Owned by the loop's thread. */
#ifndef FETCH_MACHINE_H
#define FETCH_MACHINE_H

#include "fetch/site.h"

/* Counted by those that hold it: sites, and tasks with a transfer. */
struct machine {
	int holders;
	int running;               /* transfers */
	int64_t next_ms;           /* no transfer begins before */
	struct site_list crowding; /* sites that wait for a place here */
	size_t key_len;
	char key[16]; /* the address, in network order */
};

struct machines;

/* A table of at most @max. The caller frees *out, after all who hold one.
 * Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int machines_new(struct machines **out, size_t max,
				struct cah_error *err);
void machines_free(struct machines *machines);

/* The machine of @address, of which the caller is a holder from now on. NULL
 * when out of memory. */
struct machine *machines_hold(struct machines *machines,
			      const union address *address);

/* Undoes it; the last one frees the machine. NULL is fine. */
void machines_let_go(struct machines *machines, struct machine *machine);

#endif
