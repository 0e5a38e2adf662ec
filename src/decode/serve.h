/* serve.h: a decoder as it sees itself: the life of its process, from the first
 * line of main. */
#ifndef DECODE_SERVE_H
#define DECODE_SERVE_H

#include "base/slice.h"

/* Locks the process in, then answers until nobody asks any more. Never called
 * but by a process that decoders_new started. @seam, where not NULL, is called
 * for each file before it is decoded; tests use it. Returns the exit status. */
int serve(int argc, char **argv, void (*seam)(struct slice file));

#endif
