/* matmul_neon_i8mm.h - products of rows with SMMLA, which multiplies two rows by two lanes (matmul_neon.h). */

/* sum (2 rows, 2 lanes) += eight products each.  In assembly for the reason that matmul_neon_dot.h has. */
#define MULTIPLY_PAIRS(sum, w, x) __asm__("smmla %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(w), "w"(x))

/* A lane without another is its own pair: one product of two is for nothing, but no other instruction takes weights in
   tiles of eight columns as well. */
ALWAYS_INLINE void matmul_tiles(const weight_matrix *m, int row, const int n_tiles, const int8_t *q, int32_t *out,
                                 size_t out_stride, const int32_t *bias, const int n)
{
    const int n_pairs = (n + 1) / 2, n_fours = n_pairs == 1 ? 8 : n_pairs == 2 ? 4 : 2;
    (void)bias;
    for (int first = 0; first < 4 * n_tiles; first += n_fours) {
        int32x4_t low[8], high[8]; /* of rows 0 and 1, of rows 2 and 3; by fours of rows and pairs of lanes */
        for (int i = 0; i < n_fours * n_pairs; i++)
            low[i] = high[i] = vdupq_n_s32(0);
        for (int k = 0; k < m->n_in; k += 8) {
            int8x16_t x[4]; /* these columns of the two lanes of each pair */
            for (int p = 0; p < n_pairs; p++) {
                const int8_t *lane = q + (size_t)(2 * p) * (size_t)m->n_in + k;
                x[p] = vcombine_s8(vld1_s8(lane), vld1_s8(2 * p + 1 < n ? lane + m->n_in : lane));
            }
            for (int i = 0; i < n_fours; i++) {
                const uint8_t *w = four_rows(m, row, first + i, 8) + (size_t)k * 16;
                const int8x16_t w0 = load_weights(w), w1 = load_weights(w + 16);
                for (int p = 0; p < n_pairs; p++) {
                    MULTIPLY_PAIRS(low[i * n_pairs + p], w0, x[p]);
                    MULTIPLY_PAIRS(high[i * n_pairs + p], w1, x[p]);
                }
            }
        }
        for (int i = 0; i < n_fours; i++)
            for (int p = 0; p < n_pairs; p++) {
                const int at = row + 4 * (first + i);
                const int32x4_t a = low[i * n_pairs + p], b = high[i * n_pairs + p];
                int32_t *y = out + (size_t)(2 * p) * out_stride + at;
                store_rows(y, vuzp1q_s32(a, b), m->multiplier + at);
                if (2 * p + 1 < n)
                    store_rows(y + out_stride, vuzp2q_s32(a, b), m->multiplier + at);
            }
    }
}
