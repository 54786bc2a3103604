/* bytelm.h - the byte-level net inside the kernel: its weights, packed for a variant, and the state of its lanes
   (ARITHMETIC 10). */
#ifndef LMZ_BYTELM_H
#define LMZ_BYTELM_H

#include "cpu.h"
#include "expert.h"
#include "matrix.h"

#define NORM_UNIT 24 /* a normalised activation of one standard deviation */

typedef struct {
    weight_matrix in, out, up, down;
    const int32_t *forget_bias; /* (n_state) */
} bytelm_layer;

struct bytelm {
    lmz_expert expert;
    lmz_bytelm_shape shape;
    const int8_t *byte_embedding; /* (256, byte_dim) */
    const int8_t *tables;         /* (n_orders, 2^table_bits, table_dim) */
    weight_matrix embed, head;
    bytelm_layer *layers; /* (n_layer) */
    int norm_factor_embd, norm_factor_state; /* round(24 sqrt(n) 2^9) of the two widths that are normalised */
    int n_input, max_row; /* embedded bytes a position; the largest n_in or n_out */
    bytelm_part *hidden; /* from the bytes before to the residual stream behind the last layer */
    bytelm_part *output; /* from there to trees */
    void *memory;
    uint64_t memory_size;
};

/* The states of a block's lanes and room for one step of them all. */
typedef struct bytelm_lanes {
    int n_lanes;
    const uint64_t **history; /* (n_lanes) where the last eight bytes of each lane are, the newest lowest */
    int32_t *state;           /* (n_lanes, n_layer, n_state) 1.0 = 2^20 */
    int32_t *residual;        /* (n_lanes, n_embd) */
    int32_t *product;         /* (n_lanes, max_row) */
    int8_t *quantised;        /* (n_lanes, max_row) */
    uint32_t *trees;          /* (n_lanes, 512) see byte_tree.h; laid out by whoever wants them */
} bytelm_lanes;

#endif
