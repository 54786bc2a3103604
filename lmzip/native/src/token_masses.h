/* token_masses.h - predictions that a caller gives not as weights of all tokens, but as what coding needs of them:
   behind some prefixes the tree of the byte to come and the probability that the token ends (lmz_token_masses). */
#ifndef LMZ_TOKEN_MASSES_H
#define LMZ_TOKEN_MASSES_H

#include "internal.h"

/* expert_ops.token_masses of external experts. */
uint32_t token_masses(struct lmz_coder *c, int column, const trie_node *node);

/* Give a coder that waits the weights of the tokens that begin with the prefix at hand; returns whether they are such.
 */
int token_masses_go_on(struct lmz_coder *c, const uint32_t *weights);

/* Whether all are within 1 .. limit: sums of them are not to be zero, nor to leave their words. */
static inline int are_weights(const uint32_t *weights, size_t n, uint32_t limit)
{
    uint32_t beyond = 0;
    for (size_t i = 0; i < n; i++)
        beyond |= weights[i] - 1 >= limit;
    return !beyond;
}

#endif
