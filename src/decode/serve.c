/* One thread, two descriptors, and no way to get a third. */
#include "decode/serve.h"

#include "decode/lock.h"
#include "decode/message.h"
#include "decode/warm.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	/* Blocks up to here come from a heap that is kept, not fresh from the
	 * kernel, page by page, for each picture. */
	HEAP_BLOCK_MAX = 32 * 1024 * 1024,
	HEAP_KEEP = 64 * 1024 * 1024,
	STATUS_USAGE = 2,
	STATUS_BROKEN = 3,
};

struct desk {
	uint8_t *memory;
	size_t len;
	void (*seam)(struct slice file);
};

static void fit(struct message_answer *answer, uint8_t *out,
		const struct message_ask *ask, struct slice file)
{
	struct image image = {0};
	enum fate fate = image_decode(&image, file, &ask->limits,
				      ask->fit.shortest_edge);
	answer->format = (int32_t)image.format;
	answer->original_width = image.original_width;
	answer->original_height = image.original_height;
	answer->made_len =
		(uint64_t)ask->fit.width * (uint64_t)ask->fit.height * 3;
	if (fate == CAH_FATE_KEPT &&
	    (answer->made_len > ask->room.made_max ||
	     image_fit(out, &image, &ask->fit) != CAH_OK))
		fate = CAH_FATE_INTERNAL;
	answer->fate = (int32_t)fate;
	image_fini(&image);
}

static void make(struct message_answer *answer, uint8_t *out,
		 const struct message_ask *ask, struct slice file)
{
	struct image_made made;
	enum fate fate = image_make(&made, file, &ask->limits, &ask->recipe);
	answer->format = (int32_t)made.format;
	answer->original_width = made.original_width;
	answer->original_height = made.original_height;
	answer->width = made.width;
	answer->height = made.height;
	answer->has_phash = made.has_phash;
	answer->phash = made.phash;
	answer->is_truncated = made.is_truncated;
	answer->exif_len = made.exif_len;
	answer->made_len = made.len + made.exif_len;
	if (answer->made_len > ask->room.made_max)
		fate = CAH_FATE_INTERNAL;
	if (fate == CAH_FATE_KEPT && made.len != 0)
		memcpy(out, made.data, made.len);
	if (fate == CAH_FATE_KEPT && made.exif_len != 0)
		memcpy(out + made.len, made.exif, made.exif_len);
	answer->fate = (int32_t)fate;
	image_made_fini(&made);
}

/* 1, 0 where nobody asks any more, -1 where the socket is broken. */
static int answer_one(const struct desk *desk)
{
	struct message_ask ask;
	ssize_t got = read(MESSAGE_SOCKET, &ask, sizeof(ask));
	if (got == 0)
		return 0;
	if (got != (ssize_t)sizeof(ask) || ask.len > ask.room.file_max ||
	    ask.room.file_max + ask.room.made_max > desk->len)
		return -1;
	struct slice file = {(const char *)desk->memory, ask.len};
	struct message_answer answer = {.number = ask.number};
	if (desk->seam != NULL)
		desk->seam(file);
	uint8_t *out = desk->memory + ask.room.file_max;
	switch (ask.kind) {
	case MESSAGE_FIT:
		fit(&answer, out, &ask, file);
		break;
	case MESSAGE_MAKE:
		make(&answer, out, &ask, file);
		break;
	}
	return write(MESSAGE_SOCKET, &answer, sizeof(answer)) ==
			       (ssize_t)sizeof(answer)
		       ? 1
		       : -1;
}

/* The program may have ended before this process asked to end with it. */
static int is_orphan(const char *parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return strtol(parent, NULL, 10) != (long)getppid();
}

static int map_memory(struct desk *desk)
{
	struct stat s;
	if (fstat(MESSAGE_MEMORY, &s) != 0 || s.st_size <= 0)
		return -1;
	desk->len = (size_t)s.st_size;
	void *memory = mmap(NULL, desk->len, PROT_READ | PROT_WRITE, MAP_SHARED,
			    MESSAGE_MEMORY, 0);
	if (memory == MAP_FAILED)
		return -1;
	desk->memory = memory;
	return 0;
}

int serve(int argc, char **argv, void (*seam)(struct slice file))
{
	struct desk desk = {.seam = seam};
	struct message_ready ready = {0};
	if (argc != 2 || map_memory(&desk) != 0) {
		fputs("cah-decoder is started by cah, not by hand\n", stderr);
		return STATUS_USAGE;
	}
	lock_user();
	if (is_orphan(argv[1]))
		return 0;
	(void)mallopt(M_MMAP_THRESHOLD, HEAP_BLOCK_MAX);
	(void)mallopt(M_TRIM_THRESHOLD, HEAP_KEEP);
	warm_libraries();
	lock_in(&ready);
	/* If the lock forbids what decoding needs, the start fails and says so,
	 * not each picture. */
	if (warm_libraries() != 0)
		return STATUS_BROKEN;
	(void)snprintf(ready.version, sizeof(ready.version), "%s", CAH_VERSION);
	if (write(MESSAGE_SOCKET, &ready, sizeof(ready)) !=
	    (ssize_t)sizeof(ready))
		return STATUS_BROKEN;
	int rc;
	do
		rc = answer_one(&desk);
	while (rc > 0);
	return rc == 0 ? 0 : STATUS_BROKEN;
}
