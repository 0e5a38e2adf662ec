/* input.h: the bytes of one list, inflated where it is gzip: a window on them
 * that moves forward. Blocks; one owner thread. */
#ifndef GATHER_INPUT_H
#define GATHER_INPUT_H

#include "base/cancel.h"
#include "base/slice.h"

#include <cah/error.h>
#include <stdint.h>

enum {
	INPUT_WINDOW_MAX = 2 * 1024 * 1024, /* bytes: the longest row, and what
					       of it is looked at beforehand */
};

struct input;

/* Opens @location: a path, a file: or http(s) URL, or "-" for standard input.
 * The caller ends it with input_close. Errors: as stream_open. */
CAH_MUST_CHECK int input_open(struct input **out, const char *location,
			      struct cancel *cancel, struct cah_error *err);

/* The same of @bytes (borrowed), for tests. */
CAH_MUST_CHECK int input_open_bytes(struct input **out, struct slice bytes,
				    struct cah_error *err);

/* "standard input", or the location; borrowed. */
const char *input_name(const struct input *input);

/* What was read and not consumed yet, borrowed until the next call. */
struct slice input_window(const struct input *input);

/* Makes the window longer. Returns 1, or 0 where it is full or nothing more
 * comes. Errors: as stream_read, CAH_EFORMAT (broken gzip). */
CAH_MUST_CHECK int input_fill(struct input *input, struct cah_error *err);

/* Whether the window ends where the list does. */
bool input_is_at_end(const struct input *input);

/* Moves the window's start by @len bytes, all of them in it. */
void input_consume(struct input *input, size_t len);

/* Share of the list that was read, 0 to 1; -1 where its size is unknown. */
double input_share(const struct input *input);

/* NULL is fine. */
void input_close(struct input *input);

#endif
