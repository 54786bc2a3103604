/* methods.h - the table of predictors and the constants they share (ARITHMETIC 6). */
#ifndef LMZ_METHODS_H
#define LMZ_METHODS_H

/* Context kinds, ARITHMETIC 5. */
enum {
    ORDER_1 = 1, ORDER_2, ORDER_3, ORDER_4, ORDER_6, ORDER_8, WORD, WORD_1, WORD_2, SPARSE_2, SPARSE_23, SPARSE_13,
    COLUMN, FIELD_ABOVE, FIELD_PREFIX, RECORD, RECORD_LEFT, INDIRECT_1, INDIRECT_2, LANE_ORDER_3, LANE_WORD, FIELD
};

/* X(method, name, n_contexts, n_wide, has_net, n_sets, n_apms, slots_per_byte, max_lines_bits)
   n_wide: the first contexts, which take lines of their own for second nibbles (slots.h).
   has_net: the net selects the last set of weights and the last adaptive probability map.  As it knows the last bytes
   well, HAS_FIELDS gives a context and a set of theirs to the fields of lines, which it knows badly.  HAS_TOKENS: the
   place of the net is a transformer's, and steps are of tokens. */
#define HAS_NET 1
#define HAS_FIELDS 2
#define HAS_TOKENS 4
#define LMZ_METHODS(X)                           \
    X(1, fast, 4, 1, 0, 2, 0, 4, 18)             \
    X(2, quick, 8, 2, 0, 3, 3, 4, 19)            \
    X(3, full, 12, 3, 0, 4, 3, 6, 20)            \
    X(4, max, 19, 4, 0, 5, 3, 6, 21)             \
    X(5, full_net, 12, 3, 1, 5, 4, 6, 20)        \
    X(6, max_net, 19, 4, 1, 6, 4, 6, 21)         \
    X(7, best_net, 19, 4, 1, 6, 4, 6, 22)        \
    X(8, max_net_fields, 19, 4, HAS_NET | HAS_FIELDS, 6, 4, 6, 21) \
    X(9, best_net_fields, 19, 4, HAS_NET | HAS_FIELDS, 6, 4, 6, 22)

/* They differ in what the transformer sees: all of its window, a half, a quarter, an eighth; in the last one all its products
   take vectors of 8 bits (transformer.h). */
#define LMZ_TOKEN_METHODS(X)                                                       \
    X(10, max_tokens, 19, 4, HAS_NET | HAS_FIELDS | HAS_TOKENS, 6, 0, 6, 22)       \
    X(11, max_tokens_half, 19, 4, HAS_NET | HAS_FIELDS | HAS_TOKENS, 6, 0, 6, 22)  \
    X(12, max_tokens_quarter, 19, 4, HAS_NET | HAS_FIELDS | HAS_TOKENS, 6, 0, 6, 22) \
    X(13, max_tokens_eighth, 19, 4, HAS_NET | HAS_FIELDS | HAS_TOKENS, 6, 0, 6, 22)

/* The methods' contexts in blocks of one lane, and of several: there, what followed elsewhere last is no guide, and
   statistics of the lane's own text are. */
#define FAST_CONTEXTS ORDER_2, ORDER_3, ORDER_4, WORD
#define QUICK_CONTEXTS ORDER_1, ORDER_2, ORDER_3, ORDER_4, ORDER_6, WORD, COLUMN, FIELD_ABOVE
#define FULL_CONTEXTS ORDER_1, ORDER_2, SPARSE_2, ORDER_3, ORDER_4, ORDER_6, WORD, WORD_1, SPARSE_23, COLUMN, FIELD_ABOVE
#define MAX_METHOD_CONTEXTS(third)                                                                                   \
    ORDER_1, ORDER_2, third, ORDER_3, ORDER_4, ORDER_6, ORDER_8, WORD, WORD_1, WORD_2, SPARSE_23, SPARSE_13, COLUMN, \
        FIELD_ABOVE, FIELD_PREFIX, RECORD, RECORD_LEFT

#define MAX_CONTEXTS 32
#define MAX_SETS 6
#define MAX_APMS 4
#define N_SPECIAL_INPUTS 7 /* two direct cells, two matches of two inputs, the bias */
#define N_NET_INPUTS 2     /* before them, where there is a net: its stretch and its confidence */
#define PADDED(n) (((n) + 15) & ~15) /* whole vectors of any variant */
#define N_INPUTS(n_contexts, has_net) PADDED(2 * (n_contexts) + ((has_net) ? N_NET_INPUTS : 0) + N_SPECIAL_INPUTS)
#define MAX_INPUTS (2 * MAX_CONTEXTS + 16)

#define MATCH_TABLE_BITS 22 /* at most */
#define APM_BITS 16         /* rows of an adaptive probability map, at most */
#define APM_ROW 33
#define APM_RATE 5
#define MAX_STRIDE 2047
#define MAX_FIELDS 64

#define CELL_LIMIT 250
#define BIAS 512
#define FIRST_RATE 64           /* learning rate of the first layer in the end, and */
#define FIRST_RATE_EXTRA 400000 /* this / (bytes coded + FIRST_RATE_DELAY) more before */
#define FIRST_RATE_DELAY 4000
#define FINAL_RATE 32
#define TOKEN_RATE_EXTRA 200000 /* for FIRST_RATE_EXTRA and FINAL_RATE beside a transformer */
#define TOKEN_FINAL_RATE 8
#define TOKEN_MAP_COUNT 30 /* how many bits the first probabilities of bit histories are worth there */
#define FIRST_WEIGHT 33280000 /* 0.124 */
#define NET_WEIGHT 107374182  /* 0.4: that of the net's stretch where there is one, and */
#define BESIDE_NET 16106127   /* 0.06: that of the others then */
#define TOKEN_WEIGHT 241591910 /* 0.9: that of the transformer's stretch, and */
#define BESIDE_TOKENS 5368709 /* 0.02: that of the others beside it, and */
#define TOKEN_CONFIDENCE (-16106127) /* -0.06: that of its confidence */
#define N_STOP_CONTEXTS 4 /* see stop_view.h */
#define N_STOP_INPUTS 8   /* the transformer, the contexts, two matches, the bias */
#define STOP_TABLE_BITS 20

#endif
