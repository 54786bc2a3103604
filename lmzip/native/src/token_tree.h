/* token_tree.h - what a transformer predicts of a byte behind a prefix of tokens (TRANSFORMER 12.4). */
#ifndef LMZ_TOKEN_TREE_H
#define LMZ_TOKEN_TREE_H

#include <string.h>

#include "byte_tree.h"
#include "vocab_trie.h"

static inline uint64_t sum_weights(const uint32_t *e, uint32_t first, uint32_t end)
{
    uint64_t sum = 0;
    for (uint32_t i = first; i < end; i++)
        sum += e[i];
    return sum;
}

/* Fill a tree of bytes, with zeros where no token goes on; returns the sum of the weights of all that do.  e: of the
   tokens from `origin` on. */
static inline uint64_t token_tree(const vocab_trie *v, const trie_node *node, const uint32_t *e, uint32_t origin,
                                  uint32_t *tree)
{
    uint64_t sums[256], total = 0;
    const trie_node *children = v->nodes + node->children;
    for (int i = 0; i < node->n_children; i++)
        total += sums[i] = sum_weights(e, children[i].first - origin, children[i].end - origin);
    const int bits = total ? 64 - __builtin_clzll(total) : 0, shift = bits > 30 ? bits - 30 : 0;
    uint32_t top = 0;
    memset(tree + 256, 0, 256 * sizeof *tree);
    for (int i = 0; i < node->n_children; i++) {
        const uint32_t leaf = (uint32_t)(sums[i] >> shift);
        tree[256 + children[i].byte] = leaf ? leaf : 1;
        top = !i || tree[256 + children[i].byte] > tree[256 + top] ? children[i].byte : top;
    }
    sum_tree(tree, top);
    return total;
}

/* 2^32 times the probability that a prefix, which is a token of the weight `own` and begins others of the sum `others`,
   ends here. */
static inline uint32_t end_probability(uint32_t own, uint64_t others)
{
    const uint64_t total = others + own;
    const int bits = 64 - __builtin_clzll(total), shift = bits > 31 ? bits - 31 : 0;
    const uint64_t p = ((uint64_t)own << (32 - shift)) / (total >> shift);
    return (uint32_t)(p < 256 ? 256 : p > UINT32_MAX - 255 ? UINT32_MAX - 255 : p);
}

#endif
