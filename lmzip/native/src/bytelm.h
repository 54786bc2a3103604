/* bytelm.h - the byte-level net inside the kernel: its weights, packed for a variant, and the state of its lanes
   (ARITHMETIC 10). */
#ifndef LMZ_BYTELM_H
#define LMZ_BYTELM_H

#include "cpu.h"
#include "expert.h"
#include "matrix.h"

#define BYTELM_MAX_LAYERS 12 /* so that the residual stream stays below 2^31: (1 + 2 * 12) * 2^26 */
#define NORM_UNIT 24 /* a normalised activation of one standard deviation */

struct bytelm {
    lmz_expert expert;
    lmz_bytelm_shape shape;
    int8_t *byte_embedding; /* (256, byte_dim) */
    int8_t *tables;         /* (n_orders, 2^table_bits, table_dim) */
    weight_matrix matrices[1 + 4 * BYTELM_MAX_LAYERS + 1]; /* (n_matrices) in the order of use */
    int32_t *forget_biases; /* (n_layer, n_state) */
    int norm_factor_embd, norm_factor_state; /* round(24 sqrt(n) 2^9) of the two widths that are normalised */
    int n_matrices, n_input, max_row; /* embedded bytes a position; the largest n_in or n_out */
    matrix_packing packing;
    bytelm_stage *stage; /* a layer each, the first with the embedding; and from the residual stream to trees */
    arena memory;
};

/* The states of a block's lanes, what goes from stage to stage, and room for stages (column_range). */
typedef struct bytelm_lanes {
    int32_t *state;           /* (n_lanes, n_layer, n_state) 1.0 = 2^20 */
    int32_t *residual;        /* (n_columns, n_embd) */
    int32_t *product;         /* (n_rows, max_row) */
    int8_t *quantised;        /* (n_rows, max_row) */
} bytelm_lanes;

#endif
