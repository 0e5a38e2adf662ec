/* Each part of the lock alone, in a child: all of them together are tested by
 * test_decode.c, where the strictest hides what the others do. */
#include "decode/lock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
/* cmocka wants some of the above first */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ABSENT = 77, /* exit status: the kernel has no such thing */
	NOBODY = 65534,
	TCP_ABI = 4, /* of Landlock */
};

/* How a child ends that does this. */
static int status_of(int (*run)(void))
{
	int status = 0;
	if (LOCK_IS_PLAIN)
		skip();
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(run());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == ABSENT)
		skip();
	return status;
}

static void expect_end(int (*run)(void))
{
	int status = status_of(run);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void expect_kill(int (*run)(void))
{
	int status = status_of(run);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* ---- Landlock ---- */

static int touch_files(void)
{
	if (lock_files() == 0)
		return ABSENT;
	if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		return 1;
	if (open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0)
		return 2;
	if (mkdir("/tmp/cah-test-lock", 0700) == 0 || errno != EACCES)
		return 3;
	char *argv[] = {(char *)"true", NULL};
	(void)execv("/bin/true", argv);
	return errno == EACCES ? 0 : 4;
}

static int connect_tcp(void)
{
	if (lock_files() < TCP_ABI)
		return ABSENT;
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(1),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 1;
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0 &&
			       errno == EACCES
		       ? 0
		       : 2;
}

static void lock__leaves_no_file(void **state)
{
	(void)state;
	expect_end(touch_files);
}

static void lock__leaves_no_tcp(void **state)
{
	(void)state;
	expect_end(connect_tcp);
}

/* ---- limits ---- */

static int eat_memory(void)
{
	lock_limits();
	size_t gigabytes = 0;
	while (gigabytes < 8 &&
	       mmap(NULL, 1 << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) != MAP_FAILED)
		gigabytes++;
	return gigabytes >= 1 && gigabytes <= 2 ? 0 : 1;
}

static int write_file(void)
{
	FILE *file = tmpfile();
	(void)signal(SIGXFSZ, SIG_IGN);
	lock_limits();
	return file != NULL && write(fileno(file), "x", 1) < 0 && errno == EFBIG
		       ? 0
		       : 1;
}

static int make_process(void)
{
	lock_user();
	lock_limits();
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return pid < 0 && errno == EAGAIN ? 0 : 1;
}

static int ask_user(void)
{
	if (geteuid() != 0)
		return ABSENT;
	lock_user();
	if (geteuid() == 0)
		return ABSENT; /* a container without nobody */
	return getuid() == NOBODY && getgid() == NOBODY && setuid(0) != 0 ? 0
									  : 1;
}

static void lock__limits_memory(void **state)
{
	(void)state;
	expect_end(eat_memory);
}

static void lock__limits_files(void **state)
{
	(void)state;
	expect_end(write_file);
}

static void lock__limits_processes(void **state)
{
	(void)state;
	expect_end(make_process);
}

static void lock__makes_root_nobody(void **state)
{
	(void)state;
	expect_end(ask_user);
}

/* ---- seccomp ---- */

static int use_memory(void)
{
	if (!lock_calls())
		return ABSENT;
	for (size_t len = 1; len <= 1UL << 28; len *= 4) {
		char *block = malloc(len);
		if (block == NULL)
			return 1;
		memset(block, 1, len);
		char *more = realloc(block, 2 * len);
		free(more != NULL ? more : block);
	}
	return 0;
}

static int open_file(void)
{
	if (!lock_calls())
		return ABSENT;
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 ? 1 : 2;
}

static int ask_pid(void)
{
	if (!lock_calls())
		return ABSENT;
	return getppid() > 0 ? 1 : 2;
}

static int map_code(void)
{
	if (!lock_calls())
		return ABSENT;
	void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return code != MAP_FAILED ? 1 : 2;
}

static int make_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!lock_calls())
		return ABSENT;
	return mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0 ? 1 : 2;
}

static void lock__leaves_memory(void **state)
{
	(void)state;
	expect_end(use_memory);
}

static void lock__leaves_no_other_call(void **state)
{
	(void)state;
	expect_kill(open_file);
	expect_kill(ask_pid);
}

static void lock__leaves_no_code(void **state)
{
	(void)state;
	expect_kill(map_code);
	expect_kill(make_code);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lock__leaves_no_file),
		cmocka_unit_test(lock__leaves_no_tcp),
		cmocka_unit_test(lock__limits_memory),
		cmocka_unit_test(lock__limits_files),
		cmocka_unit_test(lock__limits_processes),
		cmocka_unit_test(lock__makes_root_nobody),
		cmocka_unit_test(lock__leaves_memory),
		cmocka_unit_test(lock__leaves_no_other_call),
		cmocka_unit_test(lock__leaves_no_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
