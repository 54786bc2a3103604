/* matmul_portable.h - products of rows in portable C (matmul.h). */

ALWAYS_INLINE void matmul_tiles(const weight_matrix *m, int row, const int n_tiles, const int8_t *q, int32_t *out,
                                 size_t out_stride, const int32_t *bias, const int n)
{
    int16_t x[MAX_DIM];
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
                (int32_t)(((int64_t)sum * m->multiplier[r] + ROUND_SCALED) >> SCALE_BITS);
        }
    }
}

#define BIAS_OF(q, n) 0
#define FEW_LANES_TILES 2
