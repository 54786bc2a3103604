/* wide.h - numbers of 64 bits that mostly hold some of 32 bits, as many at a time as the processor takes: exact
   products and sums, which compilers do not make of plain C with the instructions there are for them. */
#ifndef LMZ_WIDE_H
#define LMZ_WIDE_H

#include <stdint.h>
#if defined(LMZ_AVX2) || defined(LMZ_AVX512)
#include <immintrin.h>
#endif

#if defined(LMZ_AVX512)
#define N_WIDE 8
typedef __m512i wide;
static inline wide wide_of(int64_t v) { return _mm512_set1_epi64(v); }
static inline wide wide_load(const int64_t *p) { return _mm512_load_si512(p); }
static inline void wide_store(int64_t *p, wide v) { _mm512_store_si512(p, v); }
static inline wide wide_add(wide a, wide b) { return _mm512_add_epi64(a, b); }
static inline wide wide_subtract(wide a, wide b) { return _mm512_sub_epi64(a, b); }
static inline wide wide_multiply(wide a, wide b) { return _mm512_mul_epi32(a, b); } /* of numbers of 32 bits */
static inline wide wide_shift(wide v, int n) { return _mm512_sra_epi64(v, _mm_cvtsi32_si128(n)); }
static inline wide wide_shift_left(wide v, int n) { return _mm512_sll_epi64(v, _mm_cvtsi32_si128(n)); }
static inline wide wide_clamp(wide v, int64_t limit)
{
    return _mm512_max_epi64(_mm512_min_epi64(v, wide_of(limit)), wide_of(-limit));
}
static inline int64_t wide_sum(wide v) { return _mm512_reduce_add_epi64(v); }
#elif defined(LMZ_AVX2)
#define N_WIDE 4
typedef __m256i wide;
static inline wide wide_of(int64_t v) { return _mm256_set1_epi64x(v); }
static inline wide wide_load(const int64_t *p) { return _mm256_load_si256((const __m256i *)p); }
static inline void wide_store(int64_t *p, wide v) { _mm256_store_si256((__m256i *)p, v); }
static inline wide wide_add(wide a, wide b) { return _mm256_add_epi64(a, b); }
static inline wide wide_subtract(wide a, wide b) { return _mm256_sub_epi64(a, b); }
static inline wide wide_multiply(wide a, wide b) { return _mm256_mul_epi32(a, b); }
static inline wide wide_shift(wide v, int n) /* of v + 2^63, which is not negative */
{
    const wide bias = wide_of(INT64_MIN);
    const __m128i by = _mm_cvtsi32_si128(n);
    return _mm256_sub_epi64(_mm256_srl_epi64(_mm256_xor_si256(v, bias), by), _mm256_srl_epi64(bias, by));
}
static inline wide wide_shift_left(wide v, int n) { return _mm256_sll_epi64(v, _mm_cvtsi32_si128(n)); }
static inline wide wide_clamp(wide v, int64_t limit)
{
    const wide high = wide_of(limit), low = wide_of(-limit);
    v = _mm256_blendv_epi8(v, high, _mm256_cmpgt_epi64(v, high));
    return _mm256_blendv_epi8(v, low, _mm256_cmpgt_epi64(low, v));
}
static inline int64_t wide_sum(wide v)
{
    const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    return _mm_cvtsi128_si64(half) + _mm_extract_epi64(half, 1);
}
#else
#define N_WIDE 1
typedef int64_t wide;
static inline wide wide_of(int64_t v) { return v; }
static inline wide wide_load(const int64_t *p) { return *p; }
static inline void wide_store(int64_t *p, wide v) { *p = v; }
static inline wide wide_add(wide a, wide b) { return a + b; }
static inline wide wide_subtract(wide a, wide b) { return a - b; }
static inline wide wide_multiply(wide a, wide b) { return a * b; }
static inline wide wide_shift(wide v, int n) { return v >> n; }
static inline wide wide_shift_left(wide v, int n) { return v * ((int64_t)1 << n); }
static inline wide wide_clamp(wide v, int64_t limit) { return v > limit ? limit : v < -limit ? -limit : v; }
static inline int64_t wide_sum(wide v) { return v; }
#endif

#endif
