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

static int32_t bounded_weight(int8_t w) { return w < -127 ? -127 : w; }

void matrix_pack(weight_matrix *m, matrix_packing p, const int8_t *weights)
{
    int8_t row[MAX_DIM] = {0};
    m->n_out = whole_tiles(m->n_rows);
    for (int r = 0; r < m->n_out; r++) {
        for (int k = 0; k < m->n_in; k++)
            row[k] = r < m->n_rows ? (int8_t)bounded_weight(weights[(size_t)r * (size_t)m->n_in + (size_t)k]) : 0;
        matrix_put_row(p, m->packed, m->n_in, r, row);
    }
}

int matrix_scale(weight_matrix *m, const int8_t *weights, const int32_t *multipliers)
{
    int status = LMZ_DONE;
    m->n_out = whole_tiles(m->n_rows);
    for (int r = 0; r < m->n_out; r++) {
        const int64_t multiplier = r < m->n_rows ? multipliers[r] : 0;
        int32_t sum = 0;
        for (int k = 0; r < m->n_rows && k < m->n_in; k++) {
            const int32_t w = bounded_weight(weights[(size_t)r * (size_t)m->n_in + (size_t)k]);
            sum += w < 0 ? -w : w;
        }
        if (multiplier < 0 || ((sum * 127 * multiplier) >> SCALE_BITS) + 1 > (int64_t)1 << MATMUL_LIMIT_BITS)
            status = LMZ_E_ARGUMENT;
        m->multiplier[r] = (int32_t)multiplier;
    }
    return status;
}

int matrix_set(weight_matrix *m, matrix_packing p, const int8_t *weights, const int32_t *multipliers)
{
    if (m->n_out)
        return LMZ_E_ARGUMENT;
    matrix_pack(m, p, weights);
    return matrix_scale(m, weights, multipliers);
}
