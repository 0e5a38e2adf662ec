#include "base/cancel.h"

#include "base/clock.h"
#include "base/fail.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct cancel {
	atomic_bool is_set;
	int fd;
};

int cancel_new(struct cancel **out, struct cah_error *err)
{
	*out = NULL;
	struct cancel *cancel = calloc(1, sizeof(*cancel));
	if (cancel == NULL)
		return cah_fail(err, CAH_ENOMEM, "cancel: out of memory");
	cancel->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (cancel->fd < 0) {
		int errnum = errno;
		free(cancel);
		return cah_fail_errno(err, errnum, "eventfd");
	}
	*out = cancel;
	return CAH_OK;
}

void cancel_free(struct cancel *cancel)
{
	if (cancel == NULL)
		return;
	close(cancel->fd);
	free(cancel);
}

void cancel_set(struct cancel *cancel)
{
	if (cancel == NULL)
		return;
	int saved = errno;
	atomic_store(&cancel->is_set, true);
	(void)eventfd_write(cancel->fd, 1);
	errno = saved;
}

bool cancel_is_set(const struct cancel *cancel)
{
	return cancel != NULL && atomic_load(&cancel->is_set);
}

int cancel_fd(const struct cancel *cancel)
{
	return cancel != NULL ? cancel->fd : -1;
}

bool cancel_sleep(const struct cancel *cancel, long ms)
{
	int64_t deadline = clock_now_ms() + ms;
	struct pollfd p = {.fd = cancel_fd(cancel), .events = POLLIN};
	for (;;) {
		int64_t left = deadline - clock_now_ms();
		if (cancel_is_set(cancel))
			return true;
		if (left <= 0)
			return false;
		(void)poll(&p, 1, left > 1000000 ? 1000000 : (int)left);
	}
}
