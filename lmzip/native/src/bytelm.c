/* bytelm.c - nets: arguments, packing of the weights, choice of the variant; and the memory of a block's lanes. */
#include "bytelm.h"

#include <stdlib.h>
#include <string.h>

#include "ahead.h"
#include "internal.h"

static int is_dim(int n) { return n >= ROW_ALIGN && n <= MAX_DIM && n % ROW_ALIGN == 0; }

static int n_input(const lmz_bytelm_shape *s) { return s->byte_dim + s->n_orders * s->table_dim; }

static uint64_t embedding_size(const lmz_bytelm_shape *s) { return 256 * (uint64_t)s->byte_dim; }

static uint64_t tables_size(const lmz_bytelm_shape *s)
{
    return ((uint64_t)s->n_orders * (uint64_t)s->table_dim) << s->table_bits;
}

static int is_shape(const lmz_bytelm_shape *s)
{
    if (!is_dim(s->n_embd) || !is_dim(s->n_hidden) || !is_dim(s->n_state) || s->n_layer < 1 ||
        s->n_layer > BYTELM_MAX_LAYERS)
        return 0;
    if (s->n_orders < 0 || s->n_orders > LMZ_MAX_ORDERS || s->table_bits < 16 || s->table_bits > 24 ||
        s->byte_dim < 1 || s->byte_dim > MAX_DIM || s->table_dim < 1 || s->table_dim > MAX_DIM)
        return 0;
    for (int i = 0; i < s->n_orders; i++)
        if (s->orders[i] < 0 || s->orders[i] > 8)
            return 0;
    return is_dim(n_input(s));
}

/* round(24 sqrt(n) 2^9): the root of 4 n (24 * 2^9)^2 is twice that. */
static int norm_factor(int n) { return (int)((root(4 * (int64_t)n * (NORM_UNIT << 9) * (NORM_UNIT << 9)) + 1) / 2); }

static const expert_ops bytelm_ops; /* below */

/* Take all numbers out of net->memory. */
static void layout(struct bytelm *net)
{
    const lmz_bytelm_shape *s = &net->shape;
    weight_matrix *m = net->matrices;
    arena *a = &net->memory;
    matrix_take(m++, net->packing, net->n_input, s->n_embd, a);
    for (int l = 0; l < s->n_layer; l++) {
        matrix_take(m++, net->packing, s->n_embd, 3 * s->n_state, a);
        matrix_take(m++, net->packing, s->n_state, s->n_embd, a);
        matrix_take(m++, net->packing, s->n_embd, s->n_hidden, a);
        matrix_take(m++, net->packing, s->n_hidden, s->n_embd, a);
    }
    matrix_take(m++, net->packing, s->n_embd, 256, a);
    net->n_matrices = (int)(m - net->matrices);
    net->forget_biases = arena_take(a, (size_t)s->n_layer * (size_t)s->n_state * sizeof *net->forget_biases);
    net->byte_embedding = arena_take(a, embedding_size(s));
    net->tables = arena_take(a, tables_size(s));
}

/* Whether there are as many weights and rows as the matrices have. */
static int has_all(const struct bytelm *net, const lmz_bytelm_weights *w)
{
    uint64_t n_weights = 0, n_rows = 0;
    for (const weight_matrix *m = net->matrices; m < net->matrices + net->n_matrices; m++) {
        n_weights += (uint64_t)m->n_in * (uint64_t)m->n_rows;
        n_rows += (uint64_t)m->n_rows;
    }
    return n_weights == w->n_weights && n_rows == w->n_rows;
}

/* Copy all numbers; returns whether they are within the budget. */
static int copy_weights(struct bytelm *net, const lmz_bytelm_weights *w)
{
    const lmz_bytelm_shape *s = &net->shape;
    const int8_t *weights = w->weights;
    const int32_t *multipliers = w->multipliers;
    int is_sound = 1;
    for (weight_matrix *m = net->matrices; m < net->matrices + net->n_matrices; m++) {
        is_sound &= matrix_set(m, net->packing, weights, multipliers) == LMZ_DONE;
        weights += (size_t)m->n_in * (size_t)m->n_rows;
        multipliers += m->n_rows;
    }
    for (int i = 0; i < s->n_layer * s->n_state; i++) {
        net->forget_biases[i] = w->forget_biases[i];
        is_sound &= net->forget_biases[i] <= 1 << 20 && net->forget_biases[i] >= -(1 << 20);
    }
    memcpy(net->byte_embedding, w->byte_embedding, (size_t)embedding_size(s));
    memcpy(net->tables, w->tables, (size_t)tables_size(s));
    return is_sound;
}

static void bytelm_free(lmz_expert *expert)
{
    struct bytelm *net = (struct bytelm *)expert;
    arena_free(&net->memory);
    free(net);
}

lmz_expert *lmz_bytelm_new(const lmz_bytelm_shape *s, const lmz_bytelm_weights *w, int simd)
{
    const cpu_variant *variant = cpu_variant_of(simd);
    struct bytelm *net = is_shape(s) && variant ? calloc(1, sizeof *net) : NULL;
    if (!net)
        return NULL;
    net->shape = *s;
    net->n_input = n_input(s);
    net->norm_factor_embd = norm_factor(s->n_embd);
    net->norm_factor_state = norm_factor(s->n_state);
    net->max_row = max_of(max_of(net->n_input, max_of(s->n_embd, s->n_hidden)), max_of(3 * s->n_state, 256));
    net->packing = variant->packing;
    net->stage = variant->bytelm;
    net->expert.n_stages = s->n_layer + 1;
    net->expert.ops = &bytelm_ops;
    net->expert.lanes_at_once = variant->lanes_at_once;
    net->expert.is_slow = variant->is_slow;
    layout(net);
    if (has_all(net, w) && arena_allocate(&net->memory)) {
        layout(net);
        if (copy_weights(net, w))
            return &net->expert;
    }
    bytelm_free(&net->expert);
    return NULL;
}

/* Take bytelm_lanes itself and its arrays. */
static void bytelm_layout(struct lmz_coder *c)
{
    const struct bytelm *net = (const struct bytelm *)c->expert;
    const lmz_bytelm_shape *s = &net->shape;
    const size_t n_rows = (size_t)(has_ahead(c) ? MAX_WORKERS * stretch_columns(c->n_lanes) : c->n_lanes);
    const size_t width = (size_t)net->max_row;
    arena *a = &c->memory;
    bytelm_lanes scratch, *lanes = arena_take(a, sizeof *lanes);
    c->expert_lanes = lanes;
    if (!lanes)
        lanes = &scratch;
    lanes->state = arena_take(a, (size_t)c->n_lanes * (size_t)s->n_layer * (size_t)s->n_state * 4);
    lanes->residual = arena_take(a, (size_t)c->n_columns * (size_t)s->n_embd * 4);
    lanes->product = arena_take(a, n_rows * width * 4);
    lanes->quantised = arena_take(a, n_rows * width);
}

static void bytelm_resume(struct lmz_coder *c, const struct lmz_coder *learner)
{
    const lmz_bytelm_shape *s = &((const struct bytelm *)c->expert)->shape;
    const size_t size = (size_t)s->n_layer * (size_t)s->n_state;
    const bytelm_lanes *to = c->expert_lanes, *from = learner->expert_lanes;
    for (int i = 0; i < c->n_lanes; i++)
        memcpy(to->state + size * (size_t)i, from->state, size * sizeof *from->state);
}

static void bytelm_predict(struct lmz_coder *c, const column_range *r, int stage)
{
    ((const struct bytelm *)c->expert)->stage(c, r, stage);
}

static const expert_ops bytelm_ops = {
    .name = "bytelm", .unit = LMZ_BYTES, .n_contexts = 1, .prior = PRIOR_OF_BYTES,
    .layout = bytelm_layout, .resume = bytelm_resume, .predict = bytelm_predict, .free = bytelm_free};
