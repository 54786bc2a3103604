/* net.h - the byte-level net inside the kernel: its weights, packed for a variant, and the state of its lanes
   (ARITHMETIC 8). */
#ifndef LMZ_NET_H
#define LMZ_NET_H

#include "lmz.h"
#include "matrix.h"

#define NET_NORM_UNIT 24 /* a normalised activation of one standard deviation */

typedef struct {
    net_matrix in, out, up, down;
    const int32_t *forget_bias; /* (n_state) */
} net_layer;

struct lmz_net;
struct net_lanes;

/* A part of a step for n lanes from the first on. */
typedef void net_part(const struct lmz_net *, struct net_lanes *, int first, int n);

struct lmz_net { /* read only once it is made: any number of coders share it */
    lmz_net_shape shape;
    const int8_t *byte_embedding; /* (256, byte_dim) */
    const int8_t *tables;         /* (n_orders, 2^table_bits, table_dim) */
    net_matrix embed, head;
    net_layer *layers; /* (n_layer) */
    int norm_factor_embd, norm_factor_state; /* round(24 sqrt(n) 2^9) of the two widths that are normalised */
    int n_input, max_row; /* embedded bytes a position; the largest n_in or n_out */
    net_part *hidden; /* from the bytes before to the residual stream behind the last layer */
    net_part *output; /* from there to trees */
    int lanes_at_once; /* with which matrix products are at their best */
    int is_slow;       /* to predict takes much longer than to code what is predicted */
    void *memory;
    uint64_t memory_size;
};

/* The states of a block's lanes and room for one step of them all. */
typedef struct net_lanes {
    int n_lanes;
    const uint64_t **history; /* (n_lanes) the last eight bytes of each lane, the newest lowest */
    int32_t *state;           /* (n_lanes, n_layer, n_state) 1.0 = 2^20 */
    int32_t *residual;        /* (n_lanes, n_embd) */
    int32_t *product;         /* (n_lanes, max_row) */
    int8_t *quantised;        /* (n_lanes, max_row) */
    uint32_t *tree;           /* (n_lanes, 512) sums of exponentials: node c0 has the children 2 c0 and 2 c0 + 1 */
} net_lanes;

/* Lay out the arrays of `lanes` in zeroed memory at base; with base NULL only return the size they take. */
uint64_t net_lanes_lay_out(net_lanes *lanes, const struct lmz_net *net, int n_lanes, uint8_t *base);

net_part net_hidden_portable, net_hidden_avx2, net_hidden_avxvnni, net_hidden_avx512, net_hidden_amx;
net_part net_output_portable, net_output_avx2, net_output_avxvnni, net_output_avx512, net_output_amx;

#endif
