/* sifter.h: where requests wait for the filters of the dedup service, as others
 * wait for the book at the desk (desk.h). A thread of its own takes all that
 * have gathered, up to SIFTER_GROUP_BYTES, runs their calls (route_dedup.c),
 * waits once for the disk, and then gives them back: no answer is older than
 * what it says was added. */
#ifndef TRACKER_SIFTER_H
#define TRACKER_SIFTER_H

#include "dedup/sieve.h"
#include "tracker/desk.h"
#include "tracker/tracker.h"
#include "wire/route.h"

enum {
	/* Bodies of one group: their lines are fewer than SIEVE_STAGED_MAX. */
	SIFTER_GROUP_BYTES = 3 * WIRE_DATA_BODY_MAX,
};

struct sifter;
struct request;

/* Opens the filters of @options and starts the thread. The caller ends *out
 * with sifter_free. Errors: those of sieve_open, CAH_EINVALID (a filter's
 * name), CAH_EIO. */
CAH_MUST_CHECK int sifter_new(struct sifter **out, struct tracker *tracker,
			      const struct tracker_dedup *options,
			      struct cah_error *err);

/* As those of desk.h. */
void sifter_put(struct sifter *sifter, struct chain *requests);
int sifter_fd(const struct sifter *sifter);
void sifter_take(struct sifter *sifter, struct chain *done);
void sifter_stop(struct sifter *sifter);
void sifter_free(struct sifter *sifter);

/* ---- for the calls, on the thread that runs them ---- */

/* A list that was sent; all of it is borrowed. */
struct sifter_list {
	struct slice name; /* of the filter; empty: the first */
	bool adds;
	const unsigned char *keys; /* one behind the other */
	size_t count;
	bool *is_new; /* the answer */
};

/* Which keys of @list its filter does not have; with list->adds they are added
 * once the group's end is reached. Errors: CAH_EINVALID (no such filter), those
 * of sieve_stage. */
CAH_MUST_CHECK int sifter_ask(struct request *request,
			      const struct sifter_list *list,
			      struct cah_error *err);

/* ---- any thread ---- */

/* The filters that there are: their names, and what they are now. */
size_t sifter_count(const struct sifter *sifter);
const char *sifter_name(const struct sifter *sifter, size_t at);

struct sifter_state {
	struct sieve_state sieve;
	int64_t asked; /* keys, since the start */
	int64_t seen;  /* of them, that were there */
	int64_t added; /* that were new */
};

void sifter_look(struct sifter *sifter, size_t at, struct sifter_state *out);

#endif
