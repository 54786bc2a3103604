/* matmul_neon_dot.h - products of rows with SDOT (matmul_neon.h). */

/* sum += four products for each of four rows, with columns 4 c and behind of x.  In assembly, since clang before 16 has
   the intrinsic only where all of a file is compiled for it. */
#define DOT4(sum, w, x, c) __asm__("sdot %0.4s, %1.16b, %2.4b[" #c "]" : "+w"(sum) : "w"(w), "w"(x))

/* Add what columns k + 4 c and behind give. */
#define ADD_PRODUCTS(c)                                                                                              \
    for (int i = 0; i < n_fours; i++) {                                                                              \
        const int8x16_t w = load_weights(four_rows(m, row, first + i, 4) + (size_t)(k + 4 * (c)) * 16);              \
        for (int j = 0; j < n; j++)                                                                                  \
            DOT4(sum[i * n + j], w, x[j], c);                                                                        \
    }

/* So many rows at a time that 12 or 16 sums are under way, for the latency of a product, and fit into registers. */
ALWAYS_INLINE void matmul_tiles(const weight_matrix *m, int row, const int n_tiles, const int8_t *q, int32_t *out,
                                 size_t out_stride, const int32_t *bias, const int n)
{
    const int n_fours = n == 1 ? 4 * n_tiles : n == 2 ? 8 : n <= 4 ? 4 : 2;
    (void)bias;
    for (int first = 0; first < 4 * n_tiles; first += n_fours) {
        int32x4_t sum[16];
        for (int i = 0; i < n_fours * n; i++)
            sum[i] = vdupq_n_s32(0);
        for (int k = 0; k < m->n_in; k += 16) {
            int8x16_t x[8];
            for (int j = 0; j < n; j++)
                x[j] = vld1q_s8(q + (size_t)j * (size_t)m->n_in + k);
            ADD_PRODUCTS(0)
            ADD_PRODUCTS(1)
            ADD_PRODUCTS(2)
            ADD_PRODUCTS(3)
        }
        for (int i = 0; i < n_fours; i++)
            for (int j = 0; j < n; j++) {
                const int at = row + 4 * (first + i);
                store_rows(out + (size_t)j * out_stride + at, sum[i * n + j], m->multiplier + at);
            }
    }
}
