/* matmul_neon_pairs.h - products of rows with what every NEON has: products of 16 bits, two of which, of neighbouring
   groups of four columns, stay below 2^15 as weights and vectors are at most 127 (matmul_neon.h). */

typedef struct { /* of two columns each: of rows 0 and 1, of rows 2 and 3 */
    int32x4_t low, high;
} pair_sums;

/* sum += eight products for each of four rows: w0 and w1 have four columns of the rows, x0 and x1 those columns of a
   lane, four times. */
ALWAYS_INLINE void multiply_pairs(pair_sums *sum, int8x16_t w0, int8x16_t w1, int8x16_t x0, int8x16_t x1)
{
    const int16x8_t low = vmull_s8(vget_low_s8(w0), vget_low_s8(x0)), high = vmull_high_s8(w0, x0);
    sum->low = vpadalq_s16(sum->low, vmlal_s8(low, vget_low_s8(w1), vget_low_s8(x1)));
    sum->high = vpadalq_s16(sum->high, vmlal_high_s8(high, w1, x1));
}

/* Four columns of a lane, four times. */
ALWAYS_INLINE int8x16_t repeat_columns(const int8_t *q)
{
    int32_t four;
    memcpy(&four, q, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

/* 16 n_tiles rows for at most four lanes, so many at a time that sums fit into registers. */
ALWAYS_INLINE void rows_of_few(const weight_matrix *m, int row, const int n_tiles, const int8_t *q, int32_t *out,
                               size_t out_stride, const int n)
{
    const int n_fours = n == 1 ? 8 : n == 2 ? 4 : 2;
    for (int first = 0; first < 4 * n_tiles; first += n_fours) {
        pair_sums sum[8];
        for (int i = 0; i < n_fours * n; i++)
            sum[i].low = sum[i].high = vdupq_n_s32(0);
        for (int k = 0; k < m->n_in; k += 8) {
            int8x16_t x[4][2];
            for (int j = 0; j < n; j++)
                for (int c = 0; c < 2; c++)
                    x[j][c] = repeat_columns(q + (size_t)j * (size_t)m->n_in + k + 4 * c);
            for (int i = 0; i < n_fours; i++) {
                const uint8_t *w = four_rows(m, row, first + i, 4) + (size_t)k * 16;
                const int8x16_t w0 = load_weights(w), w1 = load_weights(w + 64);
                for (int j = 0; j < n; j++)
                    multiply_pairs(&sum[i * n + j], w0, w1, x[j][0], x[j][1]);
            }
        }
        for (int i = 0; i < n_fours; i++)
            for (int j = 0; j < n; j++) {
                const int at = row + 4 * (first + i);
                const pair_sums s = sum[i * n + j];
                store_rows(out + (size_t)j * out_stride + at, vpaddq_s32(s.low, s.high), m->multiplier + at);
            }
    }
}

ALWAYS_INLINE void matmul_tiles(const weight_matrix *m, int row, const int n_tiles, const int8_t *q, int32_t *out,
                                 size_t out_stride, const int32_t *bias, const int n)
{
    const int n_few = n > 4 ? n / 2 : n;
    (void)bias;
    for (int j = 0; j < n; j += n_few)
        rows_of_few(m, row, n_tiles, q + (size_t)j * (size_t)m->n_in, out + (size_t)j * out_stride, out_stride, n_few);
}
