/* The decoder of RFC 3492, 6.2. */
#include "wat/punycode.h"

#include "base/ascii.h"

#include <assert.h>
#include <string.h>

/* RFC 3492, 5 */
enum {
	BASE = 36,
	TMIN = 1,
	TMAX = 26,
	SKEW = 38,
	DAMP = 700,
	INITIAL_BIAS = 72,
	INITIAL_N = 0x80,
	CP_MAX = 0x10ffff,
};

static int digit_of(char c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	return ascii_is_digit(c) ? c - '0' + 26 : -1;
}

static uint32_t adapt(uint32_t delta, uint32_t count, bool is_first)
{
	uint32_t k = 0;
	delta = is_first ? delta / DAMP : delta / 2;
	delta += delta / count;
	for (; delta > (BASE - TMIN) * TMAX / 2; k += BASE)
		delta /= BASE - TMIN;
	return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

/* One number of variable length, at s[*i]; false where none is, or one that is
 * beyond all characters. */
static bool read_delta(struct slice s, size_t *i, uint32_t bias,
		       uint64_t *delta)
{
	uint64_t weight = 1;
	*delta = 0;
	for (uint32_t k = BASE;; k += BASE) {
		int digit = *i < s.len ? digit_of(s.data[(*i)++]) : -1;
		if (digit < 0)
			return false;
		*delta += (uint64_t)digit * weight;
		uint32_t t = k <= bias          ? TMIN
			     : k >= bias + TMAX ? TMAX
						: k - bias;
		if ((uint32_t)digit < t)
			return *delta <= UINT32_MAX;
		weight *= BASE - t;
		if (weight > UINT32_MAX || *delta > UINT32_MAX)
			return false;
	}
}

size_t punycode_decode(uint32_t out[PUNYCODE_MAX], struct slice s)
{
	assert(s.len <= PUNYCODE_MAX);
	size_t i = s.len;
	while (i > 0 && s.data[i - 1] != '-')
		i--;
	uint32_t basic = i > 0 ? (uint32_t)i - 1 : 0;
	for (uint32_t k = 0; k < basic; k++)
		out[k] = (uint8_t)s.data[k];
	uint32_t count = basic;
	uint32_t bias = INITIAL_BIAS;
	uint64_t n = INITIAL_N;
	uint64_t at = 0;
	while (i < s.len) {
		uint64_t delta;
		if (!read_delta(s, &i, bias, &delta))
			return 0;
		bias = adapt((uint32_t)delta, count + 1, count == basic);
		at += delta;
		n += at / (count + 1);
		at %= count + 1;
		if (n > CP_MAX || (n >= 0xd800 && n < 0xe000))
			return 0;
		/* each takes a byte of @s at least, so there is room */
		memmove(out + at + 1, out + at, (count - at) * sizeof(out[0]));
		out[at++] = (uint32_t)n;
		count++;
	}
	return count > basic ? count : 0;
}
