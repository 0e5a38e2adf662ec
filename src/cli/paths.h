/* paths.h: lists of WAT paths as Common Crawl publishes them (wat.paths.gz):
 * one path or URL a line, plain or gzip. One owner. */
#ifndef CLI_PATHS_H
#define CLI_PATHS_H

#include "base/buf.h"
#include "base/cancel.h"

#include <cah/error.h>
#include <stdio.h>

enum {
	PATHS_LINE_MAX = 2048, /* bytes of a line, and of the URL made of it */
};

/* Bytes of one list, inflated, and of all URLs together. The lists of all
 * crawls until 2024 have some 600 MB. */
#define PATHS_TOTAL_MAX ((size_t)2 << 30)

/* Kept in a file without a name: the lists of all crawls have more bytes than
 * a small machine has memory. */
struct paths {
	FILE *spool; /* each URL followed by a NUL; NULL while there is none */
	size_t len;  /* bytes in it */
	size_t pos;  /* where it stands */
	bool is_writing;
	size_t count;
	char url[PATHS_LINE_MAX + 2]; /* the last one read */
};

void paths_init(struct paths *paths);
void paths_fini(struct paths *paths);

/* Appends one. Errors: CAH_ELIMIT, CAH_EUNAVAILABLE (no room on the disk). */
CAH_MUST_CHECK int paths_add(struct paths *paths, struct slice url,
			     struct cah_error *err);

/* The URL at @at, which moves to the next (0 is the first); empty at the end
 * and where it cannot be read. Borrowed until the next call. */
struct slice paths_next(struct paths *paths, size_t *at);

/* How a relative path becomes an URL: @base_url, one slash, the path. With an
 * empty one it stays as it is. Errors: CAH_EINVALID. */
CAH_MUST_CHECK int paths_check_base(const char *base_url,
				    struct cah_error *err);

/* Appends what the list at @location (a file, an URL, or "-" for standard
 * input) has. Blank lines and those that begin with '#' are skipped; lines with
 * a scheme stay as they are. On an error @paths holds what came before.
 * Errors: as stream_open; CAH_EFORMAT (a line is no path, gzip is broken),
 * CAH_ELIMIT, CAH_ENOMEM. */
CAH_MUST_CHECK int paths_read(struct paths *paths, const char *location,
			      const char *base_url, struct cancel *cancel,
			      struct cah_error *err);

/* The same from bytes that come in pieces. */
struct paths_parser;

/* @name stands in error texts; both are borrowed. The caller frees *out.
 * Errors: CAH_ENOMEM. */
CAH_MUST_CHECK int paths_parser_new(struct paths_parser **out,
				    struct paths *paths, const char *name,
				    const char *base_url,
				    struct cah_error *err);
CAH_MUST_CHECK int paths_parser_feed(struct paths_parser *parser,
				     struct slice bytes, struct cah_error *err);
CAH_MUST_CHECK int paths_parser_finish(struct paths_parser *parser,
				       struct cah_error *err);
void paths_parser_free(struct paths_parser *parser);

#endif
