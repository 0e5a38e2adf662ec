/* Sources: landlock(7) and the kernel's userspace-api/landlock.rst,
 * userspace-api/seccomp_filter.rst, setrlimit(2), prctl(2). Landlock's own
 * header may be older than the kernel that runs, so its numbers are here. */
#include "decode/lock.h"

#include <grp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	NOBODY = 65534,
	/* landlock_create_ruleset and landlock_restrict_self, the same on all
	 * architectures */
	LANDLOCK_CREATE = 444,
	LANDLOCK_RESTRICT = 446,
	LANDLOCK_VERSION_FLAG = 1,
};

/* For pictures of the pixels that Pillow allows: a progressive JPEG's
 * coefficients are the most, six bytes a pixel and three of the result. */
static const rlim_t memory_max = (rlim_t)2 * 1024 * 1024 * 1024;

/* struct landlock_ruleset_attr of ABI 6. */
struct ruleset {
	uint64_t files;
	uint64_t net;
	uint64_t scope;
};

void lock_user(void)
{
	if (LOCK_IS_PLAIN || geteuid() != 0)
		return;
	/* Where a container has no such user, root stays, and what follows
	 * holds for it too. */
	(void)!setgroups(0, NULL);
	(void)!setresgid(NOBODY, NOBODY, NOBODY);
	(void)!setresuid(NOBODY, NOBODY, NOBODY);
}

static void limit(int what, rlim_t most)
{
	const struct rlimit value = {most, most};
	(void)setrlimit(what, &value);
}

/* Bytes of address space that the process has: the first number of statm. */
static rlim_t used_memory(void)
{
	char line[128] = "";
	FILE *statm = fopen("/proc/self/statm", "re");
	if (statm != NULL) {
		if (fgets(line, sizeof(line), statm) == NULL)
			line[0] = '\0';
		(void)fclose(statm);
	}
	return (rlim_t)strtoul(line, NULL, 10) * (rlim_t)sysconf(_SC_PAGESIZE);
}

void lock_limits(void)
{
	rlim_t used = used_memory();
	if (used != 0)
		limit(RLIMIT_AS, used + memory_max);
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_NPROC, 0);
	limit(RLIMIT_CORE, 0);
}

/* All rights over files and the network are handled, and none is given. */
int lock_files(void)
{
	/* Rights over files by ABI; the last holds for what is newer. */
	static const uint64_t files[] = {0x1fff, 0x3fff, 0x7fff, 0x7fff,
					 0xffff};
	const int known = sizeof(files) / sizeof(files[0]);
	long abi = syscall(LANDLOCK_CREATE, NULL, (size_t)0,
			   LANDLOCK_VERSION_FLAG);
	if (abi < 1)
		return 0;
	const struct ruleset rules = {
		.files = files[abi < known ? abi - 1 : known - 1],
		.net = abi >= 4 ? 3 : 0,   /* bind, connect */
		.scope = abi >= 6 ? 3 : 0, /* abstract sockets, signals */
	};
	long fd = syscall(LANDLOCK_CREATE, &rules, sizeof(rules), 0);
	if (fd < 0)
		return 0;
	long rc = syscall(LANDLOCK_RESTRICT, (int)fd, 0);
	close((int)fd);
	return rc == 0 ? (int)abi : 0;
}

static int allow_calls(scmp_filter_ctx filter)
{
	static const int calls[] = {
		SCMP_SYS(read),         SCMP_SYS(write),
		SCMP_SYS(brk),          SCMP_SYS(munmap),
		SCMP_SYS(mremap),       SCMP_SYS(madvise),
		SCMP_SYS(futex),        SCMP_SYS(clock_gettime),
		SCMP_SYS(rt_sigreturn), SCMP_SYS(exit),
		SCMP_SYS(exit_group),
	};
	int rc = 0;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && rc == 0; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	/* Memory is for data, never for code. */
	const struct scmp_arg_cmp no_code =
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	if (rc == 0)
		rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
					    SCMP_SYS(mmap), 1, &no_code);
	if (rc == 0)
		rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
					    SCMP_SYS(mprotect), 1, &no_code);
	return rc;
}

bool lock_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (filter == NULL)
		return false;
	int rc = allow_calls(filter);
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	return rc == 0;
}

void lock_in(struct message_ready *ready)
{
	ready->is_plain = LOCK_IS_PLAIN;
	if (LOCK_IS_PLAIN)
		return;
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	lock_limits();
	ready->landlock = lock_files();
	(void)close(MESSAGE_MEMORY);
	(void)close(STDERR_FILENO);
	limit(RLIMIT_NOFILE, 0); /* Landlock was the last to need one */
	ready->has_seccomp = lock_calls();
}
