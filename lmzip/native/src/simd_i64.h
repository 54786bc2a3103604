/* simd_i64.h - a few numbers of 64 bits at a time: sixteen with AVX-512, where compilers do badly; else one, of which
   they make more by themselves. */
#ifndef LMZ_SIMD_I64_H
#define LMZ_SIMD_I64_H

#include <stdint.h>

#if defined(LMZ_AVX512)
#include <immintrin.h>

#define N_I64 16
typedef struct { /* the numbers at even places and those at odd ones, as products of 32 bits come */
    __m512i even, odd;
} i64v;

static inline i64v i64_of(int64_t v) { return (i64v){_mm512_set1_epi64(v), _mm512_set1_epi64(v)}; }
static inline i64v i64_load(const int32_t *v)
{
    const __m512i x = _mm512_loadu_si512(v);
    return (i64v){_mm512_srai_epi64(_mm512_slli_epi64(x, 32), 32), _mm512_srai_epi64(x, 32)};
}
static inline i64v i64_add(i64v a, i64v b)
{
    return (i64v){_mm512_add_epi64(a.even, b.even), _mm512_add_epi64(a.odd, b.odd)};
}
static inline i64v i64_max(i64v a, i64v b)
{
    return (i64v){_mm512_max_epi64(a.even, b.even), _mm512_max_epi64(a.odd, b.odd)};
}
static inline i64v i64_multiply(i64v a, i64v b)
{
    return (i64v){_mm512_mullo_epi64(a.even, b.even), _mm512_mullo_epi64(a.odd, b.odd)};
}
static inline i64v i64_multiply_short(i64v a, i64v b) /* of numbers of 32 bits */
{
    return (i64v){_mm512_mul_epi32(a.even, b.even), _mm512_mul_epi32(a.odd, b.odd)};
}
static inline i64v i64_times(const int32_t *v, i64v b) /* of 32 bits */
{
    const __m512i x = _mm512_loadu_si512(v);
    return (i64v){_mm512_mul_epi32(x, b.even), _mm512_mul_epi32(_mm512_srli_epi64(x, 32), b.odd)};
}
static inline i64v i64_product(const int32_t *v, const int32_t *w)
{
    const __m512i x = _mm512_loadu_si512(v), y = _mm512_loadu_si512(w);
    return (i64v){_mm512_mul_epi32(x, y), _mm512_mul_epi32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(y, 32))};
}
static inline i64v i64_shift(i64v v, int n)
{
    const __m128i by = _mm_cvtsi32_si128(n);
    return (i64v){_mm512_sra_epi64(v.even, by), _mm512_sra_epi64(v.odd, by)};
}
static inline i64v i64_shift_left(i64v v, int n)
{
    const __m128i by = _mm_cvtsi32_si128(n);
    return (i64v){_mm512_sll_epi64(v.even, by), _mm512_sll_epi64(v.odd, by)};
}
static inline int64_t i64_sum(i64v v) { return _mm512_reduce_add_epi64(_mm512_add_epi64(v.even, v.odd)); }
static inline int64_t i64_largest(i64v v) { return _mm512_reduce_max_epi64(_mm512_max_epi64(v.even, v.odd)); }

static inline void i64_store(int32_t *out, i64v v, int32_t limit)
{
    const __m512i high = _mm512_set1_epi64(limit), low = _mm512_set1_epi64(-(int64_t)limit);
    const __m512i even = _mm512_max_epi64(_mm512_min_epi64(v.even, high), low);
    const __m512i odd = _mm512_max_epi64(_mm512_min_epi64(v.odd, high), low);
    _mm512_storeu_si512(out, _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32)));
}
#else
#define N_I64 1
typedef int64_t i64v;

static inline i64v i64_of(int64_t v) { return v; }
static inline i64v i64_load(const int32_t *v) { return *v; }
static inline i64v i64_add(i64v a, i64v b) { return a + b; }
static inline i64v i64_max(i64v a, i64v b) { return a > b ? a : b; }
static inline i64v i64_multiply(i64v a, i64v b) { return a * b; }
static inline i64v i64_multiply_short(i64v a, i64v b) { return a * b; } /* of numbers of 32 bits */
static inline i64v i64_times(const int32_t *v, i64v b) { return *v * b; }
static inline i64v i64_product(const int32_t *v, const int32_t *w) { return (int64_t)*v * *w; }
static inline i64v i64_shift(i64v v, int n) { return v >> n; }
static inline i64v i64_shift_left(i64v v, int n) { return v * ((int64_t)1 << n); }
static inline int64_t i64_sum(i64v v) { return v; }
static inline int64_t i64_largest(i64v v) { return v; }

/* The number within -limit .. limit. */
static inline void i64_store(int32_t *out, i64v v, int32_t limit)
{
    *out = (int32_t)(v > limit ? limit : v < -limit ? -limit : v);
}
#endif

#endif
