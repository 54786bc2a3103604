/* least_squares.h - weights that predict with the least squares of errors: the solution of a Gram matrix by Cholesky's
   method (SAMPLES 4).

   Matrices are held on and above the diagonal, (n_rows, n_rows) row by row; the last row is what the others predict.
   Where vectors start before the diagonal, what stands there is computed and never used. */
#ifndef LMZ_LEAST_SQUARES_H
#define LMZ_LEAST_SQUARES_H

#include "factoring.h"
#include "probability.h"
#include "wide.h"

#define WEIGHT_BITS 22
#define GRAM_BITS 57                 /* of the largest number of a matrix that is solved */
#define FACTOR_LIMIT 379625062       /* 2^28.5: squares are below 2^57, so 47 and the number before below 2^63 */
#define COEFFICIENT_LIMIT (1 << 28)  /* so that sums of 47 products by factors are below 2^62.1 */
#define RIDGE_SHIFT 21
#define FLOOR_BITS 24
#define UNROLLED static inline __attribute__((always_inline)) /* so that sizes are constants */

/* 2^30 / sqrt(n / 2^e) by a step of Newton's method, e as of inverse_root. */
static inline int64_t fine_inverse_root(uint64_t n, int *e)
{
    const uint64_t y = inverse_root(n, e), square = y * y >> 32;
    const uint64_t m = *e >= 30 ? n >> (*e - 30) : n << (30 - *e);
    return (int64_t)(y * ((3u << 30) - (square * m >> 30)) >> 32);
}

/* The number of binary digits of n > 0. */
static inline int digits_of(int64_t n) { return 64 - __builtin_clzll((uint64_t)n); }

/* What is left of vectors [v, v + w) of column j without the columns before: in registers, w being a constant. */
UNROLLED void reduce_column(factoring *f, const int64_t *gram_row, int j, int v, const int w)
{
    wide sum[4];
    for (int u = 0; u < w; u++) {
        const wide g = wide_clamp(wide_load(&gram_row[(v + u) * N_WIDE]), f->largest);
        sum[u] = wide_shift(wide_shift_left(g, f->left), f->right);
    }
    for (int k = 0; k < j; k++) {
        const wide by = wide_of(f->factor[k][j]);
        for (int u = 0; u < w; u++)
            sum[u] = wide_subtract(sum[u], wide_multiply(by, wide_load(&f->factor[k][(v + u) * N_WIDE])));
    }
    for (int u = 0; u < w; u++)
        wide_store(&f->factor[j][(v + u) * N_WIDE], sum[u]);
}

/* Find column j, the columns before being known. */
UNROLLED void find_column(factoring *f, const int64_t *gram_row, int j, const int n)
{
    const int first = j / N_WIDE, end = (n + 1) / N_WIDE;
    int v = first, e;
    for (; v + 4 <= end; v += 4)
        reduce_column(f, gram_row, j, v, 4);
    if (end - v == 3)
        reduce_column(f, gram_row, j, v, 3);
    else if (end - v == 2)
        reduce_column(f, gram_row, j, v, 2);
    else if (end - v == 1)
        reduce_column(f, gram_row, j, v, 1);
    int64_t d = f->factor[j][j] + (gram_row[j] << f->left >> f->right >> RIDGE_SHIFT);
    d += f->ridge << f->left >> f->right;
    d = d < (int64_t)1 << FLOOR_BITS ? (int64_t)1 << FLOOR_BITS : d;
    f->inverse[j] = fine_inverse_root((uint64_t)d, &e);
    f->half[j] = e / 2;
    const wide by = wide_of(f->inverse[j]), one_half = wide_of(1 << 29);
    const wide to_nearest = wide_of((int64_t)1 << (e / 2 - 1));
    for (v = first; v < end; v++) {
        int64_t *at = &f->factor[j][v * N_WIDE];
        const wide t = wide_clamp(wide_shift(wide_add(wide_load(at), to_nearest), e / 2), 1 << 30);
        wide_store(at, wide_clamp(wide_shift(wide_add(wide_multiply(t, by), one_half), 30), FACTOR_LIMIT));
    }
}

/* Solve for the weights of n taps, the first rows.  ridge: what is added to the diagonal; f: space. */
UNROLLED void solve(factoring *f, int64_t *gram, int64_t *solution, int n_rows, const int n, int64_t ridge)
{
    int64_t weights[MAX_ROWS] ALIGNED = {0};
    f->largest = gram[n_rows * n_rows - 1];
    for (int i = 0; i < n; i++)
        f->largest = gram[i * n_rows + i] > f->largest ? gram[i * n_rows + i] : f->largest;
    if (f->largest <= 0)
        return;
    const int shift = GRAM_BITS - digits_of(f->largest);
    f->ridge = ridge < f->largest ? ridge : f->largest;
    f->left = shift > 0 ? shift : 0;
    f->right = shift < 0 ? -shift : 0;
    for (int j = 0; j < n; j++) {
        gram[j * n_rows + n] = gram[j * n_rows + n_rows - 1];
        find_column(f, &gram[j * n_rows], j, n);
    }
    for (int j = n - 1; j >= 0; j--) {
        wide sum = wide_of(0);
        for (int v = j / N_WIDE; v < (n + 1) / N_WIDE; v++)
            sum = wide_add(sum, wide_multiply(wide_load(&f->factor[j][v * N_WIDE]), wide_load(&weights[v * N_WIDE])));
        int64_t t = (f->factor[j][n] * (1 << WEIGHT_BITS) - wide_sum(sum)) >> f->half[j];
        t = t > 1 << 30 ? 1 << 30 : t < -(1 << 30) ? -(1 << 30) : t;
        t = t * f->inverse[j] >> 30;
        weights[j] = t > COEFFICIENT_LIMIT ? COEFFICIENT_LIMIT : t < -COEFFICIENT_LIMIT ? -COEFFICIENT_LIMIT : t;
    }
    for (int i = 0; i < n_rows; i++)
        solution[i] = weights[i];
}

/* What a row's taps predict, times 2^WEIGHT_BITS. */
static inline int64_t predict_linearly(const int64_t *weights, const int64_t *row, int n_rows)
{
    wide sum = wide_of(0);
    for (int j = 0; j < n_rows; j += N_WIDE)
        sum = wide_add(sum, wide_multiply(wide_load(&weights[j]), wide_load(&row[j])));
    return wide_sum(sum);
}

#endif
