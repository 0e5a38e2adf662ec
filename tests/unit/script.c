#include "script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void read_body(const struct hostile_request *request, char *out)
{
	char value[HOSTILE_VALUE_MAX];
	hostile_header(value, request, "Content-Length");
	size_t left = (size_t)atoi(value);
	assert_true(left < BODY_MAX);
	size_t len = 0;
	while (len < left) {
		ssize_t n = read(request->fd, out + len, left - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	out[len] = '\0';
}

static bool play(const struct hostile_request *request, void *arg)
{
	struct script *script = arg;
	int i = request->number - 1;
	char body[BODY_MAX];
	read_body(request, body);
	pthread_mutex_lock(&script->lock);
	if (i < SCRIPT_MAX) {
		(void)strcpy(script->paths[i], request->path);
		(void)strcpy(script->bodies[i], body);
	}
	pthread_mutex_unlock(&script->lock);
	const char *answer = NULL;
	for (int k = 0; k <= i && k < SCRIPT_MAX; k++)
		if (script->answers[k] != NULL)
			answer = script->answers[k];
	if (strcmp(answer, HANG_UP) == 0)
		return false;
	if (strcmp(answer, SAY_NOTHING) == 0) {
		hostile_sleep(request, 3600 * 1000);
		return false;
	}
	return hostile_printf(request, "%s", answer) &&
	       strstr(answer, "Content-Length") != NULL;
}

void script_start(struct script *script)
{
	pthread_mutex_init(&script->lock, NULL);
	script->server = hostile_start(play, script);
	(void)snprintf(script->url, sizeof(script->url), "http://127.0.0.1:%d/",
		       hostile_port(script->server));
}

void script_stop(struct script *script)
{
	hostile_stop(script->server);
	pthread_mutex_destroy(&script->lock);
}

const char *script_path(struct script *script, int i)
{
	pthread_mutex_lock(&script->lock);
	pthread_mutex_unlock(&script->lock);
	return script->paths[i];
}

const char *script_body(struct script *script, int i)
{
	pthread_mutex_lock(&script->lock);
	pthread_mutex_unlock(&script->lock);
	return script->bodies[i];
}
