/* base.h - the trait of bases: what codes the bits of a byte, alone or beside an expert; and the list of all of them.

   A base is two parts.  One file has its memory (base_ops).  Another is included by block_loop.inc, so compiled once
   per CPU variant: what it does in each step (base_functions). */
#ifndef LMZ_BASE_H
#define LMZ_BASE_H

#include <stdint.h>

#include "expert.h"
#include "lmz.h"

struct lmz_lane;

typedef struct { /* NAME_base in a file of its own */
    const char *name;
    /* Which of its base_functions codes a block like this one; negative: there are no such blocks. */
    int (*function)(const lmz_block_spec *, const lmz_expert *);
    /* Take all state, zeroed, out of c->memory; it is called twice (memory.h).  c->base_state is free for it. */
    void (*layout)(struct lmz_coder *);
    /* Fill it with its initial values, and the base's part of the lanes. */
    void (*start)(struct lmz_coder *);
    /* Instead of that: begin as another coder ended whose memory is laid out the same, and is copied already; or NULL.
       The lanes are as its first lane, their places apart. */
    void (*resume)(struct lmz_coder *, const struct lmz_coder *learner);
    /* With it: how many lines coding a byte notes at most, and copying what is small anew, of which no line is. */
    size_t (*notes)(const struct lmz_coder *);
    void (*copy_small)(struct lmz_coder *, const struct lmz_coder *learner);
} base_ops;

typedef struct { /* NAME_functions[] in what block_loop.inc includes: a row for each way to compile a base */
    void (*start_lanes)(struct lmz_coder *);                   /* before the first step */
    void (*start_step)(struct lmz_coder *);                    /* before each step of all lanes */
    void (*code_byte)(struct lmz_coder *, struct lmz_lane *);  /* the lane's next byte */
    void (*code_bytes)(struct lmz_coder *, int first, int end); /* one of each of the lanes [first, end) that goes on */
} base_functions;

/* By number of the content that each codes (FORMAT 4). */
#define BASES(X) \
    X(ngram) \
    X(pixels) \
    X(samples)

#define BASE_DECLARED(name) extern const base_ops name##_base;
BASES(BASE_DECLARED)

#endif
