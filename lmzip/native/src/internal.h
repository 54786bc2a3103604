/* internal.h - the state of a coder: what the variants of the predictor share. */
#ifndef LMZ_INTERNAL_H
#define LMZ_INTERNAL_H

#include <pthread.h>

#include "lmz.h"
#include "methods.h"
#include "net.h"
#include "range_coder.h"
#include "transformer.h"

typedef struct { /* a row of the table of predictors */
    const uint8_t *contexts[2]; /* context kinds in blocks of one lane, of several lanes */
    int n_contexts, has_net, n_sets, n_apms, slots_per_byte, max_lines_bits;
} lmz_method;

typedef struct { /* a lane: the place of one chunk, with all state that is the lane's own */
    uint32_t start, position, end; /* in raw */
    uint64_t history;              /* the last eight bytes, the newest lowest */
    uint32_t c0;                   /* the known bits of the current byte behind a leading one */
    uint32_t word[3];              /* hash of the letters of the current word and of the two before it */
    uint32_t class_history;        /* classes of the last bytes, three bits each */
    uint32_t line_start, above_start, first_byte;
    uint32_t field, field_hash, field_start, n_above_fields;
    uint32_t parity, field_starts[2][MAX_FIELDS]; /* of this line and the one above, by parity of the line */
    uint32_t last_seen[256], last_gap[256];       /* of every byte value: position, distance to the one before */
    uint32_t match_pointer[2], match_length[2], *match_entry[2];
    uint32_t expected[2]; /* byte at the match pointer behind a leading one; 0: none */
    const uint32_t *tree;  /* the net's prediction of the current byte */
    const uint8_t *token_sizes; /* encoder with a transformer: sizes of the tokens to come */
    uint32_t context[MAX_CONTEXTS];
    uint8_t check[MAX_CONTEXTS], *line[MAX_CONTEXTS], *slot[MAX_CONTEXTS];
} lmz_lane;

#define MAX_GROUPS 4

typedef struct { /* see net_thread.c */
    pthread_t id;
    int running, stop;
    uint32_t n_predictions, n_claimed, n_coded; /* of a run; not of 64 bits, which not every processor shares among threads */
    uint32_t predicted[MAX_GROUPS]; /* the last number of each group, plus one */
    uint32_t n_late;         /* predictions of this run that the coder waited for too long */
    int n_alone, penalty;    /* runs that the coder will do alone, and how many it did so last time */
} net_thread;

struct lmz_coder {
    range_coder rc;
    int (*run)(struct lmz_coder *, uint64_t n_steps);
    const lmz_method *method;
    int method_number;
    const uint8_t *contexts;
    uint8_t *raw; /* read only for an encoder */
    uint32_t raw_size, chunk_size, step;
    int32_t first_rate;

    uint32_t n_lines, match_mask, apm_mask;
    uint8_t *slots;                      /* (n_lines, 4, 16), see slots.h */
    uint32_t (*map)[256];                /* (n_contexts, 256) cell of each bit history */
    uint32_t *direct0, *direct1;         /* (256), (65536) cells of orders 0 and 1 */
    uint32_t *match_table[2];            /* (match_mask + 1) positions */
    uint32_t (*match_map)[32];           /* (2, 32) cell of each match length */
    int32_t *weights[MAX_SETS];          /* (contexts of the set, n_inputs) */
    int32_t *final_weights;              /* (256, MAX_SETS) */
    uint16_t *apm[MAX_APMS];             /* (apm_mask + 1, APM_ROW) */
    uint32_t *indirect1, *indirect2;     /* (256), (65536) the last bytes that followed one, two bytes */
    uint16_t *stride_score;              /* (MAX_STRIDE + 1) */
    uint32_t stride;                     /* record length found, 0: none */
    const lmz_net *net; /* or NULL */
    net_lanes net_lanes;
    const uint64_t *history[LMZ_MAX_LANES]; /* of each lane, for the net */
    const lmz_transformer *transformer; /* or NULL */
    transformer_lanes transformer_lanes;
    const uint32_t *outside; /* (active lanes, n_vocab) exponentials from elsewhere, in a step of lmz_coder_run_tokens; else NULL */
    uint32_t *token_trees; /* (n_lanes, 2, 512) of the byte to come; and of that behind the busiest first byte, made with the first */
    uint64_t *busiest_sums; /* (n_lanes) of the exponentials that the second tree is made of */
    uint8_t *is_token_end;      /* (raw_size + 1) of every position: whether a token ended there */
    uint32_t *stop_cells, stop_mask; /* (stop_mask + 1) cells of what ends a token, see stop_view.h */
    uint32_t (*stop_match)[32]; /* (2, 32) cell of each match length */
    int32_t *stop_weights;      /* (N_STOP_INPUTS) */
    net_thread net_thread;
    int n_threads, n_groups; /* threads that may be used; groups of lanes that take turns */
    void *memory; /* all arrays */
    uint64_t memory_size;

    int n_lanes;
    lmz_lane lanes[]; /* (n_lanes) */
};

static inline uint32_t *tree_of_tokens(const struct lmz_coder *c, int lane) { return c->token_trees + (size_t)lane * 1024; }

/* The first lane of a group. */
static inline int group_start(const struct lmz_coder *c, int group) { return c->n_lanes * group / c->n_groups; }

int lmz_run_portable(struct lmz_coder *, uint64_t n_steps);
int lmz_run_avx2(struct lmz_coder *, uint64_t n_steps);
int lmz_run_avx512(struct lmz_coder *, uint64_t n_steps);

#endif
