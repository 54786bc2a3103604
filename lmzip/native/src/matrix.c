/* matrix.c - packing of weights for a variant, with the check of what a product may give (matrix.h). */
#include "matrix.h"

int matrix_pack(matrix_packing p, const int8_t *weights, const int32_t *multipliers, int n_in, int n_rows, int n_out,
                uint8_t *packed, int32_t *kept)
{
    int8_t row[MAX_DIM] = {0};
    int sound = 1;
    for (int r = 0; r < n_out; r++) {
        int32_t sum = 0;
        for (int k = 0; k < n_in; k++) {
            const int8_t w = r < n_rows ? weights[(size_t)r * (size_t)n_in + (size_t)k] : 0;
            row[k] = w < -127 ? -127 : w;
            sum += row[k] < 0 ? -row[k] : row[k];
        }
        matrix_put_row(p, packed, n_in, r, row);
        const int64_t multiplier = r < n_rows ? multipliers[r] : 0;
        if (multiplier < 0 || ((sum * 127 * multiplier) >> SCALE_BITS) + 1 > (int64_t)1 << MATMUL_LIMIT_BITS)
            sound = 0;
        kept[r] = (int32_t)multiplier;
    }
    return sound;
}
