/* match.h - the match model: two earlier occurrences of the last bytes, found in all lanes (ARITHMETIC 6.3). */
#ifndef LMZ_MATCH_H
#define LMZ_MATCH_H

#include "internal.h"

#define MAX_MATCH 65535
#define SURE_MATCH 16 /* length from which on no other match is looked for */
#define MOST_MISSES 12 /* of the last 16 bytes, with which a match goes on */

static const uint8_t match_minimum[2] = {12, 5};

/* Whether a decoder of this lane knows raw[at] now. */
static inline int is_known(const struct lmz_coder *c, const lmz_lane *lane, uint32_t at)
{
    if (at - lane->start < lane->position - lane->start || UNLIKELY(at < c->before))
        return 1;
    const uint32_t place = at - c->before;
    return place < c->raw_size && at < c->lanes[place / c->chunk_size].position;
}

/* The cell of a match length: exact below 16, then coarser; 1 .. 31. */
static inline uint32_t length_bucket(uint32_t length)
{
    if (length < 16)
        return length;
    if (length < 32)
        return 16 + ((length - 16) >> 2);
    uint32_t bucket = 20 + ((length - 32) >> 4);
    return bucket > 31 ? 31 : bucket;
}

/* The cell of a match: by its length, and behind bytes that it missed by how many of the last 16 these were. */
static inline uint32_t match_bucket(uint32_t length, uint32_t misses)
{
    if (!misses)
        return length_bucket(length);
    const uint32_t n = (uint32_t)__builtin_popcount(misses), few = n < 2 ? 0 : n < 4 ? 1 : n < 6 ? 2 : 3;
    return 32 + 8 * few + (length < 5 ? length : length < 8 ? 5 : length < 16 ? 6 : 7);
}

/* The oldest four of the last twelve bytes of a lane, some of them of the dictionary. */
static APART uint32_t four_behind(const struct lmz_coder *c, const lmz_lane *lane)
{
    uint32_t four = 0;
    for (uint32_t i = 12; i > 8; i--)
        four = four >> 8 | lane_byte(c, lane, lane->position - i) << 24;
    return four;
}

/* Find the table entries for the lane's last bytes and fetch them before they are needed. */
static inline void prefetch_matches(struct lmz_coder *c, lmz_lane *lane)
{
    uint32_t at = lane->position;
    for (int k = 0; k < 2; k++) {
        lane->match_entry[k] = 0;
        if (at - lane->start + c->before < match_minimum[k])
            continue;
        uint64_t bytes = k ? lane->history << 24 : lane->history;
        uint32_t hash = (uint32_t)((bytes * 0x9E3779B97F4A7C15u) >> 32);
        if (!k) {
            const uint8_t *oldest = c->raw + at - 12;
            uint32_t four =
                (uint32_t)oldest[0] | (uint32_t)oldest[1] << 8 | (uint32_t)oldest[2] << 16 | (uint32_t)oldest[3] << 24;
            if (UNLIKELY(at - lane->start < 12))
                four = four_behind(c, lane);
            hash = (hash ^ four) * 0x2F0B4C47u;
        }
        lane->match_entry[k] = &c->ngram.match_table[k][hash >> 10 & c->ngram.match_mask];
        __builtin_prefetch(lane->match_entry[k]);
    }
}

/* Fetch the bytes that the entries point to. */
static inline void prefetch_match_bytes(const struct lmz_coder *c, const lmz_lane *lane)
{
    for (int k = 0; k < 2; k++)
        if (lane->match_entry[k] && lane->match_length[k] < SURE_MATCH)
            __builtin_prefetch(c->raw + *lane->match_entry[k] - (*lane->match_entry[k] > 0));
}

/* The byte n + 1 places before `at`, of which `own` are in its chunk, behind the dictionary. */
static inline uint8_t byte_behind(const struct lmz_coder *c, uint32_t at, uint32_t own, uint32_t n)
{
    return c->raw[n < own ? at - 1 - n : c->before - 1 - (n - own)];
}

static inline uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Go on from n bytes that are the same before two places, into the dictionary; p_own, own: bytes in their chunks. */
static APART uint32_t common_in_dictionary(const struct lmz_coder *c, uint32_t p, uint32_t p_own, uint32_t at,
                                           uint32_t own, uint32_t n)
{
    const uint32_t p_all = p < c->before ? p : p_own + c->before, all = least(least(p_all, own + c->before), MAX_MATCH);
    while (n < all && byte_behind(c, p, p_own, n) == byte_behind(c, at, own, n))
        n++;
    return n;
}

/* How many bytes before p equal those before the lane's position, inside p's chunk and the lane's, and the dictionary
   before each. */
static inline uint32_t common_length(const struct lmz_coder *c, const lmz_lane *lane, uint32_t p)
{
    const uint32_t at = lane->position, own = at - lane->start;
    const uint32_t p_own = UNLIKELY(p < c->before) ? p : (p - c->before) % c->chunk_size;
    const uint32_t limit = least(least(p_own, own), MAX_MATCH);
    uint32_t n = 0;
    while (n < limit && c->raw[p - 1 - n] == c->raw[at - 1 - n])
        n++;
    return UNLIKELY(c->before && n == limit) ? common_in_dictionary(c, p, p_own, at, own, n) : n;
}

/* Go on with the lane's matches, or look for new ones, and set the bytes they expect. */
static inline void find_matches(struct lmz_coder *c, lmz_lane *lane)
{
    for (int k = 0; k < 2; k++) {
        lane->expected[k] = 0;
        if (!lane->match_entry[k])
            continue;
        if (!is_known(c, lane, lane->match_pointer[k]))
            lane->match_pointer[k] = lane->match_length[k] = lane->match_misses[k] = 0;
        if (lane->match_length[k] < SURE_MATCH) {
            const uint32_t p = *lane->match_entry[k];
            const uint32_t n = p && p != lane->match_pointer[k] && is_known(c, lane, p) ? common_length(c, lane, p) : 0;
            if (n >= match_minimum[k] && n > lane->match_length[k]) {
                lane->match_pointer[k] = p;
                lane->match_length[k] = n;
                lane->match_misses[k] = 0;
            }
        }
        if (UNLIKELY(c->undo.is_on))
            note_write(c, lane->match_entry[k]);
        *lane->match_entry[k] = lane->position;
        if (lane->match_pointer[k])
            lane->expected[k] = c->raw[lane->match_pointer[k]] | 256u;
    }
}

/* Move on by the byte just coded.  A match goes on behind a byte that it missed, if these are not too many: what
   follows is often the same. */
static inline void advance_matches(const struct lmz_coder *c, lmz_lane *lane, uint32_t byte)
{
    for (int k = 0; k < 2; k++) {
        if (!lane->match_pointer[k])
            continue;
        const uint32_t is_missed = c->raw[lane->match_pointer[k]] != byte;
        lane->match_misses[k] = (lane->match_misses[k] << 1 | is_missed) & 0xffff;
        lane->match_length[k] = is_missed ? 0 : lane->match_length[k] + (lane->match_length[k] < MAX_MATCH);
        lane->match_pointer[k]++;
        if (__builtin_popcount(lane->match_misses[k]) > MOST_MISSES)
            lane->match_pointer[k] = lane->match_misses[k] = 0;
    }
}

#endif
