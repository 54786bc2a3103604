/* probability.h - probabilities, stretches and adaptive cells in integers (ARITHMETIC 5, 6.1). */
#ifndef LMZ_PROBABILITY_H
#define LMZ_PROBABILITY_H

#include <stdint.h>

#include "tables.inc"

#define STRETCH_LIMIT 12287 /* just under 12 nats in units of 1/1024 */

static inline int32_t clamp(int32_t x, int32_t limit) { return x > limit ? limit : x < -limit ? -limit : x; }

/* 24-bit probability of a one for a stretch, |stretch| <= STRETCH_LIMIT. */
static inline uint32_t squash(int32_t stretch)
{
    uint32_t x = (uint32_t)(stretch + 12288), f = x & 7;
    return (lmz_squash_table[x >> 3] * (8 - f) + lmz_squash_table[(x >> 3) + 1] * f + 4) >> 3;
}

/* 2^18 * 2^(-f / 4096), f = x & 4095 (ARITHMETIC 10.7). */
static inline int32_t power(int32_t x)
{
    const int32_t f = x & 4095;
    return (1 << 18) - ((f * (181252 - ((f * (60439 - ((f * 10259) >> 12))) >> 12))) >> 12);
}

/* 2^31 / sqrt(n / 2^e), e being the largest even number with 2^e <= n. */
static inline uint32_t inverse_root(uint64_t n, int *e)
{
    *e = (63 - __builtin_clzll(n)) & ~1;
    const uint32_t m = (uint32_t)(*e >= 30 ? n >> (*e - 30) : n << (30 - *e)); /* 2^30 <= m < 2^32 */
    const uint32_t at = (m >> 24) - 64, f = m >> 8 & 65535;
    return lmz_rsqrt_table[at] - (uint32_t)((uint64_t)(lmz_rsqrt_table[at] - lmz_rsqrt_table[at + 1]) * f >> 16);
}

/* A 24-bit probability that the coder can be given. */
static inline uint32_t bounded(uint32_t p) { return p < 64 ? 64 : p > (1u << 24) - 64 ? (1u << 24) - 64 : p; }

/* A cell is an adaptive probability of a one: p (22 bits) << 10 | n (10 bits), n the bits seen so far. */
static inline int32_t cell_p(uint32_t cell) { return (int32_t)(cell >> 10); }
static inline uint32_t cell_count(uint32_t cell) { return cell & 1023; }
static inline int32_t cell_stretch(uint32_t cell) { return lmz_stretch_table[cell >> 20]; }
static inline int32_t cell_confidence(uint32_t cell) { return (cell_p(cell) - (1 << 21)) >> 10; }

/* The cell after one more bit: p moves by (bit - p) / (n + 1.6), n counts up to `limit` < 256. */
static inline uint32_t cell_moved(uint32_t cell, int32_t rate, int bit, uint32_t limit)
{
    uint32_t n = cell_count(cell);
    int32_t p = cell_p(cell), error = (-bit & ((1 << 22) - 1)) - p;
    p += ((error >> 3) * rate) >> 9;
    return (uint32_t)p << 10 | (n + (n < limit));
}

static inline void cell_update(uint32_t *cell, int bit, uint32_t limit)
{
    *cell = cell_moved(*cell, lmz_reciprocal_table[*cell & 1023], bit, limit);
}

#endif
