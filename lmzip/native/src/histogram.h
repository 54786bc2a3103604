/* histogram.h - what a value was beside its prediction: counts that stand as sums, in bins that widen away from zero
   (PIXELS 5).

   A residual is counted in quarters of a step, -1024 .. 1023.  Bins are one quarter wide near zero and an eighth of the
   residual's size beyond.  sums[b] is the mass below the end of bin b, so that of any range is one subtraction, and to
   learn is to add one row of a table: a residual's mass, spread a little. */
#ifndef LMZ_HISTOGRAM_H
#define LMZ_HISTOGRAM_H

#include <stdint.h>
#if defined(LMZ_AVX2) || defined(LMZ_AVX512)
#include <immintrin.h>
#elif defined(LMZ_NEON)
#include <arm_neon.h>
#endif

#include "probability.h"

#define N_BINS 128
#define ZERO_RESIDUAL 1024
#define N_RESIDUALS 2048
#define HISTOGRAM_STEP 96     /* what a residual adds */
#define HISTOGRAM_LIMIT 15000 /* above it all sums are halved */
#define HISTOGRAM_TAIL 4      /* one part in sixteen of a new one falls that many times slower */

typedef struct {
    uint8_t bin_of[N_RESIDUALS];  /* of a residual + ZERO_RESIDUAL */
    uint8_t edge_of[N_RESIDUALS]; /* the bin that ends the nearest to it */
    uint8_t added[N_BINS][N_BINS] __attribute__((aligned(64))); /* to each sum by a residual of each bin */
} histogram_bins;

/* The first residual + ZERO_RESIDUAL of a bin; of N_BINS: N_RESIDUALS. */
static inline int32_t bin_start(int32_t bin)
{
    const int32_t side = bin - N_BINS / 2, n = side < 0 ? -side : side;
    const int32_t at = n < 16 ? n : (8 + (n & 7)) << ((n >> 3) - 1);
    return ZERO_RESIDUAL + (side < 0 ? -at : at);
}

/* A value is four quarters wide, and half of its bin's width more to both sides. */
static inline void start_bins(histogram_bins *t)
{
    for (int32_t b = 0; b < N_BINS; b++) {
        const int32_t start = bin_start(b), width = bin_start(b + 1) - start, half = 1 + width;
        for (int32_t r = start; r < start + width; r++) {
            t->bin_of[r] = (uint8_t)b;
            t->edge_of[r] = (uint8_t)(2 * (r - start) > width || !b ? b : b - 1);
        }
        for (int32_t k = 0; k < N_BINS; k++) {
            const int32_t part = 2 * (bin_start(k + 1) - start + half) - width + 1; /* of 4 half */
            t->added[b][k] = (uint8_t)(part < 0                                  ? 0
                                       : part > 4 * half || k == N_BINS - 1 ? HISTOGRAM_STEP
                                                                            : HISTOGRAM_STEP * part / (4 * half));
        }
    }
}

/* mass * 2^(-x / 4096) */
static inline uint32_t decayed(uint32_t mass, uint32_t x)
{
    return x >> 12 > 15 ? 0 : (uint32_t)((uint64_t)mass * (uint64_t)power((int32_t)x) >> 18 >> (x >> 12));
}

/* Fall to both sides of zero by half with every half_life / 16 quarters. */
static inline void start_histogram(uint16_t *sums, uint32_t mass, uint32_t half_life)
{
    for (int32_t b = 0; b < N_BINS; b++) {
        const int32_t r = bin_start(b + 1) - ZERO_RESIDUAL;
        const uint32_t x = (uint32_t)(r < 0 ? -r : r) * 65536 / half_life;
        const uint32_t tail = decayed(mass * 7 / 16, x) + decayed(mass / 16, x / HISTOGRAM_TAIL);
        sums[b] = (uint16_t)(r < 0 ? tail : mass - tail);
    }
}

static inline void update_histogram(uint16_t *sums, const uint8_t *added)
{
    for (int b = 0; b < N_BINS; b++)
        sums[b] = (uint16_t)(sums[b] + added[b]);
    if (sums[N_BINS - 1] > HISTOGRAM_LIMIT)
        for (int b = 0; b < N_BINS; b++)
            sums[b] >>= 1;
}

/* 1024 ln(s) of 0 < s < 65536, off by less than 9. */
static inline int32_t log_of(uint32_t s)
{
    const int32_t n = 31 - __builtin_clz(s);
    const uint32_t f = (s << (16 - n)) & 65535; /* s = 2^n (1 + f / 65536) */
    const uint32_t t = f * (65535 - f) >> 16;
    return 710 * n + (int32_t)(f * 710 >> 16) + (int32_t)(t * 244 >> 16);
}

#if defined(LMZ_AVX2) || defined(LMZ_AVX512)
/* The same of sixteen.  Leading zeros are counted by nibbles: a byte's are the lesser of what its halves say, those of
   16 bits the lesser of what their bytes say, where a zero says more than all others. */
static inline __m256i logs_of(__m256i s)
{
    const __m256i low = _mm256_set1_epi8(15), byte = _mm256_set1_epi16(255);
    const __m256i of_high = _mm256_broadcastsi128_si256(_mm_setr_epi8(-1, 3, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i of_low = _mm256_broadcastsi128_si256(_mm_setr_epi8(16, 7, 6, 6, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 4, 4));
    const __m256i power_low =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i power_high =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, -128));
    const __m256i zeros =
        _mm256_min_epu8(_mm256_shuffle_epi8(of_high, _mm256_and_si256(_mm256_srli_epi16(s, 4), low)),
                        _mm256_shuffle_epi8(of_low, _mm256_and_si256(s, low)));
    const __m256i n = _mm256_min_epu16(_mm256_srli_epi16(zeros, 8),
                                       _mm256_add_epi16(_mm256_and_si256(zeros, byte), _mm256_set1_epi16(8)));
    const __m256i power = _mm256_or_si256(_mm256_and_si256(_mm256_shuffle_epi8(power_low, n), byte),
                                          _mm256_slli_epi16(_mm256_shuffle_epi8(power_high, n), 8));
    const __m256i f = _mm256_slli_epi16(_mm256_mullo_epi16(s, power), 1);
    const __m256i t = _mm256_mulhi_epu16(f, _mm256_xor_si256(f, _mm256_set1_epi16(-1)));
    const __m256i octaves = _mm256_mullo_epi16(_mm256_sub_epi16(_mm256_set1_epi16(15), n), _mm256_set1_epi16(710));
    return _mm256_add_epi16(octaves, _mm256_add_epi16(_mm256_mulhi_epu16(f, _mm256_set1_epi16(710)),
                                                      _mm256_mulhi_epu16(t, _mm256_set1_epi16(244))));
}
#elif defined(LMZ_NEON)
static inline uint16x8_t high_product(uint16x8_t a, uint16x8_t b)
{
    return vuzp2q_u16(vreinterpretq_u16_u32(vmull_u16(vget_low_u16(a), vget_low_u16(b))),
                      vreinterpretq_u16_u32(vmull_high_u16(a, b)));
}

/* The same of eight. */
static inline uint16x8_t logs_of(uint16x8_t s)
{
    const uint16x8_t up = vaddq_u16(vclzq_u16(s), vdupq_n_u16(1)); /* 16 - n */
    const uint16x8_t f = vshlq_u16(s, vreinterpretq_s16_u16(up)), t = high_product(f, vmvnq_u16(f));
    const uint16x8_t octaves = vmulq_n_u16(vsubq_u16(vdupq_n_u16(16), up), 710);
    return vaddq_u16(octaves, vaddq_u16(high_product(f, vdupq_n_u16(710)), high_product(t, vdupq_n_u16(244))));
}
#endif

/* Inputs of the mixer: the stretches of a range that sums at `middle` part, which has `floor` more on both sides.  n is
   a multiple of 16. */
static inline void histogram_inputs(const uint16_t *low, const uint16_t *middle, const uint16_t *high, uint16_t floor,
                                    int n, int32_t *inputs)
{
#if defined(LMZ_AVX2) || defined(LMZ_AVX512)
    const __m256i more = _mm256_set1_epi16((int16_t)floor);
    for (int i = 0; i < n; i += 16) {
        const __m256i a = _mm256_load_si256((const __m256i *)(low + i)),
                      b = _mm256_load_si256((const __m256i *)(middle + i)),
                      c = _mm256_load_si256((const __m256i *)(high + i));
        const __m256i x = _mm256_sub_epi16(logs_of(_mm256_add_epi16(_mm256_sub_epi16(c, b), more)),
                                           logs_of(_mm256_add_epi16(_mm256_sub_epi16(b, a), more)));
        const __m256i x0 = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(x)),
                      x1 = _mm256_cvtepi16_epi32(_mm256_extracti128_si256(x, 1));
        _mm256_store_si256((__m256i *)(inputs + i), _mm256_slli_epi32(x0, 16));
        _mm256_store_si256((__m256i *)(inputs + i + 8), _mm256_slli_epi32(x1, 16));
    }
#elif defined(LMZ_NEON)
    const uint16x8_t more = vdupq_n_u16(floor), zero = vdupq_n_u16(0);
    for (int i = 0; i < n; i += 8) {
        const uint16x8_t a = vld1q_u16(low + i), b = vld1q_u16(middle + i), c = vld1q_u16(high + i);
        const uint16x8_t x = vsubq_u16(logs_of(vaddq_u16(vsubq_u16(c, b), more)),
                                       logs_of(vaddq_u16(vsubq_u16(b, a), more)));
        vst1q_s32(inputs + i, vreinterpretq_s32_u16(vzip1q_u16(zero, x)));
        vst1q_s32(inputs + i + 4, vreinterpretq_s32_u16(vzip2q_u16(zero, x)));
    }
#else
    for (int i = 0; i < n; i++) {
        const uint32_t zeros = (uint32_t)middle[i] - low[i] + floor, ones = (uint32_t)high[i] - middle[i] + floor;
        inputs[i] = (int32_t)((uint32_t)(log_of(ones) - log_of(zeros)) << 16);
    }
#endif
}

#endif
