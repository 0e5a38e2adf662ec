/* slice.h: borrowed bytes. A slice never owns; whoever made it says how long
 * the bytes stay. Bytes need not be text nor end in NUL. Any thread. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct slice {
	const char *data; /* may be NULL when len is 0 */
	size_t len;       /* bytes */
};

/* For printf("%.*s", SLICE_FMT(s)). */
#define SLICE_FMT(s) (int)(s).len, (s).data

/* A slice of a string literal. */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline struct slice slice_of(const char *text)
{
	/* no compound literal: shims in C++ read this too */
	struct slice s = {text, text != NULL ? strlen(text) : 0};
	return s;
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len &&
	       (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Compares ASCII letters without case. */
static inline bool slice_equal_nocase(struct slice a, struct slice b)
{
	return a.len == b.len &&
	       (a.len == 0 || strncasecmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len &&
	       (prefix.len == 0 ||
		memcmp(s.data, prefix.data, prefix.len) == 0);
}

static inline bool slice_ends(struct slice s, struct slice tail)
{
	return s.len >= tail.len &&
	       (tail.len == 0 ||
		memcmp(s.data + s.len - tail.len, tail.data, tail.len) == 0);
}

/* The bytes of @s from @start on; empty past the end. */
static inline struct slice slice_from(struct slice s, size_t start)
{
	struct slice rest = {NULL, 0};
	if (start < s.len) {
		rest.data = s.data + start;
		rest.len = s.len - start;
	}
	return rest;
}

#endif
