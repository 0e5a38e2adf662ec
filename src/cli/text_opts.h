/* text_opts.h: the options of what texts must be that commands share, and what
 * they make of them. Main thread. */
#ifndef CLI_TEXT_OPTS_H
#define CLI_TEXT_OPTS_H

#include "cli/opt.h"
#include "wat/scan.h"

enum {
	TEXT_OPTS_COUNT = 7, /* rows of text_opts_rows */
};

/* As given. */
struct text_opts {
	int64_t min_characters;
	int64_t max_characters;
	double min_letters;
	double max_repeated;
	bool keep_placeholders;
	bool keep_boilerplate;
	bool wants_sure_language;
};

/* The defaults: text_rules_default. */
void text_opts_init(struct text_opts *opts);

/* Writes TEXT_OPTS_COUNT rows to @rows, their values in @opts. */
void text_opts_rows(struct opt *rows, struct text_opts *opts);

/* Fills in *scan what was given. Errors: CAH_EINVALID (limits that nothing is
 * within). */
CAH_MUST_CHECK int text_opts_read(const struct text_opts *opts,
				  struct scan_options *scan,
				  struct cah_error *err);

#endif
