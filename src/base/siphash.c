/* SipHash-1-3 (Aumasson and Bernstein, 2012). */
#include "base/siphash.h"

#include <sys/random.h>

static uint64_t rotl(uint64_t x, int b)
{
	return (x << b) | (x >> (64 - b));
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static uint64_t sip_word(const char *p, size_t len)
{
	uint64_t m = 0;
	for (size_t i = 0; i < len; i++)
		m |= (uint64_t)(unsigned char)p[i] << (8 * i);
	return m;
}

static void sip_mix(uint64_t v[4], uint64_t m)
{
	v[3] ^= m;
	sip_round(v);
	v[0] ^= m;
}

void siphash_key_new(struct siphash_key *out)
{
	uint64_t seed[2] = {0, 0};
	*out = (struct siphash_key){0, 0};
	if (getrandom(seed, sizeof(seed), 0) == (ssize_t)sizeof(seed))
		*out = (struct siphash_key){seed[0], seed[1]};
}

uint64_t siphash(const struct siphash_key *key, struct slice bytes)
{
	uint64_t v[4] = {
		key->k0 ^ 0x736f6d6570736575, key->k1 ^ 0x646f72616e646f6d,
		key->k0 ^ 0x6c7967656e657261, key->k1 ^ 0x7465646279746573};
	size_t i = 0;
	for (; i + 8 <= bytes.len; i += 8)
		sip_mix(v, sip_word(bytes.data + i, 8));
	sip_mix(v, sip_word(bytes.data + i, bytes.len - i) | (uint64_t)bytes.len
								     << 56);
	v[2] ^= 0xff;
	for (int r = 0; r < 3; r++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
