/* predictor.h - one binary decision: predict, code, learn (ARITHMETIC 4). */
#ifndef LMZ_PREDICTOR_H
#define LMZ_PREDICTOR_H

#include "contexts.h"
#include "internal.h"
#include "match.h"
#include "mixer.h"
#include "probability.h"
#include "slots.h"

#define INLINE static inline __attribute__((always_inline)) /* so that n_contexts and the like are constants */

typedef struct { /* what predicting a bit leaves for learning it */
    int32_t inputs[MAX_INPUTS] __attribute__((aligned(64)));
    int32_t layer[16] __attribute__((aligned(64))); /* outputs of the first layer, inputs of the second */
    int32_t *weights[MAX_SETS], *final_weights;
    uint32_t p_set[MAX_SETS], p_mixed;
    uint32_t cells[MAX_CONTEXTS], states[MAX_CONTEXTS];
    int32_t rates[MAX_CONTEXTS];
    uint8_t *node[MAX_CONTEXTS]; /* where the states are */
    uint32_t nibble;
    uint32_t *direct[2], *match_cell[2];
    int expected[2];
    uint16_t *apm[MAX_APMS];
    int n_shared; /* of the contexts of rising order, how many have been seen before */
} prediction;

/* Inputs of the bit histories: the stretch and the confidence of each state's adaptive probability; 0 for an unseen one.
   The loop of table look-ups and the loop of arithmetic are apart so that a compiler can vectorise the second. */
INLINE void predict_histories(struct lmz_coder *c, const lmz_lane *lane, prediction *r, const int n)
{
    int32_t stretch[MAX_CONTEXTS];
    for (int i = 0; i < n; i++) {
        uint8_t *node = lane->slot[i] + r->nibble;
        uint32_t state = *node, cell = c->map[i][state];
        r->node[i] = node;
        r->states[i] = state;
        r->cells[i] = cell;
        r->rates[i] = lmz_reciprocal_table[cell & 1023];
        stretch[i] = cell_stretch(cell);
    }
    for (int i = 0; i < n; i++) {
        int32_t seen = -(r->states[i] != 0);
        r->inputs[i] = MIX_INPUT(stretch[i] & seen);
        r->inputs[n + i] = MIX_INPUT(cell_confidence(r->cells[i]) & seen);
    }
    int n_shared = 0;
    for (int i = 0; i < 7 && i < n; i++)
        n_shared += r->states[i] != 0;
    r->n_shared = n_shared;
}

INLINE void predict_matches(struct lmz_coder *c, lmz_lane *lane, prediction *r, int bit_index, int32_t *inputs)
{
    for (int j = 0; j < 2; j++) {
        uint32_t e = lane->expected[j];
        if (e && e >> (8 - bit_index) == lane->c0) {
            int sign = (r->expected[j] = e >> (7 - bit_index) & 1) ? 1 : -1;
            r->match_cell[j] = &c->match_map[j][length_bucket(lane->match_length[j])];
            inputs[2 * j] = MIX_INPUT(sign * cell_stretch(*r->match_cell[j]));
            inputs[2 * j + 1] = MIX_INPUT(sign * cell_confidence(*r->match_cell[j]));
        } else {
            lane->expected[j] = 0;
            r->match_cell[j] = 0;
            inputs[2 * j] = inputs[2 * j + 1] = 0;
        }
    }
}

/* Which weights each set of the first layer uses. */
INLINE void select_weights(const struct lmz_coder *c, const lmz_lane *lane, const prediction *r, int bit_index,
                           uint32_t select[MAX_SETS])
{
    uint32_t h = (uint32_t)lane->history, column = lane->position - lane->line_start;
    uint32_t match0 = r->match_cell[0] ? length_bucket(lane->match_length[0]) : 0;
    uint32_t match1 = r->match_cell[1] ? length_bucket(lane->match_length[1]) : 0;
    select[0] = (match0 ? 16 + (match0 >> 1) : match1 >> 1) * 8 + (uint32_t)bit_index;
    select[1] = lane->c0;
    select[2] = h & 255;
    select[3] = h >> 8 & 255;
    select[4] = (uint32_t)r->n_shared * 8 + (uint32_t)bit_index;
    select[5] = lane->class_history & 511;
    select[6] = c->stride ? (lane->position - lane->start) % c->stride & 255 : column > 255 ? 255 : column;
}

INLINE void prefetch_apms(const struct lmz_coder *c, const lmz_lane *lane, prediction *r, const int n_apm)
{
    uint32_t h = (uint32_t)lane->history, salt = lane->c0 * 0x2F0B4C47u >> 3;
    uint32_t context[MAX_APMS] = {lane->c0 | (h & 255) << 8, ((h & 0xffff) * 0x9E3779B1u >> 8 ^ salt) & c->apm_mask,
                                  ((h & 0xffffff) * 0x85EBCA6Bu >> 7 ^ salt) & c->apm_mask};
    for (int a = 0; a < n_apm; a++) {
        r->apm[a] = c->apm[a] + (size_t)context[a] * 33;
        __builtin_prefetch(r->apm[a]);
        __builtin_prefetch(r->apm[a] + 32);
    }
}

/* Refine the mixed probability by the adaptive probability maps; leave the cells to learn in r->apm. */
INLINE uint32_t refine(prediction *r, int32_t stretch, const int n_apm)
{
    uint32_t place = (uint32_t)(stretch + 12288), low = place / 768, weight = place % 768 / 3;
    uint32_t p = 2 * r->p_mixed;
    for (int a = 0; a < n_apm; a++) {
        p += 2 * (r->apm[a][low] * (256 - weight) + r->apm[a][low + 1] * weight);
        r->apm[a] += low + (weight >> 7);
    }
    return n_apm ? p >> 3 : p >> 1;
}

/* Return the 32-bit probability that the next bit of the lane's byte is a one. */
INLINE uint32_t predict(struct lmz_coder *c, lmz_lane *lane, prediction *r, int bit_index, const int n, const int n_sets,
                        const int n_apm)
{
    const int n_inputs = N_INPUTS(n);
    uint32_t mask = (1u << (bit_index & 3)) - 1, select[MAX_SETS];
    r->nibble = (lane->c0 & mask) | (mask + 1);
    prefetch_apms(c, lane, r, n_apm);
    predict_histories(c, lane, r, n);
    int k = 2 * n;
    r->direct[0] = &c->order0[lane->c0];
    r->direct[1] = &c->order1[(lane->history & 255) << 8 | lane->c0];
    r->inputs[k++] = MIX_INPUT(cell_stretch(*r->direct[0]));
    r->inputs[k++] = MIX_INPUT(cell_stretch(*r->direct[1]));
    predict_matches(c, lane, r, bit_index, r->inputs + k);
    k += 4;
    r->inputs[k++] = MIX_INPUT(512); /* bias */
    while (k < n_inputs)
        r->inputs[k++] = 0;

    select_weights(c, lane, r, bit_index, select);
    for (int s = 0; s < 16; s++)
        r->layer[s] = 0;
    for (int s = 0; s < n_sets; s++) {
        r->weights[s] = c->weights[s] + (size_t)select[s] * (size_t)n_inputs;
        int32_t stretch = clamp(mix_dot(r->inputs, r->weights[s], n_inputs), STRETCH_LIMIT);
        r->layer[s] = MIX_INPUT(stretch);
        r->p_set[s] = lmz_squash_table[(uint32_t)(stretch + 12292) >> 3];
    }
    r->final_weights = c->final_weights + (size_t)lane->c0 * 16;
    int32_t mixed = clamp(mix_dot(r->layer, r->final_weights, 16), STRETCH_LIMIT);
    r->p_mixed = squash(mixed);
    uint32_t p = refine(r, mixed, n_apm);
    p = p < 64 ? 64 : p > (1u << 24) - 64 ? (1u << 24) - 64 : p;
    return p << 8;
}

/* Learn the bit that followed the prediction. */
INLINE void learn(struct lmz_coder *c, lmz_lane *lane, prediction *r, int bit, const int n, const int n_sets, const int n_apm)
{
    const int n_inputs = N_INPUTS(n);
    for (int a = 0; a < n_apm; a++) {
        int32_t p = *r->apm[a];
        *r->apm[a] = (uint16_t)(p + (((bit ? 65535 : 0) - p + 32) >> 6));
    }
    mix_train(r->layer, r->final_weights, 16, mix_gradient(bit, r->p_mixed, FRATE * 16));
    for (int s = 0; s < n_sets; s++)
        mix_train(r->inputs, r->weights[s], n_inputs, mix_gradient(bit, r->p_set[s], RATE * 16));
    for (int i = 0; i < n; i++)
        r->cells[i] = cell_moved(r->cells[i], r->rates[i], bit, LIMIT);
    for (int i = 0; i < n; i++) {
        c->map[i][r->states[i]] = r->cells[i];
        *r->node[i] = lmz_next_state[r->states[i] * 2 + (uint32_t)bit];
    }
    cell_update(r->direct[0], bit, 250);
    cell_update(r->direct[1], bit, 250);
    for (int j = 0; j < 2; j++)
        if (r->match_cell[j]) {
            cell_update(r->match_cell[j], bit == r->expected[j], 250);
            if (bit != r->expected[j])
                lane->match_length[j] = lane->expected[j] = 0;
        }
}

#endif
