/* The same sums thrice: plain C, which compilers turn into what any 64-bit
 * processor has (SSE2, NEON), and by hand for AVX2 and AVX-512, by the
 * multiplication that adds two neighbouring products (vpmaddwd; Intel 64
 * Software Developer's Manual, volume 2). Built with -O3. */
#include "image/loops.h"

#if defined(__x86_64__)
#	include <immintrin.h>
#endif

enum {
	BLOCK = 64, /* bytes whose sums a processor can keep in registers */
};

static inline uint8_t clip(int32_t sum, int shift)
{
	int32_t value = sum >> shift;
	return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static inline int32_t half(int shift)
{
	return shift > 0 ? (int32_t)1 << (shift - 1) : 0;
}

static void down_block(uint8_t *restrict out, const uint8_t *restrict rows,
		       size_t stride, size_t count, const struct mix *mix)
{
	int32_t sum[BLOCK];
	for (size_t x = 0; x < count; x++)
		sum[x] = half(mix->shift);
	for (int j = 0; j < mix->len; j++) {
		const uint8_t *row = rows + (size_t)j * stride;
		int32_t weight = mix->weight[j];
		for (size_t x = 0; x < count; x++)
			sum[x] += row[x] * weight;
	}
	for (size_t x = 0; x < count; x++)
		out[x] = clip(sum[x], mix->shift);
}

static void down_plain(uint8_t *out, const uint8_t *rows, size_t stride,
		       size_t count, const struct mix *mix)
{
	size_t x = 0;
	/* A count that the compiler knows. */
	for (; x + BLOCK <= count; x += BLOCK)
		down_block(out + x, rows + x, stride, BLOCK, mix);
	if (x < count)
		down_block(out + x, rows + x, stride, count - x, mix);
}

static void across_plain(uint8_t *out, const uint8_t *row,
			 const struct taps *taps, int count)
{
	for (int i = 0; i < count; i++) {
		const uint8_t *p =
			row + (size_t)(taps->start[i] - taps->start[0]) * 3;
		const int16_t *weight =
			taps->weight + (size_t)i * (size_t)taps->most;
		int32_t sum[3] = {0};
		for (int j = 0; j < taps->len[i]; j++)
			for (int c = 0; c < 3; c++)
				sum[c] += *p++ * weight[j];
		for (int c = 0; c < 3; c++)
			*out++ = clip(sum[c] + half(taps->shift), taps->shift);
	}
}

static void across_grey(uint8_t *out, const uint8_t *row,
			const struct taps *taps, int count)
{
	for (int i = 0; i < count; i++) {
		const uint8_t *p = row + (taps->start[i] - taps->start[0]);
		const int16_t *weight =
			taps->weight + (size_t)i * (size_t)taps->most;
		int32_t sum = half(taps->shift);
		for (int j = 0; j < taps->len[i]; j++)
			sum += p[j] * weight[j];
		out[i] = clip(sum, taps->shift);
	}
}

struct loops loops_plain(void)
{
	return (struct loops){down_plain, across_plain, across_grey};
}

#if defined(__x86_64__)

#	define AVX2 __attribute__((target("avx2")))
#	define AVX512 __attribute__((target("avx512f,avx512bw")))

static inline int32_t pair(const struct mix *mix, int j)
{
	/* Little endian: the first weight meets the first byte. */
	int32_t two;
	memcpy(&two, mix->weight + j, sizeof(two));
	return two;
}

/* The second row of a pair; the last of an odd number meets a weight of zero.
 */
static inline const uint8_t *second(const uint8_t *row, size_t stride, int j,
				    int len)
{
	return j + 1 < len ? row + stride : row;
}

/* 32 bytes. Two rows are woven into each other, so that each sum takes two
 * products at once; packing undoes the order that weaving makes. */
AVX2 static inline void down_32(uint8_t *out, const uint8_t *rows,
				size_t stride, const struct mix *mix)
{
	const __m256i zero = _mm256_setzero_si256();
	__m256i a = _mm256_set1_epi32(half(mix->shift));
	__m256i b = a, c = a, d = a;
	for (int j = 0; j < mix->len; j += 2) {
		const uint8_t *row = rows + (size_t)j * stride;
		const uint8_t *next = second(row, stride, j, mix->len);
		__m256i w = _mm256_set1_epi32(pair(mix, j));
		__m256i r0 = _mm256_loadu_si256((const void *)row);
		__m256i r1 = _mm256_loadu_si256((const void *)next);
		__m256i low = _mm256_unpacklo_epi8(r0, r1);
		__m256i high = _mm256_unpackhi_epi8(r0, r1);
		__m256i p = _mm256_unpacklo_epi8(low, zero);
		a = _mm256_add_epi32(a, _mm256_madd_epi16(p, w));
		p = _mm256_unpackhi_epi8(low, zero);
		b = _mm256_add_epi32(b, _mm256_madd_epi16(p, w));
		p = _mm256_unpacklo_epi8(high, zero);
		c = _mm256_add_epi32(c, _mm256_madd_epi16(p, w));
		p = _mm256_unpackhi_epi8(high, zero);
		d = _mm256_add_epi32(d, _mm256_madd_epi16(p, w));
	}
	__m128i shift = _mm_cvtsi32_si128(mix->shift);
	a = _mm256_packs_epi32(_mm256_sra_epi32(a, shift),
			       _mm256_sra_epi32(b, shift));
	c = _mm256_packs_epi32(_mm256_sra_epi32(c, shift),
			       _mm256_sra_epi32(d, shift));
	_mm256_storeu_si256((void *)out, _mm256_packus_epi16(a, c));
}

AVX2 static void down_avx2(uint8_t *out, const uint8_t *rows, size_t stride,
			   size_t count, const struct mix *mix)
{
	const size_t step = sizeof(__m256i);
	if (count < step) {
		down_plain(out, rows, stride, count, mix);
		return;
	}
	size_t x = 0;
	for (; x + step <= count; x += step)
		down_32(out + x, rows + x, stride, mix);
	/* The last ones are done twice rather than one by one. */
	if (x < count)
		down_32(out + count - step, rows + count - step, stride, mix);
}

AVX512 static inline void down_64(uint8_t *out, const uint8_t *rows,
				  size_t stride, const struct mix *mix)
{
	const __m512i zero = _mm512_setzero_si512();
	__m512i a = _mm512_set1_epi32(half(mix->shift));
	__m512i b = a, c = a, d = a;
	for (int j = 0; j < mix->len; j += 2) {
		const uint8_t *row = rows + (size_t)j * stride;
		const uint8_t *next = second(row, stride, j, mix->len);
		__m512i w = _mm512_set1_epi32(pair(mix, j));
		__m512i r0 = _mm512_loadu_si512(row);
		__m512i r1 = _mm512_loadu_si512(next);
		__m512i low = _mm512_unpacklo_epi8(r0, r1);
		__m512i high = _mm512_unpackhi_epi8(r0, r1);
		__m512i p = _mm512_unpacklo_epi8(low, zero);
		a = _mm512_add_epi32(a, _mm512_madd_epi16(p, w));
		p = _mm512_unpackhi_epi8(low, zero);
		b = _mm512_add_epi32(b, _mm512_madd_epi16(p, w));
		p = _mm512_unpacklo_epi8(high, zero);
		c = _mm512_add_epi32(c, _mm512_madd_epi16(p, w));
		p = _mm512_unpackhi_epi8(high, zero);
		d = _mm512_add_epi32(d, _mm512_madd_epi16(p, w));
	}
	__m128i shift = _mm_cvtsi32_si128(mix->shift);
	a = _mm512_packs_epi32(_mm512_sra_epi32(a, shift),
			       _mm512_sra_epi32(b, shift));
	c = _mm512_packs_epi32(_mm512_sra_epi32(c, shift),
			       _mm512_sra_epi32(d, shift));
	_mm512_storeu_si512(out, _mm512_packus_epi16(a, c));
}

AVX512 static void down_avx512(uint8_t *out, const uint8_t *rows, size_t stride,
			       size_t count, const struct mix *mix)
{
	const size_t step = sizeof(__m512i);
	if (count < step) {
		down_avx2(out, rows, stride, count, mix);
		return;
	}
	size_t x = 0;
	for (; x + step <= count; x += step)
		down_64(out + x, rows + x, stride, mix);
	if (x < count)
		down_64(out + count - step, rows + count - step, stride, mix);
}

/* Four pixels at once: of two the reds beside each other, their greens, their
 * blues, and so the other two in the upper half. Up to 13 bytes behind the last
 * pixel are read, and meet weights of zero. */
AVX2 static void across_avx2(uint8_t *out, const uint8_t *row,
			     const struct taps *taps, int count)
{
	const __m256i spread = _mm256_setr_epi8(
		0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1,
		9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
	const __m256i repeat = _mm256_setr_epi8(
		0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, -1, -1, -1, -1, 4, 5, 6, 7,
		4, 5, 6, 7, 4, 5, 6, 7, -1, -1, -1, -1);
	const __m128i shift = _mm_cvtsi32_si128(taps->shift);
	const __m128i rounding = _mm_set1_epi32(half(taps->shift));
	for (int i = 0; i < count; i++, out += 3) {
		const uint8_t *p =
			row + (size_t)(taps->start[i] - taps->start[0]) * 3;
		const int16_t *weight =
			taps->weight + (size_t)i * (size_t)taps->most;
		__m256i sum = _mm256_setzero_si256();
		for (int j = 0; j < taps->len[i]; j += TAPS_STEP, p += 12) {
			long long four;
			memcpy(&four, weight + j, sizeof(four));
			__m256i w = _mm256_set1_epi64x(four);
			__m256i v = _mm256_broadcastsi128_si256(
				_mm_loadu_si128((const void *)p));
			v = _mm256_shuffle_epi8(v, spread);
			w = _mm256_shuffle_epi8(w, repeat);
			sum = _mm256_add_epi32(sum, _mm256_madd_epi16(v, w));
		}
		__m128i all = _mm_add_epi32(_mm256_castsi256_si128(sum),
					    _mm256_extracti128_si256(sum, 1));
		all = _mm_sra_epi32(_mm_add_epi32(all, rounding), shift);
		all = _mm_packs_epi32(all, all);
		uint32_t rgb =
			(uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(all, all));
		memcpy(out, &rgb, 3);
	}
}

struct loops loops_choose(void)
{
	if (!__builtin_cpu_supports("avx2"))
		return loops_plain();
	if (!__builtin_cpu_supports("avx512bw"))
		return (struct loops){down_avx2, across_avx2, across_grey};
	return (struct loops){down_avx512, across_avx2, across_grey};
}
#else
struct loops loops_choose(void)
{
	return loops_plain();
}
#endif
