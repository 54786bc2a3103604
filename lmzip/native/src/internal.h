/* internal.h - what the variants of the predictor share: state, memory layout, the table of methods. */
#ifndef LMZ_INTERNAL_H
#define LMZ_INTERNAL_H

#include "lmz.h"
#include "range_coder.h"

#ifndef RATE
#define RATE 5
#define FRATE 2
#define LIMIT 250
#define W0 150000
#endif
#define MAX_CONTEXTS 32
#define MAX_INPUTS 80
#define MAX_APMS 3
#define N_INPUTS(n_contexts) ((2 * (n_contexts) + 7 + 15) & ~15)
#define MAX_SETS 8
#define MAX_FIELDS 64

typedef struct { /* one row of the table of predictors, ARITHMETIC 6 */
    const uint8_t *contexts; /* kinds, see contexts.h */
    int n_contexts;
    int n_sets;
    int slots_per_byte;
    int max_table_bits;
    int n_apm;
} lmz_method;

typedef struct { /* a lane: the place of one chunk */
    uint32_t start, position, end; /* in raw */
    uint64_t history;              /* the last eight bytes, the newest lowest */
    uint32_t c0;                   /* the bits of the current byte behind a leading one */
    uint32_t word[4];              /* hash of the letters of the current word, then of the words before it */
    uint32_t line_start, above_start;
    uint32_t field, field_hash, field_start, n_above_fields;
    uint32_t field_starts[2][MAX_FIELDS]; /* of this line and of the one above, by parity */
    uint32_t parity;
    uint32_t match_pointer[2], match_length[2];
    uint32_t expected[2]; /* byte at the match pointer with a leading one, 0: none */
    uint32_t context[MAX_CONTEXTS];
    uint8_t *line[MAX_CONTEXTS], check[MAX_CONTEXTS];
    uint32_t *match_entry[2];
    uint8_t *slot[MAX_CONTEXTS];
    uint32_t class_history, first_byte, indirect;
} lmz_lane;

struct lmz_coder {
    range_coder rc;
    const lmz_method *method;
    int method_number;
    int n_lanes;
    int (*run)(struct lmz_coder *, uint64_t);
    uint8_t *raw; /* read only for an encoder */
    uint32_t raw_size, chunk_size, step;
    uint8_t *slots; /* (n_lines, 64) */
    uint32_t n_lines;
    uint32_t match_mask;
    uint32_t *match_table[2];
    uint32_t (*map)[256];       /* (n_contexts, 256) adaptive probability of each bit history */
    uint32_t *order0;           /* 256 */
    uint32_t *order1;           /* 65536 */
    uint32_t (*match_map)[64];  /* (2, 64) */
    int32_t *weights[MAX_SETS]; /* (contexts of the set, n_inputs) */
    int32_t *final_weights;     /* (256, MAX_SETS) */
    uint16_t *apm[MAX_APMS];           /* (contexts, 33) */
    uint32_t apm_mask;
    uint32_t *indirect1, *indirect2;
    uint32_t last_seen[256], last_gap[256];
    uint16_t *stride_score;
    uint32_t stride;
    int n_inputs;
    void *memory; /* all of the above */
    size_t memory_size;
    lmz_lane lanes[]; /* n_lanes */
};

int lmz_run_portable(struct lmz_coder *, uint64_t);
int lmz_run_avx2(struct lmz_coder *, uint64_t);
int lmz_run_avx512(struct lmz_coder *, uint64_t);

#endif
