/* linear_prediction.h - predictions by weighted least squares with exponential forgetting: Gram matrices of the last
   moments (SAMPLES 4.1). */
#ifndef LMZ_LINEAR_PREDICTION_H
#define LMZ_LINEAR_PREDICTION_H

#include "least_squares.h"
#include "samples_base.h"

#define ROW_LIMIT ((1 << 26) - 1)    /* of a weighted row: what a matrix sums up then is below 2^63 */

/* A row times the weight of its moment, 1.0 = 2^shift. */
static inline void weigh_row(int64_t *weighted, const int64_t *row, int n_rows, int64_t weight, int shift)
{
    for (int i = 0; i < n_rows; i++) {
        const int64_t v = (row[i] * weight + ((int64_t)1 << (shift - 1))) >> shift;
        weighted[i] = v > ROW_LIMIT ? ROW_LIMIT : v < -ROW_LIMIT ? -ROW_LIMIT : v;
    }
}

/* Fade the matrices and add the squares of BATCH weighted rows. */
UNROLLED void add_batch(const int64_t *rows, int64_t *const *grams, const linear_shape *shapes, const int n_rows,
                        const int n_grams)
{
    for (int i = 0; i < n_rows; i++) {
        wide factor[BATCH];
        for (int k = 0; k < BATCH; k++)
            factor[k] = wide_of(rows[k * n_rows + i]);
        for (int j = i / N_WIDE * N_WIDE; j < n_rows; j += N_WIDE) {
            wide sum = wide_multiply(factor[0], wide_load(&rows[j]));
            for (int k = 1; k < BATCH; k++)
                sum = wide_add(sum, wide_multiply(factor[k], wide_load(&rows[k * n_rows + j])));
            for (int l = 0; l < n_grams; l++) {
                int64_t *at = &grams[l][i * n_rows + j];
                const wide g = wide_load(at);
                const wide faded = wide_subtract(wide_subtract(g, wide_shift(g, shapes[l].fade[0])),
                                                 wide_shift(g, shapes[l].fade[1]));
                wide_store(at, wide_add(faded, sum));
            }
        }
    }
}

static inline void solve_linear(factoring *f, linear_prediction *p, int n_rows, int n_taps, int64_t ridge)
{
    if (n_taps == 47)
        solve(f, p->gram, p->weights, n_rows, 47, ridge);
    else if (n_taps == 31)
        solve(f, p->gram, p->weights, n_rows, 31, ridge);
    else
        solve(f, p->gram, p->weights, n_rows, 15, ridge);
}

#endif
