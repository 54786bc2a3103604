/* lms.h - a stage of the cascade: normalised least mean squares (SAMPLES 5).

   Inputs have 16 bits and stand in the upper halves of words, as those of the mixer do, so one multiply-add of pairs
   gives input * (weight >> 16). */
#ifndef LMZ_LMS_H
#define LMZ_LMS_H

#include <string.h>

#include "mixer.h"
#include "samples_base.h"

#define LMS_INPUT_LIMIT 32767
#define LMS_ERROR_LIMIT (1 << 29)
#define GRADIENT_BITS 14
#define ENERGY_OF_TAP 16 /* what each tap adds to the energy, so that silence teaches little */

/* sum over i of x_i * (w_i >> 16), exactly: the upper and the lower bits of products are summed apart. */
static inline int64_t lms_dot(const int32_t *x, const int32_t *w, const int n)
{
#if defined(LMZ_AVX512)
    __m512i high = _mm512_setzero_si512(), low = high;
    const __m512i mask = _mm512_set1_epi32(4095);
    for (int i = 0; i < n; i += 16) {
        const __m512i p = _mm512_madd_epi16(_mm512_loadu_si512(x + i), _mm512_load_si512(w + i));
        high = _mm512_add_epi32(high, _mm512_srai_epi32(p, 12));
        low = _mm512_add_epi32(low, _mm512_and_si512(p, mask));
    }
    return (int64_t)_mm512_reduce_add_epi32(high) * 4096 + _mm512_reduce_add_epi32(low);
#elif defined(LMZ_AVX2)
    __m256i high = _mm256_setzero_si256(), low = high;
    const __m256i mask = _mm256_set1_epi32(4095);
    for (int i = 0; i < n; i += 8) {
        const __m256i p = _mm256_madd_epi16(_mm256_loadu_si256((const __m256i *)(x + i)),
                                            _mm256_load_si256((const __m256i *)(w + i)));
        high = _mm256_add_epi32(high, _mm256_srai_epi32(p, 12));
        low = _mm256_add_epi32(low, _mm256_and_si256(p, mask));
    }
    __m256i pair = _mm256_hadd_epi32(high, low); /* two of high, two of low in each half */
    pair = _mm256_hadd_epi32(pair, pair);
    const __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(pair), _mm256_extracti128_si256(pair, 1));
    return (int64_t)_mm_cvtsi128_si32(sums) * 4096 + _mm_extract_epi32(sums, 1);
#elif defined(LMZ_NEON)
    int64x2_t sum = vdupq_n_s64(0);
    for (int i = 0; i < n; i += 8) { /* two products are below 2^31 */
        const int16x8_t a = upper_halves(x + i), b = upper_halves(w + i);
        sum = vpadalq_s32(sum, vmlal_high_s16(vmull_s16(vget_low_s16(a), vget_low_s16(b)), a, b));
    }
    return vaddvq_s64(sum);
#else
    int64_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += (x[i] >> 16) * (w[i] >> 16);
    return sum;
#endif
}

/* w_i += (x_i * gradient) >> shift, kept within +-WEIGHT_LIMIT */
static inline void lms_train(const int32_t *x, int32_t *w, const int n, int32_t gradient, int shift)
{
#if defined(LMZ_AVX512)
    const __m512i g = _mm512_set1_epi32((int32_t)((uint32_t)gradient << 16));
    const __m512i limit = _mm512_set1_epi32(WEIGHT_LIMIT), minus = _mm512_set1_epi32(-WEIGHT_LIMIT);
    const __m128i by = _mm_cvtsi32_si128(shift);
    for (int i = 0; i < n; i += 16) {
        __m512i v = _mm512_add_epi32(_mm512_load_si512(w + i),
                                     _mm512_sra_epi32(_mm512_madd_epi16(_mm512_loadu_si512(x + i), g), by));
        _mm512_store_si512(w + i, _mm512_max_epi32(_mm512_min_epi32(v, limit), minus));
    }
#elif defined(LMZ_AVX2)
    const __m256i g = _mm256_set1_epi32((int32_t)((uint32_t)gradient << 16));
    const __m256i limit = _mm256_set1_epi32(WEIGHT_LIMIT), minus = _mm256_set1_epi32(-WEIGHT_LIMIT);
    const __m128i by = _mm_cvtsi32_si128(shift);
    for (int i = 0; i < n; i += 8) {
        __m256i v = _mm256_add_epi32(
            _mm256_load_si256((const __m256i *)(w + i)),
            _mm256_sra_epi32(_mm256_madd_epi16(_mm256_loadu_si256((const __m256i *)(x + i)), g), by));
        _mm256_store_si256((__m256i *)(w + i), _mm256_max_epi32(_mm256_min_epi32(v, limit), minus));
    }
#elif defined(LMZ_NEON)
    for (int i = 0; i < n; i += 8)
        train_eight(x + i, w + i, (int16_t)gradient, shift);
#else
    for (int i = 0; i < n; i++) {
        int32_t v = w[i] + (((x[i] >> 16) * gradient) >> shift);
        v = v > WEIGHT_LIMIT ? WEIGHT_LIMIT : v;
        w[i] = v < -WEIGHT_LIMIT ? -WEIGHT_LIMIT : v;
    }
#endif
}

/* Learn that the output was off by `error`, 1.0 = 2^fraction: w += x * step * error / energy.  step: 1.0 = 2^16. */
static inline void lms_learn(lms_stage *s, int64_t error, int fraction, int input_bits, int64_t step)
{
    if (!error)
        return;
    const uint64_t size = (uint64_t)(error < 0 ? -error : error) * (uint64_t)step;
    const uint64_t energy = (uint64_t)(s->energy + s->n_taps * ENERGY_OF_TAP);
    const int up = __builtin_clzll(size) - 1;
    uint64_t gradient = (size << up) / energy;
    int shift = up + fraction - input_bits - 12; /* w += x * gradient * 2^-shift */
    const int excess = gradient ? 64 - __builtin_clzll(gradient) - GRADIENT_BITS : 0;
    if (excess > 0) {
        gradient >>= excess;
        shift -= excess;
    }
    if (shift < 0) {
        gradient = shift < -GRADIENT_BITS ? 32767 : gradient << -shift;
        gradient = gradient > 32767 ? 32767 : gradient;
        shift = 0;
    }
    lms_train(s->history + s->at, s->weights, s->n_taps, error < 0 ? -(int32_t)gradient : (int32_t)gradient,
              shift > 31 ? 31 : shift);
}

/* Take in an input, which counts 2^drop. */
static inline void lms_push(lms_stage *s, int64_t error, int drop)
{
    const int64_t exact = error >> drop;
    const int32_t x = exact > LMS_INPUT_LIMIT    ? LMS_INPUT_LIMIT
                      : exact < -LMS_INPUT_LIMIT ? -LMS_INPUT_LIMIT
                                                 : (int32_t)exact;
    const int32_t oldest = s->history[s->at + s->n_taps - 1] >> 16;
    s->energy += (int64_t)x * x - (int64_t)oldest * oldest;
    if (!s->at) { /* the other end has space */
        s->at = LMS_SPACE - s->n_taps + 1;
        memcpy(s->history + s->at, s->history, (size_t)(s->n_taps - 1) * sizeof *s->history);
    }
    s->history[--s->at] = MIX_INPUT(x);
}

#endif
