/* profiles.h - the table of profiles, and the constants of the ngram base (ARITHMETIC 7.5, 8). */
#ifndef LMZ_PROFILES_H
#define LMZ_PROFILES_H

#include <stdint.h>

#include "expert.h"

/* Context kinds, ARITHMETIC 7.5. */
enum {
    ORDER_1 = 1, ORDER_2, ORDER_3, ORDER_4, ORDER_6, ORDER_8, WORD, WORD_1, MATCHED, SPARSE_2, SPARSE_23, ABOVE_PEER,
    COLUMN, PEER, PEER_PREFIX, RECORD, RECORD_LEFT, INDIRECT_1, INDIRECT_2, LANE_ORDER_3, LINE_ORDER_2, FIELD,
    KEY, SHAPE, SHAPES, /* in records SPARSE_23, RECORD, RECORD_LEFT */
    OPERAND, OPERAND_OF, PLACE_ORDER_2, INSTRUCTION_1, OPCODES_2, INSTRUCTION_3, OPERAND_2, OPERAND_4 /* in programs */
};

/* What stands beside the base: it selects the last set of weights and the last adaptive probability map. */
#define ALONE 0
#define WITH_BYTES 1
#define WITH_TOKENS 2
#define HAS_EXPERT(flags) (((flags) & (WITH_BYTES | WITH_TOKENS)) != 0)
#define HAS_CODE(flags) ((flags) == (ALONE | HAS_FIELDS)) /* instructions are contexts in blocks of code of x86 */
#define HAS_FIELDS 4 /* a set of weights goes to the fields of lines, and part of another to their peers */

/* The shapes of the ngram base, each compiled with its numbers as constants: X(name, contexts, lane_contexts,
   n_contexts, n_own_lines, flags, n_sets, n_apms, slots_per_byte) contexts: in blocks of one lane, of several
   lanes.  n_own_lines: the first contexts, which take lines of their own for second nibbles (slots.h). */
#define NGRAM_SHAPES(X)                                                                           \
    X(fast, fast, fast, 4, 1, ALONE, 2, 0, 4)                                                     \
    X(quick, quick, quick, 8, 2, ALONE, 3, 3, 4)                                                  \
    X(full, full, full_lane, 12, 3, ALONE, 4, 3, 6)                                               \
    X(max, max, max_lane, 19, 4, ALONE | HAS_FIELDS, 5, 3, 6)                                     \
    X(light_bytes, light, light_lane, 11, 3, WITH_BYTES, 5, 4, 6)                                 \
    X(max_bytes, max_expert, max_expert_lane, 19, 4, WITH_BYTES | HAS_FIELDS, 6, 4, 6)            \
    X(max_tokens, max_expert, max_expert_lane, 19, 4, WITH_TOKENS | HAS_FIELDS, 6, 0, 6)

#define SHAPE_NUMBER(name, ...) NGRAM_##name,
enum { NO_SHAPE, NGRAM_SHAPES(SHAPE_NUMBER) N_NGRAM_SHAPES };

typedef struct {
    const uint8_t *contexts[3]; /* context kinds in blocks of one lane, of several lanes, of code of x86 */
    int n_contexts, n_sets, n_apms, slots_per_byte;
} ngram_shape;

extern const ngram_shape ngram_shapes[N_NGRAM_SHAPES];

typedef struct {
    const char *name;
    struct {
        uint8_t shape;          /* of the ngram base; NO_SHAPE: there are no such blocks */
        uint8_t max_lines_bits; /* of its table of bit histories */
    } of[LMZ_N_UNITS];          /* by unit: alone, beside an expert of bytes, of tokens */
} profile_row;

/* The row of a profile, NULL where there is none. */
const profile_row *profile_of(int profile);

#define MAX_CONTEXTS 32
#define MAX_SETS 6
#define MAX_APMS 4
#define N_DIRECT_INPUTS 7 /* two direct cells, two matches of two inputs, the bias */
#define N_EXPERT_INPUTS 2 /* before them, where there is an expert: its stretch and its confidence */
#define PADDED(n) (((n) + 15) & ~15) /* whole vectors of any variant */
#define N_INPUTS(n_contexts, has_expert)                                                                               \
    PADDED(2 * (n_contexts) + ((has_expert) ? N_EXPERT_INPUTS : 0) + N_DIRECT_INPUTS)
#define MAX_INPUTS (2 * MAX_CONTEXTS + 16)

#define MATCH_TABLE_BITS 22 /* at most */
#define PEER_TABLE_BITS 16  /* at most */
#define APM_BITS 16         /* rows of an adaptive probability map, at most */
#define APM_ROW 33
#define APM_STEP (2 * 12288 / (APM_ROW - 1)) /* stretches between two cells of a row */
#define APM_RATE 5
#define SMALL_SIZE 65536     /* bytes of a block up to which its tables behind a dictionary are small */
#define MAX_STRIDE 2047
#define MAX_FIELDS 64
#define ZEROS_APART 4096 /* bytes behind a zero byte that are taken for records, not lines */

#define CELL_LIMIT 250
#define BIAS 512
#define FIRST_RATE       64 /* learning rate of the first layer in the end; before, the prior's extra / (bytes coded */
#define FIRST_RATE_DELAY 4000 /* + FIRST_RATE_DELAY) more */
#define N_BOUNDARY_CONTEXTS 4 /* see token_boundary.h */
#define N_BOUNDARY_INPUTS 8   /* the expert, the contexts, two matches, the bias */
#define BOUNDARY_WEIGHT 5368709 /* 0.02: first weight of an input but the expert */
#define BOUNDARY_TABLE_BITS 20

extern const mixer_prior prior_alone;

#endif
