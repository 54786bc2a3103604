/* token_columns.c - chooses the tokens of a step (token_columns.h).

   A transformer takes in the tokens of a lane one after another, but all that it does with one of them, apart from
   attention, it can do with many at once.  So an encoder, whose lanes' tokens are known, has each lane's next ones
   predicted in one step, as many as there is room for; they are coded when their turn comes, as a decoder's are. */
#include "token_columns.h"

/* The token of so many bytes, which is one (lmz_coder_set_tokens). */
static uint32_t token_of(const vocab_trie *v, const uint8_t *bytes, int size)
{
    const trie_node *node = v->nodes;
    for (int i = 0; i < size; i++)
        node = vocab_trie_child(v, node, bytes[i]);
    return node->first;
}

/* Append up to `ahead` columns for a lane. */
static int add_lane(const struct lmz_coder *c, int index, int ahead, lane_column *columns)
{
    const lmz_lane *lane = &c->lanes[index];
    uint32_t position = lane->position, last = c->tokens.last[index];
    int n = 0;
    for (;;) {
        columns[n] = (lane_column){index, n, last};
        if (++n == ahead)
            return n;
        const int size = lane->token_sizes[n - 1];
        last = token_of(&c->expert->vocab, c->known + position - c->before, size);
        position += (uint32_t)size;
        if (position == lane->end)
            return n;
    }
}

int token_columns_choose(struct lmz_coder *c)
{
    token_state *t = &c->tokens;
    uint32_t lanes[LMZ_MAX_LANES];
    const int n_lanes = lmz_coder_lanes(c, lanes);
    const int ahead = c->known ? c->n_columns / n_lanes : 1;
    int n = 0;
    for (int i = 0; i < n_lanes; i++) {
        t->next[lanes[i]] = n;
        n += add_lane(c, (int)lanes[i], ahead, c->columns + n);
    }
    t->n_left = ahead;
    return n;
}
