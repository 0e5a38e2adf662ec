/* Clients of a tracker, on connections that stay open, in one thread:
 *
 *     tracker_load cycles ADDRESS CLIENTS SECONDS
 *     tracker_load jobs   ADDRESS CLIENTS SECONDS
 *     tracker_load get    ADDRESS CLIENTS SECONDS PATH
 *     tracker_load join   ADDRESS CLIENTS COUNT
 *     tracker_load idle   ADDRESS CLIENTS
 *
 * cycles: each registers and then goes round: newJob, updateProgress,
 * markAsDone. jobs: newJob over and over. get: PATH over and over. join: all of
 * them together register COUNT workers, each of which says its progress once.
 * idle: each asks once and then holds its connection until the standard input
 * ends. Ends early where no job is left. Prints a line of JSON:
 *
 *     {"seconds": 5.0, "cycles": 9, "bytes": 21,
 *      "calls": {"newJob": {"count": 9, "p50_ms": .., "p99_ms": .., "max_ms":
 * ..}}}
 *
 * "bytes" is the longest body. A call takes a few microseconds here: one send,
 * one recv. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/fail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CLIENTS_MAX = 60000,
	TOKEN_MAX = 64,
	SENT_MAX = 1024,       /* bytes of a request */
	HEAD_MAX = 4096,       /* of an answer's head, with the begin of its
				  body */
	READ_MAX = 256 * 1024, /* bytes taken at one time */
	EVENTS_MAX = 256,
	/* That ask at one time before they idle. libmicrohttpd 0.9.75 in a
	 * thread of its own sleeps where just 128 of them, or a multiple, wait
	 * for it; the bare server is such a one. */
	IDLE_BATCH = 100,
	TIMES_MAX = 64 * 1024 * 1024, /* bytes of one call's */
	OTHER_FILES = 16,
	NONE_LEFT = 403, /* the status of a newJob without a job */
};

enum call {
	CALL_NEW,
	CALL_NEW_JOB,
	CALL_PROGRESS,
	CALL_DONE,
	CALL_GET,
	CALL_COUNT,
};

static const char *const call_names[] = {
	[CALL_NEW] = "new",
	[CALL_NEW_JOB] = "newJob",
	[CALL_PROGRESS] = "updateProgress",
	[CALL_DONE] = "markAsDone",
	[CALL_GET] = "get",
};

enum mode {
	MODE_CYCLES,
	MODE_JOBS,
	MODE_GET,
	MODE_JOIN,
	MODE_IDLE,
	MODE_COUNT,
};

static const char *const mode_names[] = {
	[MODE_CYCLES] = "cycles", [MODE_JOBS] = "jobs", [MODE_GET] = "get",
	[MODE_JOIN] = "join",     [MODE_IDLE] = "idle",
};

struct client {
	int fd;
	enum call call;
	int64_t sent_ns;
	char token[TOKEN_MAX];
	char head[HEAD_MAX]; /* what has come of the answer */
	size_t head_len;
	size_t body_left; /* after the head was read */
	bool has_head;
	bool is_done; /* a job, since it has its token */
	int status;
};

struct load {
	enum mode mode;
	const char *path;
	struct sockaddr_in address;
	struct client *clients;
	size_t client_count;
	int epoll_fd;
	char *scratch;
	int64_t until_ns;
	int64_t left;    /* workers to register yet */
	int64_t joined;  /* workers registered */
	size_t running;  /* clients that wait for an answer */
	uint64_t cycles; /* of all */
	size_t longest;
	struct buf times[CALL_COUNT]; /* of uint32_t: microseconds */
};

/* ---- requests ---- */

static int format_call(const struct load *load, const struct client *client,
		       char out[SENT_MAX])
{
	char body[SENT_MAX / 2] = "";
	switch (client->call) {
	case CALL_NEW:
		return snprintf(out, SENT_MAX,
				"GET /api/new?nickname=load-%" PRId64
				"&type=HYBRID HTTP/1.1\r\nHost: x\r\n\r\n",
				load->joined);
	case CALL_GET:
		return snprintf(out, SENT_MAX,
				"GET %s HTTP/1.1\r\nHost: x\r\n\r\n",
				load->path);
	case CALL_PROGRESS:
		/* Another text each time: as it was is nothing to write. */
		(void)snprintf(body, sizeof(body),
			       "{\"token\":\"%s\",\"type\":\"HYBRID\","
			       "\"progress\":\"%" PRIu64 " of many\"}",
			       client->token, load->cycles);
		break;
	default:
		(void)snprintf(body, sizeof(body),
			       "{\"token\":\"%s\",\"type\":\"HYBRID\""
			       "%s}",
			       client->token,
			       client->call == CALL_DONE ? ",\"count\":100"
							 : "");
		break;
	}
	return snprintf(out, SENT_MAX,
			"POST /api/%s HTTP/1.1\r\nHost: x\r\nContent-Type: "
			"application/json\r\nContent-Length: %zu\r\n\r\n%s",
			call_names[client->call], strlen(body), body);
}

static int send_call(struct load *load, struct client *client, enum call call,
		     struct cah_error *err)
{
	char text[SENT_MAX];
	client->call = call;
	if (call == CALL_NEW) {
		client->is_done = false;
		load->joined++;
	}
	client->head_len = 0;
	client->has_head = false;
	int len = format_call(load, client, text);
	if (len >= SENT_MAX)
		return cah_fail(err, CAH_EINVALID, "the path is too long");
	client->sent_ns = clock_now_ns();
	/* It is short, and nothing else is on its way: it fits. */
	if (send(client->fd, text, (size_t)len, MSG_NOSIGNAL) != len)
		return cah_fail_errno(err, errno, "send");
	return CAH_OK;
}

/* ---- answers ---- */

static int take_token(struct client *client, const char *body,
		      struct cah_error *err)
{
	static const char key[] = "\"token\":\"";
	const char *at = strstr(body, key);
	const char *end = at != NULL ? strchr(at + sizeof(key) - 1, '"') : NULL;
	if (end == NULL || end - at - (long)sizeof(key) + 1 >= TOKEN_MAX)
		return cah_fail(err, CAH_EFORMAT, "no token in %s", body);
	at += sizeof(key) - 1;
	memcpy(client->token, at, (size_t)(end - at));
	client->token[end - at] = '\0';
	return CAH_OK;
}

static int read_head(struct load *load, struct client *client,
		     struct cah_error *err)
{
	static const char key[] = "\ncontent-length:";
	client->head[client->head_len] = '\0';
	char *body = strstr(client->head, "\r\n\r\n");
	if (body == NULL && client->head_len + 1 < HEAD_MAX)
		return CAH_OK;
	const char *length = strcasestr(client->head, key);
	if (body == NULL || length == NULL || length > body)
		return cah_fail(err, CAH_EFORMAT, "no head of an answer: %s",
				client->head);
	body += 4;
	client->has_head = true;
	client->status =
		(int)strtol(client->head + sizeof("HTTP/1.1"), NULL, 10);
	size_t len = strtoull(length + sizeof(key) - 1, NULL, 10);
	size_t have = client->head_len - (size_t)(body - client->head);
	if (len > load->longest)
		load->longest = len;
	if (have > len)
		return cah_fail(err, CAH_EFORMAT, "more than one answer");
	client->body_left = len - have;
	if (client->call == CALL_NEW && client->status == 200 &&
	    client->body_left == 0)
		return take_token(client, body, err);
	return CAH_OK;
}

/* 1: the answer is whole; 0: not yet; or an error. */
static int take_answer(struct load *load, struct client *client,
		       struct cah_error *err)
{
	bool in_head = !client->has_head;
	char *to = in_head ? client->head + client->head_len : load->scratch;
	size_t room = in_head ? HEAD_MAX - 1 - client->head_len : READ_MAX;
	ssize_t got = recv(client->fd, to, room, 0);
	if (got < 0 && errno == EAGAIN)
		return 0;
	if (got < 0)
		return cah_fail_errno(err, errno, "recv");
	if (got == 0)
		return cah_fail(err, CAH_EIO, "a connection was closed");
	if (in_head) {
		client->head_len += (size_t)got;
		int rc = read_head(load, client, err);
		if (rc != CAH_OK)
			return rc;
	} else {
		client->body_left -= (size_t)got;
	}
	return client->has_head && client->body_left == 0;
}

static int note_time(struct load *load, const struct client *client,
		     int64_t now_ns, struct cah_error *err)
{
	uint32_t us = (uint32_t)((now_ns - client->sent_ns) / 1000);
	struct buf *times = &load->times[client->call];
	return buf_add(times, &us, sizeof(us)) == CAH_OK
		       ? CAH_OK
		       : buf_check(times, "times", err);
}

/* What the client does next; false where it is at its end. */
static bool next_call(struct load *load, struct client *client, enum call *next)
{
	static const enum call circle[] = {
		[CALL_NEW] = CALL_NEW_JOB,
		[CALL_NEW_JOB] = CALL_PROGRESS,
		[CALL_PROGRESS] = CALL_DONE,
		[CALL_DONE] = CALL_NEW_JOB,
	};
	switch (load->mode) {
	case MODE_CYCLES:
		*next = circle[client->call];
		return client->status != NONE_LEFT;
	case MODE_JOBS:
		*next = CALL_NEW_JOB;
		return client->status != NONE_LEFT;
	case MODE_GET:
		*next = CALL_GET;
		return true;
	case MODE_JOIN:
		*next = circle[client->call];
		if (client->call == CALL_DONE)
			client->is_done = true;
		if (client->call != CALL_PROGRESS)
			return true;
		*next = client->is_done ? CALL_NEW : CALL_DONE;
		return !client->is_done || load->left-- > 0;
	default:
		return false;
	}
}

static int go_on(struct load *load, struct client *client,
		 struct cah_error *err)
{
	int rc = take_answer(load, client, err);
	if (rc <= 0)
		return rc;
	int64_t now_ns = clock_now_ns();
	bool is_none =
		client->call == CALL_NEW_JOB && client->status == NONE_LEFT;
	if (client->status != 200 && !is_none)
		return cah_fail(err, CAH_EIO, "%s: status %d",
				call_names[client->call], client->status);
	rc = note_time(load, client, now_ns, err);
	if (rc != CAH_OK)
		return rc;
	load->cycles += client->call == CALL_DONE;
	enum call next;
	bool is_over = load->until_ns > 0 && now_ns >= load->until_ns;
	if (!is_over && next_call(load, client, &next))
		return send_call(load, client, next, err);
	load->running--;
	return CAH_OK;
}

/* ---- all of them ---- */

static int raise_file_limit(size_t clients, struct cah_error *err)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return cah_fail_errno(err, errno, "getrlimit");
	if (limit.rlim_cur >= clients + OTHER_FILES)
		return CAH_OK;
	limit.rlim_cur = clients + OTHER_FILES;
	if (limit.rlim_cur > limit.rlim_max ||
	    setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return cah_fail(err, CAH_EIO, "too few files may be open");
	return CAH_OK;
}

static int connect_client(struct load *load, struct client *client,
			  struct cah_error *err)
{
	int on = 1;
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return cah_fail_errno(err, errno, "socket");
	if (connect(client->fd, (struct sockaddr *)&load->address,
		    sizeof(load->address)) != 0)
		return cah_fail_errno(err, errno, "connect");
	(void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
	if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, client->fd, &event) != 0)
		return cah_fail_errno(err, errno, "epoll_ctl");
	return CAH_OK;
}

static int run_until_idle(struct load *load, struct cah_error *err)
{
	struct epoll_event events[EVENTS_MAX];
	while (load->running > 0) {
		int count = epoll_wait(load->epoll_fd, events, EVENTS_MAX, -1);
		for (int i = 0; i < count; i++) {
			int rc = go_on(load, events[i].data.ptr, err);
			if (rc != CAH_OK)
				return rc;
		}
	}
	return CAH_OK;
}

/* Sends @call for each client, and goes on until the mode's end. */
static int run_all(struct load *load, enum call call, struct cah_error *err)
{
	for (size_t i = 0; i < load->client_count; i++) {
		load->running++;
		int rc = send_call(load, &load->clients[i], call, err);
		/* Those that will idle come one after the other. */
		if (rc == CAH_OK && load->mode == MODE_IDLE &&
		    load->running == IDLE_BATCH)
			rc = run_until_idle(load, err);
		if (rc != CAH_OK)
			return rc;
	}
	return run_until_idle(load, err);
}

static int connect_all(struct load *load, struct cah_error *err)
{
	load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (load->epoll_fd < 0)
		return cah_fail_errno(err, errno, "epoll");
	for (size_t i = 0; i < load->client_count; i++) {
		int rc = connect_client(load, &load->clients[i], err);
		if (rc != CAH_OK)
			return rc;
	}
	return CAH_OK;
}

static int run(struct load *load, int64_t seconds, double *spent_s,
	       struct cah_error *err)
{
	static const enum call first[] = {
		[MODE_CYCLES] = CALL_NEW_JOB, [MODE_JOBS] = CALL_NEW_JOB,
		[MODE_GET] = CALL_GET,        [MODE_JOIN] = CALL_NEW,
		[MODE_IDLE] = CALL_GET,
	};
	int rc = connect_all(load, err);
	if (rc == CAH_OK &&
	    (load->mode == MODE_CYCLES || load->mode == MODE_JOBS)) {
		/* Who has just come is at its end at once. */
		load->until_ns = 1;
		rc = run_all(load, CALL_NEW, err);
	}
	int64_t start_ns = clock_now_ns();
	load->until_ns = seconds > 0 ? start_ns + seconds * 1000000000 : 0;
	if (rc == CAH_OK)
		rc = run_all(load, first[load->mode], err);
	*spent_s = (double)(clock_now_ns() - start_ns) / 1e9;
	return rc;
}

/* ---- the report ---- */

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static void report_call(struct load *load, enum call call, const char *comma)
{
	struct buf *times = &load->times[call];
	size_t count = times->len / sizeof(uint32_t);
	if (count == 0)
		return;
	uint32_t *us = (uint32_t *)(void *)times->data;
	qsort(us, count, sizeof(*us), compare);
	uint32_t half = us[count / 2];
	uint32_t most = us[count * 99 / 100];
	printf("%s\"%s\": {\"count\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
	       "\"max_ms\": %.3f}",
	       comma, call_names[call], count, half / 1e3, most / 1e3,
	       us[count - 1] / 1e3);
}

static void report(struct load *load, double spent_s)
{
	printf("{\"seconds\": %.3f, \"cycles\": %" PRIu64 ", \"bytes\": %zu, "
	       "\"calls\": {",
	       spent_s, load->cycles, load->longest);
	const char *comma = "";
	for (int i = 0; i < CALL_COUNT; i++) {
		report_call(load, (enum call)i, comma);
		if (load->times[i].len > 0)
			comma = ", ";
	}
	printf("}}\n");
	(void)fflush(stdout);
}

static int take_mode(struct load *load, const char *name, struct cah_error *err)
{
	for (int i = 0; i < MODE_COUNT; i++) {
		load->mode = (enum mode)i;
		if (strcmp(mode_names[i], name) == 0)
			return CAH_OK;
	}
	return cah_fail(err, CAH_EINVALID, "'%s' is no mode", name);
}

static int take_address(struct load *load, char *text, struct cah_error *err)
{
	char *colon = strrchr(text, ':');
	if (colon == NULL)
		return cah_fail(err, CAH_EINVALID, "ADDRESS: no port");
	*colon = '\0';
	load->address.sin_family = AF_INET;
	load->address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (inet_pton(AF_INET, text, &load->address.sin_addr) != 1)
		return cah_fail(err, CAH_EINVALID, "ADDRESS: '%s'", text);
	return CAH_OK;
}

static int take_args(struct load *load, int argc, char **argv, int64_t *number,
		     struct cah_error *err)
{
	int rc = take_mode(load, argv[1], err);
	if (rc == CAH_OK)
		rc = take_address(load, argv[2], err);
	if (rc != CAH_OK)
		return rc;
	long count = strtol(argv[3], NULL, 10);
	if (count < 1 || count > CLIENTS_MAX)
		return cah_fail(err, CAH_EINVALID, "CLIENTS: not 1 to %d",
				CLIENTS_MAX);
	load->client_count = (size_t)count;
	*number = argc > 4 ? strtol(argv[4], NULL, 10) : 0;
	load->path = argc > 5 ? argv[5] : "/api/jobCount";
	if (load->mode == MODE_JOIN) {
		load->left = *number - count;
		*number = 0;
	}
	load->clients = calloc(load->client_count, sizeof(*load->clients));
	load->scratch = malloc(READ_MAX);
	if (load->clients == NULL || load->scratch == NULL)
		return cah_fail(err, CAH_ENOMEM, "clients");
	return raise_file_limit(load->client_count, err);
}

int main(int argc, char **argv)
{
	struct load load = {0};
	struct cah_error err;
	int64_t seconds = 0;
	double spent_s = 0;
	if (argc < 4) {
		(void)fprintf(stderr, "usage: tracker_load MODE ADDRESS "
				      "CLIENTS [SECONDS [PATH]]\n");
		return 2;
	}
	for (int i = 0; i < CALL_COUNT; i++)
		buf_init(&load.times[i], TIMES_MAX);
	int rc = take_args(&load, argc, argv, &seconds, &err);
	if (rc == CAH_OK)
		rc = run(&load, seconds, &spent_s, &err);
	if (rc != CAH_OK) {
		(void)fprintf(stderr, "tracker_load: %s\n", err.text);
		return 1;
	}
	report(&load, spent_s);
	if (load.mode == MODE_IDLE)
		while (getchar() != EOF)
			;
	return 0;
}
