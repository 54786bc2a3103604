/* transformer.h - a transformer inside the kernel: its weights, packed for a variant, and the state of its lanes
   (ARITHMETIC 9). */
#ifndef LMZ_TRANSFORMER_H
#define LMZ_TRANSFORMER_H

#include "lmz.h"
#include "matrix.h"
#include "team.h"
#include "vocabulary.h"

#define KEPT_LIMIT (1 << 30)
#define SIZE_LIMIT (1 << 22) /* of a packed key or value */
#define VALUE_BLOCK 128      /* tokens in a matrix of values */
#define NARROW_FROM 3
#define N_KEPT 4             /* first tokens of a lane, on which attention rests however long it gets */
#define MAX_GROUP (LMZ_MAX_LANES / 2) /* queries that share a head of keys; each in two parts, they are lanes of a product */
#define ROWS_AT_ONCE 256     /* of a matrix: what they give for all lanes stays in the cache until it is made use of */

typedef struct {
    net_matrix in, out, up, down;
    int32_t *bias; /* (rows of in) */
    int has_bias;
} transformer_layer;

typedef struct { /* v is near q * top / 127 * 2^shift */
    int32_t top, shift;
} packed_scale;

struct transformer_lanes;

/* What is to be done with the exponentials of the lane at a place as soon as they are there, by whoever made them. */
typedef void lane_work(void *argument, int place);

typedef struct { /* of a step, what a team's member takes part in: */
    const struct lmz_transformer *t;
    struct transformer_lanes *lanes;
    int n; /* active lanes, the first ones */
    lane_work *then; /* or NULL */
    void *argument;  /* of it */
    const team_member *me;
} step_part;

/* Take the last tokens of n active lanes to the exponentials of their next. */
typedef void transformer_step(const step_part *);

struct lmz_transformer { /* read only once it is complete: any number of coders share it */
    lmz_transformer_shape shape;
    transformer_layer *layers; /* (n_layer) */
    net_matrix head;
    int8_t *embedding;              /* (n_vocab + 1, n_embd) */
    int32_t *embedding_multiplier;  /* (n_vocab + 1) */
    int16_t *norms;                 /* (2 n_layer + 1, n_embd) */
    uint8_t *norm_units;            /* (2 n_layer + 1) */
    uint32_t *frequencies;          /* (head_dim / 2) */
    int64_t norm_factor;            /* round(sqrt(n_embd) 2^12) */
    int n_in_rows, max_row, n_missing; /* rows of in; the longest vector but the logits; matrices to come */
    int has_embedding;
    vocabulary vocabulary;
    matrix_packing packing;
    transformer_step *step; /* NULL: exponentials come from outside the kernel (outside.c) */
    void *memory;
    uint64_t memory_size;
};

/* The states of a block's lanes and room for one step of them all.  Keys of a head are a matrix with a row for each of
   the last tokens, whose multiplier is the key's size; values are matrices with a column for each. */
typedef struct transformer_lanes {
    int n_lanes, window;      /* the last tokens of a lane that it sees */
    int wide;                 /* the products that take 15 bits, as in lmz_transformer_shape */
    int *active;              /* (n_lanes) lanes that have tokens to come; what follows is by place here, or `by lane` */
    uint32_t *n_tokens;       /* (n_lanes) by lane: taken in */
    uint32_t *last;           /* (n_lanes) by lane: token to take in next */
    uint8_t *keys;            /* by lane: (n_lanes, n_layer, n_kv_head, window, head_dim) packed */
    int32_t *key_multiplier;  /* by lane: (n_lanes, n_layer, n_kv_head, window) 2^8 times the size */
    uint8_t *values;          /* by lane: (n_lanes, n_layer, n_kv_head, window / VALUE_BLOCK, head_dim, VALUE_BLOCK) packed */
    int32_t *value_size;      /* by lane: (n_lanes, n_layer, n_kv_head, window) */
    int32_t *residual;        /* (n_lanes, n_embd) */
    int32_t *product;         /* (n_lanes, max_row) */
    int32_t *attended;        /* (n_lanes, n_head * head_dim) */
    int8_t *quantised;        /* (2 n_lanes, max_row) */
    int32_t *bias;            /* (2 n_lanes) of what is quantised (net_product.h), and */
    packed_scale *scales;     /* (n_lanes) its scales */
    int64_t *factor;          /* (n_lanes) with which a product is brought to units, and */
    int32_t *shift;           /* (n_lanes) by which it is shifted then */
    int16_t *cosines, *sines; /* (n_lanes, head_dim / 2) */
    int32_t *scratch;         /* (TEAM_MAX, scratch_size), here and not on stacks, which may be of 128 kB */
    size_t scratch_size;
    int32_t *logits;          /* (n_lanes, n_vocab in whole tiles): in the end the exponentials */
} transformer_lanes;

/* Numbers that ROWS_AT_ONCE rows give for n lanes, in two parts at most. */
static inline size_t sums_size(int n) { return 2 * (size_t)n * ROWS_AT_ONCE; }

static inline int whole_tiles(int n) { return (n + NET_ROW_ALIGN - 1) / NET_ROW_ALIGN * NET_ROW_ALIGN; }

/* Lay out the arrays of `lanes` in zeroed memory at base; with base NULL only return the size they take.  n_halvings: of the
   window; from NARROW_FROM on, all products take vectors of 8 bits. */
uint64_t transformer_lanes_lay_out(transformer_lanes *lanes, const struct lmz_transformer *t, int n_lanes, int n_halvings,
                                   uint8_t *base);

/* Make ready for a block: every lane at its start. */
void transformer_lanes_start(transformer_lanes *lanes, const struct lmz_transformer *t);

/* One step of the first n active lanes, shared by up to n_threads threads. */
void transformer_step_all(const struct lmz_transformer *t, transformer_lanes *lanes, int n, int n_threads, lane_work *then,
                          void *argument);

/* What a member may use for itself, within a phase. */
static inline int32_t *scratch_of(const step_part *p) { return p->lanes->scratch + (size_t)p->me->index * p->lanes->scratch_size; }

static inline uint32_t *transformer_exponentials(const struct lmz_transformer *t, const transformer_lanes *lanes, int place)
{
    return (uint32_t *)lanes->logits + (size_t)place * (size_t)whole_tiles(t->shape.n_vocab);
}

transformer_step transformer_step_portable, transformer_step_avx2, transformer_step_avxvnni, transformer_step_avx512,
    transformer_step_amx;

#endif
