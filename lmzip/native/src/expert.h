/* expert.h - the trait of experts: all that a block's loop knows of a model that predicts beside a base.

   An expert gives, for each lane and step, a distribution over bytes, or one over tokens that the loop turns into
   distributions over bytes along the trie of its vocabulary.  What the mixer does beside it is one row of data. */
#ifndef LMZ_EXPERT_H
#define LMZ_EXPERT_H

#include <stdint.h>

#include "lmz.h"
#include "vocab_trie.h"

typedef struct { /* ARITHMETIC 8.2, table of experts */
    int32_t rate_extra; /* learning rate of the first layer: what it has at first beyond FIRST_RATE */
    int32_t final_rate; /* learning rate of the second layer */
    uint32_t map_count; /* bits that the first probability of a bit history counts as having seen */
} mixer_prior;

#define PRIOR_OF_BYTES {.rate_extra = 400000, .final_rate = 32}
#define PRIOR_OF_TOKENS {.rate_extra = 200000, .final_rate = 8, .map_count = 30}

struct lmz_coder;

/* What the loop wants done with the token weights of a column, by whoever made them. */
typedef void column_work(void *coder, int column);

typedef struct { /* columns (internal.h) that a stage of an expert of bytes is about */
    int first, n;
    int room; /* the first of n rows of memory for the stage alone */
} column_range;

typedef struct {
    const char *name;
    int unit;        /* LMZ_BYTES or LMZ_TOKENS */
    int n_contexts;   /* how often its window may be halved, plus one (TRANSFORMER 10) */
    int is_external; /* the caller computes the distributions (external.c) */
    mixer_prior prior;

    /* Whether it can predict, for what is put together piece by piece; or NULL. */
    int (*is_complete)(const lmz_expert *);
    /* Take the state of a block's lanes, zeroed, out of c->memory, and remember it as c->expert_lanes; it is called
       twice (memory.h). */
    void (*layout)(struct lmz_coder *);
    /* Begin all lanes as the first lane of another coder ended; or NULL. */
    void (*resume)(struct lmz_coder *, const struct lmz_coder *learner);
    /* With it, of tokens: how many at the end of a dictionary it takes in at most. */
    size_t (*n_tail)(const struct lmz_coder *);
    /* Of bytes: do one of n_stages stages of predicting the bytes of some columns, in any thread; the last one fills
       the columns' trees (byte_tree.h). */
    void (*predict)(struct lmz_coder *, const column_range *, int stage);
    /* Of tokens: predict the tokens of the first n columns (token_columns.h), and do `then` for each. */
    void (*step)(struct lmz_coder *, int n, column_work *then);
    /* The weights of all tokens for a column, after its step; NULL: sums of them are asked for, prefix by prefix. */
    const uint32_t *(*token_weights)(const struct lmz_coder *, int column);
    /* Make the column's tree of the byte behind a prefix and return 2^32 times the probability that a token ends there;
       or let the block wait for weights of the tokens that begin with it, or fail. */
    uint32_t (*token_masses)(struct lmz_coder *, int column, const trie_node *);
    void (*free)(lmz_expert *);
} expert_ops;

struct lmz_expert { /* the first member of every expert; read only once it is complete: any number of coders share it */
    const expert_ops *ops;
    int n_stages;      /* of bytes: each takes in the bytes of a lane in their order */
    int lanes_at_once; /* of bytes: with which a step is at its best */
    int is_slow;       /* of bytes: a step takes much longer than to code what it predicts */
    vocab_trie vocab;  /* of tokens */
};

static inline uint32_t n_symbols_of(const lmz_expert *expert)
{
    return expert->ops->unit == LMZ_BYTES ? 256 : (uint32_t)expert->vocab.n_tokens;
}

static inline int is_complete(const lmz_expert *expert)
{
    return !expert->ops->is_complete || expert->ops->is_complete(expert);
}

static inline int unit_of(const lmz_expert *expert) { return expert ? expert->ops->unit : LMZ_ALONE; }

#endif
