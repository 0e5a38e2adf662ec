/* A tracker in this process, whose store the test holds so that requests gather
 * at the desk. */
#include "book.h"
#include "tracker/tracker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ANSWER_MAX = 64 * 1024,
	SENT_MAX = 1024,
	MANY = 40,
	FEW = 4, /* that may wait, where a test says so */
	SETTLE_MS = 100,
};

struct desk_test {
	struct book *book;
	struct tracker *tracker;
	in_port_t port;
	int64_t max_answer_bytes; /* 0: the default */
};

struct answer {
	int status;
	char text[ANSWER_MAX]; /* all of it */
	const char *body;
};

static void start(struct desk_test *t, int64_t max_waiting)
{
	const struct tracker_options options = {
		.store = t->book->store,
		.listen = "127.0.0.1:0",
		.max_waiting = max_waiting,
		.max_answer_bytes = t->max_answer_bytes,
	};
	struct cah_error err = {0};
	if (tracker_start(&t->tracker, &options, &err) != CAH_OK)
		fail_msg("%s", err.text);
	const char *colon = strrchr(tracker_url(t->tracker), ':');
	t->port = (in_port_t)strtoul(colon + 1, NULL, 10);
}

static int setup(void **state)
{
	struct desk_test *t = calloc(1, sizeof(*t));
	void *book;
	(void)book_setup(&book);
	t->book = book;
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct desk_test *t = *state;
	void *book = t->book;
	tracker_stop(t->tracker);
	free(t);
	return book_teardown(&book);
}

/* ---- a client ---- */

static int send_text(const struct desk_test *t, const char *text)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(t->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ssize_t len = (ssize_t)strlen(text);
	assert_int_equal(send(fd, text, (size_t)len, MSG_NOSIGNAL), len);
	return fd;
}

static int send_get(const struct desk_test *t, const char *path)
{
	char text[SENT_MAX];
	(void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n",
		       path);
	return send_text(t, text);
}

static int send_post(const struct desk_test *t, const char *path,
		     const char *body)
{
	char text[SENT_MAX];
	(void)snprintf(text, sizeof(text),
		       "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: "
		       "application/json\r\nContent-Length: %zu\r\n\r\n%s",
		       path, strlen(body), body);
	return send_text(t, text);
}

static int send_call(const struct desk_test *t, const char *call,
		     const char *token)
{
	char path[64];
	char body[256];
	(void)snprintf(path, sizeof(path), "/api/%s", call);
	(void)snprintf(body, sizeof(body),
		       "{\"token\":\"%s\",\"progress\":\"x\",\"count\":3}",
		       token);
	return send_post(t, path, body);
}

static struct answer *take(int fd)
{
	static struct answer answer;
	size_t len = 0;
	size_t whole = SIZE_MAX;
	while (len < whole) {
		ssize_t got =
			recv(fd, answer.text + len, ANSWER_MAX - 1 - len, 0);
		assert_true(got > 0);
		len += (size_t)got;
		answer.text[len] = '\0';
		char *end = strstr(answer.text, "\r\n\r\n");
		const char *length =
			strcasestr(answer.text, "\nContent-Length:");
		if (end == NULL || length == NULL)
			continue;
		answer.body = end + 4;
		whole = (size_t)(answer.body - answer.text) +
			strtoull(length + 16, NULL, 10);
	}
	close(fd);
	answer.status = (int)strtol(answer.text + sizeof("HTTP/1.1"), NULL, 10);
	return &answer;
}

static void take_status(int fd, int expected)
{
	const struct answer *answer = take(fd);
	if (answer->status != expected)
		fail_msg("%d is expected: %s", expected, answer->text);
}

static void join(const struct desk_test *t, char token[STORE_TOKEN_LEN + 1])
{
	const struct answer *answer = take(send_get(t, "/api/new?nickname=a"));
	assert_int_equal(answer->status, 200);
	const char *at = strstr(answer->body, "\"token\":");
	at = strchr(at + strlen("\"token\":"), '"') + 1;
	memcpy(token, at, STORE_TOKEN_LEN);
	token[STORE_TOKEN_LEN] = '\0';
}

/* ---- what a test does to the store ---- */

static void hold(const struct desk_test *t)
{
	OK(store_import_begin(t->book->store, NULL));
}

/* Long enough for what was sent to come to the desk. */
static void settle(void)
{
	(void)usleep(SETTLE_MS * 1000);
}

static void let_go(const struct desk_test *t)
{
	settle();
	store_import_abort(t->book->store);
}

/* No file can grow: what a full disk is. */
static void fill_disk(bool is_full)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = is_full ? 0 : limit.rlim_max;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* ---- tests ---- */

static void desk__refuses_one_of_a_group_and_serves_the_others(void **state)
{
	struct desk_test *t = *state;
	char tokens[MANY / 4][STORE_TOKEN_LEN + 1];
	int fds[MANY];
	start(t, 0);
	for (int i = 0; i < MANY / 4; i++)
		join(t, tokens[i]);
	hold(t);
	for (int i = 0; i < MANY; i += 4) {
		fds[i] = send_call(t, "newJob", tokens[i / 4]);
		fds[i + 1] = send_call(t, "newJob", "nobody's");
		fds[i + 2] = send_post(t, "/api/newJob", "{}");
		fds[i + 3] = send_call(t, "gpuInvalidDownload", tokens[i / 4]);
	}
	let_go(t);
	for (int i = 0; i < MANY; i += 4) {
		take_status(fds[i], 200);
		take_status(fds[i + 1], 404);
		take_status(fds[i + 2], 422);
		take_status(fds[i + 3], 400);
	}
	book_states(t->book, 0, MANY / 4, 0, 0, 0);
	/* All jobs are out. */
	char late[STORE_TOKEN_LEN + 1];
	join(t, late);
	take_status(send_call(t, "newJob", late), 403);
}

static void desk__reads_see_what_their_group_wrote(void **state)
{
	struct desk_test *t = *state;
	char token[STORE_TOKEN_LEN + 1];
	int fds[MANY];
	start(t, 0);
	join(t, token);
	hold(t);
	/* One that the desk takes alone. */
	int first = send_get(t, "/data");
	settle();
	for (int i = 0; i < MANY; i++)
		fds[i] = send_get(t, "/api/jobCount");
	int last = send_call(t, "newJob", token);
	let_go(t);
	take_status(first, 200);
	take_status(last, 200);
	for (int i = 0; i < MANY; i++) {
		const struct answer *answer = take(fds[i]);
		assert_int_equal(answer->status, 200);
		assert_string_equal(answer->body, "9");
	}
}

static void desk__refuses_more_than_may_wait(void **state)
{
	struct desk_test *t = *state;
	int fds[FEW];
	start(t, FEW);
	hold(t);
	for (int i = 0; i < FEW; i++)
		fds[i] = send_get(t, "/data");
	settle();
	const struct answer *refused = take(send_get(t, "/data"));
	assert_int_equal(refused->status, 503);
	assert_non_null(strstr(refused->text, "Retry-After:"));
	/* What needs no store does not wait for it. */
	take_status(send_get(t, "/style.css"), 200);
	take_status(send_get(t, "/nowhere"), 404);
	let_go(t);
	for (int i = 0; i < FEW; i++)
		take_status(fds[i], 200);
	take_status(send_get(t, "/data"), 200);
}

/* Nicknames and progress that take six times as much in HTML. */
static void add_long_rows(void *arg)
{
	struct store *store = arg;
	struct worker w;
	char text[STORE_NICKNAME_MAX];
	memset(text, '"', sizeof(text));
	const struct slice quotes = {text, sizeof(text)};
	for (int i = 0; i < STORE_LIST_MAX; i++) {
		OK(store_worker_new(store, &w, quotes, WORKER_HYBRID, 100, 1000,
				    NULL));
		OK(store_worker_progress(store, slice_of(w.token), w.type,
					 quotes, 100, 1000, NULL));
	}
}

static void desk__holds_only_so_many_answers_that_nobody_reads(void **state)
{
	struct desk_test *t = *state;
	char byte;
	int status;
	t->max_answer_bytes = 1024 * 1024;
	OK(store_group(t->book->store, true, add_long_rows, t->book->store,
		       NULL));
	start(t, 0);
	int slow = send_get(t, "/?all=true");
	assert_int_equal(recv(slow, &byte, 1, MSG_PEEK), 1);
	const struct answer *refused = take(send_get(t, "/"));
	assert_int_equal(refused->status, 503);
	assert_non_null(strstr(refused->text, "Retry-After:"));
	/* Who works is not in the way. */
	char token[STORE_TOKEN_LEN + 1];
	join(t, token);
	take_status(send_call(t, "newJob", token), 200);
	close(slow);
	do
		status = take(send_get(t, "/leaderboard"))->status;
	while (status == 503);
	assert_int_equal(status, 200);
}

static void desk__answers_reads_of_a_group_that_cannot_be_written(void **state)
{
	struct desk_test *t = *state;
	char token[STORE_TOKEN_LEN + 1];
	start(t, 0);
	join(t, token);
	hold(t);
	int first = send_get(t, "/data");
	settle();
	int write = send_call(t, "newJob", token);
	int read = send_get(t, "/api/jobCount");
	settle();
	fill_disk(true);
	let_go(t);
	take_status(first, 200);
	const struct answer *refused = take(write);
	assert_int_equal(refused->status, 503);
	assert_non_null(strstr(refused->text, "Retry-After:"));
	const struct answer *answer = take(read);
	assert_int_equal(answer->status, 200);
	assert_string_equal(answer->body, "10");
	fill_disk(false);
	take_status(send_call(t, "newJob", token), 200);
	book_states(t->book, 9, 1, 0, 0, 0);
}

static void desk__goes_on_when_the_store_is_there_again(void **state)
{
	struct desk_test *t = *state;
	char away[256];
	char token[STORE_TOKEN_LEN + 1];
	const char *path = book_path_of(t->book);
	(void)snprintf(away, sizeof(away), "%s.away", path);
	start(t, 0);
	join(t, token);
	assert_int_equal(rename(path, away), 0);
	take_status(send_get(t, "/data"), 503);
	take_status(send_call(t, "newJob", token), 503);
	assert_int_equal(rename(away, path), 0);
	take_status(send_get(t, "/data"), 200);
	take_status(send_call(t, "newJob", token), 200);
}

static void desk__bears_clients_that_have_gone(void **state)
{
	struct desk_test *t = *state;
	char tokens[WATS][STORE_TOKEN_LEN + 1];
	start(t, 0);
	for (int i = 0; i < WATS; i++)
		join(t, tokens[i]);
	hold(t);
	int first = send_get(t, "/data");
	settle();
	/* Of those who ask the same, the first has gone. */
	close(send_get(t, "/api/jobCount"));
	settle();
	int same = send_get(t, "/api/jobCount");
	for (int i = 0; i < WATS; i++)
		close(send_call(t, "newJob", tokens[i]));
	let_go(t);
	take_status(first, 200);
	const struct answer *answer = take(same);
	assert_int_equal(answer->status, 200);
	assert_string_equal(answer->body, "5");
	/* The jobs are theirs all the same. */
	book_states(t->book, WATS, WATS, 0, 0, 0);
}

static void *let_go_late(void *arg)
{
	const struct desk_test *t = arg;
	hold(t);
	(void)usleep(5 * SETTLE_MS * 1000);
	store_import_abort(t->book->store);
	return NULL;
}

static void tracker__answers_what_waits_when_it_is_stopped(void **state)
{
	struct desk_test *t = *state;
	pthread_t holder;
	int fds[MANY];
	char token[STORE_TOKEN_LEN + 1];
	start(t, 0);
	join(t, token);
	/* A connection that says nothing keeps nobody. */
	int idle = send_text(t, "");
	assert_int_equal(pthread_create(&holder, NULL, let_go_late, t), 0);
	settle();
	for (int i = 0; i < MANY; i++)
		fds[i] = i % 2 == 0 ? send_get(t, "/data")
				    : send_call(t, "updateProgress", token);
	settle();
	tracker_stop(t->tracker);
	t->tracker = NULL;
	for (int i = 0; i < MANY; i++) {
		const struct answer *answer = take(fds[i]);
		assert_int_equal(answer->status, 200);
		assert_non_null(strcasestr(answer->text, "Connection: close"));
	}
	char byte;
	assert_int_equal(recv(idle, &byte, 1, 0), 0);
	close(idle);
	pthread_join(holder, NULL);
}

#define DESK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DESK_TEST(desk__refuses_one_of_a_group_and_serves_the_others),
		DESK_TEST(desk__reads_see_what_their_group_wrote),
		DESK_TEST(desk__refuses_more_than_may_wait),
		DESK_TEST(desk__holds_only_so_many_answers_that_nobody_reads),
		DESK_TEST(
			desk__answers_reads_of_a_group_that_cannot_be_written),
		DESK_TEST(desk__goes_on_when_the_store_is_there_again),
		DESK_TEST(desk__bears_clients_that_have_gone),
		DESK_TEST(tracker__answers_what_waits_when_it_is_stopped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
