#include "fetch/loop.h"

#include "base/clock.h"
#include "base/fail.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	LOOP_EVENTS = 128, /* taken at once */
};

struct watched {
	int fd; /* -1: free */
	bool is_ready;
};

struct loop {
	int epoll;
	int errnum; /* of an epoll_ctl that failed inside of libcurl */
	CURLM *multi;
	int64_t timer_ms; /* libcurl's, -1 where it has none */
	struct watched watched[LOOP_WATCHED_MAX];
};

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
		     void *known)
{
	struct loop *loop = arg;
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		/* It may be closed already, which took it out. */
		(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	struct epoll_event event = {.data.fd = fd};
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	int op = known != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	int rc = epoll_ctl(loop->epoll, op, fd, &event);
	/* A number that was closed and opened again behind libcurl's back. */
	if (rc != 0 && (errno == EEXIST || errno == ENOENT))
		rc = epoll_ctl(loop->epoll,
			       errno == EEXIST ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
			       fd, &event);
	if (rc != 0) {
		loop->errnum = errno;
		return -1;
	}
	if (known == NULL)
		curl_multi_assign(loop->multi, fd, loop);
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct loop *loop = arg;
	(void)multi;
	loop->timer_ms = timeout_ms >= 0 ? clock_now_ms() + timeout_ms : -1;
	return 0;
}

int loop_new(struct loop **out, int connections, struct cah_error *err)
{
	*out = NULL;
	struct loop *loop = calloc(1, sizeof(*loop));
	if (loop == NULL)
		return cah_fail(err, CAH_ENOMEM, "loop: out of memory");
	for (int i = 0; i < LOOP_WATCHED_MAX; i++)
		loop->watched[i].fd = -1;
	loop->timer_ms = -1;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		int rc = cah_fail_errno(err, errno, "epoll");
		loop_free(loop);
		return rc;
	}
	loop->multi = curl_multi_init();
	if (loop->multi == NULL) {
		loop_free(loop);
		return cah_fail(err, CAH_ENOMEM, "libcurl: out of memory");
	}
	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
	curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, (long)connections);
	*out = loop;
	return CAH_OK;
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	if (loop->multi != NULL)
		curl_multi_cleanup(loop->multi);
	if (loop->epoll >= 0)
		close(loop->epoll);
	free(loop);
}

CURLM *loop_multi(struct loop *loop)
{
	return loop->multi;
}

static struct watched *find(struct loop *loop, int fd)
{
	for (int i = 0; i < LOOP_WATCHED_MAX; i++)
		if (loop->watched[i].fd == fd)
			return &loop->watched[i];
	return NULL;
}

int loop_watch(struct loop *loop, int fd, struct cah_error *err)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	struct watched *watched = find(loop, -1);
	if (watched == NULL)
		return cah_fail(err, CAH_EIO, "more than %d descriptors",
				LOOP_WATCHED_MAX);
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		return cah_fail_errno(err, errno, "epoll");
	*watched = (struct watched){.fd = fd};
	return CAH_OK;
}

void loop_unwatch(struct loop *loop, int fd)
{
	struct watched *watched = fd >= 0 ? find(loop, fd) : NULL;
	if (watched == NULL)
		return;
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
	watched->fd = -1;
}

bool loop_is_ready(const struct loop *loop, int fd)
{
	for (int i = 0; i < LOOP_WATCHED_MAX; i++)
		if (loop->watched[i].fd == fd)
			return loop->watched[i].is_ready;
	return false;
}

/* Of the owner's time-out and libcurl's timer the earlier one. */
static int pick_timeout(const struct loop *loop, int64_t timeout_ms)
{
	if (loop->timer_ms >= 0) {
		int64_t left = loop->timer_ms - clock_now_ms();
		if (left < 0)
			left = 0;
		if (timeout_ms < 0 || left < timeout_ms)
			timeout_ms = left;
	}
	return timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
}

static CURLMcode handle(struct loop *loop, const struct epoll_event *event)
{
	int running = 0;
	int what = 0;
	struct watched *watched = find(loop, event->data.fd);
	if (watched != NULL) {
		watched->is_ready = true;
		return CURLM_OK;
	}
	if (event->events & EPOLLIN)
		what |= CURL_CSELECT_IN;
	if (event->events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (event->events & (EPOLLERR | EPOLLHUP))
		what |= CURL_CSELECT_ERR;
	return curl_multi_socket_action(loop->multi, event->data.fd, what,
					&running);
}

int loop_turn(struct loop *loop, int64_t timeout_ms, struct cah_error *err)
{
	struct epoll_event events[LOOP_EVENTS];
	int running = 0;
	CURLMcode code = CURLM_OK;
	for (int i = 0; i < LOOP_WATCHED_MAX; i++)
		loop->watched[i].is_ready = false;
	int n = epoll_wait(loop->epoll, events, LOOP_EVENTS,
			   pick_timeout(loop, timeout_ms));
	if (n < 0 && errno != EINTR)
		return cah_fail_errno(err, errno, "epoll");
	for (int i = 0; i < n && code == CURLM_OK; i++)
		code = handle(loop, &events[i]);
	if (code == CURLM_OK && loop->timer_ms >= 0 &&
	    loop->timer_ms <= clock_now_ms()) {
		loop->timer_ms = -1;
		code = curl_multi_socket_action(
			loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	if (loop->errnum != 0)
		return cah_fail_errno(err, loop->errnum, "epoll");
	if (code != CURLM_OK)
		return cah_fail(err, CAH_EIO, "libcurl: %s",
				curl_multi_strerror(code));
	return CAH_OK;
}
