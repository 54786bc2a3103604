/* llama.h - a transformer inside the kernel: its weights, packed for a variant, and the state of its lanes
   (TRANSFORMER). */
#ifndef LMZ_LLAMA_H
#define LMZ_LLAMA_H

#include "cpu.h"
#include "crew.h"
#include "internal.h"

#define LLAMA_MAX_LAYERS 128
#define RESIDUAL_LIMIT (1 << 30)
#define SIZE_LIMIT (1 << 22) /* of a packed key or value */
#define VALUE_BLOCK 128      /* tokens in a matrix of values */
#define NARROW_FROM 3
#define N_SINK 4             /* first tokens of a lane, on which attention rests however long it gets */
#define MAX_GROUP (LMZ_MAX_LANES / 2) /* queries that share a head of keys: in two parts each, lanes of a matmul */
#define ROWS_AT_ONCE 256     /* of a matrix: what they give for all lanes stays in the cache until it is made use of */

enum { NORM_QKV, NORM_Q, NORM_K, NORM_O, NORM_GATE_UP, NORM_DOWN, N_NORMS }; /* of a layer, in the order of use */

typedef struct {
    int16_t *gains; /* (n) */
    int n, gain_shift;
    uint64_t epsilon;
    int64_t factor; /* round(sqrt(n) 2^12) */
} rms_norm;

typedef struct {
    weight_matrix qkv, o, gate_up, down;
    int32_t *bias; /* (rows of qkv) */
    int has_bias;
    rms_norm norms[N_NORMS]; /* without gains where the model has none */
    int is_local, n_local_before; /* layers before it that are local */
} llama_layer;

typedef struct { /* v is near q * top / 127 * 2^shift */
    int32_t top, shift;
} packed_scale;

struct llama_lanes;

typedef struct step_part { /* of a step, what a crew's worker takes part in: */
    const struct llama *t;
    struct llama_lanes *lanes;
    struct lmz_coder *coder; /* its first n columns are those of the step */
    int n;
    column_work *then; /* or NULL */
    const crew_worker *me;
} step_part;

struct llama {
    lmz_expert expert;
    lmz_llama_shape shape;
    llama_layer layers[LLAMA_MAX_LAYERS]; /* (n_layer) */
    weight_matrix embedding, lm_head; /* that of the logits may be the first rows of the other's weights */
    rms_norm head_norm;
    uint32_t *inv_freq; /* (n_angles): (head_dim / 2), and as many for local layers if there are some */
    int n_angles, n_local; /* n_local: layers */
    int n_qkv_rows, max_row, n_missing; /* rows of qkv; the longest vector but the logits; matrices to come */
    matrix_packing packing;
    llama_step *step;
    arena memory;
};

/* The states of a block's lanes and room for one step of them all.  Keys of a head are a matrix with a row for each of
   the last tokens, whose multiplier is the key's size; values are matrices with a column for each.
   Arrays are by column of the step, or `by lane`. */
typedef struct llama_lanes {
    int window[2];            /* tokens of a lane that a layer sees; a local one, window[1] of them */
    size_t n_slots;           /* tokens of all layers that a lane keeps */
    int int15;                 /* the products that take 15 bits, as in lmz_llama_shape */
    uint32_t *n_tokens;       /* (n_lanes) by lane: taken in */
    uint8_t *keys;            /* by lane: (n_lanes, n_layer, n_kv_head, its window, head_dim) packed */
    int32_t *key_multiplier;  /* by lane: (n_lanes, n_layer, n_kv_head, its window) 2^8 times the size */
    uint8_t *values;          /* by lane: (..., n_kv_head, its window / VALUE_BLOCK, head_dim, VALUE_BLOCK) */
    int32_t *value_size;      /* by lane: (n_lanes, n_layer, n_kv_head, its window) */
    int32_t *residual;        /* (n_columns, n_embd) */
    int32_t *activations;     /* (n_columns, max_row) */
    int32_t *attended;        /* (n_columns, n_head * head_dim) */
    int8_t *quantised;        /* (2 n_columns, max_row) */
    int32_t *bias;            /* (2 n_columns) of what is quantised (matmul.h), and */
    packed_scale *scales;     /* (n_columns) its scales */
    int64_t *factor;          /* (n_columns) with which a product is brought to units, and */
    int32_t *shift;           /* (n_columns) by which it is shifted then */
    int16_t *cosines, *sines; /* (n_columns, n_angles) */
    int32_t *scratch;         /* (CREW_MAX, scratch_size), here and not on stacks, which may be of 128 kB */
    size_t scratch_size;
    int32_t *logits;          /* (n_columns, n_vocab in whole tiles): in the end the token weights */
} llama_lanes;

/* Tokens that a lane keeps of n_layers layers, of which n_local are local. */
static inline size_t slots_before(const llama_lanes *l, int n_layers, int n_local)
{
    return (size_t)(n_layers - n_local) * (size_t)l->window[0] + (size_t)n_local * (size_t)l->window[1];
}

/* Numbers that ROWS_AT_ONCE rows give for n lanes, in two parts at most. */
static inline size_t sums_size(int n) { return 2 * (size_t)n * ROWS_AT_ONCE; }

/* What a worker may use for itself, within a phase. */
static inline int32_t *scratch_of(const step_part *p)
{
    return p->lanes->scratch + (size_t)p->me->index * p->lanes->scratch_size;
}

#endif
