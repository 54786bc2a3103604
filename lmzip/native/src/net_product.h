/* net_product.h - the integer matrix products (ARITHMETIC 8.3), in portable C, AVX2, AVX-VNNI, AVX-512 VNNI and AMX.

   out[lane][r] = (sum over k of weight[r][k] * q[lane][k] * multiplier[r] + 2^23) >> 24.  Sums of 32 bits do not depend
   on their order, so every variant gives the same.  Weights lie in tiles of 16 rows by 4 columns, the unit of VNNI; a
   weight tile once loaded serves up to eight lanes. */
#ifndef LMZ_NET_PRODUCT_H
#define LMZ_NET_PRODUCT_H

#include <string.h>
#if defined(LMZ_AVX2) || defined(LMZ_AVX512)
#include <immintrin.h>
#endif

#include "net.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline)) /* so that counts of rows and lanes are constants */
#define ROUND_SCALED ((int64_t)1 << (NET_SCALE_BITS - 1))

#if defined(LMZ_AVX512)

/* Sixteen sums times their rows' multipliers, rounded and shifted: the low 32 bits of the 64-bit results. */
ALWAYS_INLINE __m512i scale_rows(__m512i sums, __m512i multiplier)
{
    const __m512i half = _mm512_set1_epi64(ROUND_SCALED);
    __m512i even = _mm512_add_epi64(_mm512_mul_epi32(sums, multiplier), half);
    __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(sums, 32), _mm512_srli_epi64(multiplier, 32)), half);
    return _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, NET_SCALE_BITS), _mm512_slli_epi64(odd, 32 - NET_SCALE_BITS));
}

/* sum += four products of unsigned bytes of w by signed bytes of x, for each of sixteen rows.  In assembly, since GCC 12
   copies the sums from register to register around the intrinsic, which halves the speed. */
ALWAYS_INLINE __m512i dot4(__m512i sum, __m512i w, __m512i x)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
    return sum;
}

/* 16 * n_tiles rows from `row` on for n lanes.  Weights carry an offset of 128 (VNNI multiplies unsigned by signed), which
   is taken back at the start: bias[lane] = -128 * sum of the lane's q. */
ALWAYS_INLINE void product_tiles(const net_matrix *m, int row, const int n_tiles, const int8_t *q, int32_t *out,
                                 size_t out_stride, const int32_t *bias, const int n)
{
    __m512i sum[32];
    size_t tile_size = (size_t)m->n_in * 16;
    const uint8_t *w = m->packed + (size_t)row * (size_t)m->n_in;
    for (int i = 0; i < n_tiles; i++)
        for (int j = 0; j < n; j++)
            sum[i * n + j] = _mm512_set1_epi32(bias[j]);
    for (int k = 0; k < m->n_in; k += 4) {
        __m512i weight[8];
        for (int i = 0; i < n_tiles; i++)
            weight[i] = _mm512_load_si512(w + (size_t)i * tile_size + (size_t)k * 16);
        for (int j = 0; j < n; j++) {
            int32_t four;
            memcpy(&four, q + (size_t)j * (size_t)m->n_in + k, 4);
            __m512i x = _mm512_set1_epi32(four);
            for (int i = 0; i < n_tiles; i++)
                sum[i * n + j] = dot4(sum[i * n + j], weight[i], x);
        }
    }
    for (int i = 0; i < n_tiles; i++)
        for (int j = 0; j < n; j++)
            _mm512_storeu_si512(out + (size_t)j * out_stride + row + 16 * i,
                                scale_rows(sum[i * n + j], _mm512_loadu_si512(m->multiplier + row + 16 * i)));
}

ALWAYS_INLINE int32_t sum_bytes(const int8_t *q, int n)
{
    __m512i sum = _mm512_setzero_si512();
    const __m512i ones = _mm512_set1_epi8(1);
    int i = 0;
    for (; i + 64 <= n; i += 64)
        sum = _mm512_dpbusd_epi32(sum, ones, _mm512_loadu_si512(q + i));
    int32_t rest = 0;
    for (; i < n; i++)
        rest += q[i];
    return _mm512_reduce_add_epi32(sum) + rest;
}

#define BIAS_OF(q, n) (-128 * sum_bytes(q, n))
#define FEW_LANES_TILES 8 /* enough independent sums to hide the latency of a product */

#elif defined(LMZ_AVX2)

ALWAYS_INLINE __m256i scale_rows(__m256i sums, __m256i multiplier)
{
    const __m256i half = _mm256_set1_epi64x(ROUND_SCALED);
    __m256i even = _mm256_add_epi64(_mm256_mul_epi32(sums, multiplier), half);
    __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(sums, 32), _mm256_srli_epi64(multiplier, 32)), half);
    return _mm256_blend_epi32(_mm256_srli_epi64(even, NET_SCALE_BITS), _mm256_slli_epi64(odd, 32 - NET_SCALE_BITS), 0xAA);
}

#if defined(LMZ_AVXVNNI)

/* dot4 as above, for eight rows. */
ALWAYS_INLINE __m256i dot4(__m256i sum, __m256i w, __m256i x)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(w), "x"(x));
    return sum;
}

ALWAYS_INLINE void product_tiles(const net_matrix *m, int row, const int n_tiles, const int8_t *q, int32_t *out,
                                 size_t out_stride, const int32_t *bias, const int n)
{
    const int n_halves = n == 1 ? 2 * n_tiles : 1; /* halves of tiles at a time: enough independent sums for one lane */
    for (int half = 0; half < 2 * n_tiles; half += n_halves) {
        __m256i sum[8];
        for (int i = 0; i < n_halves * n; i++)
            sum[i] = _mm256_set1_epi32(bias[i % n]);
        for (int k = 0; k < m->n_in; k += 4)
            for (int i = 0; i < n_halves; i++) {
                size_t tile = ((size_t)row + 16 * (size_t)((half + i) / 2)) * (size_t)m->n_in + 32 * (size_t)((half + i) % 2);
                __m256i weight = _mm256_load_si256((const __m256i *)(m->packed + tile + (size_t)k * 16));
                for (int j = 0; j < n; j++) {
                    int32_t four;
                    memcpy(&four, q + (size_t)j * (size_t)m->n_in + k, 4);
                    sum[i * n + j] = dot4(sum[i * n + j], weight, _mm256_set1_epi32(four));
                }
            }
        for (int i = 0; i < n_halves; i++) {
            int at = row + 8 * (half + i);
            __m256i multiplier = _mm256_loadu_si256((const __m256i *)(m->multiplier + at));
            for (int j = 0; j < n; j++)
                _mm256_storeu_si256((__m256i *)(out + (size_t)j * out_stride + at), scale_rows(sum[i * n + j], multiplier));
        }
    }
}

ALWAYS_INLINE int32_t sum_bytes(const int8_t *q, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += q[i];
    return sum;
}

#define BIAS_OF(q, n) (-128 * sum_bytes(q, n))
#define FEW_LANES_TILES 4

#else

/* The same with the instruction that multiplies unsigned by signed bytes into saturating 16-bit pairs: |weight| times q with
   the weight's sign stays below 2^15, as weights are at most 127. */
ALWAYS_INLINE void product_tiles(const net_matrix *m, int row, const int n_tiles, const int8_t *q, int32_t *out,
                                 size_t out_stride, const int32_t *bias, const int n)
{
    const __m256i ones = _mm256_set1_epi16(1);
    (void)bias;
    for (int half = 0; half < 2 * n_tiles; half++) {
        const uint8_t *w = m->packed + ((size_t)row + 16 * (size_t)(half / 2)) * (size_t)m->n_in + 32 * (size_t)(half % 2);
        int at = row + 8 * half;
        __m256i sum[8];
        for (int j = 0; j < n; j++)
            sum[j] = _mm256_setzero_si256();
        for (int k = 0; k < m->n_in; k += 4) {
            __m256i weight = _mm256_load_si256((const __m256i *)(w + (size_t)k * 16)), size = _mm256_abs_epi8(weight);
            for (int j = 0; j < n; j++) {
                int32_t four;
                memcpy(&four, q + (size_t)j * (size_t)m->n_in + k, 4);
                __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(_mm256_set1_epi32(four), weight));
                sum[j] = _mm256_add_epi32(sum[j], _mm256_madd_epi16(pairs, ones));
            }
        }
        __m256i multiplier = _mm256_loadu_si256((const __m256i *)(m->multiplier + at));
        for (int j = 0; j < n; j++)
            _mm256_storeu_si256((__m256i *)(out + (size_t)j * out_stride + at), scale_rows(sum[j], multiplier));
    }
}

#define BIAS_OF(q, n) 0
#define FEW_LANES_TILES 2

#endif
#else

ALWAYS_INLINE void product_tiles(const net_matrix *m, int row, const int n_tiles, const int8_t *q, int32_t *out,
                                 size_t out_stride, const int32_t *bias, const int n)
{
    int16_t x[NET_MAX_DIM];
    (void)bias;
    for (int j = 0; j < n; j++) {
        for (int k = 0; k < m->n_in; k++)
            x[k] = q[(size_t)j * (size_t)m->n_in + (size_t)k];
        for (int r = row; r < row + 16 * n_tiles; r++) {
            const int16_t *w = (const int16_t *)(const void *)m->packed + (size_t)r * (size_t)m->n_in;
            int32_t sum = 0;
            for (int k = 0; k < m->n_in; k++) /* compilers know how to vectorise this */
                sum += (int32_t)w[k] * x[k];
            out[(size_t)j * out_stride + (size_t)r] =
                (int32_t)(((int64_t)sum * m->multiplier[r] + ROUND_SCALED) >> NET_SCALE_BITS);
        }
    }
}

#define BIAS_OF(q, n) 0
#define FEW_LANES_TILES 2

#endif

#if defined(LMZ_AMX)

#define LMZ_AMX_LANES 8

/* AMX multiplies whole tiles, from LMZ_AMX_LANES lanes on faster than VNNI.

   Tiles: sums of 16 lanes by 16 rows in 0 to 3, activations in 4, weights in 5; in 6 and 7 those of the last 32 columns of a
   row, as rows are multiples of 32 long and a tile holds 64. */
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

static void configure_tiles(int n_lanes) /* at most 16 */
{
    tile_config config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        int tail = i >= 6, weights = i == 5 || i == 7;
        config.row_bytes[i] = tail && !weights ? 32 : 64;
        config.rows[i] = (uint8_t)(!weights ? n_lanes : tail ? 8 : 16);
    }
    _tile_loadconfig(&config);
}

#define ADD_PRODUCTS(i)                                             \
    do {                                                            \
        _tile_loadd(5, w + (size_t)(i) * tile_size + (size_t)k * 16, 64); \
        _tile_dpbsud(i, 4, 5);                                      \
    } while (0)
#define ADD_TAIL(i)                                                 \
    do {                                                            \
        _tile_loadd(7, w + (size_t)(i) * tile_size + (size_t)k * 16, 64); \
        _tile_dpbsud(i, 6, 7);                                      \
    } while (0)

/* 64 rows from `row` on for n <= 16 lanes, or 32. */
static void amx_tiles(const net_matrix *m, int row, int n_tiles, const int8_t *q, int32_t *out, size_t out_stride,
                      const int32_t *bias, int n)
{
    int32_t sum[4][16][16] __attribute__((aligned(64)));
    const size_t tile_size = (size_t)m->n_in * 16, stride = (size_t)m->n_in;
    const uint8_t *w = m->packed + (size_t)row * stride;
    int k = 0;
    _tile_zero(0);
    _tile_zero(1);
    if (n_tiles == 4) {
        _tile_zero(2);
        _tile_zero(3);
    }
    for (; k + 64 <= m->n_in; k += 64) {
        _tile_loadd(4, q + k, stride);
        ADD_PRODUCTS(0);
        ADD_PRODUCTS(1);
        if (n_tiles == 4) {
            ADD_PRODUCTS(2);
            ADD_PRODUCTS(3);
        }
    }
    if (k < m->n_in) {
        _tile_loadd(6, q + k, stride);
        ADD_TAIL(0);
        ADD_TAIL(1);
        if (n_tiles == 4) {
            ADD_TAIL(2);
            ADD_TAIL(3);
        }
    }
    _tile_stored(0, sum[0], 64);
    _tile_stored(1, sum[1], 64);
    if (n_tiles == 4) {
        _tile_stored(2, sum[2], 64);
        _tile_stored(3, sum[3], 64);
    }
    for (int i = 0; i < n_tiles; i++) {
        __m512i multiplier = _mm512_loadu_si512(m->multiplier + row + 16 * i);
        for (int j = 0; j < n; j++)
            _mm512_storeu_si512(out + (size_t)j * out_stride + row + 16 * i,
                                scale_rows(_mm512_add_epi32(_mm512_load_si512(sum[i][j]), _mm512_set1_epi32(bias[j])),
                                           multiplier));
    }
}

/* Rows from `row` on for all lanes, 16 at a time; the weights stay in the cache meanwhile. */
static void amx_rows(const net_matrix *m, int row, int n_tiles, const int8_t *q, int n_lanes, int32_t *out, size_t out_stride,
                     const int32_t *bias)
{
    for (int j = 0; j < n_lanes; j += 16) {
        int n = n_lanes - j < 16 ? n_lanes - j : 16;
        if (n < 16)
            configure_tiles(n);
        amx_tiles(m, row, n_tiles, q + (size_t)j * (size_t)m->n_in, out + (size_t)j * out_stride, out_stride, bias + j, n);
        if (n < 16)
            configure_tiles(16);
    }
}

static void product_amx(const net_matrix *m, const int8_t *q, int n_lanes, int32_t *out, size_t out_stride, const int32_t *bias)
{
    int row = 0;
    configure_tiles(16);
    for (; row + 64 <= m->n_out; row += 64)
        amx_rows(m, row, 4, q, n_lanes, out, out_stride, bias);
    if (row < m->n_out)
        amx_rows(m, row, 2, q, n_lanes, out, out_stride, bias);
    _tile_release();
}

#endif

/* The product of a matrix with the vectors q (n_lanes, n_in) into out (n_lanes, out_stride).  Two tiles of rows stay in
   the first-level cache while all lanes pass by. */
static void product(const net_matrix *m, const int8_t *q, int n_lanes, int32_t *out, size_t out_stride)
{
    int32_t bias[LMZ_MAX_LANES];
    for (int j = 0; j < n_lanes; j++)
        bias[j] = BIAS_OF(q + (size_t)j * (size_t)m->n_in, m->n_in);
    int row = 0;
#if defined(LMZ_AMX)
    if (n_lanes >= LMZ_AMX_LANES) {
        product_amx(m, q, n_lanes, out, out_stride, bias);
        return;
    }
#endif
    if (n_lanes == 1)
        for (; row + 16 * FEW_LANES_TILES <= m->n_out; row += 16 * FEW_LANES_TILES)
            product_tiles(m, row, FEW_LANES_TILES, q, out, out_stride, bias, 1);
    for (; row < m->n_out; row += 32)
        for (int j = 0; j < n_lanes;) {
            const int8_t *x = q + (size_t)j * (size_t)m->n_in;
            int32_t *y = out + (size_t)j * out_stride;
            int n = n_lanes - j;
            if (n >= 8) {
                product_tiles(m, row, 2, x, y, out_stride, bias + j, 8);
                j += 8;
            } else if (n >= 4) {
                product_tiles(m, row, 2, x, y, out_stride, bias + j, 4);
                j += 4;
            } else if (n >= 2) {
                product_tiles(m, row, 2, x, y, out_stride, bias + j, 2);
                j += 2;
            } else {
                product_tiles(m, row, 2, x, y, out_stride, bias + j, 1);
                j += 1;
            }
        }
}

#endif
