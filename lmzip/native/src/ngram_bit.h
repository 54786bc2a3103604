/* ngram_bit.h - one binary decision: predict, code, learn (ARITHMETIC 9). */
#ifndef LMZ_NGRAM_BIT_H
#define LMZ_NGRAM_BIT_H

#include "contexts.h"
#include "internal.h"
#include "match.h"
#include "mixer.h"
#include "byte_tree.h"
#include "probability.h"
#include "slots.h"

#define INLINE static inline __attribute__((always_inline)) /* so that n_contexts and the like are constants */

typedef struct { /* what predicting a bit leaves for learning it */
    int32_t inputs[MAX_INPUTS] __attribute__((aligned(64)));
    int32_t layer[MAX_SETS]; /* outputs of the first layer, inputs of the second */
    int32_t *weights[MAX_SETS], *final_weights[2];
    uint32_t p_set[MAX_SETS], p_mixed;
    uint32_t cells[MAX_CONTEXTS], states[MAX_CONTEXTS];
    int32_t rates[MAX_CONTEXTS];
    uint32_t *cell[MAX_CONTEXTS]; /* where the cells are */
    uint32_t nibble;
    uint32_t *direct[2], *match_cell[2];
    int expected[2];
    uint16_t *apm[MAX_APMS];
    int n_shared;   /* of the contexts of rising order, how many have been seen before */
    uint32_t match; /* 0 where no match predicts, else 1 .. 3 by its length */
} prediction;

/* Inputs of the bit histories: the stretch and the confidence of each state's adaptive probability; 0 for an unseen
   one.  The loop of table look-ups and the loop of arithmetic are apart so that a compiler can vectorise the second. */
INLINE void predict_histories(struct lmz_coder *c, const lmz_lane *lane, prediction *r, const int n)
{
    int32_t stretch[MAX_CONTEXTS];
    const int is_behind_digit = (lane->class_history & 7) == CLASS_DIGIT;
    for (int i = 0; i < n; i++) {
        uint32_t state = lane->slot[i][r->nibble], *at = &c->ngram.map[i][is_behind_digit][state], cell = *at;
        r->cell[i] = at;
        r->states[i] = state;
        r->cells[i] = cell;
        r->rates[i] = lmz_reciprocal_table[cell & 1023];
        stretch[i] = cell_stretch(cell);
    }
    for (int i = 0; i < n; i++) {
        int32_t seen = -(r->states[i] != 0);
        r->inputs[i] = MIX_INPUT(stretch[i]) & seen;
        r->inputs[n + i] = MIX_INPUT(cell_confidence(r->cells[i])) & seen;
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
        r->expected[j] = e >> (7 - bit_index) & 1;
        if (e && e >> (8 - bit_index) == lane->c0) {
            int sign = r->expected[j] ? 1 : -1;
            r->match_cell[j] = &c->ngram.match_map[j][match_bucket(lane->match_length[j], lane->match_misses[j])];
            inputs[2 * j] = MIX_INPUT(sign * cell_stretch(*r->match_cell[j]));
            inputs[2 * j + 1] = MIX_INPUT(sign * cell_confidence(*r->match_cell[j]));
        } else {
            lane->expected[j] = 0;
            r->match_cell[j] = 0;
            inputs[2 * j] = inputs[2 * j + 1] = 0;
        }
    }
}

/* How long the match is that predicts, if there is one. */
INLINE uint32_t match_class(const lmz_lane *lane, const prediction *r)
{
    uint32_t length = r->match_cell[0] ? lane->match_length[0] : r->match_cell[1] ? lane->match_length[1] : 0;
    return length < 1 ? 0 : length < 16 ? 1 : length < 32 ? 2 : 3;
}

/* The bit that a peer's byte has here, plus one; 0 if the known bits are others. */
static inline uint32_t peer_bit(const lmz_lane *lane, int k, int bit_index)
{
    const uint32_t byte = lane->peer_byte[k];
    return byte >> (8 - bit_index) == lane->c0 ? 1 + (byte >> (7 - bit_index) & 1) : 0;
}

/* What the peers say of a bit, from 1 on; 0 if the first one says nothing. */
static inline uint32_t peers_row(const lmz_lane *lane, int bit_index)
{
    const uint32_t bit = peer_bit(lane, 0, bit_index), relation = lane->relation[0];
    const uint32_t is = relation == SAME ? 0 : relation == OTHER ? 1 : 2;
    return bit ? ((is * 3 + bit) * 3 + peer_bit(lane, 1, bit_index)) * 8 + (lane->class_history & 7) : 0;
}

/* Which weights each set of the first layer uses. */
INLINE void select_weights(const struct lmz_coder *c, const lmz_lane *lane, const prediction *r, int bit_index,
                           const int flags, const int n_sets, uint32_t select[MAX_SETS])
{
    uint32_t h = (uint32_t)lane->history;
    select[0] = lane->c0;
    select[1] = h & 255;
    select[2] = h >> 8 & 255;
    select[3] = lane->class_history;
    select[4] = ((uint32_t)r->n_shared * 4 + r->match) * 8 + (uint32_t)bit_index;
    if (HAS_CODE(flags) && c->ngram.is_code) {
        select[2] = lane->instruction.place * 4 + r->match;
    } else if (flags & HAS_FIELDS) {
        const uint32_t row = peers_row(lane, bit_index);
        if (row && !in_records(lane))
            select[1] = 255 + row;
        select[2] = (lane->field < MAX_FIELDS ? lane->field : MAX_FIELDS - 1) * 4 + r->match;
    }
    if (HAS_EXPERT(flags))
        select[n_sets - 1] = tree_top(lane->tree);
}

/* Find the rows of the adaptive probability maps and fetch them, long before their use: they are rarely in the cache.
   */
INLINE void prefetch_apms(const struct lmz_coder *c, const lmz_lane *lane, prediction *r, const int flags,
                          const int n_apms)
{
    uint32_t last = (uint32_t)lane->history, salt = lane->c0 * 0x2F0B4C47u >> 3;
    uint32_t expected = lane->expected[0] ? lane->expected[0] : lane->expected[1];
    uint32_t context[MAX_APMS] = {lane->c0 | (last & 255) << 8, (last & 0xffff) * 0x9E3779B1u >> 8 ^ salt,
                                  expected * 0x85EBCA6Bu >> 7 ^ salt};
    if (HAS_EXPERT(flags) && n_apms)
        context[n_apms - 1] = (tree_top(lane->tree) | (last & 255) << 8) * 0xC2B2AE35u >> 8 ^ salt;
    for (int a = 0; a < n_apms; a++) {
        r->apm[a] = c->ngram.apm[a] + (size_t)(context[a] & c->ngram.apm_mask) * APM_ROW;
        __builtin_prefetch(r->apm[a]);
        __builtin_prefetch(r->apm[a] + APM_ROW - 1);
    }
}

/* Refine the mixed probability by the adaptive probability maps; leave the cells to learn in r->apm. */
INLINE uint32_t refine(prediction *r, int32_t stretch, const int n_apms)
{
    uint32_t place = (uint32_t)(stretch + 12288), low = place / APM_STEP, weight = place % APM_STEP / (APM_STEP / 256);
    uint32_t sum = 0;
    for (int a = 0; a < n_apms; a++) {
        sum += r->apm[a][low] * (256 - weight) + r->apm[a][low + 1] * weight;
        r->apm[a] += low + (weight >> 7);
    }
    return n_apms == 4 ? (4 * r->p_mixed + 3 * sum) >> 4 : n_apms == 3 ? (r->p_mixed + sum) >> 2 : r->p_mixed;
}

/* Mix the outputs of the first layer, with the mean of the weights of the known bits and of what the last bytes are
   like, or of the place in an instruction. */
INLINE int32_t mix_layer(struct lmz_coder *c, const lmz_lane *lane, prediction *r, const int flags, const int n_sets)
{
    int32_t mean[MAX_SETS];
    const int is_code = HAS_CODE(flags) && c->ngram.is_code;
    const uint32_t like = is_code ? lane->instruction.place : lane->class_history & 63;
    int32_t *first = c->ngram.final_weights + (size_t)lane->c0 * MAX_SETS,
            *second = c->ngram.final_weights + (size_t)(256 + like * 4 + r->match) * MAX_SETS;
    r->final_weights[0] = first;
    r->final_weights[1] = second;
    for (int s = 0; s < n_sets; s++)
        mean[s] = (first[s] + second[s]) >> 1;
    return clamp(mix_dot_few(r->layer, mean, n_sets), STRETCH_LIMIT);
}

/* Return the 32-bit probability that the next bit of the lane's byte is a one. */
INLINE uint32_t predict(struct lmz_coder *c, lmz_lane *lane, prediction *r, int bit_index, const int n, const int flags,
                        const int n_sets, const int n_apms)
{
    const int n_inputs = N_INPUTS(n, HAS_EXPERT(flags));
    uint32_t mask = (1u << (bit_index & 3)) - 1, select[MAX_SETS];
    r->nibble = (lane->c0 & mask) | (mask + 1);
    prefetch_apms(c, lane, r, flags, n_apms);
    predict_histories(c, lane, r, n);
    int k = 2 * n;
    if (HAS_EXPERT(flags)) {
        int32_t stretch =
            flags & WITH_TOKENS ? token_stretch(lane->tree, lane->c0) : tree_stretch(lane->tree, lane->c0);
        r->inputs[k++] = MIX_INPUT(stretch);
        r->inputs[k++] = MIX_INPUT(stretch_confidence(stretch));
    }
    r->direct[0] = &c->ngram.direct0[lane->c0];
    r->direct[1] = &c->ngram.direct1[(lane->history & 255) << 8 | lane->c0];
    r->inputs[k++] = MIX_INPUT(cell_stretch(*r->direct[0]));
    r->inputs[k++] = MIX_INPUT(cell_stretch(*r->direct[1]));
    predict_matches(c, lane, r, bit_index, r->inputs + k);
    k += 4;
    r->inputs[k++] = MIX_INPUT(BIAS);
    while (k < n_inputs)
        r->inputs[k++] = 0;

    r->match = match_class(lane, r);
    select_weights(c, lane, r, bit_index, flags, n_sets, select);
    for (int s = 0; s < n_sets; s++) {
        r->weights[s] = c->ngram.weights[s] + (size_t)select[s] * (size_t)n_inputs;
        int32_t stretch = clamp(mix_dot(r->inputs, r->weights[s], n_inputs), STRETCH_LIMIT);
        r->layer[s] = MIX_INPUT(stretch);
        r->p_set[s] = lmz_squash_table[(uint32_t)(stretch + 12292) >> 3];
    }
    int32_t mixed = mix_layer(c, lane, r, flags, n_sets);
    r->p_mixed = squash(mixed);
    uint32_t p = refine(r, mixed, n_apms);
    return bounded(p) << 8;
}

/* Note the cells of large tables that the bit changes. */
static APART void note_cells(struct lmz_coder *c, const prediction *r, int n_apms)
{
    note_write(c, r->direct[1]);
    for (int a = 0; a < n_apms; a++)
        note_write(c, r->apm[a]);
}

/* Learn the bit that followed the prediction. */
INLINE void learn(struct lmz_coder *c, lmz_lane *lane, prediction *r, int bit, const int n,
                  const int flags, const int n_sets, const int n_apms)
{
    const int n_inputs = N_INPUTS(n, HAS_EXPERT(flags));
    if (UNLIKELY(c->undo.is_on))
        note_cells(c, r, n_apms);
    for (int a = 0; a < n_apms; a++) {
        int32_t p = *r->apm[a];
        *r->apm[a] = (uint16_t)(p + (((bit ? 65535 : 0) - p + (1 << APM_RATE >> 1)) >> APM_RATE));
    }
    const int32_t final_gradient = mix_gradient(bit, r->p_mixed, c->ngram.prior->final_rate);
    for (int k = 0; k < 2; k++)
        mix_train_few(r->layer, r->final_weights[k], n_sets, final_gradient);
    for (int s = 0; s < n_sets; s++) {
        const int32_t gradient = mix_gradient(bit, r->p_set[s], c->ngram.first_rate);
        if (gradient) /* sure of what came, as often in logs: nothing to learn */
            mix_train(r->inputs, r->weights[s], n_inputs, gradient);
    }
    for (int i = 0; i < n; i++)
        r->cells[i] = cell_moved(r->cells[i], r->rates[i], bit, CELL_LIMIT);
    for (int i = 0; i < n; i++) {
        *r->cell[i] = r->cells[i];
        lane->slot[i][r->nibble] = lmz_next_state[r->states[i] * 2 + (uint32_t)bit];
    }
    cell_update(r->direct[0], bit, CELL_LIMIT);
    cell_update(r->direct[1], bit, CELL_LIMIT);
    for (int j = 0; j < 2; j++)
        if (r->match_cell[j]) {
            cell_update(r->match_cell[j], bit == r->expected[j], CELL_LIMIT);
            if (bit != r->expected[j])
                lane->expected[j] = 0;
        }
}

#endif
