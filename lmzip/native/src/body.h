/* body.h - the n-gram predictor and its loop over steps and lanes; compiled once per SIMD variant (variant_*.c). */
#include <string.h>

#include "internal.h"
#include "tables.inc"
#include "contexts.h"

#define BIAS_INPUT 1
#define STRETCH_LIMIT 12287

static inline int clamp(int x, int limit) { return x > limit ? limit : x < -limit ? -limit : x; }

/* 24-bit probability of a one for a stretch in 1/1024 nats. */
static inline uint32_t squash(int stretch)
{
    uint32_t x = (uint32_t)(clamp(stretch, STRETCH_LIMIT) + 12288), f = x & 7;
    return (lmz_squash_table[x >> 3] * (8 - f) + lmz_squash_table[(x >> 3) + 1] * f + 4) >> 3;
}

/* --- adaptive probability: p (22 bits) << 10 | n (10 bits) -------------------------------------------------------- */

static const uint16_t reciprocal[256] = {
#include "reciprocal.inc"
};

static inline void cell_update(uint32_t *cell, int bit, uint32_t limit)
{
    uint32_t n = *cell & 1023, p = *cell >> 10;
    int32_t delta = (int32_t)((bit ? 4194303u : 0u) - p);
    p += (uint32_t)(int32_t)(((int64_t)delta * reciprocal[n]) >> 16);
    *cell = p << 10 | (n + (n < limit));
}

/* --- mixer -------------------------------------------------------------------------------------------------------- */

static inline int mix_dot(const int32_t *restrict x, const int32_t *restrict w, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += (x[i] * (w[i] >> 8)) >> 8;
    return sum >> 4;
}

static inline void mix_train(const int32_t *restrict x, int32_t *restrict w, int n, int32_t gradient)
{
    for (int i = 0; i < n; i++) {
        int32_t v = w[i] + ((x[i] * gradient + 2048) >> 12);
        v = v > 8388607 ? 8388607 : v;
        w[i] = v < -8388607 ? -8388607 : v;
    }
}

static inline int32_t mix_gradient(int bit, uint32_t p24, int32_t rate)
{
    int32_t error = (int32_t)(bit << 24) - (int32_t)p24;
    return clamp((int32_t)(((int64_t)error * rate) >> 16), 1 << 17);
}

/* --- hashed bit histories ----------------------------------------------------------------------------------------- */

static inline uint8_t *find_slot(const struct lmz_coder *c, uint32_t hash)
{
    uint8_t *line = c->slots + ((size_t)((hash * 0x9E3779B1u >> 8) & c->line_mask) << 6);
    uint8_t check = (uint8_t)((hash & 255) + !(hash & 255));
    if (line[0] == check) return line;
    if (line[16] == check) return line + 16;
    if (line[32] == check) return line + 32;
    if (line[48] == check) return line + 48;
    int best = 0;
    for (int i = 16; i < 64; i += 16)
        if (line[i + 1] < line[best + 1])
            best = i;
    memset(line + best, 0, 16);
    line[best] = check;
    return line + best;
}

static inline void find_slots(struct lmz_coder *c, lmz_lane *lane, uint32_t salt)
{
    uint32_t h[MAX_CONTEXTS];
    int n = c->method->n_contexts;
    for (int i = 0; i < n; i++) {
        h[i] = (lane->context[i] + salt * 0x2F0B4C47u) * 0x85EBCA6Bu;
        h[i] ^= h[i] >> 15;
        __builtin_prefetch(c->slots + ((size_t)((h[i] * 0x9E3779B1u >> 8) & c->line_mask) << 6));
    }
    for (int i = 0; i < n; i++)
        lane->slot[i] = find_slot(c, h[i]);
}

/* --- match model --------------------------------------------------------------------------------------------------- */

static const uint8_t match_minimum[2] = {12, 5};

/* Whether the decoder knows raw[at] while it works at `step` in `lane_index`. */
static inline int is_known(const struct lmz_coder *c, uint32_t at, int lane_index)
{
    if (at >= c->raw_size)
        return 0;
    uint32_t other = at / c->chunk_size, offset = at - other * c->chunk_size;
    return offset < c->step || (offset == c->step && other < (uint32_t)lane_index);
}

static inline uint32_t length_bucket(uint32_t length)
{
    if (length < 16)
        return length;
    if (length < 32)
        return 16 + ((length - 16) >> 2);
    uint32_t b = 20 + ((length - 32) >> 4);
    return b > 31 ? 31 : b;
}

static inline void find_matches(struct lmz_coder *c, lmz_lane *lane, int lane_index)
{
    uint32_t at = lane->position, seen = at - lane->start;
    for (int k = 0; k < 2; k++) {
        uint32_t minimum = match_minimum[k];
        if (seen < minimum) {
            lane->expected[k] = 0;
            continue;
        }
        uint64_t bytes = k ? lane->history << 24 : lane->history;
        uint32_t hash = (uint32_t)((bytes * 0x9E3779B97F4A7C15u) >> 32);
        if (!k) {
            uint32_t more;
            memcpy(&more, c->raw + at - 12, 4);
            hash = (hash ^ more) * 0x2F0B4C47u;
        }
        uint32_t *entry = &c->match_table[k][(hash >> 10) & c->match_mask];
        if (lane->match_length[k] && is_known(c, lane->match_pointer[k], lane_index)) {
            /* goes on */
        } else {
            lane->match_length[k] = 0;
            uint32_t p = *entry;
            if (p && is_known(c, p, lane_index)) {
                uint32_t n = 0, room = p % c->chunk_size; /* bytes before p in its chunk */
                if (!room) room = c->chunk_size;
                while (n < 65535 && n < room && n < seen && c->raw[p - 1 - n] == c->raw[at - 1 - n])
                    n++;
                if (n >= minimum) {
                    lane->match_length[k] = n;
                    lane->match_pointer[k] = p;
                }
            }
        }
        *entry = at;
        lane->expected[k] = lane->match_length[k] ? c->raw[lane->match_pointer[k]] | 256u : 0;
    }
}

/* --- one bit --------------------------------------------------------------------------------------------------------- */

static inline int code_bit(struct lmz_coder *c, lmz_lane *lane, int bit_index, int bit)
{
    const lmz_method *m = c->method;
    int32_t x[MAX_INPUTS];
    uint32_t *cells[MAX_CONTEXTS];
    uint32_t c0 = lane->c0, nibble = bit_index < 4 ? c0 : (c0 & ((1u << (bit_index - 4)) - 1)) | 1u << (bit_index - 4);
    int n = m->n_contexts, order = 0;

    for (int i = 0; i < n; i++) {
        uint32_t state = lane->slot[i][nibble];
        uint32_t *cell = cells[i] = &c->map[i][state];
        if (state) {
            int32_t p = (int32_t)(*cell >> 10);
            x[2 * i] = lmz_stretch_table[p >> 10];
            x[2 * i + 1] = (p - 2097152) >> 10;
            order += i < 8;
        } else {
            x[2 * i] = x[2 * i + 1] = 0;
        }
    }
    int k = 2 * n;
    uint32_t *direct0 = &c->order0[c0], *direct1 = &c->order1[(lane->history & 255) << 8 | c0];
    x[k++] = lmz_stretch_table[*direct0 >> 20];
    x[k++] = lmz_stretch_table[*direct1 >> 20];
    uint32_t *match_cells[2] = {0, 0};
    uint32_t bucket[2] = {0, 0}, expected_bit[2] = {0, 0};
    for (int j = 0; j < 2; j++) {
        uint32_t e = lane->expected[j];
        if (e && (e >> (8 - bit_index)) == c0) {
            bucket[j] = length_bucket(lane->match_length[j]);
            expected_bit[j] = e >> (7 - bit_index) & 1;
            match_cells[j] = &c->match_map[j][bucket[j]];
            int32_t p = (int32_t)(*match_cells[j] >> 10), s = lmz_stretch_table[p >> 10], d = (p - 2097152) >> 10;
            x[k++] = expected_bit[j] ? s : -s;
            x[k++] = expected_bit[j] ? d : -d;
        } else {
            lane->expected[j] = 0;
            x[k++] = 0;
            x[k++] = 0;
        }
    }
    x[k++] = 512;
    while (k < c->n_inputs)
        x[k++] = 0;

    /* first layer */
    uint32_t h = (uint32_t)lane->history;
    uint32_t column = lane->position - lane->line_start;
    uint32_t select[MAX_SETS] = {
        (bucket[0] ? 16 + (bucket[0] >> 1) : bucket[1] >> 1) * 8 + (uint32_t)bit_index, /* 256 */
        c0,
        h & 255,
        h >> 8 & 255,
        (uint32_t)order * 8 + (uint32_t)bit_index,
        lane->class_history & 511,
        c->stride ? (lane->position - lane->start) % c->stride & 255 : column > 255 ? 255 : column,
        0};
    int n_sets = m->n_sets;
    int32_t *w[MAX_SETS], out[MAX_SETS];
    for (int s = 0; s < n_sets; s++) {
        w[s] = c->weights[s] + (size_t)select[s] * (size_t)c->n_inputs;
        out[s] = clamp(mix_dot(x, w[s], c->n_inputs), STRETCH_LIMIT);
    }
    /* second layer */
    int32_t *final = c->final_weights + (size_t)c0 * MAX_SETS;
    int32_t mixed = clamp(mix_dot(out, final, n_sets), STRETCH_LIMIT);
    uint32_t p_mix = squash(mixed);

    /* adaptive probability maps */
    uint32_t place = (uint32_t)(mixed + 12288) * 32, low = place / 24576, weight = place % 24576 * 256 / 24576;
    uint32_t apm_context[3] = {c0 | (h & 255) << 8, ((h & 0xffff) * 0x9E3779B1u >> 8 ^ c0 * 0x2F0B4C47u >> 3) & c->apm_mask,
        (((uint32_t)(lane->history & 0xffffff) * 0x85EBCA6Bu >> 7) ^ c0 * 0x2F0B4C47u >> 3) & c->apm_mask};
    uint16_t *apm[3];
    uint32_t p_apm[3];
    for (int a = 0; a < m->n_apm; a++) {
        apm[a] = c->apm[a] + (size_t)apm_context[a] * 33 + low;
        p_apm[a] = (apm[a][0] * (256 - weight) + apm[a][1] * weight) & ~0u;
    }
    uint32_t p = p_mix;
    if (m->n_apm == 3)
        p = (uint32_t)((2 * (uint64_t)p_mix + 2 * (uint64_t)p_apm[0] + 2 * (uint64_t)p_apm[1] + 2 * (uint64_t)p_apm[2] + 4) >> 3);
    if (p < 64) p = 64;
    if (p > (1u << 24) - 64) p = (1u << 24) - 64;

    bit = rc_code_bit(&c->rc, bit, p << 8);

    /* update */
    for (int a = 0; a < m->n_apm; a++) {
        uint16_t *cell = apm[a] + (weight >> 7);
        *cell = (uint16_t)(*cell + (((bit ? 65535 : 0) - *cell + 32) >> 6));
    }
    mix_train(out, final, n_sets, mix_gradient(bit, p_mix, 2 * 64));
    for (int s = 0; s < n_sets; s++)
        mix_train(x, w[s], c->n_inputs, mix_gradient(bit, squash(out[s]), RATE * 64));
    for (int i = 0; i < n; i++) {
        cell_update(cells[i], bit, LIMIT);
        lane->slot[i][nibble] = lmz_next_state[lane->slot[i][nibble] * 2 + bit];
    }
    cell_update(direct0, bit, 250);
    cell_update(direct1, bit, 250);
    for (int j = 0; j < 2; j++)
        if (match_cells[j]) {
            cell_update(match_cells[j], (uint32_t)bit == expected_bit[j], 250);
            if ((uint32_t)bit != expected_bit[j]) {
                lane->match_length[j] = 0;
                lane->expected[j] = 0;
            }
        }
    lane->c0 = c0 << 1 | (uint32_t)bit;
    return bit;
}

static void code_byte(struct lmz_coder *c, lmz_lane *lane, int lane_index)
{
    uint32_t byte = c->rc.decoding ? 0 : c->raw[lane->position];
    set_contexts(c, lane);
    find_slots(c, lane, 0);
    find_matches(c, lane, lane_index);
    lane->c0 = 1;
    for (int i = 0; i < 8; i++) {
        if (i == 4)
            find_slots(c, lane, lane->c0);
        code_bit(c, lane, i, byte >> (7 - i) & 1);
    }
    byte = lane->c0 & 255;
    if (c->rc.decoding)
        c->raw[lane->position] = (uint8_t)byte;
    for (int k = 0; k < 2; k++)
        if (lane->match_length[k]) {
            lane->match_length[k] += lane->match_length[k] < 65535;
            lane->match_pointer[k]++;
        }
    update_history(c, lane, byte);
}

int VARIANT(struct lmz_coder *c, uint64_t n_steps)
{
    for (; n_steps; n_steps--) {
        if (c->step == c->chunk_size)
            return LMZ_DONE;
        for (int i = 0; i < c->n_lanes; i++)
            if (c->lanes[i].position < c->lanes[i].end)
                code_byte(c, &c->lanes[i], i);
        c->step++;
        if (c->rc.failed || c->rc.position > c->rc.size + RC_SLACK)
            return c->rc.decoding ? LMZ_E_DAMAGED : LMZ_E_FULL;
    }
    return c->step == c->chunk_size ? LMZ_DONE : LMZ_MORE;
}
