/* access.h: the log line of a request, and the id by which it is found again.
 *
 * Answers of status 5xx are always told, and slow ones; others with --verbose.
 * What comes by the thousand is told by its first lines and a count. */
#ifndef TRACKER_ACCESS_H
#define TRACKER_ACCESS_H

#include "base/log.h"

enum {
	ACCESS_ID_MAX = 64,    /* characters of a request's id */
	ACCESS_SLOW_MS = 1000, /* an answer that took so long is told */
	ACCESS_PATH_MAX = 128, /* bytes of a path that is no page */
};

/* Zeroed but for the log is a good start. */
struct access {
	struct log *log;
	uint32_t start; /* differs from one start of the program to the next */
	atomic_uint_fast64_t last;
	struct log_burst failed;
	struct log_burst slow;
};

void access_init(struct access *access, struct log *log);

/* Makes an id: the start and a number. Any thread. */
void access_make_id(struct access *access, char out[ACCESS_ID_MAX + 1]);

/* Takes an id that a trusted proxy gave. False where it is empty, too long, or
 * has other characters than letters, digits, '.', '_' and '-'. */
bool access_take_id(char out[ACCESS_ID_MAX + 1], struct slice given);

struct access_entry {
	const char *id;
	const char *address; /* the client's */
	const char *method;
	const char *route; /* "/api/newJob"; NULL: no such page */
	struct slice path; /* as it came; told where @route is NULL */
	int status;
	size_t bytes; /* of the answer's body */
	int64_t ns;
	const char *error;  /* what an error answer said; or NULL */
	bool is_unremarked; /* whatever its status: who asks for the health
			       asks often, and hears it */
};

/* Whether such an answer may have a line: asked before an entry is made. */
bool access_wants(const struct access *access, int status, int64_t ns);

/* Writes its line, if it is to have one. @now_s is monotonic. Any thread. */
void access_write(struct access *access, const struct access_entry *entry,
		  int64_t now_s);

/* Tells what was left out; to be called about once a second. */
void access_tell(struct access *access, int64_t now_s);

#endif
