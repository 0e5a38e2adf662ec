/* demo.h: the whole system at work on this machine: two small webs on loopback,
 * a tracker, one hybrid worker, and a check of the dataset that comes out.
 *
 * The first web is real: 685 pages of Debian's gimp-help-en, by a WAT that
 * Common Crawl's own extractor made. Of the second everything is known
 * (tools/demo_world). */
#ifndef DEMO_DEMO_H
#define DEMO_DEMO_H

#include "base/cancel.h"
#include "base/log.h"
#include "clip/clip.h"
#include "decode/decoders.h"

#include <cah/error.h>
#include <stdio.h>

enum {
	DEMO_DOCS_PORT = 8091,  /* stands in the genuine WAT's URLs */
	DEMO_WORLD_PORT = 8124, /* stands in the made WATs' URLs */
	DEMO_DOCS_CANDIDATES = 6242,
	DEMO_DOCS_PAIRS = 1721, /* distinct */
};

/* Everything is borrowed. */
struct demo_options {
	const char *out;   /* an empty folder, or none yet */
	const char *docs;  /* docs-en.warc.wat.gz */
	const char *pages; /* the folder of gimp-help-en's pages */
	const char *world; /* what make_world.py wrote */
	const char *model; /* name of the model, for the stats */
	struct clip *clip;
	struct decoders *decoders; /* NULL: in this process */
	const char *listen;        /* of the tracker */
	double threshold;
	int threads;     /* decoding */
	bool is_serving; /* keep the tracker up until cancel is set */
	bool is_terminal;
	bool is_json;
	struct log *log; /* may be NULL */
	FILE *report;    /* where the report goes */
};

/* Runs the demo. CAH_OK only if every check of the dataset held; the report
 * names each. Errors: CAH_EFORMAT (a check failed), CAH_ENOTFOUND (data),
 * CAH_EUNAVAILABLE (ports), CAH_ECANCELLED, those of the parts. */
CAH_MUST_CHECK int demo_run(const struct demo_options *options,
			    struct cancel *cancel, struct cah_error *err);

#endif
