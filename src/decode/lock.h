/* lock.h: a process gives up all that decoding does not need. For the decoder
 * alone: there is no way back. Private to src/decode/. */
#ifndef DECODE_LOCK_H
#define DECODE_LOCK_H

#include "decode/message.h"

#include <stdbool.h>

/* A sanitizer needs what the lock takes away: with one nothing is locked. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#	define LOCK_IS_PLAIN 1
#elif defined(__has_feature)
#	if __has_feature(address_sanitizer) ||    \
		__has_feature(thread_sanitizer) || \
		__has_feature(memory_sanitizer)
#		define LOCK_IS_PLAIN 1
#	endif
#endif
#ifndef LOCK_IS_PLAIN
#	define LOCK_IS_PLAIN 0
#endif

/* Root becomes nobody, where it may. */
void lock_user(void);

/* Limits of what the process may have, whatever the kernel: memory beside what
 * it has now, no process, no file that grows. */
void lock_limits(void);

/* No file, no network by Landlock; returns its ABI, 0 where there is none. */
int lock_files(void);

/* Every system call but a few ends the process, by seccomp; false where there
 * is none. */
bool lock_calls(void);

/* All of it, no new privileges, and no descriptor but the socket; says in
 * @ready what the kernel has. Nothing where LOCK_IS_PLAIN. */
void lock_in(struct message_ready *ready);

#endif
