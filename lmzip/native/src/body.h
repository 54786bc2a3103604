/* body.h - the loop over steps, lanes and bits, both directions; compiled once per SIMD variant (variant_*.c). */
#include "net_thread.h"
#include "predictor.h"
#include "stop_view.h"
#include "token_view.h"

/* Set the contexts of the lane's next byte and fetch what they need. */
INLINE void prepare_byte(struct lmz_coder *c, lmz_lane *lane, const int n)
{
    lane->c0 = 1;
    set_contexts(c, lane);
    prefetch_first(c, lane, n);
    prefetch_matches(c, lane);
}

/* Code the lane's next byte.  What follows from a nibble is fetched before its last bit is learned, to hide the latency
   of main memory behind the learning. */
INLINE void code_byte(struct lmz_coder *c, lmz_lane *lane, int lane_index, const int n, const int n_wide,
                      const int has_net, const int n_sets, const int n_apms)
{
    int byte = c->rc.decoding ? 0 : c->raw[lane->position];
    prediction r;
    prefetch_match_bytes(c, lane);
    find_slots(lane, n);
    prefetch_other(c, lane, n, n_wide);
    find_matches(c, lane, lane_index);
    for (int i = 0; i < 8; i++) {
        if (i == 4)
            find_slots(lane, n);
        uint32_t p = predict(c, lane, &r, i, n, has_net, n_sets, n_apms);
        int bit;
        if (has_net & HAS_TOKENS && !(lane->tree[2 * lane->c0] && lane->tree[2 * lane->c0 + 1]))
            bit = !lane->tree[2 * lane->c0]; /* no token goes the other way */
        else
            bit = rc_code_bit(&c->rc, byte >> (7 - i) & 1, p);
        lane->c0 = lane->c0 << 1 | (uint32_t)bit;
        if (i == 3)
            prefetch_second(c, lane, n, n_wide);
        if (i == 7) {
            if (c->rc.decoding)
                c->raw[lane->position] = (uint8_t)lane->c0;
            update_history(c, lane, lane->c0 & 255);
            prepare_byte(c, lane, n);
        }
        learn(c, lane, &r, bit, n, has_net, n_sets, n_apms);
    }
    advance_matches(lane);
}

/* One step of the lanes [first, end), for each method with its own constants. */
#define CODE_LANES(method, name, n_contexts, n_wide, has_net, n_sets, n_apms, slots_per_byte, max_lines_bits) \
    static void code_lanes_##name(struct lmz_coder *c, int first, int end)                           \
    {                                                                                                \
        for (int i = first; i < end; i++)                                                            \
            if (c->lanes[i].position < c->lanes[i].end)                                              \
                code_byte(c, &c->lanes[i], i, n_contexts, n_wide, has_net, n_sets, n_apms);                   \
    }                                                                                                \
    static void start_lanes_##name(struct lmz_coder *c)                                              \
    {                                                                                                \
        for (int i = 0; i < c->n_lanes; i++)                                                         \
            prepare_byte(c, &c->lanes[i], n_contexts);                                       \
    }
LMZ_METHODS(CODE_LANES)

#define WORTH_A_TEAM 8 /* trees: each takes some microseconds, as to start a thread does */

typedef void code_lane_byte(struct lmz_coder *, lmz_lane *, int lane_index);

static const uint32_t *exponentials_of(const struct lmz_coder *c, int place)
{
    return c->outside ? c->outside + (size_t)place * (size_t)c->transformer->shape.n_vocab
                      : transformer_exponentials(c->transformer, &c->transformer_lanes, place);
}

/* Make the trees of a lane's first byte, and of the one behind that with which most tokens begin: sums over many tokens. */
static void make_first_trees(void *argument, int place)
{
    const struct lmz_coder *c = argument;
    const vocabulary *v = &c->transformer->vocabulary;
    const uint32_t *e = exponentials_of(c, place);
    const int index = c->transformer_lanes.active[place];
    token_tree(v, v->nodes, e, tree_of_tokens(c, index));
    c->busiest_sums[index] = token_tree(v, v->busiest, e, tree_of_tokens(c, index) + 512);
}

typedef struct {
    struct lmz_coder *c;
    int n; /* active lanes */
} trees_of;

static void take_trees(const team_member *me, void *argument)
{
    const trees_of *t = argument;
    for (int place; (place = team_take(me)) < t->n;)
        make_first_trees(t->c, place);
}

/* Make the tree of the byte behind a prefix; returns the sum of all tokens that go on. */
static uint64_t make_tree(const struct lmz_coder *c, const token_node *node, const uint32_t *e, int index)
{
    const vocabulary *v = &c->transformer->vocabulary;
    uint32_t *tree = tree_of_tokens(c, index);
    if (node == v->nodes)
        return 0; /* it is there, and the empty prefix is no token */
    if (node != v->busiest)
        return token_tree(v, node, e, tree);
    memcpy(tree, tree + 512, 512 * sizeof *tree);
    return c->busiest_sums[index];
}

/* Code the next token of the lane at a place among the active ones: STOP or go on, byte by byte. */
static void code_token(struct lmz_coder *c, int place, code_lane_byte *code)
{
    const lmz_transformer *t = c->transformer;
    const int index = c->transformer_lanes.active[place];
    const uint32_t *e = exponentials_of(c, place);
    const token_node *const root = t->vocabulary.nodes, *node = root;
    lmz_lane *lane = &c->lanes[index];
    const uint32_t size = c->rc.decoding ? 0 : *lane->token_sizes++, start = lane->position;
    for (;;) {
        if (node->is_token && (!node->n_children || lane->position == lane->end))
            break;
        const uint64_t others = make_tree(c, node, e, index);
        if (node->is_token && code_stop(c, lane, start, (uint32_t)(node - root), stop_probability(node, e, others),
                                        lane->position - start == size))
            break;
        if (lane->position == lane->end || !(node = (code(c, lane, index), vocabulary_child(&t->vocabulary, node, lane->history & 255)))) {
            c->rc.failed = 1; /* a damaged payload: no token ends with the chunk */
            return;
        }
    }
    c->is_token_end[lane->position] = 1;
    c->transformer_lanes.last[index] = node->first;
}

/* One step of all lanes that have not ended. */
static void code_tokens(struct lmz_coder *c, code_lane_byte *code)
{
    int n = 0;
    for (int i = 0; i < c->n_lanes; i++)
        if (c->lanes[i].position < c->lanes[i].end)
            c->transformer_lanes.active[n++] = i;
    if (c->outside)
        team_run(take_trees, &(trees_of){c, n}, n < WORTH_A_TEAM ? 1 : c->n_threads);
    else
        transformer_step_all(c->transformer, &c->transformer_lanes, n, c->n_threads, make_first_trees, c);
    for (int place = 0; place < n && !c->rc.failed; place++)
        code_token(c, place, code);
}

#define CODE_TOKENS(method, name, n_contexts, n_wide, has_net, n_sets, n_apms, slots_per_byte, max_lines_bits) \
    static void code_byte_##name(struct lmz_coder *c, lmz_lane *lane, int lane_index)                \
    {                                                                                                \
        code_byte(c, lane, lane_index, n_contexts, n_wide, has_net, n_sets, n_apms);                 \
    }                                                                                                \
    static void code_lanes_##name(struct lmz_coder *c, int first, int end)                           \
    {                                                                                                \
        (void)first, (void)end;                                                                      \
        code_tokens(c, code_byte_##name);                                                            \
    }                                                                                                \
    static void start_lanes_##name(struct lmz_coder *c)                                              \
    {                                                                                                \
        for (int i = 0; i < c->n_lanes; i++)                                                         \
            prepare_byte(c, &c->lanes[i], n_contexts);                                               \
    }
LMZ_TOKEN_METHODS(CODE_TOKENS)

#define FUNCTIONS(method, name, n_contexts, n_wide, has_net, n_sets, n_apms, slots_per_byte, max_lines_bits) \
    {start_lanes_##name, code_lanes_##name},

/* Whether all lanes have come to their ends; the first is the longest, but in tokens it may not be the last to end. */
static int is_done(const struct lmz_coder *c)
{
    int i = 0;
    while (i < (c->transformer ? c->n_lanes : 1) && c->lanes[i].position == c->lanes[i].end)
        i++;
    return i == (c->transformer ? c->n_lanes : 1);
}

int VARIANT(struct lmz_coder *c, uint64_t n_steps)
{
    static const struct {
        void (*start_lanes)(struct lmz_coder *), (*code_lanes)(struct lmz_coder *, int first, int end);
    } functions[] = {{0, 0}, LMZ_METHODS(FUNCTIONS) LMZ_TOKEN_METHODS(FUNCTIONS)};
    if (!c->step)
        functions[c->method_number].start_lanes(c);
    for (; n_steps && !is_done(c); n_steps--) {
        uint32_t n_coded = c->transformer ? (uint32_t)lmz_coder_position(c) : c->step * (uint32_t)c->n_lanes;
        c->first_rate = FIRST_RATE + (c->transformer ? TOKEN_RATE_EXTRA : FIRST_RATE_EXTRA) / (int32_t)(n_coded + FIRST_RATE_DELAY);
        for (int g = 0; g < c->n_groups; g++) {
            net_thread_wait(c);
            functions[c->method_number].code_lanes(c, group_start(c, g), group_start(c, g + 1));
            net_thread_coded(c);
        }
        c->step++;
        if (c->rc.failed || c->rc.position > c->rc.size + RC_SLACK)
            return c->rc.decoding ? LMZ_E_DAMAGED : LMZ_E_FULL;
    }
    return is_done(c) ? LMZ_DONE : LMZ_MORE;
}
