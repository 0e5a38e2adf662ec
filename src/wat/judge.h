/* judge.h: from a page's links to candidates: absolute URLs, clean texts, and
 * the fate of each. Judged in the order of fates.def. One owner; no locks. */
#ifndef WAT_JUDGE_H
#define WAT_JUDGE_H

#include "wat/links.h"
#include "wat/scan.h"

enum {
	JUDGE_TEXT_MAX = 1 << 20, /* bytes of a clean text; a longer one is
				     text_too_long whatever the rules */
};

struct judge;

/* Counts go to @counts (borrowed). Errors: as scan_new. */
CAH_MUST_CHECK int judge_new(struct judge **out,
			     const struct scan_options *options,
			     struct scan_counts *counts, struct cah_error *err);
void judge_free(struct judge *judge);

/* Whom the candidates go to. */
void judge_set_fn(struct judge *judge, candidate_fn fn, void *arg);

/* A new page begins: forgets the licence and the base of the one before. */
void judge_begin_page(struct judge *judge);

/* A link_fn, @arg being the judge. */
int judge_link(void *arg, const struct page *page, const struct link *link);

#endif
