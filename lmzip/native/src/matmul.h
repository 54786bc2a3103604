/* matmul.h - the integer matrix products (ARITHMETIC 10.3), in portable C, for each kind of x86 and of NEON.

   out[lane][r] = (sum over k of weight[r][k] * q[lane][k] * multiplier[r] + 2^23) >> 24.  Sums of 32 bits do not depend
   on their order, so every variant gives the same.  Weights lie in tiles of 16 rows by 4 columns, the unit of VNNI, or
   by 8 (matrix.h); a weight tile once loaded serves up to eight lanes.

   A variant gives matmul_tiles (16 * n_tiles rows from `row` on for n lanes), BIAS_OF (what a lane's sums start with,
   to take back an offset of the weights) and FEW_LANES_TILES (how many tiles at a time keep it busy with one lane). */
#ifndef LMZ_MATMUL_H
#define LMZ_MATMUL_H

#include <string.h>

#include "lmz.h"
#include "matrix.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline)) /* so that counts of rows and lanes are constants */
#define ROUND_SCALED ((int64_t)1 << (SCALE_BITS - 1))

typedef struct { /* weights that come from memory and are multiplied a part at a time */
    const uint8_t *packed;
    size_t at, size, row_size; /* of the part that is multiplied, of all, of a row; in bytes */
    const uint8_t *next;       /* what is multiplied after them, or NULL */
} matmul_stream;

#if defined(LMZ_AVX512)
#include <immintrin.h>
#include "matmul_avx512.h"
#elif defined(LMZ_AVX2)
#include <immintrin.h>
#include "matmul_avx2.h"
#elif defined(LMZ_NEON)
#include <arm_neon.h>
#include "matmul_neon.h"
#else
#include "matmul_portable.h"
#endif
#if defined(LMZ_AMX)
#include "matmul_amx.h"
#endif

/* Fetch the share that lanes j to end of n have in the weights behind the two tiles of rows that they pass by, which
   begin at `at` of a stream: all at once would keep the products waiting. */
static inline void fetch_share(const matmul_stream *s, size_t at, int j, int end, int n)
{
    const size_t size = 32 * s->row_size, last = at + size + size * (size_t)end / (size_t)n;
    for (size_t line = (at + size + size * (size_t)j / (size_t)n) & ~(size_t)63; line < last; line += 64)
        if (line < s->size)
            __builtin_prefetch(s->packed + line, 0, 2);
        else if (s->next)
            __builtin_prefetch(s->next + (line - s->size), 0, 2);
}

/* The product of a matrix with the vectors q (n_lanes, n_in), whose biases are known, into out (n_lanes,
   out_stride).  Two tiles of rows stay in the first-level cache while all lanes pass by.  stream: what the weights are
   part of, or NULL. */
static void matmul_biased(const weight_matrix *m, const int8_t *q, int n_lanes, int32_t *out, size_t out_stride,
                          const int32_t *bias, const matmul_stream *stream)
{
    int row = 0;
#if defined(LMZ_AMX)
    if (n_lanes >= LMZ_AMX_LANES) {
        matmul_amx(m, q, n_lanes, out, out_stride, bias, stream);
        return;
    }
#endif
    if (n_lanes == 1)
        for (; row + 16 * FEW_LANES_TILES <= m->n_out; row += 16 * FEW_LANES_TILES)
            matmul_tiles(m, row, FEW_LANES_TILES, q, out, out_stride, bias, 1);
    for (; row < m->n_out; row += 32)
        for (int j = 0; j < n_lanes;) {
            const int8_t *x = q + (size_t)j * (size_t)m->n_in;
            int32_t *y = out + (size_t)j * out_stride;
            const int left = n_lanes - j, n = left >= 8 ? 8 : left == 7 || left == 5 ? 4 : left;
            if (stream && n < n_lanes)
                fetch_share(stream, stream->at + (size_t)row * stream->row_size, j, j + n, n_lanes);
            switch (n) {
            case 8: matmul_tiles(m, row, 2, x, y, out_stride, bias + j, 8); break;
            case 6: matmul_tiles(m, row, 2, x, y, out_stride, bias + j, 6); break;
            case 4: matmul_tiles(m, row, 2, x, y, out_stride, bias + j, 4); break;
            case 3: matmul_tiles(m, row, 2, x, y, out_stride, bias + j, 3); break;
            case 2: matmul_tiles(m, row, 2, x, y, out_stride, bias + j, 2); break;
            default: matmul_tiles(m, row, 2, x, y, out_stride, bias + j, 1);
            }
            j += n;
        }
}

static void matmul(const weight_matrix *m, const int8_t *q, int n_lanes, int32_t *out, size_t out_stride)
{
    int32_t bias[LMZ_MAX_LANES];
    int j = 0;
    do /* there is at least one lane */
        bias[j] = BIAS_OF(q + (size_t)j * (size_t)m->n_in, m->n_in);
    while (++j < n_lanes);
    matmul_biased(m, q, n_lanes, out, out_stride, bias, NULL);
}

#endif
