/* byte_tree.h - what an expert predicts of a byte: the sums of its weights, node c0 of the known bits with the children
   2 c0 and 2 c0 + 1; from these to the stretch of a bit (ARITHMETIC 8.3). */
#ifndef LMZ_BYTE_TREE_H
#define LMZ_BYTE_TREE_H

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
static inline int32_t tree_stretch(const uint32_t *tree, uint32_t c0)
{
    return clamp((natural_log(tree[2 * c0 + 1]) - natural_log(tree[2 * c0]) + 512) >> 10, STRETCH_LIMIT);
}

/* The same where there may be no way to a side, but to one. */
static inline int32_t token_stretch(const uint32_t *tree, uint32_t c0)
{
    return !tree[2 * c0] ? STRETCH_LIMIT : !tree[2 * c0 + 1] ? -STRETCH_LIMIT : tree_stretch(tree, c0);
}

static inline int32_t stretch_confidence(int32_t stretch) { return ((int32_t)squash(stretch) - (1 << 23)) >> 12; }

static inline void sum_pairs(const uint32_t *restrict x, int n, uint32_t *restrict sums)
{
    for (int i = 0; i < n; i++)
        sums[i] = x[2 * i] + x[2 * i + 1];
}

/* Sum the leaves of a tree, 256 weights from tree[256] on; tree[0] becomes the first byte of the largest, which is
   `top`. */
static inline void sum_tree(uint32_t *tree, uint32_t top)
{
    for (int n = 128; n; n >>= 1)
        sum_pairs(tree + 2 * n, n, tree + n);
    tree[0] = top;
}

/* The byte that is expected most. */
static inline uint32_t tree_top(const uint32_t *tree) { return tree[0]; }

#endif
