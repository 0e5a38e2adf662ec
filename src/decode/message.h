/* message.h: what crosses between the program and a decoder: a packet of fixed
 * size each way, and the file and what is made of it in memory that both have
 * mapped. Private to src/decode/.
 *
 * The decoder may belong to somebody else by now. So the program reads each
 * packet once, from the kernel, and checks every number in it; from the shared
 * memory it copies bytes that may be any, and nothing else. Answers hold plain
 * integers only: a bool or enum of foreign bits is undefined. */
#ifndef DECODE_MESSAGE_H
#define DECODE_MESSAGE_H

#include "image/make.h"

#include <stdint.h>

enum {
	/* Where exec leaves the two, in the places that every process has. */
	MESSAGE_SOCKET = 0,
	MESSAGE_MEMORY = 1,
	MESSAGE_VERSION_MAX = 32, /* bytes with NUL */
};

/* The first packet of a decoder, sent when it is locked in. */
struct message_ready {
	char version[MESSAGE_VERSION_MAX]; /* CAH_VERSION */
	int32_t has_seccomp;               /* 0 or 1 */
	int32_t landlock;                  /* its ABI; 0: none */
	int32_t is_plain; /* 1: built with a sanitizer, nothing is on */
};

/* Where in the memory the file is, and where there is room for the answer. */
struct message_room {
	uint64_t file_max;
	uint64_t made_max; /* behind it */
};

enum message_kind {
	MESSAGE_FIT = 1, /* image_decode and image_fit: made are pixels */
	MESSAGE_MAKE, /* image_make: made is a file, and its EXIF behind it */
};

/* From the program, which the decoder trusts. The file is at the start of the
 * memory. */
struct message_ask {
	uint64_t number; /* of the question; the answer repeats it */
	struct message_room room;
	uint64_t len; /* of the file, bytes */
	enum message_kind kind;
	struct image_limits limits;
	union {
		struct image_fit fit;
		struct image_recipe recipe;
	};
};

struct message_answer {
	uint64_t number;
	int32_t fate;
	int32_t format; /* of the file */
	int32_t original_width;
	int32_t original_height;
	uint64_t made_len; /* bytes */
	/* of MESSAGE_MAKE */
	uint64_t exif_len; /* of these */
	uint64_t phash;
	int32_t width;
	int32_t height;
	int32_t has_phash; /* 0 or 1 */
	int32_t is_truncated;
};

#endif
