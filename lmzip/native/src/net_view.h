/* net_view.h - what the net predicts of a bit: from the sums of its tree to a stretch (ARITHMETIC 8.7). */
#ifndef LMZ_NET_VIEW_H
#define LMZ_NET_VIEW_H

#include "probability.h"

/* 2^20 ln(n), 0 < n < 2^32. */
static inline int32_t natural_log(uint32_t n)
{
    int k = 31 - __builtin_clz(n);
    uint32_t m = n << (31 - k), at = m >> 23 & 255, f = m >> 7 & 65535;
    uint32_t low = lmz_ln_table[at], high = lmz_ln_table[at + 1];
    return k * 726817 + (int32_t)(low + ((high - low) * f >> 16));
}

/* The stretch of the next bit behind the known bits c0. */
static inline int32_t net_stretch(const uint32_t *tree, uint32_t c0)
{
    return clamp((natural_log(tree[2 * c0 + 1]) - natural_log(tree[2 * c0]) + 512) >> 10, STRETCH_LIMIT);
}

/* The same where there may be no way to a side, but to one. */
static inline int32_t token_stretch(const uint32_t *tree, uint32_t c0)
{
    return !tree[2 * c0] ? STRETCH_LIMIT : !tree[2 * c0 + 1] ? -STRETCH_LIMIT : net_stretch(tree, c0);
}

static inline int32_t net_confidence(int32_t stretch) { return ((int32_t)squash(stretch) - (1 << 23)) >> 12; }

/* The byte that the net expects most. */
static inline uint32_t net_top(const uint32_t *tree) { return tree[0]; }

#endif
