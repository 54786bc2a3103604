/* external.c - experts whose distributions the caller computes: of bytes, and of tokens, then a vocabulary and no more
   (ARITHMETIC 8.3, TRANSFORMER 12.5). */
#include <stdlib.h>

#include "byte_tree.h"
#include "crew.h"
#include "internal.h"
#include "token_masses.h"

#define MAX_VOCABULARY (((size_t)1 << 24) - 1)
#define MAX_BYTE_WEIGHT ((uint32_t)1 << 23)
#define WORTH_A_CREW 8 /* lanes: each takes some microseconds, as to start a thread does */

static const expert_ops external_bytes_ops, external_tokens_ops; /* below */

static lmz_expert *external_new(const expert_ops *ops)
{
    lmz_expert *e = calloc(1, sizeof *e);
    if (e) {
        e->ops = ops;
        e->n_stages = 1;
        e->lanes_at_once = 8;
    }
    return e;
}

const lmz_prefix *lmz_expert_prefixes(const lmz_expert *e, size_t *n_prefixes)
{
    *n_prefixes = e->vocab.n_nodes;
    return e->vocab.nodes;
}

lmz_expert *lmz_external_bytes_new(void) { return external_new(&external_bytes_ops); }

lmz_expert *lmz_external_tokens_new(const uint8_t *bytes, size_t n_bytes, const uint8_t *sizes, size_t n_vocab)
{
    lmz_expert *e = n_vocab > MAX_VOCABULARY ? NULL : external_new(&external_tokens_ops);
    if (e && vocab_trie_make(&e->vocab, bytes, n_bytes, sizes, n_vocab) != LMZ_DONE) {
        lmz_expert_free(e);
        return NULL;
    }
    return e;
}

static void external_free(lmz_expert *e)
{
    vocab_trie_free(&e->vocab);
    free(e);
}

/* Advance by a step with what the coder is told. */
static int advance(lmz_coder *c)
{
    const int status = coder_run(c, 1);
    c->external = NULL;
    c->masses = NULL;
    return c->external_is_wrong ? LMZ_E_ARGUMENT : status;
}

/* The same; rows of weights are those of the n lanes that have not ended, or of all if by_lane. */
static int advance_with(lmz_coder *c, const uint32_t *weights, const uint32_t *lanes, int n, int by_lane)
{
    const int has_tokens = has_unit(c, LMZ_TOKENS);
    const size_t n_symbols = n_symbols_of(c->expert);
    for (int i = 0; i < n; i++) {
        const uint32_t *row = weights + (by_lane ? lanes[i] : (uint32_t)i) * n_symbols;
        if (!are_weights(row, n_symbols, has_tokens ? MAX_TOKEN_WEIGHT : MAX_BYTE_WEIGHT))
            return LMZ_E_ARGUMENT;
    }
    c->external = weights;
    c->external_by_lane = by_lane;
    return advance(c);
}

static uint32_t last_symbol(const lmz_coder *c, uint32_t lane)
{
    return has_unit(c, LMZ_TOKENS) ? c->tokens.last[lane] : (uint32_t)c->lanes[lane].history & 255;
}

int lmz_coder_run_external(lmz_coder *c, const uint32_t *weights, uint32_t *symbols)
{
    uint32_t lanes[LMZ_MAX_LANES];
    const int n = lmz_coder_lanes(c, lanes);
    if (!c->expert || !c->expert->ops->is_external || !n)
        return LMZ_E_ARGUMENT;
    const int status = advance_with(c, weights, lanes, n, 0);
    for (int i = 0; i < n && status != LMZ_E_ARGUMENT; i++)
        symbols[i] = last_symbol(c, lanes[i]);
    return status;
}

/* Advance by a step, or by the rest of one that waited, with what a run tells. */
static int advance_by_lane(lmz_external_run *run)
{
    lmz_coder *c = run->coder;
    uint32_t lanes[LMZ_MAX_LANES];
    const int n = lmz_coder_lanes(c, lanes);
    if (!n || (c->tokens.waits && (run->weights || !token_masses_go_on(c, run->wanted))))
        return LMZ_E_ARGUMENT;
    if (run->weights)
        return advance_with(c, run->weights + run->column * n_symbols_of(c->expert), lanes, n, 1);
    c->masses = run->masses;
    c->masses_column = run->column;
    const int status = advance(c);
    if (status == LMZ_WANTS) {
        const token_place *at = &c->tokens.at;
        run->wanted_column = run->column + (uint64_t)at->lane;
        run->wanted_first = at->node->first;
        run->wanted_end = at->node->end;
    }
    return status;
}

static void run_steps(lmz_external_run *run)
{
    lmz_coder *c = run->coder;
    const int can_run = c->expert && c->expert->ops->is_external && (run->weights || has_unit(c, LMZ_TOKENS));
    if (!run->n_steps)
        return;
    run->status = can_run ? LMZ_MORE : LMZ_E_ARGUMENT;
    while (run->n_steps && run->status == LMZ_MORE) {
        run->status = advance_by_lane(run);
        run->column += run->status == LMZ_MORE ? run->step_size : 0;
        run->n_steps -= run->status == LMZ_MORE;
    }
    if (run->status == LMZ_WANTS)
        return;
    run->n_steps = 0;
    for (int i = 0; i < c->n_lanes && run->status != LMZ_E_ARGUMENT; i++)
        run->symbols[i] = last_symbol(c, (uint32_t)i);
}

typedef struct {
    lmz_external_run *runs;
    int n;
} some_runs;

static void take_runs(const crew_worker *me, void *argument)
{
    const some_runs *all = argument;
    for (int i; (i = crew_next_item(me)) < all->n;)
        run_steps(&all->runs[i]);
}

void lmz_run_externals(lmz_external_run *runs, int n_runs, int n_threads)
{
    crew_run(take_runs, &(some_runs){runs, n_runs}, n_threads < n_runs ? n_threads : n_runs);
}

/* Lanes of bytes end in order of their number, the last first, so that a lane's place is its number. */
static void predict_bytes(struct lmz_coder *c, const column_range *r, int stage)
{
    (void)stage;
    for (int i = r->first; i < r->first + r->n; i++) {
        const uint32_t *weights = c->external + (size_t)i * 256;
        uint32_t *tree = tree_of(c, i), top = 0;
        for (uint32_t byte = 0; byte < 256; byte++) {
            tree[256 + byte] = weights[byte];
            top = weights[byte] > weights[top] ? byte : top;
        }
        sum_tree(tree, top);
    }
}

typedef struct {
    struct lmz_coder *c;
    int n; /* columns, which are the active lanes */
    column_work *then;
} columns_of;

static void take_columns(const crew_worker *me, void *argument)
{
    const columns_of *columns = argument;
    for (int column; (column = crew_next_item(me)) < columns->n;)
        columns->then(columns->c, column);
}

static void step_tokens(struct lmz_coder *c, int n, column_work *then)
{
    if (c->masses)
        return; /* what is made of all weights was made by the caller */
    crew_run(take_columns, &(columns_of){c, n, then}, n < WORTH_A_CREW ? 1 : c->n_threads);
}

static const uint32_t *token_weights(const struct lmz_coder *c, int column)
{
    if (c->masses)
        return NULL;
    const size_t row = (size_t)(c->external_by_lane ? c->columns[column].lane : column);
    return c->external + row * c->expert->vocab.n_tokens;
}

static const expert_ops external_bytes_ops = {
    .name = "external bytes", .unit = LMZ_BYTES, .n_contexts = 1, .is_external = 1, .prior = PRIOR_OF_BYTES,
    .predict = predict_bytes, .free = external_free};

static const expert_ops external_tokens_ops = {
    .name = "external tokens", .unit = LMZ_TOKENS, .n_contexts = 4, .is_external = 1,
    .prior = PRIOR_OF_TOKENS, .step = step_tokens, .token_weights = token_weights,
    .token_masses = token_masses, .free = external_free};
