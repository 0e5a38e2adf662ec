/* process.h: one decoder as the program sees it: its process, its socket, the
 * memory that both have mapped. One owner at a time. Private to src/decode/. */
#ifndef DECODE_PROCESS_H
#define DECODE_PROCESS_H

#include "base/cancel.h"
#include "decode/message.h"

#include <cah/error.h>
#include <stdbool.h>
#include <sys/types.h>

enum {
	PROCESS_WHY_MAX = 64, /* bytes with NUL */
};

struct process {
	pid_t pid;     /* 0: none */
	int socket;    /* -1: none */
	int memory;    /* its descriptor, for the next start */
	uint8_t *room; /* mapped: the file, then what is made of it */
	struct message_room size;
	uint64_t asked; /* questions since its start */
};

/* Makes the memory; nothing is started yet. process_close whatever comes.
 * Errors: CAH_EIO. */
CAH_MUST_CHECK int process_open(struct process *p, size_t file_max,
				size_t made_max, struct cah_error *err);

/* Ends the process, gives back the memory. */
void process_close(struct process *p);

/* Starts @program and waits until it is locked in. The thread that calls this
 * has to outlive the process: the kernel kills it when that thread ends.
 * Errors: CAH_EIO. */
CAH_MUST_CHECK int process_start(struct process *p, const char *program,
				 struct message_ready *ready,
				 struct cah_error *err);

enum process_end {
	PROCESS_ANSWERED,
	PROCESS_GONE, /* before it was asked: the picture is not at fault */
	PROCESS_CANCELLED, /* in this and all next it is to be stopped */
	PROCESS_LATE,
	PROCESS_DIED,
	PROCESS_LIED, /* an answer that is none */
};

/* Sends @ask, whose file is in the memory; its number and room are filled in
 * here. Waits @limit_ms, in which time that the program itself was stopped does
 * not count. */
enum process_end process_ask(struct process *p, struct message_ask *ask,
			     struct message_answer *answer, int64_t limit_ms,
			     const struct cancel *cancel);

/* Kills the process where there is one, and waits for its end; @why gets what
 * ended it: "signal 11 (Segmentation fault)". */
void process_stop(struct process *p, char why[PROCESS_WHY_MAX]);

/* Gives the kernel back what a large picture took of the memory: a file of
 * @file_len bytes, a result of @made_len. */
void process_trim(struct process *p, size_t file_len, size_t made_len);

#endif
