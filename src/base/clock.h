/* clock.h: the two clocks. Loops and threads read them and hand the time down;
 * whatever decides by time takes it as a parameter. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Monotonic nanoseconds, for durations and deadlines. */
static inline int64_t clock_now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Monotonic milliseconds. */
static inline int64_t clock_now_ms(void)
{
	return clock_now_ns() / 1000000;
}

/* Seconds since 1970, UTC, for people and for what outlives a boot. */
static inline int64_t clock_wall_s(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec;
}

#endif
