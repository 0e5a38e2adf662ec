/* The process_* metrics that Prometheus' client libraries agree on
 * (https://prometheus.io/docs/instrumenting/writing_clientlibs/), out of
 * proc(5) and getrusage(2). What cannot be told is left out. */
#include "base/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	STAT_MAX = 1024,  /* bytes of /proc/self/stat */
	STAT_START = 22,  /* its field of the start time, from 1 */
	STAT_BEHIND = 3,  /* its first field behind the name */
	SYSTEM_STAT = 64, /* bytes of a line of /proc/stat that we look at */
};

static void put_real(struct buf *out, const char *name, enum metrics_type type,
		     const char *help, double value)
{
	const struct metrics_series series = {name, NULL, 0};
	metrics_head(out, name, type, help);
	metrics_real(out, &series, value);
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void put_cpu(struct buf *out)
{
	struct rusage usage;
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		put_real(out, "process_cpu_seconds_total", METRICS_COUNTER,
			 "CPU time spent by the process, in seconds.",
			 seconds_of(usage.ru_utime) +
				 seconds_of(usage.ru_stime));
}

static void put_memory(struct buf *out)
{
	FILE *in = fopen("/proc/self/statm", "re");
	if (in == NULL)
		return;
	char line[128];
	char *end = line;
	if (fgets(line, sizeof(line), in) != NULL) {
		int64_t page = sysconf(_SC_PAGESIZE);
		int64_t all = strtoll(line, &end, 10);
		int64_t resident = strtoll(end, &end, 10);
		metrics_one(out, "process_virtual_memory_bytes", METRICS_GAUGE,
			    "Virtual memory of the process, in bytes.",
			    all * page);
		metrics_one(out, "process_resident_memory_bytes", METRICS_GAUGE,
			    "Resident memory of the process, in bytes.",
			    resident * page);
	}
	(void)fclose(in);
}

/* Linux 6.2 and newer say the number as the folder's size; reading a folder of
 * 10,000 takes milliseconds. -1 where it cannot be told. */
static int64_t count_files(void)
{
	struct stat info;
	if (stat("/proc/self/fd", &info) == 0 && info.st_size > 0)
		return info.st_size;
	DIR *folder = opendir("/proc/self/fd");
	if (folder == NULL)
		return -1;
	int64_t count = -1; /* the folder's own descriptor */
	for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder))
		count += e->d_name[0] != '.';
	(void)closedir(folder);
	return count;
}

static void put_files(struct buf *out)
{
	int64_t count = count_files();
	if (count >= 0)
		metrics_one(out, "process_open_fds", METRICS_GAUGE,
			    "Open file descriptors.", count);
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		metrics_one(out, "process_max_fds", METRICS_GAUGE,
			    "File descriptors that may be open.",
			    (int64_t)limit.rlim_cur);
}

/* Clock ticks from boot to the start of the process; -1 where unknown. */
static int64_t read_start_ticks(void)
{
	FILE *in = fopen("/proc/self/stat", "re");
	if (in == NULL)
		return -1;
	char line[STAT_MAX];
	size_t len = fread(line, 1, sizeof(line) - 1, in);
	(void)fclose(in);
	line[len] = '\0';
	/* The name is in brackets and may have brackets and spaces in it. */
	const char *at = strrchr(line, ')');
	for (int i = STAT_BEHIND; at != NULL && i <= STAT_START; i++)
		at = strchr(at + 1, ' ');
	return at != NULL ? strtoll(at, NULL, 10) : -1;
}

/* Seconds from 1970 to boot; -1 where unknown. */
static int64_t read_boot_time(void)
{
	FILE *in = fopen("/proc/stat", "re");
	if (in == NULL)
		return -1;
	int64_t boot_s = -1;
	char line[SYSTEM_STAT];
	while (boot_s < 0 && fgets(line, sizeof(line), in) != NULL)
		if (strncmp(line, "btime ", 6) == 0)
			boot_s = strtoll(line + 6, NULL, 10);
	(void)fclose(in);
	return boot_s;
}

static void put_start(struct buf *out)
{
	int64_t ticks = read_start_ticks();
	int64_t boot_s = read_boot_time();
	int64_t per_second = sysconf(_SC_CLK_TCK);
	if (ticks >= 0 && boot_s >= 0 && per_second > 0)
		put_real(out, "process_start_time_seconds", METRICS_GAUGE,
			 "Start of the process, in seconds since 1970.",
			 (double)boot_s + (double)ticks / (double)per_second);
}

void metrics_process(struct buf *out)
{
	put_cpu(out);
	put_memory(out);
	put_files(out);
	put_start(out);
}
