/* matrix.h - matrices of int8 weights as the variants' products want them (ARITHMETIC 10.3). */
#ifndef LMZ_MATRIX_H
#define LMZ_MATRIX_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "memory.h"

#define SCALE_BITS 24         /* of a row's multiplier */
#define MATMUL_LIMIT_BITS 26 /* what a matrix product may give, checked when weights are loaded */
#define MAX_DIM 8192          /* longest row */
#define ROW_ALIGN 32          /* rows of a matrix and their lengths are multiples of this */

typedef struct { /* a matrix of n_out rows of n_in weights */
    int n_in, n_out;     /* n_out: 0 until it is set */
    uint8_t *packed;     /* as matrix_packing says */
    int32_t *multiplier; /* (n_out) */
    int n_rows;          /* for which there is room; n_out are these in whole tiles */
} weight_matrix;

typedef struct { /* how a variant packs */
    int offset;  /* added to weights: 128 for variants that multiply unsigned weights */
    int columns; /* 4 or 8: in tiles (n_out / 16, n_in / columns, 16, columns) of 8 bits; 0: in rows (n_out, n_in) of
                    16 bits, for compilers to vectorise */
} matrix_packing;

static inline int max_of(int a, int b) { return a > b ? a : b; }

/* floor(sqrt(n)) */
static inline int64_t root(int64_t n)
{
    int64_t r = 0;
    for (int64_t bit = (int64_t)1 << 30; bit; bit >>= 1)
        if ((r + bit) * (r + bit) <= n)
            r += bit;
    return r;
}

static inline int whole_tiles(int n) { return (n + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN; }

/* Bytes of packed weights. */
static inline uint64_t matrix_size(matrix_packing p, uint64_t n_in, uint64_t n_out)
{
    return n_in * n_out << !p.columns;
}

/* Where a weight of row r and column k is among packed ones, in bytes. */
static inline size_t matrix_place(matrix_packing p, int n_in, int r, int k)
{
    const int n = p.columns;
    return !n ? ((size_t)r * (size_t)n_in + (size_t)k) * 2
              : ((size_t)(r / 16) * (size_t)n_in + (size_t)(k & -n)) * 16 + (size_t)(r % 16 * n + (k & (n - 1)));
}

/* Put n_in weights into row r of packed ones. */
static inline void matrix_put_row(matrix_packing p, uint8_t *packed, int n_in, int r, const int8_t *weights)
{
    const uint32_t flip = p.offset ? 0x80808080u : 0; /* adds 128 to each */
    if (!p.columns)
        for (int k = 0; k < n_in; k++)
            ((int16_t *)(void *)packed)[(size_t)r * (size_t)n_in + (size_t)k] = weights[k];
    else
        for (int k = 0; k < n_in; k += 4) {
            uint32_t four;
            memcpy(&four, weights + k, 4);
            four ^= flip;
            memcpy(packed + matrix_place(p, n_in, r, k), &four, 4);
        }
}

/* Take the n_in weights of row r out of packed ones. */
static inline void matrix_get_row(matrix_packing p, const uint8_t *packed, int n_in, int r, int8_t *weights)
{
    const uint32_t flip = p.offset ? 0x80808080u : 0;
    if (!p.columns)
        for (int k = 0; k < n_in; k++)
            weights[k] = (int8_t)((const int16_t *)(const void *)packed)[(size_t)r * (size_t)n_in + (size_t)k];
    else
        for (int k = 0; k < n_in; k += 4) {
            uint32_t four;
            memcpy(&four, packed + matrix_place(p, n_in, r, k), 4);
            four ^= flip;
            memcpy(weights + k, &four, 4);
        }
}

/* Put n_out weights into column k of packed ones. */
static inline void matrix_put_column(matrix_packing p, uint8_t *packed, int n_out, int n_in, int k,
                                     const int8_t *weights)
{
    for (int r = 0; r < n_out; r++)
        if (!p.columns)
            ((int16_t *)(void *)packed)[(size_t)r * (size_t)n_in + (size_t)k] = weights[r];
        else
            packed[matrix_place(p, n_in, r, k)] = (uint8_t)(weights[r] + p.offset);
}

/* Take room for a matrix. */
void matrix_take(weight_matrix *m, matrix_packing p, int n_in, int n_rows, arena *a);

/* Pack all rows of weights; rows that make the last tile whole are zero. */
void matrix_pack(weight_matrix *m, matrix_packing p, const int8_t *weights);

/* Set the multipliers of all rows of weights.  Return LMZ_E_ARGUMENT if what the product gives does not stay below
   2^26, as ARITHMETIC 10.3 demands. */
int matrix_scale(weight_matrix *m, const int8_t *weights, const int32_t *multipliers);

/* Both; return LMZ_E_ARGUMENT also if it is set already. */
int matrix_set(weight_matrix *m, matrix_packing p, const int8_t *weights, const int32_t *multipliers);

#endif
