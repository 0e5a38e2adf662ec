/* script.h: a tracker for the tests of the client that answers as the test
 * says. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "hostile.h"

#include <pthread.h>

enum {
	SCRIPT_MAX = 8,
	BODY_MAX = 1024,
};

/* Answers that are no text but an end. */
#define HANG_UP "hang up"
#define SAY_NOTHING "say nothing"

/* A tracker that answers the requests one after the other as the script says;
 * the last answer is for all that follow. */
struct script {
	const char *answers[SCRIPT_MAX];
	char paths[SCRIPT_MAX][1024];
	char bodies[SCRIPT_MAX][BODY_MAX];
	pthread_mutex_t lock; /* of paths and bodies */
	struct hostile *server;
	char url[64];
};

/* Without a length: the connection's end is the body's. */
#define OK(body) "HTTP/1.1 200 OK\r\n\r\n" body
#define STATUS(line, body) "HTTP/1.1 " line "\r\n\r\n" body

/* Answers at script->url until script_stop. */
void script_start(struct script *script);
void script_stop(struct script *script);

/* What request @i was; stays, as nothing asks again for it. */
const char *script_path(struct script *script, int i);
const char *script_body(struct script *script, int i);

#endif
