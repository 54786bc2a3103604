/* token_dictionary.c - dictionaries beside an expert of tokens (token_dictionary.h).

   An expert would take hours for a long dictionary, and sees no more of it than its window holds.  So the base learns
   alone what comes before that, beside a tree that tells nothing of a byte; the tokens behind it are coded as those of
   a block are.  A decoder has no tokenizer, so the cut is the simplest that there is: the longest token each time. */
#include "token_dictionary.h"

#include "byte_tree.h"

/* The size of the longest token with which bytes begin; every byte is a token. */
static uint32_t longest_token(const vocab_trie *v, const uint8_t *bytes, uint32_t n_bytes)
{
    const trie_node *node = v->nodes;
    uint32_t longest = 1;
    for (uint32_t i = 0; i < n_bytes && (node = vocab_trie_child(v, node, bytes[i])); i++)
        if (node->is_token)
            longest = i + 1;
    return longest;
}

/* Note where the tokens end, and how large the last n are, or all that there are; return where these begin. */
static uint32_t cut(struct lmz_coder *c, uint32_t n)
{
    token_state *t = &c->tokens;
    uint32_t at = 0, n_tokens = 0;
    while (at < c->raw_size) {
        at += longest_token(&c->expert->vocab, c->raw + at, c->raw_size - at);
        t->is_token_end[at] = 1;
        n_tokens++;
    }
    n = n < n_tokens ? n : n_tokens;
    for (uint32_t end = at; n; end = at) {
        do
            at--;
        while (at && !t->is_token_end[at]);
        t->tail_sizes[--n] = (uint8_t)(end - at);
    }
    return at;
}

void token_dictionary_start(struct lmz_coder *c)
{
    uint32_t *tree = tree_of(c, 0);
    c->tokens.n_alone = cut(c, (uint32_t)c->expert->ops->n_tail(c));
    c->lanes[0].token_sizes = c->tokens.tail_sizes;
    for (int i = 256; i < 512; i++)
        tree[i] = 1;
    sum_tree(tree, 0);
}

void token_dictionary_resume(struct lmz_coder *c, const struct lmz_coder *learner)
{
    const token_state *to = &c->tokens, *from = &learner->tokens;
    memcpy(to->is_token_end, from->is_token_end, c->before + (size_t)1);
    memcpy(to->cells, from->cells, ((size_t)to->mask + 1) * sizeof *to->cells);
    memcpy(to->match, from->match, 2 * sizeof *to->match);
    memcpy(to->weights, from->weights, N_BOUNDARY_INPUTS * sizeof *to->weights);
    for (int i = 0; i < c->n_lanes; i++)
        to->last[i] = from->last[0];
}
