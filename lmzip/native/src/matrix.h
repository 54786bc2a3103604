/* matrix.h - matrices of int8 weights as the variants' products want them (ARITHMETIC 8.3). */
#ifndef LMZ_MATRIX_H
#define LMZ_MATRIX_H

#include <stddef.h>
#include <stdint.h>

#define NET_SCALE_BITS 24         /* of a row's multiplier */
#define NET_PRODUCT_LIMIT_BITS 26 /* what a matrix product may give, checked when weights are loaded */
#define NET_MAX_DIM 8192          /* longest row */
#define NET_ROW_ALIGN 32          /* rows of a matrix and their lengths are multiples of this */

typedef struct { /* a matrix of n_out rows of n_in weights */
    int n_in, n_out;
    const uint8_t *packed;     /* (n_out / 16, n_in / 4, 16, 4) weights + 128 or weights, by variant; portable:
                                  (n_out, n_in) weights of 16 bits */
    const int32_t *multiplier; /* (n_out) */
} net_matrix;

typedef struct { /* how a variant packs */
    int offset; /* added to weights: 128 for variants that multiply unsigned weights */
    int wide;   /* weights of 16 bits in rows, for compilers to vectorise, not tiles of 8 bits */
} matrix_packing;

matrix_packing matrix_packing_of(int simd);

/* Bytes of packed weights. */
static inline size_t matrix_size(matrix_packing p, size_t n_in, size_t n_out) { return n_in * n_out << p.wide; }

/* Put weight w into row r and column k of packed weights. */
static inline void matrix_put(matrix_packing p, uint8_t *packed, int n_in, int r, int k, int w)
{
    if (p.wide)
        ((int16_t *)(void *)packed)[(size_t)r * (size_t)n_in + (size_t)k] = (int16_t)w;
    else
        packed[((size_t)(r / 16) * (size_t)(n_in / 4) + (size_t)(k / 4)) * 64 + (size_t)(r % 16 * 4 + k % 4)] =
            (uint8_t)(w + p.offset);
}

/* Pack n_rows rows of weights and their multipliers; rows from there to n_out are zero.  Returns whether what the
   product gives stays below 2^26, as ARITHMETIC 8.3 demands. */
int matrix_pack(matrix_packing p, const int8_t *weights, const int32_t *multipliers, int n_in, int n_rows, int n_out,
                uint8_t *packed, int32_t *kept);

#endif
