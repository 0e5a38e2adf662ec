/* posix_spawn, because a program of many threads may do nothing else between
 * fork and exec; exec, because a decoder must not inherit what this program has
 * in its memory, nor know where that is. */
#include "decode/process.h"

#include "base/fail.h"
#include "decode/decoders.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	FIRST_FREE_FD = 3, /* behind those that exec is given */
	SLICE_MS = 500,    /* between two looks at how long it has been */
	KEEP_BYTES = 4 * 1024 * 1024,
	ENVIRONMENT_MAX = 8,
};

/* @fd, where it is none of the three that exec gets; -1 on failure. */
static int lift(int fd)
{
	if (fd < 0 || fd >= FIRST_FREE_FD)
		return fd;
	int lifted = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
	close(fd);
	return lifted;
}

static uint64_t whole_pages(size_t len)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	return (len + page - 1) / page * page;
}

static size_t room_len(const struct process *p)
{
	return p->size.file_max + p->size.made_max;
}

int process_open(struct process *p, size_t file_max, size_t made_max,
		 struct cah_error *err)
{
	*p = (struct process){
		.socket = -1,
		.size = {whole_pages(file_max), whole_pages(made_max)}};
	size_t len = room_len(p);
	p->memory =
		lift(memfd_create("decoder", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	if (p->memory < 0)
		return cah_fail_errno(err, errno, "memory for a decoder");
	/* Whoever could shrink it would kill us where we read. */
	if (ftruncate(p->memory, (off_t)len) != 0 ||
	    fcntl(p->memory, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return cah_fail_errno(err, errno, "memory for a decoder");
	void *room = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			  p->memory, 0);
	if (room == MAP_FAILED)
		return cah_fail_errno(err, errno, "memory for a decoder");
	p->room = room;
	return CAH_OK;
}

void process_close(struct process *p)
{
	char why[PROCESS_WHY_MAX];
	process_stop(p, why);
	if (p->room != NULL)
		(void)munmap(p->room, room_len(p));
	if (p->memory >= 0)
		close(p->memory);
	p->room = NULL;
	p->memory = -1;
}

/* What the dynamic linker and the sanitizers want to know; the rest may hold
 * secrets. */
static void pick_environment(char *out[ENVIRONMENT_MAX])
{
	static const char *const names[] = {"LD_LIBRARY_PATH=", "ASAN_OPTIONS=",
					    "UBSAN_OPTIONS=", "TSAN_OPTIONS="};
	int count = 0;
	for (char **e = environ; e != NULL && *e != NULL; e++)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strncmp(*e, names[i], strlen(names[i])) == 0 &&
			    count < ENVIRONMENT_MAX - 1)
				out[count++] = *e;
	out[count] = NULL;
}

/* What a terminal or a service manager sends to all processes is for this one
 * to act on; faults are let through. */
static void block_most_signals(posix_spawnattr_t *attr)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE,
				     SIGILL,  SIGSYS, SIGABRT};
	sigset_t all;
	sigset_t blocked;
	sigfillset(&all);
	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&blocked, faults[i]);
	(void)posix_spawnattr_setsigmask(attr, &blocked);
	(void)posix_spawnattr_setsigdefault(attr, &all);
	(void)posix_spawnattr_setpgroup(attr, 0);
	(void)posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
						     POSIX_SPAWN_SETSIGDEF |
						     POSIX_SPAWN_SETPGROUP);
}

/* Standard error stays until it is locked in, for the dynamic linker. */
static int spawn(struct process *p, const char *program, int socket)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	char parent[16];
	char *env[ENVIRONMENT_MAX];
	char *argv[] = {(char *)"cah-decoder", parent, NULL};
	(void)snprintf(parent, sizeof(parent), "%d", (int)getpid());
	pick_environment(env);
	int rc = posix_spawn_file_actions_init(&files);
	if (rc != 0)
		return rc;
	rc = posix_spawnattr_init(&attr);
	if (rc != 0)
		goto out;
	block_most_signals(&attr);
	rc = posix_spawn_file_actions_adddup2(&files, socket, MESSAGE_SOCKET);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&files, p->memory,
						      MESSAGE_MEMORY);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(&files,
							      FIRST_FREE_FD);
	if (rc == 0)
		rc = posix_spawn(&p->pid, program, &files, &attr, argv, env);
	if (rc != 0)
		p->pid = 0;
	posix_spawnattr_destroy(&attr);
out:
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

/* Waits for one packet of @len bytes. */
static enum process_end receive(struct process *p, void *out, size_t len,
				int64_t limit_ms, const struct cancel *cancel)
{
	struct pollfd fds[] = {{.fd = p->socket, .events = POLLIN},
			       {.fd = cancel_fd(cancel), .events = POLLIN}};
	for (int64_t waited_ms = 0; waited_ms < limit_ms;) {
		int n = poll(fds, 2, SLICE_MS);
		if (fds[0].revents != 0 && n > 0)
			break;
		if (cancel_is_set(cancel))
			return PROCESS_CANCELLED;
		if (n == 0)
			waited_ms += SLICE_MS;
	}
	/* MSG_TRUNC: the packet's own length, where that is more. */
	ssize_t got = recv(p->socket, out, len, MSG_DONTWAIT | MSG_TRUNC);
	if (got < 0 && errno == EAGAIN)
		return PROCESS_LATE;
	if (got <= 0)
		return PROCESS_DIED;
	return (size_t)got == len ? PROCESS_ANSWERED : PROCESS_LIED;
}

static int check_ready(const struct message_ready *ready, struct cah_error *err)
{
	if (memchr(ready->version, '\0', sizeof(ready->version)) != NULL &&
	    strcmp(ready->version, CAH_VERSION) == 0)
		return CAH_OK;
	return cah_fail(err, CAH_EIO, "it is of another version than this %s",
			CAH_VERSION);
}

static int wait_until_ready(struct process *p, struct message_ready *ready,
			    struct cah_error *err)
{
	char why[PROCESS_WHY_MAX];
	switch (receive(p, ready, sizeof(*ready), DECODERS_START_MS, NULL)) {
	case PROCESS_ANSWERED:
		return check_ready(ready, err);
	case PROCESS_DIED:
		process_stop(p, why);
		return cah_fail(err, CAH_EIO, "it ended before it began: %s",
				why);
	case PROCESS_LATE:
		return cah_fail(err, CAH_EIO, "it does not begin");
	case PROCESS_LIED:
	case PROCESS_GONE:
	case PROCESS_CANCELLED:
		break;
	}
	return cah_fail(err, CAH_EIO, "it is no decoder");
}

int process_start(struct process *p, const char *program,
		  struct message_ready *ready, struct cah_error *err)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return cah_fail_errno(err, errno, "socketpair");
	p->asked = 0;
	p->socket = lift(ends[0]);
	int theirs = lift(ends[1]);
	int rc = CAH_OK;
	if (p->socket < 0 || theirs < 0)
		rc = cah_fail_errno(err, errno, "socketpair");
	int errnum = rc == CAH_OK ? spawn(p, program, theirs) : 0;
	if (theirs >= 0)
		close(theirs);
	if (errnum != 0)
		rc = cah_fail_errno(err, errnum, "%s", program);
	else if (rc == CAH_OK && wait_until_ready(p, ready, err) != CAH_OK)
		rc = cah_fail_prefix(err, CAH_EIO, "%s", program);
	if (rc != CAH_OK) {
		char why[PROCESS_WHY_MAX];
		process_stop(p, why);
	}
	return rc;
}

enum process_end process_ask(struct process *p, struct message_ask *ask,
			     struct message_answer *answer, int64_t limit_ms,
			     const struct cancel *cancel)
{
	assert(p->pid != 0 && ask->len <= p->size.file_max);
	ask->number = ++p->asked;
	ask->room = p->size;
	if (send(p->socket, ask, sizeof(*ask), MSG_NOSIGNAL) !=
	    (ssize_t)sizeof(*ask))
		return PROCESS_GONE;
	enum process_end end =
		receive(p, answer, sizeof(*answer), limit_ms, cancel);
	if (end == PROCESS_ANSWERED && answer->number != ask->number)
		return PROCESS_LIED;
	return end;
}

void process_stop(struct process *p, char why[PROCESS_WHY_MAX])
{
	int status = 0;
	pid_t ended = -1;
	(void)snprintf(why, PROCESS_WHY_MAX, "it is gone");
	if (p->pid != 0) {
		(void)kill(p->pid, SIGKILL);
		do
			ended = waitpid(p->pid, &status, 0);
		while (ended < 0 && errno == EINTR);
	}
	if (ended > 0 && WIFSIGNALED(status))
		(void)snprintf(why, PROCESS_WHY_MAX, "signal %d (%s)",
			       WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (ended > 0)
		(void)snprintf(why, PROCESS_WHY_MAX, "exit status %d",
			       WEXITSTATUS(status));
	if (p->socket >= 0)
		close(p->socket);
	p->socket = -1;
	p->pid = 0;
}

/* Of a part of the memory, all but the first megabytes; MADV_REMOVE leaves
 * zeros. */
static void trim(uint8_t *part, size_t used, size_t max)
{
	if (used > KEEP_BYTES && max > KEEP_BYTES)
		(void)madvise(part + KEEP_BYTES, max - KEEP_BYTES, MADV_REMOVE);
}

void process_trim(struct process *p, size_t file_len, size_t made_len)
{
	trim(p->room, file_len, p->size.file_max);
	trim(p->room + p->size.file_max, made_len, p->size.made_max);
}
