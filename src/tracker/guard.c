/* One list for each step, in the order of entry: in the lists of heads and of
 * idle connections, where all have the same time, only the front is looked at.
 */
#include "tracker/guard.h"

#include "base/fail.h"
#include "base/table.h"

#include <stdlib.h>
#include <sys/socket.h>

enum {
	STEPS = GUARD_HUNG_UP + 1,
	GUARD_RATE_MS = 1000, /* GUARD_RATE is for so long */
};

struct guard_conn {
	struct guard_conn *before; /* entered its step earlier */
	struct guard_conn *after;
	enum guard_step step;
	enum guard_welcome welcome;
	bool is_proxy;
	int fd;
	struct peer peer;
	int64_t since_ms;
	int64_t bytes; /* of the body so far, or of the answer */
};

struct list {
	struct guard_conn *first;
	struct guard_conn *last;
};

struct guard {
	struct guard_limits limits;
	guard_hang_up_fn hang_up;
	struct list steps[STEPS];
	int64_t count; /* without those hung up */
	struct table *by_class;
};

static void shut_down(int fd)
{
	(void)shutdown(fd, SHUT_RDWR);
}

int64_t guard_conns_max(const struct guard_limits *limits)
{
	return limits->max + GUARD_TOLD;
}

int guard_new(struct guard **out, const struct guard_limits *limits,
	      guard_hang_up_fn hang_up, struct cah_error *err)
{
	*out = NULL;
	struct guard *guard = calloc(1, sizeof(*guard));
	if (guard == NULL)
		return cah_fail(err, CAH_ENOMEM, "guard");
	guard->limits = *limits;
	guard->hang_up = hang_up != NULL ? hang_up : shut_down;
	int rc = table_new(&guard->by_class,
			   2 * (size_t)guard_conns_max(limits), err);
	if (rc != CAH_OK) {
		guard_free(guard);
		return rc;
	}
	*out = guard;
	return CAH_OK;
}

void guard_free(struct guard *guard)
{
	if (guard == NULL)
		return;
	for (int step = 0; step < STEPS; step++) {
		struct guard_conn *conn = guard->steps[step].first;
		while (conn != NULL) {
			struct guard_conn *after = conn->after;
			free(conn);
			conn = after;
		}
	}
	table_free(guard->by_class);
	free(guard);
}

static struct slice key_of(const struct peer *class)
{
	return (struct slice){(const char *)class->bytes, PEER_BYTES};
}

static int64_t count_of(const struct guard *guard, const struct peer *peer)
{
	struct peer class = peer_class(peer);
	uint64_t count = 0;
	(void)table_get(guard->by_class, key_of(&class), &count);
	return (int64_t)count;
}

static void change_count(struct guard *guard, const struct peer *peer, int by)
{
	struct peer class = peer_class(peer);
	int64_t count = count_of(guard, peer) + by;
	if (count > 0)
		(void)!table_set(guard->by_class, key_of(&class),
				 (uint64_t)count, NULL);
	else
		(void)table_remove(guard->by_class, key_of(&class));
}

static void take_out(struct guard *guard, struct guard_conn *conn)
{
	struct list *list = &guard->steps[conn->step];
	if (conn->before != NULL)
		conn->before->after = conn->after;
	else
		list->first = conn->after;
	if (conn->after != NULL)
		conn->after->before = conn->before;
	else
		list->last = conn->before;
}

static void put_in(struct guard *guard, struct guard_conn *conn,
		   enum guard_step step)
{
	struct list *list = &guard->steps[step];
	conn->step = step;
	conn->before = list->last;
	conn->after = NULL;
	if (list->last != NULL)
		list->last->after = conn;
	else
		list->first = conn;
	list->last = conn;
}

static void end(struct guard *guard, struct guard_conn *conn)
{
	guard->hang_up(conn->fd);
	guard->count--;
	take_out(guard, conn);
	put_in(guard, conn, GUARD_HUNG_UP);
}

/* Whether one has gone to make place. */
static bool make_place(struct guard *guard, int64_t now_ms)
{
	struct guard_conn *idle = guard->steps[GUARD_IDLE].first;
	struct guard_conn *silent = guard->steps[GUARD_HEAD].first;
	if (idle != NULL)
		end(guard, idle);
	else if (silent != NULL && now_ms - silent->since_ms > GUARD_GRACE_MS)
		end(guard, silent);
	else
		return false;
	return true;
}

bool guard_admits(struct guard *guard, const struct peer *peer, bool is_proxy)
{
	int64_t max = guard->limits.max_per_address;
	if (max == 0 || is_proxy)
		return true;
	int64_t count = count_of(guard, peer);
	return count < max + GUARD_TOLD_PER_ADDRESS;
}

struct guard_conn *guard_open(struct guard *guard, int fd,
			      const struct peer *peer, bool is_proxy,
			      int64_t now_ms)
{
	struct guard_conn *conn = calloc(1, sizeof(*conn));
	if (conn == NULL)
		return NULL;
	conn->fd = fd;
	conn->peer = *peer;
	conn->is_proxy = is_proxy;
	conn->since_ms = now_ms;
	int64_t max = guard->limits.max_per_address;
	if (!is_proxy)
		change_count(guard, peer, 1);
	if (guard->count >= guard->limits.max && !make_place(guard, now_ms))
		conn->welcome = GUARD_FULL;
	else if (!is_proxy && max > 0 && count_of(guard, peer) > max)
		conn->welcome = GUARD_CROWDED;
	guard->count++;
	put_in(guard, conn, GUARD_HEAD);
	return conn;
}

void guard_close(struct guard *guard, struct guard_conn *conn)
{
	if (conn == NULL)
		return;
	if (conn->step != GUARD_HUNG_UP)
		guard->count--;
	if (!conn->is_proxy)
		change_count(guard, &conn->peer, -1);
	take_out(guard, conn);
	free(conn);
}

const struct peer *guard_peer(const struct guard_conn *conn)
{
	return &conn->peer;
}

bool guard_is_proxy(const struct guard_conn *conn)
{
	return conn->is_proxy;
}

enum guard_welcome guard_welcome(const struct guard_conn *conn)
{
	return conn->welcome;
}

void guard_enter(struct guard *guard, struct guard_conn *conn,
		 enum guard_step step, int64_t bytes, int64_t now_ms)
{
	if (conn == NULL)
		return;
	if (conn->step != GUARD_HUNG_UP) {
		take_out(guard, conn);
		conn->since_ms = now_ms;
		conn->bytes = bytes;
		put_in(guard, conn, step);
	}
}

void guard_received(struct guard_conn *conn, int64_t len)
{
	if (conn == NULL)
		return;
	conn->bytes += len;
}

/* How long it may be in its step; 0: for ever. */
static int64_t time_of(const struct guard *guard, const struct guard_conn *conn)
{
	int64_t step_ms = guard->limits.step_ms;
	if (guard->count >= guard->limits.max &&
	    (step_ms == 0 || step_ms > GUARD_GRACE_MS))
		step_ms = GUARD_GRACE_MS;
	switch (conn->step) {
	case GUARD_IDLE:
		return guard->limits.idle_ms;
	case GUARD_HEAD:
		return step_ms;
	case GUARD_BODY:
	case GUARD_ANSWER:
		return step_ms == 0 ? 0
				    : step_ms + conn->bytes * GUARD_RATE_MS /
							GUARD_RATE;
	default:
		return 0;
	}
}

static int64_t look_at(struct guard *guard, enum guard_step step,
		       int64_t now_ms)
{
	int64_t ended = 0;
	bool is_uniform = step == GUARD_IDLE || step == GUARD_HEAD;
	struct guard_conn *conn = guard->steps[step].first;
	while (conn != NULL) {
		struct guard_conn *after = conn->after;
		int64_t time_ms = time_of(guard, conn);
		if (time_ms > 0 && now_ms - conn->since_ms > time_ms) {
			end(guard, conn);
			ended++;
		} else if (is_uniform) {
			break;
		}
		conn = after;
	}
	return ended;
}

int64_t guard_look(struct guard *guard, int64_t now_ms)
{
	return look_at(guard, GUARD_IDLE, now_ms) +
	       look_at(guard, GUARD_HEAD, now_ms) +
	       look_at(guard, GUARD_BODY, now_ms) +
	       look_at(guard, GUARD_ANSWER, now_ms);
}
