/* matrix.c - packing of weights for a variant, with the check of what a product may give (matrix.h). */
#include "matrix.h"

#include "lmz.h"

void matrix_take(weight_matrix *m, matrix_packing p, int n_in, int n_rows, arena *a)
{
    const size_t n_out = (size_t)whole_tiles(n_rows);
    m->n_in = n_in;
    m->n_rows = n_rows;
    m->packed = arena_take(a, matrix_size(p, (size_t)n_in, n_out));
    m->multiplier = arena_take(a, n_out * sizeof *m->multiplier);
}

int matrix_set(weight_matrix *m, matrix_packing p, const int8_t *weights, const int32_t *multipliers)
{
    int8_t row[MAX_DIM] = {0};
    int status = LMZ_DONE;
    if (m->n_out)
        return LMZ_E_ARGUMENT;
    m->n_out = whole_tiles(m->n_rows);
    for (int r = 0; r < m->n_out; r++) {
        int32_t sum = 0;
        for (int k = 0; k < m->n_in; k++) {
            const int8_t w = r < m->n_rows ? weights[(size_t)r * (size_t)m->n_in + (size_t)k] : 0;
            row[k] = w < -127 ? -127 : w;
            sum += row[k] < 0 ? -row[k] : row[k];
        }
        matrix_put_row(p, m->packed, m->n_in, r, row);
        const int64_t multiplier = r < m->n_rows ? multipliers[r] : 0;
        if (multiplier < 0 || ((sum * 127 * multiplier) >> SCALE_BITS) + 1 > (int64_t)1 << MATMUL_LIMIT_BITS)
            status = LMZ_E_ARGUMENT;
        m->multiplier[r] = (int32_t)multiplier;
    }
    return status;
}
