/* sample_bit.h - a sample, bit by bit from the most significant one: predict, code, learn (SAMPLES 6 and 7). */
#ifndef LMZ_SAMPLE_BIT_H
#define LMZ_SAMPLE_BIT_H

#include "contexts.h"
#include "density.h"
#include "float_sample.h"
#include "internal.h"

#define SAMPLE_CELL_LIMIT 250
#define MIXED_SCALES (OF_BLEND * N_SCALES) /* densities of the blend: fast, middle, slow */

/* Twice the binary logarithm of n > 1, rounded down in its own way. */
static inline int half_octave(int32_t n)
{
    const int top = 31 - __builtin_clz((uint32_t)n);
    return 2 * top + (n >> (top - 1) & 1);
}

static inline int within(int v, int n) { return v < 0 ? 0 : v >= n ? n - 1 : v; }

/* The end between the samples whose next bit i is 0 and those whose is 1, 1.0 = 2^fraction. */
static inline int32_t middle_of(uint32_t known, int i, const depth_shape *depth)
{
    const int64_t at = (int64_t)(known | (uint32_t)1 << i) - ((int64_t)1 << (depth->depth - 1));
    return (int32_t)((2 * at - 1) * (1 << depth->fraction) >> (depth->drop + 1));
}

/* The adaptive cells of a bit of a sample of 8 bits: by its distance from the blend and the scale, and by the samples
   before. */
static inline void find_byte_cells(const samples_state *s, channel_state *k, uint32_t known, int i, int32_t middle,
                                   uint32_t *cells[N_BYTE_CELLS])
{
    const uint32_t node = known >> (i + 1) | 1u << (7 - i), last = k->last_bytes;
    const int scale = within(half_octave(k->scale[MIXED_SCALES]) - 2 * s->depth->fraction + 4, 16);
    const int distance = (middle - k->mean[MIXED_SCALES]) >> (s->depth->fraction - 3 + (i < 2 ? 0 : i - 2));
    cells[0] = &k->byte_cells[0][(scale * 8 + i) * 256 + within(distance + 128, 256)];
    cells[1] = &k->byte_cells[1][(last & 255) << 8 | node];
    cells[2] = &k->byte_cells[2][hash2(last & 0xffff, node) & 65535];
    cells[3] = &k->byte_cells[3][hash2(last & 0xffffff, node) & 65535];
}

/* Code a sample; `expected` is one that it may equal.  Both are offset binary.  Returns it. */
static inline __attribute__((always_inline)) uint32_t code_sample(struct lmz_coder *c, const samples_state *s,
                                                                  channel_state *k, uint32_t sample, uint32_t expected,
                                                                  const int is_byte)
{
    const int n_inputs = is_byte ? MAX_SAMPLE_INPUTS : N_LANES_OF_DENSITIES, n_cells = is_byte ? N_BYTE_CELLS : 0;
    const int n_densities = (OF_OTHERS + s->shape->n_linear - 1) * N_SCALES;
    const int fast = half_octave(k->scale[MIXED_SCALES]), slow = half_octave(k->scale[MIXED_SCALES + 2]);
    const int octaves = half_octave(k->scale[MIXED_SCALES + 1]) - 2 * s->depth->fraction + 2 * s->depth->drop;
    const int ratio = within(fast - slow + N_RATIOS / 2, N_RATIOS);
    int32_t inputs[MAX_SAMPLE_INPUTS] ALIGNED = {0};
    uint32_t known = 0, *cells[N_BYTE_CELLS];
    densities d;
    start_densities(&d, k->scale);
    for (int i = (is_byte ? 8 : s->depth->depth) - 1; i >= 0; i--) {
        const uint32_t at = known | (uint32_t)1 << i;
        const int32_t middle = s->is_float ? middle_of_floats(at, k->grid) : middle_of(known, i, s->depth);
        const int sure = ask_densities(&d, k->mean, middle, inputs, n_densities);
        int bit = (int)(sample >> i & 1);
        if (sure) {
            bit = rc_code_bit(&c->rc, bit, squash(sure * STRETCH_LIMIT) << 8);
        } else {
            const int rank = s->is_float ? rank_of_float_bit(at, i) : i;
            const int is_held = !((known ^ expected) >> i >> 1);
            const int flip = is_held ? !(expected >> i & 1) : s->is_float && !(at >> 31);
            uint32_t *hold = is_held ? &k->hold_cells[rank][k->run] : &k->bit_cells[rank];
            const int place = within((d.distance[MIXED_SCALES + 1] >> 10) + N_PLACES / 2, N_PLACES);
            const int level = within(2 * (rank + 1) + 10 - octaves, N_LEVELS);
            int32_t *level_weights = k->level_weights + (level * N_RATIOS + ratio) * n_inputs;
            int32_t *place_weights = k->place_weights + (rank * N_PLACES + place) * n_inputs;
            inputs[HOLD_INPUT] = MIX_INPUT(flip ? -cell_stretch(*hold) : cell_stretch(*hold));
            if (is_byte)
                find_byte_cells(s, k, known, i, middle, cells);
            for (int j = 0; j < n_cells; j++)
                inputs[N_LANES_OF_DENSITIES + j] = MIX_INPUT(cell_stretch(*cells[j]));
            const int32_t by_level = clamp(mix_dot(inputs, level_weights, n_inputs), STRETCH_LIMIT);
            const int32_t by_place = clamp(mix_dot(inputs, place_weights, n_inputs), STRETCH_LIMIT);
            bit = rc_code_bit(&c->rc, bit, bounded(squash((by_level + by_place) >> 1)) << 8);
            mix_train(inputs, level_weights, n_inputs, mix_gradient(bit, squash(by_level), s->rate));
            mix_train(inputs, place_weights, n_inputs, mix_gradient(bit, squash(by_place), s->rate));
            cell_update(hold, bit ^ flip, SAMPLE_CELL_LIMIT);
            for (int j = 0; j < n_cells; j++)
                cell_update(cells[j], bit, SAMPLE_CELL_LIMIT);
        }
        tell_densities(&d, bit);
        known |= (uint32_t)bit << i;
    }
    k->run = known == expected ? k->run + (k->run < N_RUNS - 1) : 0;
    return known;
}

#endif
