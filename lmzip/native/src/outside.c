/* outside.c - tokens whose exponentials come from outside the kernel: a transformer that is a vocabulary and no more
   (ARITHMETIC 9.10). */
#include <stdlib.h>

#include "internal.h"
#include "memory.h"
#include "outside.h"

#define MAX_OUTSIDE_VOCABULARY (((size_t)1 << 24) - 1)
#define MAX_EXPONENTIAL ((uint32_t)1 << 31)

lmz_transformer *lmz_transformer_new_outside(const uint8_t *bytes, size_t n_bytes, const uint8_t *sizes, size_t n_vocab)
{
    if (n_vocab > MAX_OUTSIDE_VOCABULARY)
        return NULL;
    struct lmz_transformer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->shape.n_vocab = (int)n_vocab;
    if (vocabulary_make(&t->vocabulary, bytes, n_bytes, sizes, n_vocab) != LMZ_DONE) {
        lmz_transformer_free(t);
        return NULL;
    }
    return t;
}

uint64_t outside_lanes_lay_out(transformer_lanes *lanes, int n_lanes, uint8_t *base)
{
    uint64_t offset = 0;
    lanes->n_lanes = n_lanes;
    lanes->active = carve(base, &offset, (size_t)n_lanes * sizeof *lanes->active);
    lanes->n_tokens = carve(base, &offset, (size_t)n_lanes * sizeof *lanes->n_tokens);
    lanes->last = carve(base, &offset, (size_t)n_lanes * sizeof *lanes->last);
    return offset;
}

int lmz_coder_lanes(const lmz_coder *c, uint32_t *lanes)
{
    int n = 0;
    for (int i = 0; i < c->n_lanes; i++)
        if (c->lanes[i].position < c->lanes[i].end)
            lanes[n++] = (uint32_t)i;
    return n;
}

/* Whether all are within 1 .. 2^31: sums of them are not to be zero, nor to leave 64 bits. */
static int are_exponentials(const uint32_t *e, size_t n)
{
    uint32_t beyond = 0;
    for (size_t i = 0; i < n; i++)
        beyond |= e[i] - 1 >= MAX_EXPONENTIAL;
    return !beyond;
}

int lmz_coder_run_tokens(lmz_coder *c, const uint32_t *exponentials, uint32_t *tokens)
{
    uint32_t lanes[LMZ_MAX_LANES];
    const int n = lmz_coder_lanes(c, lanes);
    if (!c->transformer || c->transformer->step || !n ||
        !are_exponentials(exponentials, (size_t)n * (size_t)c->transformer->shape.n_vocab))
        return LMZ_E_DAMAGED;
    c->outside = exponentials;
    const int status = coder_run(c, 1);
    c->outside = NULL;
    for (int i = 0; i < n; i++)
        tokens[i] = c->transformer_lanes.last[lanes[i]];
    return status;
}
