/* mixer.h - logistic mixing with integer weights (ARITHMETIC 9), in portable C, AVX2, AVX-512 and NEON.

   Inputs are stretches of 16 bits, held in the upper half of 32-bit words (x << 16); weights are 32 bits, 1.0 = 2^28.
   So one multiply-add of 16-bit pairs gives input * (weight >> 16) exactly, and input * gradient likewise.
   n is a multiple of 16, rows are 64-byte aligned. */
#ifndef LMZ_MIXER_H
#define LMZ_MIXER_H

#include <stdint.h>
#if defined(LMZ_AVX2) || defined(LMZ_AVX512)
#include <immintrin.h>
#elif defined(LMZ_NEON)
#include <arm_neon.h>
#endif

#define MIX_INPUT(stretch) ((int32_t)((uint32_t)(stretch) << 16))
#define WEIGHT_ONE (1 << 28)
#define WEIGHT_LIMIT ((1 << 30) - 1)

/* The two operations for a handful of inputs, where filling vectors costs more than it saves. */
static inline int32_t mix_dot_few(const int32_t *x, const int32_t *w, const int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += ((x[i] >> 16) * (w[i] >> 16)) >> 8;
    return sum >> 4;
}

static inline void mix_train_few(const int32_t *x, int32_t *w, const int n, int32_t gradient)
{
    for (int i = 0; i < n; i++) {
        int32_t v = w[i] + (((x[i] >> 16) * gradient) >> 4);
        v = v > WEIGHT_LIMIT ? WEIGHT_LIMIT : v;
        w[i] = v < -WEIGHT_LIMIT ? -WEIGHT_LIMIT : v;
    }
}

#if defined(LMZ_NEON)
static inline int16x8_t upper_halves(const int32_t *p)
{
    return vuzp2q_s16(vreinterpretq_s16_s32(vld1q_s32(p)), vreinterpretq_s16_s32(vld1q_s32(p + 4)));
}

/* w_i += (x_i * gradient) >> shift for eight, kept within +-WEIGHT_LIMIT */
static inline void train_eight(const int32_t *x, int32_t *w, int16_t gradient, int shift)
{
    const int32x4_t limit = vdupq_n_s32(WEIGHT_LIMIT), minus = vdupq_n_s32(-WEIGHT_LIMIT), by = vdupq_n_s32(-shift);
    const int16x8_t half = upper_halves(x), g = vdupq_n_s16(gradient);
    const int32x4_t v0 = vaddq_s32(vld1q_s32(w), vshlq_s32(vmull_s16(vget_low_s16(half), vget_low_s16(g)), by));
    const int32x4_t v1 = vaddq_s32(vld1q_s32(w + 4), vshlq_s32(vmull_high_s16(half, g), by));
    vst1q_s32(w, vmaxq_s32(vminq_s32(v0, limit), minus));
    vst1q_s32(w + 4, vmaxq_s32(vminq_s32(v1, limit), minus));
}
#endif

/* sum over i of (x_i * (w_i >> 16)) >> 8, then >> 4: the mixed stretch. */
static inline int32_t mix_dot(const int32_t *x, const int32_t *w, int n)
{
#if defined(LMZ_AVX512)
    __m512i sum = _mm512_setzero_si512();
    for (int i = 0; i < n; i += 16)
        sum = _mm512_add_epi32(
            sum, _mm512_srai_epi32(_mm512_madd_epi16(_mm512_load_si512(x + i), _mm512_load_si512(w + i)), 8));
    return _mm512_reduce_add_epi32(sum) >> 4;
#elif defined(LMZ_AVX2)
    __m256i sum = _mm256_setzero_si256();
    for (int i = 0; i < n; i += 8)
        sum = _mm256_add_epi32(sum, _mm256_srai_epi32(_mm256_madd_epi16(_mm256_load_si256((const __m256i *)(x + i)),
                                                                        _mm256_load_si256((const __m256i *)(w + i))),
                                                      8));
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1));
    return _mm_cvtsi128_si32(half) >> 4;
#elif defined(LMZ_NEON)
    int32x4_t low = vdupq_n_s32(0), high = low;
    for (int i = 0; i < n; i += 8) {
        const int16x8_t a = upper_halves(x + i), b = upper_halves(w + i);
        low = vsraq_n_s32(low, vmull_s16(vget_low_s16(a), vget_low_s16(b)), 8);
        high = vsraq_n_s32(high, vmull_high_s16(a, b), 8);
    }
    return vaddvq_s32(vaddq_s32(low, high)) >> 4;
#else
    return mix_dot_few(x, w, n);
#endif
}

/* w_i += (x_i * gradient) >> 4, kept within +-WEIGHT_LIMIT; |gradient| < 2^15. */
static inline void mix_train(const int32_t *x, int32_t *w, int n, int32_t gradient)
{
#if defined(LMZ_AVX512)
    const __m512i g = _mm512_set1_epi32((int32_t)((uint32_t)gradient << 16));
    const __m512i limit = _mm512_set1_epi32(WEIGHT_LIMIT), minus = _mm512_set1_epi32(-WEIGHT_LIMIT);
    for (int i = 0; i < n; i += 16) {
        __m512i v = _mm512_add_epi32(_mm512_load_si512(w + i),
                                     _mm512_srai_epi32(_mm512_madd_epi16(_mm512_load_si512(x + i), g), 4));
        _mm512_store_si512(w + i, _mm512_max_epi32(_mm512_min_epi32(v, limit), minus));
    }
#elif defined(LMZ_AVX2)
    const __m256i g = _mm256_set1_epi32((int32_t)((uint32_t)gradient << 16));
    const __m256i limit = _mm256_set1_epi32(WEIGHT_LIMIT), minus = _mm256_set1_epi32(-WEIGHT_LIMIT);
    for (int i = 0; i < n; i += 8) {
        __m256i v =
            _mm256_add_epi32(_mm256_load_si256((const __m256i *)(w + i)),
                             _mm256_srai_epi32(_mm256_madd_epi16(_mm256_load_si256((const __m256i *)(x + i)), g), 4));
        _mm256_store_si256((__m256i *)(w + i), _mm256_max_epi32(_mm256_min_epi32(v, limit), minus));
    }
#elif defined(LMZ_NEON)
    for (int i = 0; i < n; i += 8)
        train_eight(x + i, w + i, (int16_t)gradient, 4);
#else
    mix_train_few(x, w, n, gradient);
#endif
}

/* error * rate / 2^16 to the nearest, within 16 bits: a rate of r is a learning rate of r / 16384 per nat (ARITHMETIC
   9). Rounding down would teach a sure expert, bit by bit, to be surer of zeros. */
static inline int32_t mix_gradient(int bit, uint32_t p24, int32_t rate)
{
    int32_t error = (int32_t)((uint32_t)bit << 24) - (int32_t)p24;
    int64_t g = ((int64_t)error * rate + (1 << 15)) >> 16;
    return g > 32767 ? 32767 : g < -32767 ? -32767 : (int32_t)g;
}

#endif
