/* Trouble for a program under test, loaded before the C library (LD_PRELOAD): a
 * wall clock that steps, and a disk that is full. The file CAH_TROUBLE, which
 * the test writes at any time, says how much of it: struct trouble.
 *
 * The clock that never steps, CLOCK_MONOTONIC, is left alone: that is what is
 * tested. Full is the disk for whatever is written at an offset to a regular
 * file, as SQLite writes. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct trouble {
	_Atomic int64_t clock_ahead_s; /* what the wall clock is off by */
	_Atomic int64_t is_full;
};

typedef int (*clock_fn)(clockid_t id, struct timespec *out);
typedef ssize_t (*pwrite_fn)(int fd, const void *data, size_t len, off_t at);

static struct trouble none;
static struct trouble *trouble = &none;
static clock_fn real_clock;
static pwrite_fn real_pwrite;

/* Other libraries may look at the clock before it is our turn. */
static __attribute__((constructor)) void begin(void)
{
	if (real_clock != NULL)
		return;
	/* The way that POSIX shows, as C knows no such cast. */
	*(void **)&real_clock = dlsym(RTLD_NEXT, "clock_gettime");
	*(void **)&real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
	const char *path = getenv("CAH_TROUBLE");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *map = mmap(NULL, sizeof(*trouble), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		trouble = map;
}

/* The rest takes the place of the C library's. */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
#pragma GCC visibility push(default)

int clock_gettime(clockid_t id, struct timespec *out)
{
	begin();
	int rc = real_clock(id, out);
	if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		out->tv_sec += trouble->clock_ahead_s;
	return rc;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	out->tv_sec = now.tv_sec;
	out->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *out)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

/* With offsets of 64 bits this is pwrite64. */
ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	struct stat about;
	begin();
	if (trouble->is_full && fstat(fd, &about) == 0 &&
	    S_ISREG(about.st_mode)) {
		errno = ENOSPC;
		return -1;
	}
	return real_pwrite(fd, data, len, at);
}

#pragma GCC visibility pop
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
