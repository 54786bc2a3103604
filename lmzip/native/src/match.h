/* match.h - the match model: two longest earlier occurrences of the last bytes, over all lanes (ARITHMETIC 4.4). */
#ifndef LMZ_MATCH_H
#define LMZ_MATCH_H

#include "internal.h"

#define MAX_MATCH 65535

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

/* Find the table entries for the lane's last bytes and fetch them early. */
static inline void prefetch_matches(struct lmz_coder *c, lmz_lane *lane)
{
    uint32_t at = lane->position;
    for (int k = 0; k < 2; k++) {
        lane->match_entry[k] = 0;
        if (at - lane->start < match_minimum[k])
            continue;
        uint64_t bytes = k ? lane->history << 24 : lane->history;
        uint32_t hash = (uint32_t)((bytes * 0x9E3779B97F4A7C15u) >> 32);
        if (!k) {
            const uint8_t *older = c->raw + at - 12;
            hash = (hash ^ ((uint32_t)older[0] | (uint32_t)older[1] << 8 | (uint32_t)older[2] << 16 | (uint32_t)older[3] << 24)) * 0x2F0B4C47u;
        }
        lane->match_entry[k] = &c->match_table[k][(hash >> 10) & c->match_mask];
        __builtin_prefetch(lane->match_entry[k]);
    }
}

/* How many bytes before p equal those before the lane's position, within p's chunk and the lane's. */
static inline uint32_t common_length(const struct lmz_coder *c, const lmz_lane *lane, uint32_t p)
{
    uint32_t at = lane->position, n = 0, limit = p % c->chunk_size;
    if (!limit)
        limit = c->chunk_size;
    if (limit > at - lane->start)
        limit = at - lane->start;
    if (limit > MAX_MATCH)
        limit = MAX_MATCH;
    while (n < limit && c->raw[p - 1 - n] == c->raw[at - 1 - n])
        n++;
    return n;
}

static inline void find_matches(struct lmz_coder *c, lmz_lane *lane, int lane_index)
{
    for (int k = 0; k < 2; k++) {
        lane->expected[k] = 0;
        if (!lane->match_entry[k])
            continue;
        if (!lane->match_length[k] || !is_known(c, lane->match_pointer[k], lane_index)) {
            uint32_t p = *lane->match_entry[k];
            uint32_t n = p && is_known(c, p, lane_index) ? common_length(c, lane, p) : 0;
            lane->match_length[k] = n >= match_minimum[k] ? n : 0;
            lane->match_pointer[k] = p;
        }
        *lane->match_entry[k] = lane->position;
        if (lane->match_length[k])
            lane->expected[k] = c->raw[lane->match_pointer[k]] | 256u;
    }
}

static inline void advance_matches(lmz_lane *lane)
{
    for (int k = 0; k < 2; k++)
        if (lane->match_length[k]) {
            lane->match_length[k] += lane->match_length[k] < MAX_MATCH;
            lane->match_pointer[k]++;
        }
}

#endif
