/* token_boundary.h - whether a token ends: what the transformer expects, mixed with how the same bytes were cut before
   (TRANSFORMER 12.3). */
#ifndef LMZ_TOKEN_BOUNDARY_H
#define LMZ_TOKEN_BOUNDARY_H

#include "contexts.h"
#include "match.h"
#include "mixer.h"
#include "byte_tree.h"
#include "probability.h"

/* Code whether the token that began at `start` ends at the prefix of this number; p: the transformer's probability. */
static inline int code_token_end(struct lmz_coder *c, lmz_lane *lane, uint32_t start, uint32_t number, uint32_t p,
                                 int bit)
{
    const uint32_t last = (uint32_t)lane->history, older = (uint32_t)(lane->history >> 32);
    const uint32_t before = start > lane->start || c->before ? lane_byte(c, lane, start - 1) : 0;
    const uint32_t context[N_BOUNDARY_CONTEXTS] = {hash2(number, 0), hash3(number, before, 1),
                                                   hash3(last, older & 0xffff, lane->position - start),
                                                   hash3(number, lane->word[0], lane->word[1])};
    int32_t inputs[N_BOUNDARY_INPUTS] = {0};
    uint32_t *cell[N_BOUNDARY_CONTEXTS], *match_cell[2] = {0};
    int expected[2] = {0};
    inputs[0] = MIX_INPUT(clamp((natural_log(p) - natural_log(~p) + 512) >> 10, STRETCH_LIMIT));
    for (int i = 0; i < N_BOUNDARY_CONTEXTS; i++) {
        cell[i] = &c->tokens.cells[hash2(context[i], (uint32_t)i) & c->tokens.mask];
        inputs[1 + i] = *cell[i] & 1023 ? MIX_INPUT(cell_stretch(*cell[i])) : 0;
    }
    for (int j = 0; j < 2; j++)
        if (lane->match_length[j]) {
            match_cell[j] = &c->tokens.match[j][length_bucket(lane->match_length[j])];
            expected[j] = c->tokens.is_token_end[lane->match_pointer[j]];
            inputs[1 + N_BOUNDARY_CONTEXTS + j] = MIX_INPUT((expected[j] ? 1 : -1) * cell_stretch(*match_cell[j]));
        }
    inputs[N_BOUNDARY_INPUTS - 1] = MIX_INPUT(BIAS);
    const uint32_t mixed = squash(clamp(mix_dot_few(inputs, c->tokens.weights, N_BOUNDARY_INPUTS), STRETCH_LIMIT));
    bit = rc_code_bit(&c->rc, bit, bounded(mixed) << 8);
    mix_train_few(inputs, c->tokens.weights, N_BOUNDARY_INPUTS, mix_gradient(bit, mixed, c->ngram.first_rate));
    for (int i = 0; i < N_BOUNDARY_CONTEXTS; i++)
        cell_update(cell[i], bit, CELL_LIMIT);
    for (int j = 0; j < 2; j++)
        if (match_cell[j])
            cell_update(match_cell[j], bit == expected[j], CELL_LIMIT);
    return bit;
}

#endif
