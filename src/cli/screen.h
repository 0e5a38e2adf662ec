/* screen.h: the terminal as one page that is drawn again and again, and is as
 * it was once that has ended, however it ends. One at a time; main thread. */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include "base/cancel.h"
#include "base/slice.h"

#include <cah/error.h>

enum screen_event {
	SCREEN_TIME, /* the wait is over */
	SCREEN_DRAW, /* the terminal has another size, or is ours again */
	SCREEN_QUIT, /* q, Ctrl-C, or the terminal has gone */
};

/* Turns to the other page of the terminal on standard output; keys typed on
 * standard input are not shown. Ctrl-C, SIGTERM and SIGHUP set @cancel
 * (borrowed); the second of them puts the terminal in order and ends the
 * process. Ctrl-Z stops it, and `fg` draws anew. */
void screen_open(struct cancel *cancel);

/* The terminal as it was. */
void screen_close(void);

/* Of the terminal on standard output; 80 and 24 where it does not tell. */
void screen_size(int *columns, int *rows);

/* Draws @lines in place of what was there, the first ones that fit. They are
 * as wide as the terminal at most. False: the terminal has gone. */
bool screen_draw(struct slice lines);

/* Sleeps up to @ms. */
enum screen_event screen_wait(long ms);

#endif
