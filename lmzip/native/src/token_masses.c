/* token_masses.c - looks prefixes up among those that the caller tells of, and wants weights where one is missing
   (token_masses.h). */
#include "token_masses.h"

#include <string.h>

#include "byte_tree.h"

#define LEAF_SUM ((uint64_t)1 << 30) /* of all leaves of a tree, a 1 for each that is nearly nothing apart */
#define LEAST_END 256u               /* and as much below 2^32, TRANSFORMER 12.3 */

/* Make a tree of the leaves of a prefix's children; returns whether they are such. */
static int make_tree(const vocab_trie *v, const trie_node *node, const uint32_t *leaves, uint32_t *tree)
{
    const trie_node *children = v->nodes + node->children;
    uint64_t sum = 0;
    uint32_t top = 0;
    if (!are_weights(leaves, node->n_children, (uint32_t)LEAF_SUM))
        return 0;
    memset(tree + 256, 0, 256 * sizeof *tree);
    for (int i = 0; i < node->n_children; i++) {
        tree[256 + children[i].byte] = leaves[i];
        sum += leaves[i];
        top = !i || leaves[i] > tree[256 + top] ? children[i].byte : top;
    }
    if (sum > LEAF_SUM + node->n_children)
        return 0;
    sum_tree(tree, top);
    return 1;
}

/* Take what an entry says of its prefix; returns whether that is possible. */
static int take_entry(const lmz_token_masses *m, uint64_t entry, const vocab_trie *v, const trie_node *node,
                      uint32_t *tree)
{
    const uint64_t at = m->leaves_at[entry];
    const uint32_t end = m->ends[entry];
    return at <= m->n_leaves && node->n_children <= m->n_leaves - at &&
           (!node->is_token || (end >= LEAST_END && end <= 0u - LEAST_END)) &&
           make_tree(v, node, m->leaves + at, tree);
}

uint32_t token_masses(struct lmz_coder *c, int column, const trie_node *node)
{
    const lmz_token_masses *m = c->masses;
    const vocab_trie *v = &c->expert->vocab;
    const uint64_t at = c->masses_column + (uint64_t)c->columns[column].lane;
    const uint32_t number = (uint32_t)(node - v->nodes), one = 1;
    if (node->n_children == 1 && !node->is_token) {
        make_tree(v, node, &one, tree_of(c, column)); /* whatever it weighs, there is no other byte */
        return 0;
    }
    for (uint64_t entry = m->columns[at]; entry < m->columns[at + 1]; entry++)
        if (m->prefixes[entry] == number) {
            c->external_is_wrong = !take_entry(m, entry, v, node, tree_of(c, column));
            c->rc.failed |= c->external_is_wrong;
            return m->ends[entry];
        }
    c->tokens.waits = !m->is_all;
    c->rc.failed |= m->is_all; /* of a decoder: the prefixes are those of what should come */
    c->external_is_wrong = m->is_all && !c->rc.decoding;
    return 0;
}

int token_masses_go_on(struct lmz_coder *c, const uint32_t *weights)
{
    token_place *at = &c->tokens.at;
    at->fetched = weights;
    at->origin = at->node->first;
    return are_weights(weights, at->node->end - at->node->first, MAX_TOKEN_WEIGHT);
}
