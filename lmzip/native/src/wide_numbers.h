/* wide_numbers.h - a few numbers of 64 bits at a time: eight with AVX-512, where compilers do badly; else one, of which they
   make more by themselves. */
#ifndef LMZ_WIDE_NUMBERS_H
#define LMZ_WIDE_NUMBERS_H

#include <stdint.h>

#if defined(LMZ_AVX512)
#include <immintrin.h>

#define N_WIDE 8
typedef __m512i wide;

static inline wide wide_of(int64_t v) { return _mm512_set1_epi64(v); }
static inline wide wide_load(const int32_t *v)
{
    return _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)(const void *)v));
}
static inline wide wide_add(wide a, wide b) { return _mm512_add_epi64(a, b); }
static inline wide wide_max(wide a, wide b) { return _mm512_max_epi64(a, b); }
static inline wide wide_multiply(wide a, wide b) { return _mm512_mullo_epi64(a, b); }
static inline wide wide_multiply_short(wide a, wide b) { return _mm512_mul_epi32(a, b); }
static inline wide wide_shift(wide v, int n) { return _mm512_sra_epi64(v, _mm_cvtsi32_si128(n)); }
static inline int64_t wide_sum(wide v) { return _mm512_reduce_add_epi64(v); }
static inline int64_t wide_largest(wide v) { return _mm512_reduce_max_epi64(v); }

static inline void wide_store(int32_t *out, wide v, int32_t limit)
{
    const __m256i kept = _mm256_max_epi32(_mm512_cvtsepi64_epi32(v), _mm256_set1_epi32(-limit));
    _mm256_storeu_si256((__m256i *)(void *)out, _mm256_min_epi32(kept, _mm256_set1_epi32(limit)));
}
#else
#define N_WIDE 1
typedef int64_t wide;

static inline wide wide_of(int64_t v) { return v; }
static inline wide wide_load(const int32_t *v) { return *v; }
static inline wide wide_add(wide a, wide b) { return a + b; }
static inline wide wide_max(wide a, wide b) { return a > b ? a : b; }
static inline wide wide_multiply(wide a, wide b) { return a * b; }
static inline wide wide_multiply_short(wide a, wide b) { return a * b; } /* of numbers of 32 bits */
static inline wide wide_shift(wide v, int n) { return v >> n; }
static inline int64_t wide_sum(wide v) { return v; }
static inline int64_t wide_largest(wide v) { return v; }

/* The number within -limit .. limit. */
static inline void wide_store(int32_t *out, wide v, int32_t limit)
{
    *out = (int32_t)(v > limit ? limit : v < -limit ? -limit : v);
}
#endif

#endif
