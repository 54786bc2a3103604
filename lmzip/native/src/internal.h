/* internal.h - the state of a coder: of the loop over steps and lanes, of its base, and what an expert of tokens adds.
   */
#ifndef LMZ_INTERNAL_H
#define LMZ_INTERNAL_H

#include <pthread.h>

#include "base.h"
#include "cpu.h"
#include "expert.h"
#include "instructions.h"
#include "lmz.h"
#include "memory.h"
#include "profiles.h"
#include "range_coder.h"

typedef struct lmz_lane { /* a lane: the place of one chunk, with all state that is the lane's own */
    uint32_t start, position, end; /* in raw */
    uint32_t shift;                /* places before the start are those of the dictionary, moved by so much */
    uint64_t history;              /* the last eight bytes, the newest lowest */
    const uint32_t *tree;          /* the expert's prediction of the current byte */
    const uint8_t *token_sizes;    /* encoder with an expert of tokens: sizes of the tokens to come */
    /* of the ngram base: */
    uint32_t c0;            /* the known bits of the current byte behind a leading one */
    uint32_t word[2];       /* hash of the letters of the current word and of the one before it */
    uint32_t class_history; /* classes of the last bytes, three bits each */
    uint32_t line_start, above_start, first_byte;
    uint32_t field, field_hash, field_start;
    uint32_t token; /* hash of the letters and digits so far; see templates.h */
    uint32_t shape, last_shape, name, key, peer[2], peer_byte[2], peer_next[2], relation[2], last_relation[2];
    instruction instruction; /* of a program */
    uint32_t last_seen[256], last_gap[256];       /* of every byte value: position, distance to the one before */
    uint32_t match_pointer[2], match_length[2], match_misses[2], *match_entry[2];
    uint32_t expected[2]; /* byte at the match pointer behind a leading one; 0: none */
    uint32_t context[MAX_CONTEXTS];
    uint8_t check[MAX_CONTEXTS], *line[MAX_CONTEXTS], *slot[MAX_CONTEXTS];
} lmz_lane;

typedef struct { /* the ngram base: what all lanes share */
    const ngram_shape *shape;
    const uint8_t *contexts;        /* context kinds */
    int is_code;                    /* of x86 or x86-64, in which instructions are contexts */
    const mixer_prior *prior;
    int32_t first_rate;             /* of this step */
    uint32_t n_lines, match_mask, apm_mask, peer_mask;
    uint8_t *slots;                 /* (n_lines, 4, 16), see slots.h */
    uint32_t (*map)[2][256];        /* (n_contexts, 2, 256) cell of each bit history; the second behind a digit */
    uint32_t *direct0, *direct1;    /* (256), (65536) cells of orders 0 and 1 */
    uint32_t *match_table[2];       /* (match_mask + 1) positions */
    uint32_t (*match_map)[64];      /* (2, 64) cell of each match length and number of misses */
    uint32_t *peer_table[2];        /* (peer_mask + 1) positions, see templates.h */
    int32_t *weights[MAX_SETS];     /* (contexts of the set, n_inputs) */
    int32_t *final_weights;         /* (2, 256, MAX_SETS) */
    uint16_t *apm[MAX_APMS];        /* (apm_mask + 1, APM_ROW) */
    uint32_t *indirect1, *indirect2; /* (256), (65536) the last bytes that followed one, two bytes */
    uint16_t *stride_score;         /* (MAX_STRIDE + 1) */
    uint32_t stride;                /* record length found, 0: none */
} ngram_state;

typedef struct { /* a byte or a token that an expert predicts: a column of its matrix products */
    int lane, ahead; /* columns of the same product that come before it in its lane */
    uint64_t before; /* the last eight bytes before it; or the token, at a lane's start the size of the vocabulary */
} lane_column;

typedef struct { /* the token that is coded */
    int lane, column;
    uint32_t start, size;    /* where it begins; of an encoder, its bytes */
    const trie_node *node;   /* the prefix so far */
    const uint32_t *fetched; /* weights of all tokens that begin with one that was missing, from `origin` on, or NULL */
    uint32_t origin;
} token_place;

typedef struct { /* with an expert of tokens: where the lanes' tokens are, and what is learned of their ends */
    token_place at;
    int waits;                     /* whether that token wants weights before it goes on */
    int n_left;                    /* of every lane that has not ended before: columns to code */
    int *next;                     /* (n_lanes) the column of the token that a lane codes next */
    uint32_t *last;                /* (n_lanes) the last token of a lane, the size of the vocabulary at the start */
    uint64_t *largest_child_sums;  /* (n_columns) of the weights that a column's second tree is made of */
    uint8_t *is_token_end;         /* (before + raw_size + 1) of every position: whether a token ended there */
    uint32_t *cells, mask;         /* (mask + 1) cells of what ends a token, see token_boundary.h */
    uint32_t (*match)[32];         /* (2, 32) cell of each match length */
    int32_t *weights;              /* (N_BOUNDARY_INPUTS) */
    uint32_t n_alone;              /* what learns a dictionary: bytes of it that the base learns alone, and */
    uint8_t *tail_sizes;           /* sizes of the tokens behind them */
} token_state;

#define MAX_TOKEN_WEIGHT ((uint32_t)1 << 31) /* that a caller may give */

#define MAX_GROUPS 4

typedef struct { /* see lookahead.c */
    pthread_t id;
    int running, stop;
    uint32_t n_predictions, n_claimed, n_coded; /* of a run; 32 bits, which every processor shares among threads */
    uint32_t predicted[MAX_GROUPS]; /* the last number of each group, plus one */
    uint32_t n_late;        /* predictions of this run that the coder waited for too long */
    int n_backoff, backoff; /* runs that the coder will do alone, and how many it did so last time */
} lookahead;

#define N_STRETCHES 6 /* that are predicted or coded at a time */
#define MAX_WORKERS 4 /* threads that predict them */
#define MAX_EXPERT_STAGES 16 /* of an expert of bytes */

typedef struct {
    struct lmz_coder *coder;
    int index; /* of the workers; 0 is the coder's own thread */
    pthread_t id;
} ahead_worker;

typedef struct { /* see ahead.c; threads share the counters, which are of all of a block's stretches */
    int n_workers, stop;
    ahead_worker workers[MAX_WORKERS];
    uint32_t n_steps;             /* of a stretch; 0 before the first run */
    uint32_t claimed[MAX_EXPERT_STAGES]; /* stretches of which this stage has begun, and */
    uint32_t done[MAX_EXPERT_STAGES];    /* is done */
    uint32_t n_coded, step;       /* stretches that are coded, and steps of the next */
} ahead;

typedef struct { /* lines of 64 bytes of the base's large tables that were written to since they were copied */
    uint32_t *lines; /* each once */
    uint64_t *noted; /* a bit for every line of the base: whether it is among them */
    size_t n;
    int is_on;       /* whether this block notes them */
} undo_log;

struct lmz_coder {
    range_coder rc;
    block_loop *run;
    const base_ops *base;
    int function;            /* which of its functions, see base.h; of the ngram base, its shape */
    void *base_state;        /* of other bases, by their own layout */
    lmz_block_spec spec;
    uint8_t *raw;            /* (before + raw_size), read only for an encoder */
    uint32_t raw_size, chunk_size, n_coded;
    uint32_t before;         /* bytes of the dictionary, which stand in raw before the block's */
    uint64_t first_history;  /* of lanes at their start */
    uint64_t base_size;      /* of the base's part of the memory, which comes first */
    int learns, is_ready;    /* whether it learns a dictionary; whether it has its first state */
    uint8_t *scratch;        /* what a step writes that learns */
    uint32_t n_known;        /* bytes that an encoder may look at: of a sampler what it is given, of others all */
    ngram_state ngram;

    const lmz_expert *expert; /* or NULL */
    void *expert_lanes;       /* the state of its lanes, by its own layout */
    const uint8_t *known;     /* (raw_size) the raw bytes if they are known before they are coded, or NULL */
    lane_column *columns;     /* (n_columns) by lane, then as they follow each other */
    int n_columns;            /* of bytes one of each lane, or so many of each stretch; of tokens those of a step */
    uint32_t *trees;          /* (n_columns, 512), see byte_tree.h; of tokens (n_columns, 2, 512): of the byte to come,
                                 and of that behind the largest first byte, made with the first */
    const uint32_t *external; /* (lanes, n_vocab or 256) the caller's weights, in lmz_coder_run_external */
    int external_by_lane;     /* whether these are all lanes, or those that have not ended */
    const lmz_token_masses *masses; /* in place of weights, and of which the columns of all lanes begin here: */
    uint64_t masses_column;
    int external_is_wrong;    /* whether what the caller gave was found to be beyond what it may be */
    token_state tokens;
    lookahead lookahead;
    ahead ahead;
    int n_threads, n_groups;  /* threads that may be used; groups of lanes that take turns */
    arena memory;             /* all arrays */
    undo_log undo;            /* of a small block behind a dictionary */

    int n_lanes;
    lmz_lane lanes[]; /* (n_lanes) */
};

static inline int has_unit(const struct lmz_coder *c, int unit) { return unit_of(c->expert) == unit; }

#define LEARNER_SCRATCH (LMZ_SCRATCH_RATE * 256) /* of a byte, or of the longest token */

/* The tree of a column; of tokens, the first of its two. */
static inline uint32_t *tree_of(const struct lmz_coder *c, int column)
{
    return c->trees + (size_t)column * (has_unit(c, LMZ_TOKENS) ? 1024 : 512);
}

/* The first lane of a group. */
static inline int group_start(const struct lmz_coder *c, int group) { return c->n_lanes * group / c->n_groups; }

/* Whether the tables of a block behind a dictionary are small. */
static inline int is_small(const lmz_block_spec *s) { return s->raw_size <= SMALL_SIZE; }

/* Bytes that tables are made for.  Behind a dictionary there are two kinds, so that blocks of many sizes can begin with
   the same state. */
static inline uint64_t table_room(const lmz_block_spec *s)
{
    const uint64_t room = is_small(s) ? SMALL_SIZE : LMZ_MAX_RAW_SIZE;
    return s->dictionary_size ? s->dictionary_size + room : s->raw_size;
}

/* What only blocks behind a dictionary do is kept out of the way of all others. */
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define APART __attribute__((noinline, cold, unused))

/* Note that a place of the base's memory is written to. */
static inline void note_write(struct lmz_coder *c, const void *place)
{
    undo_log *u = &c->undo;
    const size_t line = (size_t)((const uint8_t *)place - c->memory.base) >> 6;
    uint64_t *noted = &u->noted[line >> 6];
    const uint64_t bit = (uint64_t)1 << (line & 63);
    u->lines[u->n] = (uint32_t)line;
    u->n += !(*noted & bit);
    *noted |= bit;
}

/* The byte at a place of a lane, which the dictionary stands right before. */
static inline uint32_t lane_byte(const struct lmz_coder *c, const lmz_lane *lane, uint32_t at)
{
    return c->raw[UNLIKELY(at < lane->start) ? at - lane->shift : at];
}

/* lmz_coder_run without its refusals (coder.c). */
int coder_run(struct lmz_coder *, uint64_t n_steps);

/* The smallest power of two that is at least n, but at most `limit`, itself a power of two. */
static inline uint32_t power_above(uint64_t n, uint32_t limit)
{
    uint32_t p = 1;
    while (p < n && p < limit)
        p <<= 1;
    return p;
}

#endif
