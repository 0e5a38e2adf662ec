/* twins.h: which candidates of a file were there before: in the file itself,
 * and in earlier shards. One owner; no locks. */
#ifndef WAT_TWINS_H
#define WAT_TWINS_H

#include "wat/scan.h"

struct twins;

/* @options (borrowed): whom to ask about earlier shards. The caller frees *out.
 * Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int twins_new(struct twins **out,
			     const struct scan_options *options,
			     struct cah_error *err);
void twins_free(struct twins *twins);

/* Sets the fate of @candidate, which was to be kept and has its key, where it
 * is a twin, and remembers it where not. Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int twins_judge(struct twins *twins,
			       struct candidate *candidate);

#endif
